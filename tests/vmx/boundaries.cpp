// SPDX-License-Identifier: Apache-2.0
// Exits between instructions: windows, monitor trap flag, preemption timer.
#include "tests/vmx/machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;
using arch::EventType;
using arch::ExitReason;
using arch::PinControl;
using arch::PrimaryControl;

namespace {

bool due(Machine& m, ExitReason reason) {
    ExitInfo i;
    return m.vmx.pending_exit(i) && i.reason == reason;
}
bool nothing_due(Machine& m) {
    ExitInfo i;
    return !m.vmx.pending_exit(i);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vmx_boundaries)

BOOST_AUTO_TEST_CASE(the_interrupt_window_opens_with_if_and_without_blocking) {
    Machine m;
    m.control(PrimaryControl::InterruptWindowExiting);
    BOOST_TEST(!m.vmx.boundaries_matter());
    m.enter();
    BOOST_TEST(m.vmx.boundaries_matter());
    BOOST_TEST(due(m, ExitReason::INTERRUPT_WINDOW));
    for (const u32 b : {blocking::STI, blocking::MOV_SS}) {
        m.cpu.blocking = b;
        BOOST_TEST(nothing_due(m));
    }
    m.cpu.blocking = blocking::NMI;
    BOOST_TEST(due(m, ExitReason::INTERRUPT_WINDOW));
    m.cpu.rflags &= ~rflags::IF;
    BOOST_TEST(nothing_due(m));
    m.cpu.rflags |= rflags::IF;
    m.cpu.activity = ActivityState::Hlt;
    BOOST_TEST(due(m, ExitReason::INTERRUPT_WINDOW));
    m.cpu.activity = ActivityState::Shutdown;
    BOOST_TEST(nothing_due(m));
}

BOOST_AUTO_TEST_CASE(the_nmi_window_opens_without_virtual_nmi_blocking_and_comes_before_the_interrupt_window) {
    Machine m;
    for (const auto c : {PinControl::NMIExiting, PinControl::VirtualNMIs}) m.control(c);
    m.control(PrimaryControl::NMIWindowExiting);
    m.control(PrimaryControl::InterruptWindowExiting);
    m.enter();
    BOOST_TEST(due(m, ExitReason::NMI_WINDOW));
    m.cpu.blocking = blocking::NMI;
    BOOST_TEST(due(m, ExitReason::INTERRUPT_WINDOW));
    m.cpu.blocking = blocking::MOV_SS;
    BOOST_TEST(nothing_due(m));
    m.cpu.blocking = 0;
    m.cpu.activity = ActivityState::WaitForSipi;
    BOOST_TEST(nothing_due(m));
}

BOOST_AUTO_TEST_CASE(the_monitor_trap_flag_lets_one_instruction_pass) {
    Machine m;
    m.control(PrimaryControl::MonitorTrapFlag);
    m.enter();
    BOOST_TEST(nothing_due(m));  // behind the VM entry
    BOOST_TEST(due(m, ExitReason::MONITOR_TRAP_FLAG));
    ExitInfo i;
    i.reason = ExitReason::MONITOR_TRAP_FLAG;
    m.vmx.exit(i);
    BOOST_TEST(nothing_due(m));
    BOOST_TEST((m.vmx.vmresume().kind == EntryResult::Entered));
    BOOST_TEST(nothing_due(m));
    BOOST_TEST(due(m, ExitReason::MONITOR_TRAP_FLAG));
}

BOOST_AUTO_TEST_CASE(with_an_injected_event_the_monitor_trap_flag_is_due_before_the_first_instruction) {
    Machine m;
    m.control(PrimaryControl::MonitorTrapFlag);
    m.set(Field::VM_ENTRY_INTR_INFO_FIELD, arch::EventInfo::make(6, EventType::HardwareException).raw);
    m.enter();
    BOOST_TEST(due(m, ExitReason::MONITOR_TRAP_FLAG));
    Machine injected;  // the exit itself injected, without the control
    injected.set(Field::VM_ENTRY_INTR_INFO_FIELD, arch::EventInfo::make(0, EventType::Other).raw);
    const EntryResult r = injected.enter();
    BOOST_TEST(!r.inject);
    BOOST_TEST(due(injected, ExitReason::MONITOR_TRAP_FLAG));
    BOOST_TEST(nothing_due(injected));
}

BOOST_AUTO_TEST_CASE(debug_traps_come_behind_the_monitor_trap_flag_and_before_the_windows) {
    Machine m;
    m.control(PrimaryControl::InterruptWindowExiting);
    m.control(PrimaryControl::MonitorTrapFlag);
    m.enter();
    m.cpu.pending_debug = 0x4000;
    BOOST_TEST(nothing_due(m));
    BOOST_TEST(due(m, ExitReason::MONITOR_TRAP_FLAG));
    BOOST_TEST(nothing_due(m));
    m.cpu.pending_debug = 0;
    BOOST_TEST(due(m, ExitReason::INTERRUPT_WINDOW));
}

BOOST_AUTO_TEST_CASE(the_preemption_timer_is_tight_to_the_tick) {
    Machine m;  // IA32_VMX_MISC[4:0] = 5: one tick in 32 TSC cycles
    m.control(PinControl::ActivateVMXPreemptionTimer);
    m.control(arch::ExitControl::SaveVMXPreemptionTimerValue);
    m.set(Field::VMX_PREEMPTION_TIMER_VALUE, 10);
    m.cpu.tsc_adjust = 7;
    BOOST_TEST(m.vmx.timer_deadline() == ~u64{0});
    m.enter();
    const u64 deadline = (((m.cpu.cycles + 7) >> 5) + 10) * 32 - 7;
    BOOST_TEST(m.vmx.timer_deadline() == deadline);
    m.cpu.cycles = deadline - 1;
    BOOST_TEST(!m.vmx.boundaries_matter());
    BOOST_TEST(nothing_due(m));
    m.cpu.cycles = deadline;
    BOOST_TEST(m.vmx.boundaries_matter());
    BOOST_TEST(due(m, ExitReason::PREEMPTION_TIMER));
}

BOOST_AUTO_TEST_CASE(the_timers_remaining_value_is_saved_where_asked_for) {
    for (const bool save : {false, true}) {
        Machine m;
        m.control(PinControl::ActivateVMXPreemptionTimer);
        m.control(arch::ExitControl::SaveVMXPreemptionTimerValue, save);
        m.set(Field::VMX_PREEMPTION_TIMER_VALUE, 10);
        m.enter();
        m.cpu.cycles = m.vmx.timer_deadline() - 3 * 32;
        ExitInfo i;
        i.reason = ExitReason::CPUID;
        m.vmx.exit(i);
        BOOST_TEST(m.get(Field::VMX_PREEMPTION_TIMER_VALUE) == (save ? 3u : 10u));
    }
}

BOOST_AUTO_TEST_CASE(a_timer_of_zero_exits_before_the_first_instruction) {
    Machine m;
    m.control(PinControl::ActivateVMXPreemptionTimer);
    m.enter();
    BOOST_TEST(due(m, ExitReason::PREEMPTION_TIMER));
}

BOOST_AUTO_TEST_SUITE_END()
