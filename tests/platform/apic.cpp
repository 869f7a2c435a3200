// SPDX-License-Identifier: Apache-2.0
// Local APIC, I/O APIC and HPET around the real core.
#include <boost/test/unit_test.hpp>

#include "machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;
using core::StopReason;

namespace {

constexpr u64 kApic = 0xfee00000, kIoApic = 0xfec00000, kHpet = 0xfed00000, kCyclesPerTick = 10;
enum : u32 { kTpr = 0x80, kEoi = 0xb0, kSvr = 0xf0, kEsr = 0x280, kIcr = 0x300, kTimer = 0x320, kLint0 = 0x350,
             kInitial = 0x380, kCurrent = 0x390, kDivide = 0x3e0 };

struct WithApic : Pc {
    WithApic() : Pc(true) {
        // A page table entry more: the gigabyte that holds the APICs, at linear C0000000H.
        poke(kPages + 0x1000 + 3 * 8, 0xc0000000 | 0x83, 8);
        place(kCode, {0xeb, 0xfe});
        core.state.rflags |= rflags::IF;
        for (unsigned v = 0x20; v < 0x50; ++v)
            // inc rbx; mov [apic + EOI], eax by rsi; iretq
            handler(static_cast<u8>(v), {0x48, 0xff, 0xc3, 0x89, 0x06, 0x48, 0xcf});
        r(RSI) = kApic + kEoi;
    }
    u32 apic(u32 at) { return static_cast<u32>(read({kApic + at}, 4)); }
    void apic(u32 at, u32 value) { write({kApic + at}, value, 4); }
    u64 read(HostPhysical at, unsigned bytes) {
        u64 v = 0;
        mmio.read(at, reinterpret_cast<u8*>(&v), bytes);
        return v;
    }
    void write(HostPhysical at, u64 value, unsigned bytes) {
        mmio.write(at, reinterpret_cast<const u8*>(&value), bytes);
    }
    void redirect(unsigned input, u64 entry) {
        for (unsigned i = 0; i < 2; ++i) {
            write({kIoApic}, 0x10 + 2 * input + i, 4);
            write({kIoApic + 0x10}, entry >> 32 * i & 0xffffffff, 4);
        }
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(apic_and_hpet, WithApic)

BOOST_AUTO_TEST_CASE(one_shot_fires_once_after_count_times_divider) {
    apic(kTimer, 0x31);
    apic(kDivide, 3);  // by 16
    apic(kInitial, 1000);
    BOOST_TEST(core.lines().deadline == 16'000 * kCyclesPerTick);
    BOOST_TEST(apic(kCurrent) == 1000u);
    run(500'000);
    BOOST_TEST(r(RBX) == 1u);
    BOOST_TEST(apic(kCurrent) == 0u);
}

BOOST_AUTO_TEST_CASE(periodic_fires_every_period_and_stops_with_count_zero) {
    apic(kTimer, 0x20031);
    apic(kDivide, 0xb);
    apic(kInitial, 10'000);
    run(100'000 * 20 + 50'000);
    BOOST_TEST(r(RBX) == 20u);
    apic(kInitial, 0);
    run(1'000'000);
    BOOST_TEST(r(RBX) == 20u);
}

BOOST_AUTO_TEST_CASE(a_one_shot_count_that_has_ended_does_not_begin_again_in_periodic_mode) {
    apic(kTimer, 0x31);
    apic(kDivide, 3);
    apic(kInitial, 1000);
    run(500'000);
    BOOST_TEST(r(RBX) == 1u);
    apic(kTimer, 1u << 17 | 0x31);
    BOOST_TEST(apic(kInitial) == 1000u);
    run(1'000'000);
    BOOST_TEST(apic(kCurrent) == 0u);
    BOOST_TEST(r(RBX) == 1u);
    apic(kInitial, 1000);
    BOOST_TEST(apic(kCurrent) == 1000u);
}

BOOST_AUTO_TEST_CASE(the_tsc_deadline_fires_at_its_cycle_and_disarms) {
    apic(kTimer, 0x40031);
    BOOST_TEST(platform.processor().write_msr(0x6e0, 123'456));
    BOOST_TEST(core.lines().deadline == 123'456u);
    u64 v = 0;
    run(300'000);
    BOOST_TEST(r(RBX) == 1u);
    BOOST_TEST((platform.processor().read_msr(0x6e0, v) && v == 0));
    platform.processor().tsc_adjusted(1'000'000);
    platform.processor().write_msr(0x6e0, 2'000'000);
    BOOST_TEST(core.lines().deadline == 1'000'000u);
    platform.processor().write_msr(0x6e0, 5);  // it has passed
    run(100'000);
    BOOST_TEST(r(RBX) == 2u);
}

BOOST_AUTO_TEST_CASE(guest_code_reaches_the_apic_by_its_page) {
    // mov rdi, apic + initial count; mov [rdi], ecx; nop; hlt
    place(kCode, {0x48, 0xbf, 0x80, 0x03, 0xe0, 0xfe, 0, 0, 0, 0, 0x89, 0x0f, 0x90, 0x8b, 0x17, 0xfb, 0xf4, 0xfa, 0xf4});
    r(RCX) = 100'000;
    apic(kTimer, 0x31);
    apic(kDivide, 0xb);
    BOOST_TEST((run(100'000'000) == StopReason::Halted));
    BOOST_TEST(r(RBX) == 1u);
    BOOST_TEST(r(RDX) == 100'000u);
    BOOST_TEST(cycles() > 1'000'000u);
}

BOOST_AUTO_TEST_CASE(a_halt_without_interrupts_ends_though_timers_run) {
    place(kCode, {0xfa, 0xf4});  // cli; hlt
    apic(kTimer, 1u << 17 | 0x31);
    apic(kDivide, 3);
    apic(kInitial, 100);
    BOOST_TEST((run(1'000'000) == StopReason::Halted));
    BOOST_TEST(cycles() < 10'000u);
}

BOOST_AUTO_TEST_CASE(a_pit_that_becomes_an_nmi_wakes_a_halt_without_interrupts) {
    place(kCode, {0xfa, 0xf4, 0xeb, 0xfd});  // cli; hlt; jmp back to hlt
    gate(2, kCode64, kHandler + 16 * 2, 14);
    handler(2, {0x48, 0xff, 0xc3, 0x48, 0xcf});
    redirect(2, 4u << 8);  // the PIT's pin, delivery mode NMI
    io.out(0x43, 1, 0x34);
    io.out(0x40, 1, 0x00);
    io.out(0x40, 1, 0x01);
    BOOST_TEST((run(5'000'000) == StopReason::Budget));
    BOOST_TEST(r(RBX) > 1u);
}

BOOST_AUTO_TEST_CASE(the_task_priority_holds_its_class_back) {
    apic(kTpr, 0x30);
    apic(kIcr, 0x44031);  // to itself
    BOOST_TEST(!core.lines().interrupt);
    BOOST_TEST(apic(0x210) == 0x20000u);  // IRR 31H
    apic(kTpr, 0x2f);
    BOOST_TEST(core.lines().interrupt);
    run(50'000);
    BOOST_TEST(r(RBX) == 1u);
}

BOOST_AUTO_TEST_CASE(cr8_is_the_task_priority) {
    place(kCode, {0x44, 0x0f, 0x22, 0xc0, 0x44, 0x0f, 0x20, 0xc1, 0xfa, 0xf4});  // mov cr8, rax; mov rcx, cr8; cli; hlt
    r(RAX) = 5;
    run(100'000);
    BOOST_TEST(apic(kTpr) == 0x50u);
    BOOST_TEST(r(RCX) == 5u);
}

BOOST_AUTO_TEST_CASE(what_is_in_service_holds_lower_ones_back_until_its_end) {
    core.state.rflags &= ~rflags::IF;
    apic(kIcr, 0x44041);
    BOOST_TEST(platform.processor().acknowledge() == 0x41);
    BOOST_TEST(apic(0xa0) == 0x40u);  // PPR
    apic(kIcr, 0x44031);
    BOOST_TEST(!core.lines().interrupt);
    apic(kIcr, 0x44051);
    BOOST_TEST(platform.processor().acknowledge() == 0x51);
    apic(kEoi, 0);
    BOOST_TEST(!core.lines().interrupt);
    apic(kEoi, 0);
    BOOST_TEST(core.lines().interrupt);
    BOOST_TEST(platform.processor().acknowledge() == 0x31);
}

BOOST_AUTO_TEST_CASE(lint0_passes_the_pic_on_as_firmware_set_it) {
    out(0x21, 0xef);
    platform.set_irq(4, true);
    BOOST_TEST(core.lines().interrupt);
    apic(kLint0, 0x10700);
    BOOST_TEST(!core.lines().interrupt);
    apic(kLint0, 0x700);
    BOOST_TEST(platform.processor().acknowledge() == 0x34);
}

BOOST_AUTO_TEST_CASE(bad_vectors_and_registers_are_errors) {
    apic(0x370, 0x32);
    apic(kIcr, 0x44005);
    apic(0x3f0, 0);  // no register in xAPIC mode
    BOOST_TEST(apic(kEsr) == 0u);
    apic(kEsr, 0);
    BOOST_TEST(apic(kEsr) == 0xa0u);
    apic(kEsr, 0);
    BOOST_TEST(apic(kEsr) == 0u);
    BOOST_TEST(core.lines().interrupt);
}

BOOST_AUTO_TEST_CASE(software_disabling_masks_every_entry) {
    apic(kTimer, 0x31);
    apic(kSvr, 0xff);
    BOOST_TEST(apic(kTimer) == 0x10031u);
    apic(kTimer, 0x31);
    BOOST_TEST(apic(kTimer) == 0x10031u);
    apic(kIcr, 0x44031);
    BOOST_TEST(!core.lines().interrupt);
}

BOOST_AUTO_TEST_CASE(modes_change_in_the_legal_orders_only) {
    u64 v = 0;
    BOOST_TEST(!platform.processor().read_msr(0x802, v));
    BOOST_TEST(!platform.processor().write_msr(0x1b, 0xfee00500));  // x2APIC without enable
    BOOST_TEST(platform.processor().write_msr(0x1b, 0xfee00d00));
    BOOST_TEST((platform.processor().read_msr(0x803, v) && v == 0x50014));
    BOOST_TEST((platform.processor().read_msr(0x80d, v) && v == 1));
    BOOST_TEST(!mmio.claims({kApic}));
    BOOST_TEST(!platform.processor().write_msr(0x1b, 0xfee00900));  // back to xAPIC
    BOOST_TEST(platform.processor().write_msr(0x1b, 0xfee00100));
    BOOST_TEST(!platform.processor().write_msr(0x1b, 0xfee00d00));  // off to x2APIC
    BOOST_TEST(platform.processor().write_msr(0x1b, 0xfee00900));
    BOOST_TEST(mmio.claims({kApic}));
    BOOST_TEST(apic(kSvr) == 0xffu);
}

BOOST_AUTO_TEST_CASE(x2apic_sends_itself_interrupts_and_refuses_reserved_bits) {
    platform.processor().write_msr(0x1b, 0xfee00d00);
    BOOST_TEST(platform.processor().write_msr(0x83f, 0x31));
    BOOST_TEST(core.lines().interrupt);
    BOOST_TEST(platform.processor().acknowledge() == 0x31);
    BOOST_TEST(!platform.processor().write_msr(0x80b, 1));
    BOOST_TEST(platform.processor().write_msr(0x80b, 0));
    BOOST_TEST(!platform.processor().write_msr(0x80e, 0));
    BOOST_TEST(!platform.processor().write_msr(0x808, 0x100));
    BOOST_TEST(platform.processor().write_msr(0x830, u64{0} << 32 | 0x4032));
    BOOST_TEST(platform.processor().acknowledge() == 0x32);
    BOOST_TEST(platform.processor().write_msr(0x830, u64{7} << 32 | 0x4033));  // to no one
    BOOST_TEST(!core.lines().interrupt);
}

BOOST_AUTO_TEST_CASE(the_apic_can_move) {
    platform.processor().write_msr(0x1b, 0xd0000900);
    BOOST_TEST(!mmio.claims({kApic}));
    BOOST_TEST(static_cast<u32>(read({0xd0000030}, 4)) == 0x50014u);
}

BOOST_AUTO_TEST_CASE(the_apic_cannot_move_beyond_the_physical_addresses) {
    const auto wrmsr = [this](u64 value) {
        r(RCX) = 0x1b;
        r(RAX) = value & 0xffffffff;
        r(RDX) = value >> 32;
        return Machine::run({0x0f, 0x30});
    };
    const u64 first_reserved = u64{1} << core.capabilities().physical_address_bits;
    BOOST_TEST((wrmsr(first_reserved / 2 | 0xfee00900) != core::Outcome::Fault));
    BOOST_TEST((wrmsr(first_reserved | 0xfee00900) == core::Outcome::Fault));
    BOOST_TEST(fault().vector == 13);
}

BOOST_AUTO_TEST_CASE(init_resets_the_processor_and_its_apic) {
    apic(kTpr, 0x40);
    apic(kIcr, 0x44500);
    run(1);
    BOOST_TEST(core.state.cr0 == cr0::ET);
    BOOST_TEST(core.state.efer == 0u);
    BOOST_TEST(apic(kTpr) == 0u);
    BOOST_TEST(!core.lines().init);
}

BOOST_AUTO_TEST_CASE(init_waits_in_root_operation_and_exits_from_a_guest) {
    core.state.rflags &= ~rflags::IF;
    vmxon();
    prepare_vmcs();
    field(arch::Field::GUEST_RIP, 0x26000);
    place(0x26000, {0xeb, 0xfe});
    place(kHostEntry, {0xfa, 0xf4});
    apic(kIcr, 0x44500);
    run(50'000);
    BOOST_TEST(core.state.rip == kCode);
    BOOST_TEST(core.lines().init);
    place(kCode, {0x0f, 0x01, 0xc2});
    BOOST_TEST((run(1'000'000) == StopReason::Halted));
    BOOST_TEST(field(arch::Field::VM_EXIT_REASON) == 3u);
}

BOOST_AUTO_TEST_CASE(a_blocked_interrupt_does_not_hurry_the_monitor_trap_flag) {
    core.state.rflags &= ~rflags::IF;
    set_primary(arch::PrimaryControl::MonitorTrapFlag);
    vmxon();
    prepare_vmcs();
    field(arch::Field::GUEST_RIP, 0x26000);
    place(0x26000, {0x48, 0xff, 0xc1, 0x48, 0xff, 0xc1, 0xeb, 0xfe});
    place(kCode, {0x0f, 0x01, 0xc2});
    place(kHostEntry, {0xfa, 0xf4});
    apic(kIcr, 0x44031);
    BOOST_TEST((run(1'000'000) == StopReason::Halted));
    BOOST_TEST(field(arch::Field::VM_EXIT_REASON) == 37u);
    BOOST_TEST(r(RCX) == 1u);
}

BOOST_AUTO_TEST_CASE(an_nmi_goes_before_an_interrupt_window) {
    pin |= 1u << 3;
    set_primary(arch::PrimaryControl::InterruptWindowExiting);
    vmxon();
    prepare_vmcs();
    field(arch::Field::GUEST_RIP, 0x26000);
    field(arch::Field::GUEST_RFLAGS, 0x202);
    core.state.rflags &= ~rflags::IF;
    core.state.blocking |= blocking::NMI;  // until the guest runs
    place(0x26000, {0xeb, 0xfe});
    place(kCode, {0x0f, 0x01, 0xc2});
    place(kHostEntry, {0xfa, 0xf4});
    platform.processor().raise_nmi();
    BOOST_TEST((run(1'000'000) == StopReason::Halted));
    BOOST_TEST(field(arch::Field::VM_EXIT_REASON) == 0u);
}

BOOST_AUTO_TEST_CASE(an_edge_through_the_io_apic_is_delivered_once) {
    out(0x21, 0xff);
    redirect(4, 0x34);
    platform.set_irq(4, true);
    run(50'000);
    BOOST_TEST(r(RBX) == 1u);
    platform.set_irq(4, false);
    platform.set_irq(4, true);
    run(50'000);
    BOOST_TEST(r(RBX) == 2u);
}

BOOST_AUTO_TEST_CASE(a_level_is_delivered_until_it_falls) {
    core.state.rflags &= ~rflags::IF;
    redirect(18, 0x8034);
    io.out(0x2000 + 18, 1, 1);
    BOOST_TEST(platform.processor().acknowledge() == 0x34);
    write({kIoApic}, 0x10 + 36, 4);
    BOOST_TEST((read({kIoApic + 0x10}, 4) & 0x4000) != 0u);  // remote IRR
    apic(kEoi, 0);
    BOOST_TEST(core.lines().interrupt);
    io.out(0x2000 + 18, 1, 0);
    BOOST_TEST(platform.processor().acknowledge() == 0x34);
    apic(kEoi, 0);
    BOOST_TEST(!core.lines().interrupt);
    BOOST_TEST((read({kIoApic + 0x10}, 4) & 0x4000) == 0u);
}

BOOST_AUTO_TEST_CASE(the_timer_is_at_pin_2_of_the_io_apic) {
    out(0x21, 0xff);
    redirect(2, 0x30);
    out(0x43, 0x34);
    out(0x40, 0xe8);
    out(0x40, 3);
    run(kHz / 100);  // 11,931 ticks of 1,000
    BOOST_TEST(r(RBX) == 11u);
}

BOOST_AUTO_TEST_CASE(the_hpet_counts_while_it_is_enabled) {
    BOOST_TEST(read({kHpet}, 8) >> 32 == devices::Hpet::kPeriod);
    core.state.cycles = kHz;
    BOOST_TEST(read({kHpet + 0xf0}, 8) == 0u);
    write({kHpet + 0x10}, 1, 4);
    core.state.cycles = 2 * kHz;
    BOOST_TEST(read({kHpet + 0xf0}, 8) == devices::Hpet::kHz);
    write({kHpet + 0x10}, 0, 4);
    core.state.cycles = 3 * kHz;
    BOOST_TEST(read({kHpet + 0xf0}, 8) == devices::Hpet::kHz);
}

BOOST_AUTO_TEST_CASE(an_hpet_comparator_interrupts_once_or_periodically) {
    redirect(20, 0x35);
    write({kHpet + 0x120}, 20u << 9 | 4, 4);
    write({kHpet + 0x128}, 1000, 8);
    write({kHpet + 0x10}, 1, 4);
    run(kHz / 1000);
    BOOST_TEST(r(RBX) == 1u);
    write({kHpet + 0x120}, 20u << 9 | 4 | 8 | 0x40, 4);
    write({kHpet + 0x128}, read({kHpet + 0xf0}, 8) + 1000, 8);
    write({kHpet + 0x128}, 1000, 8);
    run(kHz / 1000);  // 14,318 ticks
    BOOST_TEST(r(RBX) == 15u);
}

BOOST_AUTO_TEST_CASE(legacy_replacement_takes_the_place_of_the_pit) {
    out(0x21, 0xfe);
    write({kHpet + 0x100}, 4, 4);
    write({kHpet + 0x108}, 1000, 8);
    write({kHpet + 0x10}, 3, 4);
    out(0x43, 0x30);
    out(0x40, 10);
    out(0x40, 0);
    core.state.rflags &= ~rflags::IF;
    run(50'000);
    BOOST_TEST(!core.lines().interrupt);
    run(100'000);
    BOOST_TEST(core.lines().interrupt);
    BOOST_TEST(platform.processor().acknowledge() == 0x30);
}

BOOST_AUTO_TEST_SUITE_END()
