// SPDX-License-Identifier: Apache-2.0
// System instructions and events inside running code: what the engine and this folder's subject agree on.
#include <boost/test/unit_test.hpp>

#include "machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;
using arch::Field;
using core::StopReason;

namespace {

constexpr u64 kHandler = 0x24000, kCycles = 1'000'000;

void place(Machine& m, u64 at, std::initializer_list<u8> bytes) {
    for (const u8 b : bytes) m.poke(at++, b, 1);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(running)

BOOST_AUTO_TEST_CASE(a_software_interrupt_returns_behind_itself) {
    Machine m;
    m.long64();
    m.gate(0x30, kCode64, kHandler, 14);
    place(m, kCode, {0xcd, 0x30, 0xcd, 0x30, 0xf4});
    place(m, kHandler, {0x48, 0xff, 0xc3, 0x48, 0xcf});  // inc rbx; iretq
    BOOST_TEST((m.core.run(kCycles) == StopReason::Halted));
    BOOST_TEST(m.r(RBX) == 2u);
    BOOST_TEST(m.r(RSP) == kStack);
    BOOST_TEST(m.core.state.rip == kCode + 5);
}

BOOST_AUTO_TEST_CASE(a_fault_restarts_its_instruction_once_repaired) {
    Machine m;
    m.long64();
    m.gate(14, kCode64, kHandler, 14);
    m.r(RAX) = 0x400000;  // not mapped until the handler fills the entry
    m.poke(0x200000, 0x1234, 4);
    place(m, kCode, {0x8b, 0x18, 0xf4});  // mov ebx, [rax]
    // mov qword [kPages + 0x2010], 200087h; add rsp, 8; iretq
    place(m, kHandler,
          {0x48, 0xc7, 0x04, 0x25, 0x10, 0x20, 0x01, 0x00, 0x87, 0x00, 0x20, 0x00, 0x48, 0x83, 0xc4, 0x08, 0x48, 0xcf});
    BOOST_TEST((m.core.run(kCycles) == StopReason::Halted));
    BOOST_TEST(m.r(RBX) == 0x1234u);
    BOOST_TEST(m.core.state.cr2 == 0x400000u);
}

BOOST_AUTO_TEST_CASE(real_mode_code_reaches_64_bit_mode_by_itself) {
    Machine m;
    m.real();
    m.poke(kData, 0x3ff | kGdt << 16, 6);
    m.core.state.cr3 = kPages;
    place(m, kCode,
          {
              0x66, 0x0f, 0x01, 0x16, 0x00, 0x00,              // lgdt [0]
              0x66, 0xb8, 0x20, 0x00, 0x00, 0x00,              // mov eax, CR4.PAE
              0x0f, 0x22, 0xe0,                                // mov cr4, eax
              0x66, 0xb9, 0x80, 0x00, 0x00, 0xc0,              // mov ecx, IA32_EFER
              0x0f, 0x32,                                      // rdmsr
              0x66, 0x0d, 0x00, 0x01, 0x00, 0x00,              // or eax, LME
              0x0f, 0x30,                                      // wrmsr
              0x0f, 0x20, 0xc0,                                // mov eax, cr0
              0x66, 0x0d, 0x01, 0x00, 0x00, 0x80,              // or eax, PG | PE
              0x0f, 0x22, 0xc0,                                // mov cr0, eax
              0x66, 0xea, 0x00, 0x40, 0x02, 0x00, kCode64, 0,  // jmp kCode64:kHandler
          });
    place(m, kHandler,
          {0x48, 0x0f, 0x20, 0xc0, 0x66, 0xb8, kData0, 0x00, 0x8e, 0xd0, 0x48, 0xff, 0xc3,
           0xf4});  // mov rax, cr0; mov ax; mov ss, ax; inc rbx; hlt
    BOOST_TEST((m.core.run(kCycles) == StopReason::Halted));
    BOOST_TEST(m.core.state.code64());
    BOOST_TEST(m.core.state.seg[SS].selector == kData0);
    BOOST_TEST(m.core.state.blocking == 0u);
    BOOST_TEST(m.r(RBX) == 1u);
    BOOST_TEST(m.core.state.rip == kHandler + 14);
}

BOOST_AUTO_TEST_CASE(a_guest_runs_until_it_exits_to_its_host) {
    Machine m;
    m.long64();
    m.vmxon();
    m.prepare_vmcs();
    m.field(Field::GUEST_RIP, kHandler);
    place(m, kCode, {0x0f, 0x01, 0xc2});                             // vmlaunch
    place(m, kHandler, {0x48, 0xff, 0xc3, 0x0f, 0xa2, 0xeb, 0xf9});  // inc rbx; cpuid; jmp back
    // Host: skip the guest's instruction 3 times, then halt.
    place(m, Machine::kHostEntry,
          {
              0x48, 0xff, 0xc6,              // inc rsi
              0x83, 0xfe, 0x03,              // cmp esi, 3
              0x74, 0x13,                    // je to hlt
              0xb8, 0x1e, 0x68, 0x00, 0x00,  // mov eax, GUEST_RIP
              0x0f, 0x78, 0xc2,              // vmread rdx, rax
              0x83, 0xc2, 0x02,              // add edx, 2
              0x90, 0x90,                    // nop
              0x0f, 0x79, 0xc2,              // vmwrite rax, rdx
              0x0f, 0x01, 0xc3,              // vmresume
              0xf4,
          });
    BOOST_TEST((m.core.run(kCycles) == StopReason::Halted));
    BOOST_TEST(!m.core.state.vmx.non_root);
    BOOST_TEST(m.r(RSI) == 3u);
    BOOST_TEST(m.r(RBX) == 3u);
    BOOST_TEST(m.field(Field::VM_EXIT_REASON) == 10u);
}

BOOST_AUTO_TEST_CASE(lowering_the_virtual_tpr_exits_behind_the_instruction) {
    Machine m;
    m.set_primary(arch::PrimaryControl::UseTPRShadow);
    m.long64();
    m.vmxon();
    m.prepare_vmcs();
    m.field(Field::VIRTUAL_APIC_PAGE_ADDR, 0x58000);
    m.field(Field::TPR_THRESHOLD, 5);
    m.poke(0x58080, 0x90, 4);
    m.field(Field::GUEST_RIP, kHandler);
    place(m, kCode, {0x0f, 0x01, 0xc2});
    place(m, kHandler, {0x44, 0x0f, 0x20, 0xc3, 0x44, 0x0f, 0x22, 0xc0});  // mov rbx, cr8; mov cr8, rax
    place(m, Machine::kHostEntry, {0xf4});
    m.r(RAX) = 4;
    BOOST_TEST((m.core.run(kCycles) == StopReason::Halted));
    BOOST_TEST(m.r(RBX) == 9u);
    BOOST_TEST(m.peek(0x58080, 1) == 0x40u);
    BOOST_TEST(m.field(Field::VM_EXIT_REASON) == 43u);
    BOOST_TEST(m.field(Field::GUEST_RIP) == kHandler + 8);
}

BOOST_AUTO_TEST_CASE(a_run_repeats_to_the_cycle) {
    u64 cycles[2] = {};
    for (u64& c : cycles) {
        Machine m;
        m.long64();
        m.gate(0x30, kCode64, kHandler, 14);
        place(m, kCode, {0xcd, 0x30, 0xcd, 0x30, 0xf4});
        place(m, kHandler, {0x0f, 0xa2, 0x48, 0xcf});
        m.core.run(kCycles);
        c = m.core.state.cycles;
    }
    BOOST_TEST(cycles[0] == cycles[1]);
    BOOST_TEST(cycles[0] > 0u);
}

BOOST_AUTO_TEST_CASE(an_exit_by_a_fault_saves_the_shadow_in_which_it_happened) {
    struct Case {
        std::initializer_list<u8> code;
        u64 blocking;
    };
    // sti; ud2 and mov ss, eax; ud2; and without a shadow
    for (const Case& c : {Case{{0xfb, 0x0f, 0x0b}, blocking::STI}, Case{{0x8e, 0xd0, 0x0f, 0x0b}, blocking::MOV_SS},
                          Case{{0xfb, 0x90, 0x0f, 0x0b}, 0}}) {
        Machine m;
        m.long64();
        m.vmxon();
        m.prepare_vmcs();
        m.field(Field::EXCEPTION_BITMAP, 1u << 6);
        m.r(RAX) = kData0;
        place(m, kCode, c.code);
        place(m, Machine::kHostEntry, {0xf4});
        m.enter();
        m.core.run(m.core.state.cycles + kCycles);
        BOOST_TEST(m.field(Field::VM_EXIT_REASON) == 0u);
        BOOST_TEST(m.field(Field::GUEST_INTERRUPTIBILITY_INFO) == c.blocking);
    }
}

BOOST_AUTO_TEST_CASE(an_instruction_without_implementation_is_named_once_with_its_place) {
    Machine m;
    m.long64();
    m.gate(6, kCode64, kHandler, 14);
    // aesenc xmm0, xmm1, twice by the handler's return to it, then again elsewhere: the handler skips it
    place(m, kCode, {0x66, 0x0f, 0x38, 0xdc, 0xc1, 0x66, 0x0f, 0x38, 0xdc, 0xca, 0x0f, 0x0b, 0xf4});
    place(m, kHandler, {0x48, 0x83, 0x04, 0x24, 5, 0x48, 0xcf});  // add qword [rsp], 5; iretq
    m.poke(kCode + 15, 0xf4, 1);
    m.core.run(kCycles);
    const auto missing = m.core.missing();
    BOOST_REQUIRE(missing.size() == 1u);  // UD2 is no such instruction
    BOOST_TEST(missing[0].text == "aesenc xmm0, xmm1");
    BOOST_TEST(missing[0].rip == kCode);
    BOOST_TEST(missing[0].times == 2u);
    BOOST_TEST(m.core.describe().find("aesenc xmm0, xmm1 at rip 20000 (2 times)") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
