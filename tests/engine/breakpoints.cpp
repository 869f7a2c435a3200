// SPDX-License-Identifier: Apache-2.0
// Hardware breakpoints, RF, and alignment checks.
#include <boost/test/unit_test.hpp>

#include "tests/engine/machine.hpp"

namespace vmxsim::core {

namespace {

constexpr u64 kHandler = 0x20000;

/// 64-bit code whose #DB and #AC handlers halt.
struct Debugged : Machine {
    Debugged() {
        gate(1, kHandler);
        gate(17, kHandler);
        put(kHandler, {0xf4});
    }
    u64 pushed(unsigned n) const { return read(core->state.r[vmx::RSP] + 8 * n); }
    bool in_handler() { return s().rip == kHandler + 1; }
};

constexpr unsigned kWrite = 1, kReadWrite = 3;
u64 armed(unsigned n, unsigned kind, unsigned length) {
    return 0x400 | 2u << (2 * n) | u64{kind | length << 2} << (16 + 4 * n);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(breakpoints)

BOOST_AUTO_TEST_CASE(an_instruction_breakpoint_is_a_fault_that_leaves_rf_to_its_handler) {
    Debugged m;
    m.put(Machine::kCode, {0x90, 0xff, 0xc0, 0xff, 0xc0, 0xf4});  // nop; inc eax; inc eax; hlt
    m.s().dr[2] = Machine::kCode + 3;
    m.s().dr7 = armed(2, 0, 0);
    m.run();
    BOOST_TEST(m.in_handler());
    BOOST_TEST(m.s().r[vmx::RAX] == 1u);
    BOOST_TEST(m.pushed(0) == Machine::kCode + 3);
    BOOST_TEST((m.pushed(2) & vmx::rflags::RF) == 0u);
    BOOST_TEST((m.s().dr6 & 0xf) == 4u);
}

BOOST_AUTO_TEST_CASE(rf_lets_one_instruction_pass_and_ends_with_it) {
    Debugged m;
    m.put(Machine::kCode, {0xff, 0xc0, 0xeb, 0xfc});  // inc eax; jmp back
    m.s().dr[0] = Machine::kCode;
    m.s().dr7 = armed(0, 0, 0);
    m.s().rflags |= vmx::rflags::RF;
    m.run();
    BOOST_TEST(m.in_handler());
    BOOST_TEST(m.s().r[vmx::RAX] == 1u, "the second time round it breaks");
}

BOOST_AUTO_TEST_CASE(a_write_breakpoint_is_a_trap_behind_the_write) {
    Debugged m;
    m.s().r[vmx::RBX] = Machine::kData;
    m.put(Machine::kCode, {0x8b, 0x03, 0x89, 0x43, 0x02, 0x90, 0xf4});  // mov eax, [rbx]; mov [rbx + 2], eax; nop; hlt
    m.s().dr[1] = Machine::kData + 4;
    m.s().dr7 = armed(1, kWrite, 3);
    m.run();
    BOOST_TEST(m.in_handler());
    BOOST_TEST(m.pushed(0) == Machine::kCode + 5);
    BOOST_TEST((m.pushed(2) & vmx::rflags::RF) == 0u);
    BOOST_TEST((m.s().dr6 & 0xf) == 2u);
}

BOOST_AUTO_TEST_CASE(a_read_write_breakpoint_meets_reads_within_its_length_only) {
    for (const u64 offset : {3u, 4u, 7u, 8u}) {
        Debugged m;
        m.s().r[vmx::RBX] = Machine::kData + offset;
        m.put(Machine::kCode, {0x8a, 0x03, 0xf4});  // mov al, [rbx]; hlt
        m.s().dr[3] = Machine::kData + 4;
        m.s().dr7 = armed(3, kReadWrite, 3);
        m.run();
        BOOST_TEST(m.in_handler() == (offset == 4 || offset == 7));
    }
}

BOOST_AUTO_TEST_CASE(a_breakpoint_that_is_not_enabled_does_nothing) {
    Debugged m;
    m.s().r[vmx::RBX] = Machine::kData;
    m.put(Machine::kCode, {0x88, 0x03, 0xf4});
    m.s().dr[0] = Machine::kData;
    m.s().dr7 = 0x400 | 1u << 16;
    m.run();
    BOOST_TEST(!m.in_handler());
}

BOOST_AUTO_TEST_CASE(a_string_store_traps_behind_the_iteration_that_meets_it) {
    Debugged m;
    m.s().r[vmx::RDI] = Machine::kData;
    m.s().r[vmx::RCX] = 8;
    m.put(Machine::kCode, {0xf3, 0xaa, 0xf4});  // rep stosb
    m.s().dr[0] = Machine::kData + 2;
    m.s().dr7 = armed(0, kWrite, 0);
    m.run();
    BOOST_TEST(m.in_handler());
    BOOST_TEST(m.s().r[vmx::RCX] == 5u);
    BOOST_TEST(m.pushed(0) == Machine::kCode);
}

BOOST_AUTO_TEST_CASE(an_io_breakpoint_needs_cr4_de) {
    for (const bool de : {false, true}) {
        Debugged m;
        if (de) m.s().cr4 |= vmx::cr4::DE;
        m.put(Machine::kCode, {0xe6, 0x81, 0x90, 0xf4});  // out 0x81, al
        m.s().dr[0] = 0x80;
        m.s().dr7 = armed(0, 2, 1);
        m.run();
        BOOST_TEST(m.in_handler() == de);
    }
}

BOOST_AUTO_TEST_CASE(a_single_stepped_hlt_traps_at_once) {
    Debugged m;
    m.put(Machine::kCode, {0x9d, 0xf4, 0x90, 0xf4});  // popf; hlt; nop; hlt
    m.put(kHandler, {0xff, 0xc3, 0x83, 0xfb, 0x02, 0x74, 0x02, 0x48, 0xcf, 0xf4});  // inc ebx; cmp ebx, 2; je +2; iretq; hlt
    m.s().r[vmx::RSP] -= 8;
    m.write(m.s().r[vmx::RSP], vmx::rflags::TF | 2);
    m.s().r[vmx::RBX] = 1;
    m.run();
    BOOST_TEST(m.s().rip == kHandler + 10);
    BOOST_TEST(m.pushed(0) == Machine::kCode + 2, "behind HLT, which popf's own step does not trap");
    BOOST_TEST((m.s().dr6 & 0xf00f) == 0x4000u);
}

BOOST_AUTO_TEST_CASE(sysret_that_sets_tf_traps_before_the_next_instruction) {
    Debugged m;
    m.s().efer |= vmx::efer::SCE;
    m.s().star = u64{8 | 3} << 48 | u64{8} << 32;
    m.s().r[vmx::RCX] = Machine::kCode + 0x10;
    m.s().r[vmx::R11] = vmx::rflags::TF | 2;
    m.put(Machine::kCode, {0x48, 0x0f, 0x07});  // sysretq
    m.put(Machine::kCode + 0x10, {0xff, 0xc0, 0xeb, 0xfe});
    m.run();
    BOOST_TEST(m.s().r[vmx::RAX] == 0u);
    BOOST_TEST((m.s().dr6 & 0x4000) != 0u);
}

BOOST_AUTO_TEST_CASE(mov_ss_and_int1_make_one_debug_exception) {
    // mov ss, [rbx]; int1; hlt: a watchpoint on what MOV SS reads, and single steps.
    for (const bool steps : {false, true}) {
        Debugged m;
        m.put(kHandler, {0xff, 0xc1, 0xf4});  // inc ecx; hlt
        m.put(Machine::kCode, {0x8e, 0x13, 0xf1, 0xf4});
        m.s().r[vmx::RBX] = Machine::kData;
        m.write(Machine::kData, m.s().seg[vmx::SS].selector);
        if (steps) m.s().rflags |= vmx::rflags::TF;
        else m.s().dr[1] = Machine::kData, m.s().dr7 = armed(1, kReadWrite, 1);
        m.run();
        BOOST_TEST(m.s().rip == kHandler + 3);
        BOOST_TEST(m.pushed(0) == Machine::kCode + 3);
        BOOST_TEST(m.s().r[vmx::RCX] == 1u);
        BOOST_TEST((m.s().dr6 & 0xf00f) == 0u, "INT1 tells nothing in DR6");
    }
}

BOOST_AUTO_TEST_CASE(mov_ss_and_int3_trap_in_the_breakpoint_handler) {
    Debugged m;
    constexpr u64 kInt3 = 0x21000;
    m.gate(3, kInt3);
    m.put(kInt3, {0x90, 0xf4});
    m.put(Machine::kCode, {0x8e, 0x13, 0xcc, 0xf4});
    m.s().r[vmx::RBX] = Machine::kData;
    m.write(Machine::kData, m.s().seg[vmx::SS].selector);
    m.s().dr[1] = Machine::kData;
    m.s().dr7 = armed(1, kReadWrite, 1);
    m.run();
    BOOST_TEST(m.in_handler());
    BOOST_TEST(m.pushed(0) == kInt3);
    BOOST_TEST((m.s().dr6 & 0xf) == 2u);
}

BOOST_AUTO_TEST_CASE(alignment_is_checked_at_level_3_with_am_and_ac) {
    for (const unsigned without : {0u, 1u, 2u}) {
        Machine m(TimingLevel::None, 32);
        m.put(Machine::kCode, {0x8b, 0x43, 0x01, 0xf4});  // mov eax, [ebx + 1]; hlt, which is #GP
        m.s().r[vmx::RBX] = Machine::kData;
        m.s().cr0 |= without == 1 ? 0 : vmx::cr0::AM;
        m.s().rflags |= without == 2 ? 0 : vmx::rflags::AC;
        for (auto seg : {vmx::CS, vmx::SS, vmx::DS, vmx::ES}) m.s().seg[seg].ar.raw |= 0x60;
        m.run();  // no IDT: the fault ends in shutdown
        BOOST_TEST((m.s().rip == Machine::kCode) == (without == 0));
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace vmxsim::core
