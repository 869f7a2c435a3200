// SPDX-License-Identifier: Apache-2.0
// Interrupts from outside in running code: PIT and PIC, blocking, HLT, NMI, VM exits.
#include <boost/test/unit_test.hpp>

#include "machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;
using arch::Field;
using core::StopReason;

namespace {

constexpr u64 kPitHz = devices::Pit::kHz;

u64 cycle_of_tick(u64 tick) { return (tick * kHz + kPitHz - 1) / kPitHz; }

struct WithPit : Pc {
    /// Channel 0 in a mode, count in two bytes, IRQ 0 unmasked. At cycle 0.
    void program(u8 mode, u16 count) {
        out(0x43, 0x30 | mode << 1);
        out(0x40, count & 0xff);
        out(0x40, count >> 8);
        out(0x21, 0xfe);
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(pic_and_pit, WithPit)

BOOST_AUTO_TEST_CASE(a_periodic_timer_ticks_as_often_as_its_count_says) {
    program(2, 1000);
    place(kCode, {0xeb, 0xfe});  // jmp .
    core.state.rflags |= rflags::IF;
    BOOST_TEST((run(cycle_of_tick(1000 * 50) + 5000) == StopReason::Budget));
    BOOST_TEST(r(RBX) == 50u);
}

BOOST_AUTO_TEST_CASE(an_interrupt_arrives_at_the_first_boundary_at_or_past_its_cycle) {
    program(0, 100);
    place(kCode, {0xeb, 0xfe});
    handler(0x30, {0x0f, 0xa2, 0xf4});
    core.state.rflags |= rflags::IF;
    const u64 due = cycle_of_tick(100);
    run(due);
    BOOST_TEST(core.state.rip == kCode);
    run(50);
    BOOST_TEST(core.state.rip != kCode);
}

BOOST_AUTO_TEST_CASE(hlt_wakes_at_the_exact_cycle) {
    params.far_transfer = params.hlt_wake = 0;
    params.rdtsc = 0;
    program(0, 12345);
    place(kCode, {0xfb, 0xf4});           // sti; hlt
    handler(0x30, {0x0f, 0x31, 0xfa, 0xf4});  // rdtsc; cli; hlt
    BOOST_TEST((run(100'000'000) == StopReason::Halted));
    const u64 tsc = (r(RAX) & 0xffffffff) | r(RDX) << 32;
    BOOST_TEST(tsc >= cycle_of_tick(12345));
    BOOST_TEST(tsc < cycle_of_tick(12345) + 2000);  // the handler's first fetch misses the caches
}

BOOST_AUTO_TEST_CASE(hlt_with_interrupts_off_never_wakes) {
    program(2, 1000);
    place(kCode, {0xfa, 0xf4});
    BOOST_TEST((run(100'000'000) == StopReason::Halted));
    BOOST_TEST(cycles() < 100'000u);
}

BOOST_AUTO_TEST_CASE(a_masked_or_disabled_interrupt_waits) {
    program(0, 10);
    place(kCode, {0xeb, 0xfe});
    run(1'000'000);
    BOOST_TEST(r(RBX) == 0u);
    BOOST_TEST(core.lines().interrupt);
    out(0x21, 0xff);
    BOOST_TEST(!core.lines().interrupt);
    core.state.rflags |= rflags::IF;
    run(1000);
    BOOST_TEST(r(RBX) == 0u);
    out(0x21, 0xfe);
    run(1000);
    BOOST_TEST(r(RBX) == 1u);
}

BOOST_AUTO_TEST_CASE(sti_lets_one_more_instruction_run) {
    platform.set_irq(4, true);
    out(0x21, 0xef);
    handler(0x34, {0xf4});
    place(kCode, {0xfb, 0x48, 0xff, 0xc1, 0x48, 0xff, 0xc1});  // sti; inc rcx; inc rcx
    BOOST_TEST((run(100'000) == StopReason::Halted));
    BOOST_TEST(r(RCX) == 1u);
}

BOOST_AUTO_TEST_CASE(an_nmi_is_taken_with_interrupts_off_and_blocks_the_next_one) {
    gate(2, kCode64, 0x26000, 14);
    place(0x26000, {0x48, 0xff, 0xc6, 0xeb, 0xfe});  // inc rsi; jmp .
    place(kCode, {0xeb, 0xfe});
    platform.processor().raise_nmi();
    run(20'000);
    BOOST_TEST(r(RSI) == 1u);
    platform.processor().raise_nmi();
    run(20'000);
    BOOST_TEST(r(RSI) == 1u);
    place(0x26003, {0x48, 0xcf});  // iretq
    run(20'000);
    BOOST_TEST(r(RSI) == 2u);
}

BOOST_AUTO_TEST_CASE(an_external_interrupt_exits_without_or_with_its_vector) {
    for (const bool acknowledge : {false, true}) {
        WithPit m;
        m.vmxon();
        m.pin |= 1;
        m.prepare_vmcs();
        const u64 exit_controls = m.field(Field::VM_EXIT_CONTROLS);
        m.field(Field::VM_EXIT_CONTROLS, acknowledge ? exit_controls | 1u << 15 : exit_controls & ~(u64{1} << 15));
        m.field(Field::GUEST_RIP, 0x26000);
        m.place(0x26000, {0xeb, 0xfe});
        m.place(kCode, {0x0f, 0x01, 0xc2});
        m.place(Machine::kHostEntry, {0xf4});
        m.program(0, 1000);
        BOOST_TEST((m.run(100'000'000) == StopReason::Halted));
        BOOST_TEST(m.cycles() >= cycle_of_tick(1000));
        BOOST_TEST(m.field(Field::VM_EXIT_REASON) == 1u);
        BOOST_TEST(m.field(Field::VM_EXIT_INTR_INFO) == (acknowledge ? 0x80000030u : 0u));
        BOOST_TEST(m.core.lines().interrupt == !acknowledge);
        m.out(0x20, 0x0b);
        BOOST_TEST(m.in(0x20) == (acknowledge ? 1u : 0u));
    }
}

BOOST_AUTO_TEST_CASE(a_guest_that_halts_leaves_by_the_interrupt_with_its_activity_saved) {
    vmxon();
    pin |= 1;
    prepare_vmcs();
    field(Field::GUEST_RIP, 0x26000);
    place(0x26000, {0xf4});
    place(kCode, {0x0f, 0x01, 0xc2});
    place(kHostEntry, {0xf4});
    program(0, 1000);
    BOOST_TEST((run(100'000'000) == StopReason::Halted));
    BOOST_TEST(field(Field::VM_EXIT_REASON) == 1u);
    BOOST_TEST(field(Field::GUEST_ACTIVITY_STATE) == 1u);
    BOOST_TEST(field(Field::GUEST_RIP) == 0x26001u);
}

BOOST_AUTO_TEST_CASE(without_exiting_an_interrupt_is_the_guests_own) {
    vmxon();
    prepare_vmcs();
    field(Field::GUEST_RIP, 0x26000);
    field(Field::GUEST_RFLAGS, 0x202);
    place(0x26000, {0xeb, 0xfe});
    place(kCode, {0x0f, 0x01, 0xc2});
    program(0, 100);
    run(1'000'000);
    BOOST_TEST(core.state.vmx.non_root);
    BOOST_TEST(r(RBX) == 1u);
}

BOOST_AUTO_TEST_CASE(an_nmi_exits_and_starts_blocking) {
    vmxon();
    pin |= 1u << 3;
    prepare_vmcs();
    field(Field::GUEST_RIP, 0x26000);
    place(0x26000, {0xeb, 0xfe});
    place(kCode, {0x0f, 0x01, 0xc2});
    place(kHostEntry, {0xf4});
    run(500'000);
    BOOST_TEST(core.state.vmx.non_root);
    platform.processor().raise_nmi();
    run(500'000);
    BOOST_TEST(field(Field::VM_EXIT_REASON) == 0u);
    BOOST_TEST(field(Field::VM_EXIT_INTR_INFO) == 0x80000202u);
    BOOST_TEST((core.state.blocking & blocking::NMI) != 0u);
}

BOOST_AUTO_TEST_CASE(reset_ports_reset_and_acpi_switches_off) {
    out(0xcf9, 2);
    out(0xcf9, 6);
    BOOST_TEST(resets == 1);
    out(0x64, 0xfe);
    out(0x92, 3);
    BOOST_TEST(resets == 3);
    io.out(0x604, 2, 1u << 13);
    BOOST_TEST(offs == 1);
}

BOOST_AUTO_TEST_SUITE_END()
