// SPDX-License-Identifier: Apache-2.0
// L1 alone: how it starts, turns paging on, and what L0 emulates for it; with and without unrestricted guest and EPT.
#include <boost/test/unit_test.hpp>

#include "tests/nested/bench.hpp"

using namespace nested_bench;

namespace {
constexpr u64 kMovToCr0 = 0 | u64{vmx::RAX} << 8, kMovToCr3 = 3 | u64{vmx::RAX} << 8,
              kMovToCr4 = 4 | u64{vmx::RAX} << 8;
constexpr u64 kMovFromCr3 = 0x13 | u64{vmx::RAX} << 8;

void mov_cr(Bench& b, u64 qualification, u64 value) {
    b.cpu.r[vmx::RAX] = value;
    b.exit(ExitReason::CR_ACCESS, 3, qualification);
}
u64 rdmsr(Bench& b, u32 index) {
    b.cpu.r[vmx::RCX] = index;
    b.exit(ExitReason::MSR_READ, 2);
    return (b.cpu.r[vmx::RAX] & 0xffffffff) | b.cpu.r[vmx::RDX] << 32;
}
void wrmsr(Bench& b, u32 index, u64 value) {
    b.cpu.r[vmx::RCX] = index;
    b.cpu.r[vmx::RAX] = value & 0xffffffff;
    b.cpu.r[vmx::RDX] = value >> 32;
    b.exit(ExitReason::MSR_WRITE, 2);
}
}  // namespace

BOOST_AUTO_TEST_SUITE(l1_modes)

BOOST_AUTO_TEST_CASE(l1_starts_without_paging_on_every_kind_of_cpu) {
    for (const auto& [ept, unrestricted] : {std::pair{true, true}, {true, false}, {false, true}, {false, false}}) {
        Bench b({.ept = ept, .unrestricted = unrestricted, .long_mode = false});
        const auto given = b.l1_state();
        b.start();
        BOOST_TEST(b.cpu.vmx.non_root);
        BOOST_TEST(b.cpu.rip == given.rip);
        BOOST_TEST(b.vmx.visible_cr0() == given.cr0);
        BOOST_TEST(b.vmx.visible_cr4() == given.cr4);
        BOOST_TEST((b.cpu.cr0 >> 31) == (ept && unrestricted ? 0u : 1u));
        BOOST_TEST(!b.cpu.long_mode());
        BOOST_TEST(b.cpu.seg[vmx::CS].ar.raw == 0xc09bu);
        if (ept && !unrestricted) {
            // Linear = physical by a page of 4-MiB entries, which L1's memory does not show.
            BOOST_TEST(b.cpu.cr3 == nested::L0::kIdentityTable);
            BOOST_TEST((b.cpu.cr4 & vmx::cr4::PSE) != 0u);
        }
    }
}

BOOST_AUTO_TEST_CASE(l1_goes_to_long_mode_as_an_image_does) {
    for (const auto& [ept, unrestricted] : {std::pair{true, true}, {true, false}, {false, true}, {false, false}}) {
        Bench b({.ept = ept, .unrestricted = unrestricted, .long_mode = false});
        b.start();
        mov_cr(b, kMovToCr4, 0x20);
        BOOST_TEST(b.vmx.visible_cr4() == 0x20u);
        if (!ept || !unrestricted) {  // else CR3 is L1's own
            mov_cr(b, kMovToCr3, 0x1000);
            mov_cr(b, kMovFromCr3, 0);
            BOOST_TEST(b.cpu.r[vmx::RAX] == 0x1000u);
        } else {
            b.cpu.cr3 = 0x1000;
        }
        wrmsr(b, arch::msr::EFER, 0x100);
        BOOST_TEST(rdmsr(b, arch::msr::EFER) == 0x100u);
        mov_cr(b, kMovToCr0, 0x80000011);
        BOOST_TEST_REQUIRE(!b.l0->stopped, b.l0->reason);
        BOOST_TEST(rdmsr(b, arch::msr::EFER) == 0x500u);
        BOOST_TEST(b.cpu.long_mode());
        BOOST_TEST(b.vmx.visible_cr0() == 0x80000011u);
        BOOST_TEST(b.cpu.cr3 == (ept ? 0x1000u : b.l0->shadow->root(true).raw));
        const auto& c = b.vmx.controls();
        BOOST_TEST(c.has(arch::PrimaryControl::CR3LoadExiting) == !ept);
        // And back: in 64-bit code that is #GP, in compatibility mode it works.
        mov_cr(b, kMovToCr0, 0x11);
        BOOST_TEST(!b.cpu.long_mode());
        BOOST_TEST(rdmsr(b, arch::msr::EFER) == 0x100u);
        BOOST_TEST(b.vmx.visible_cr0() == 0x11u);
    }
}

BOOST_AUTO_TEST_CASE(control_registers_fault_as_on_a_bare_machine) {
    Bench b;
    b.start();
    const u64 rip = b.cpu.rip;
    const auto faults = [&](u64 qualification, u64 value) {
        b.injected.reset();
        mov_cr(b, qualification, value);
        const bool gp = b.injected && b.injected->vector == 13;
        BOOST_TEST((b.cpu.rip == rip || !gp));
        b.cpu.rip = rip;
        return gp;
    };
    const u64 cr0 = b.l1_state().cr0, cr4 = b.l1_state().cr4;
    BOOST_TEST(faults(kMovToCr0, cr0 & ~vmx::cr0::PE));  // PG without PE
    BOOST_TEST(faults(kMovToCr0, cr0 | vmx::cr0::NW));   // NW without CD
    BOOST_TEST(faults(kMovToCr0, cr0 & ~vmx::cr0::PG));  // from 64-bit code
    BOOST_TEST(faults(kMovToCr0, cr0 | u64{1} << 32));
    BOOST_TEST(faults(kMovToCr4, cr4 & ~vmx::cr4::PAE));  // in long mode
    BOOST_TEST(faults(kMovToCr4, cr4 | u64{1} << 27));    // reserved
    BOOST_TEST(!faults(kMovToCr4, cr4 | vmx::cr4::TSD));
    BOOST_TEST(!faults(kMovToCr4, cr4 & ~vmx::cr4::VMXE));
    BOOST_TEST(!faults(kMovToCr4, cr4));
    b.enter_vmx();
    b.cpu.rip = rip;
    BOOST_TEST(faults(kMovToCr4, cr4 & ~vmx::cr4::VMXE));  // fixed in VMX operation
}

BOOST_AUTO_TEST_CASE(the_first_touch_of_l1s_memory_is_filled_by_l0) {
    Bench b({.long_mode = false});
    b.start();
    const u64 misses = b.l0->stats.exits_l1;
    ExitInfo info;
    info.reason = ExitReason::EPT_VIOLATION;
    info.qualification = 0x181;
    info.guest_physical = 0x345678;
    b.exit(info);
    BOOST_TEST(b.l0->stats.exits_l1 == misses + 1);
    // The walk of EPT01 ends at l1_base + the address, in a 4-KiB page.
    u64 table = b.l0->ept->pointer().root().raw;
    for (const unsigned shift : {39u, 30u, 21u})
        table = b.ram.read({table + (info.guest_physical >> shift & 511) * 8}, 8) & ~u64{0xfff};
    const u64 leaf = b.ram.read({table + (info.guest_physical >> 12 & 511) * 8}, 8);
    BOOST_TEST((leaf & 7) == 7u);
    BOOST_TEST((leaf & ~u64{0xfff}) == Bench::kBase + (info.guest_physical & ~u64{0xfff}));
    b.exit(info);  // mapped already
    BOOST_TEST(b.l0->stopped);
}

BOOST_AUTO_TEST_CASE(beyond_l1s_memory_there_is_an_open_bus) {
    Bench b;
    b.start();
    const HostPhysical at = b.l0->memory.host({0xfee00000});
    BOOST_TEST(!b.ram.contains(at));
    BOOST_TEST(b.l0->memory.read({Bench::kBytes}, 4) == 0xffffffffu);
    b.l0->memory.write({Bench::kBytes}, 4, 0);
}

BOOST_AUTO_TEST_CASE(instructions_that_exit_do_what_they_do) {
    Bench b;
    b.start();
    b.cpu.r[vmx::RAX] = 0xffffffff00000001;
    b.cpu.r[vmx::RCX] = 0;
    b.exit(ExitReason::CPUID, 2);
    BOOST_TEST(b.cpu.r[vmx::RAX] == 0x206c2u);
    BOOST_TEST((b.cpu.r[vmx::RCX] >> 5 & 1) == 1u);  // VMX is there
    BOOST_TEST((b.cpu.r[vmx::RCX] >> 3 & 1) == 0u);  // MONITOR is not
    b.cpu.r[vmx::RAX] = 0x1122334455667788;
    b.exit(ExitReason::IO_INSTRUCTION, 1, u64{0x80} << 16);  // OUT of one byte
    BOOST_TEST(b.device.last[0x80] == 0x88u);
    b.exit(ExitReason::IO_INSTRUCTION, 1, u64{0x80} << 16 | 8);  // IN of one byte keeps the rest
    BOOST_TEST(b.cpu.r[vmx::RAX] == 0x11223344556677d2u);
    b.exit(ExitReason::IO_INSTRUCTION, 1, u64{0x80} << 16 | 3 | 8);  // IN of four clears the upper half
    BOOST_TEST(b.cpu.r[vmx::RAX] == 0xd2u);
    b.exit(ExitReason::VMCALL, 3);
    BOOST_TEST(b.cpu.r[vmx::RAX] == ~u64{0} - 999);
    wrmsr(b, arch::msr::LSTAR, 0x1234);
    BOOST_TEST(b.cpu.lstar == 0x1234u);
    wrmsr(b, arch::msr::LSTAR, 0x800000000000);
    BOOST_TEST(b.injected->vector == 13);
    b.exit(ExitReason::HLT, 1);
    BOOST_TEST(b.l0->stopped);
    BOOST_TEST(b.l0->reason == "L1 halted");
}

BOOST_AUTO_TEST_CASE(string_io_moves_its_elements_through_l1s_page_tables) {
    Bench b;
    b.start();
    for (u64 i = 0; i < 4; ++i) b.l1_write(0x70000 + i, 0x10 + i, 1);
    b.cpu.r[vmx::RSI] = 0x70000;
    b.cpu.r[vmx::RCX] = 4;
    ExitInfo info;
    info.reason = ExitReason::IO_INSTRUCTION;
    info.instruction_length = 2;
    info.qualification = u64{0x81} << 16 | 1 << 4 | 1 << 5;  // REP OUTSB
    info.instruction_info = 2u << 7 | 3u << 15;
    info.guest_linear = 0x70000;
    const u64 rip = b.cpu.rip;
    b.exit(info);
    BOOST_TEST(b.device.last[0x81] == 0x13u);
    BOOST_TEST(b.cpu.r[vmx::RCX] == 0u);
    BOOST_TEST(b.cpu.r[vmx::RSI] == 0x70004u);
    BOOST_TEST(b.cpu.rip == rip + 2);
}

BOOST_AUTO_TEST_CASE(a_triple_fault_of_l1_ends_the_machine_with_a_reason) {
    Bench b;
    b.start();
    b.exit(ExitReason::TRIPLE_FAULT, 0);
    BOOST_TEST(b.l0->stopped);
    BOOST_TEST(b.l0->reason == "triple fault of L1");
}

BOOST_AUTO_TEST_CASE(a_second_fault_during_delivery_is_a_double_fault) {
    Bench b;
    b.start();
    ExitInfo info;
    info.reason = ExitReason::EXCEPTION_NMI;
    info.intr_info = arch::EventInfo::make(6, arch::EventType::HardwareException);
    info.idt_vectoring = arch::EventInfo::make(13, arch::EventType::HardwareException, true);
    b.exit(info);
    BOOST_TEST(b.injected->vector == 6);  // #UD is benign
    b.exit(ExitReason::RDPMC, 2);
    info.reason = ExitReason::RDPMC;
    info.intr_info = {};
    b.exit(info);
    BOOST_TEST(b.injected->vector == 8);
    BOOST_TEST(b.injected->error_code == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
