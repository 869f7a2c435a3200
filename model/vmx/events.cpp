// SPDX-License-Identifier: Apache-2.0
// VM exits that events cause (SDM 28.2), and those that are due between instructions (28.2, 28.5).
#include <utility>

#include "model/vmx/vmx.hpp"

namespace vmxsim::vmx {

using arch::EventInfo;
using arch::EventType;
using arch::ExitReason;
using arch::PinControl;
using arch::PrimaryControl;

namespace {

enum : u8 { kDebug = 1, kDoubleFault = 8, kPageFault = 14 };

bool software(EventType t) {
    return t == EventType::SoftwareInterrupt || t == EventType::SoftwareException ||
           t == EventType::PrivilegedSoftwareException;
}

bool exception_selected(const ActiveControls& c, const Event& event) {
    const bool bit = event.vector < 32 && (c.exception_bitmap >> event.vector & 1);
    if (event.vector != kPageFault || event.type != EventType::HardwareException) return bit;
    // 28.2: where the error code does not match, the bitmap's bit has the opposite meaning.
    return (event.error_code & c.pf_mask) == c.pf_match ? bit : !bit;
}

bool exits(const ActiveControls& c, const Event& event) {
    switch (event.type) {
        case EventType::ExternalInterrupt: return c.has(PinControl::ExternalInterruptExiting);
        case EventType::Nmi: return c.has(PinControl::NMIExiting);
        case EventType::HardwareException:
        case EventType::SoftwareException:
        case EventType::PrivilegedSoftwareException: return exception_selected(c, event);
        default: return false;  // INT n
    }
}

}  // namespace

bool Vmx::intercept_event(const Event& event, const Event* original, ExitInfo& info) const {
    if (!non_root() || !exits(controls_, event)) return false;
    info = {};
    if (event.type == EventType::ExternalInterrupt) {
        info.reason = ExitReason::EXTERNAL_INTERRUPT;
        if (controls_.exit.has(arch::ExitControl::AcknowledgeInterruptOnExit))
            info.intr_info = EventInfo::make(event.vector, event.type);
    } else {
        info.reason = ExitReason::EXCEPTION_NMI;
        info.intr_info = EventInfo::make(event.vector, event.type, event.has_error_code);
        if (event.has_error_code) info.intr_error_code = event.error_code;
        if (event.type == EventType::HardwareException && event.vector == kPageFault) info.qualification = event.cr2;
        if (event.vector == kDebug && event.type != EventType::Nmi) info.qualification = event.dr6;
        if (software(event.type)) info.instruction_length = event.instruction_length;
    }
    // 30.2.4: an original event whose delivery led to a #DF that exits was not being delivered any more.
    const bool double_fault = event.type == EventType::HardwareException && event.vector == kDoubleFault;
    if (original == nullptr || double_fault) return true;
    info.idt_vectoring = EventInfo::make(original->vector, original->type, original->has_error_code);
    if (original->has_error_code) info.idt_vectoring_error_code = original->error_code;
    if (software(original->type)) info.instruction_length = original->instruction_length;
    return true;
}

bool Vmx::intercept_triple_fault(ExitInfo& info) const {
    if (!non_root()) return false;
    info = {};
    info.reason = ExitReason::TRIPLE_FAULT;
    return true;
}

bool Vmx::intercept_task_switch(u16 selector, unsigned source, ExitInfo& info) const {
    if (!non_root()) return false;
    info = {};
    info.reason = ExitReason::TASK_SWITCH;
    info.qualification = selector | u64{source & 3} << 30;
    return true;
}

bool Vmx::boundaries_matter() const {
    if (!non_root()) return false;
    return mtf_ != Mtf::Off || tpr_exit_due_ || controls_.has(PrimaryControl::InterruptWindowExiting) ||
           controls_.has(PrimaryControl::NMIWindowExiting) || cpu_.cycles >= timer_deadline_;
}

bool Vmx::pending_exit(ExitInfo& info) {
    if (!non_root() || cpu_.activity == ActivityState::WaitForSipi) return false;
    const auto due = [&info](ExitReason reason) {
        info = {};
        info.reason = reason;
        return true;
    };
    const bool shutdown = cpu_.activity == ActivityState::Shutdown;
    if (mtf_ == Mtf::Due && !shutdown) {
        mtf_ = Mtf::Off;
        return due(ExitReason::MONITOR_TRAP_FLAG);
    }
    // The boundary behind the VM entry itself; the exit is pending on the next one (28.5.2).
    if (mtf_ == Mtf::AfterInstruction) mtf_ = Mtf::Due;
    // Debug traps of the instruction before come next (28.2, table of priorities); the exits below wait behind them.
    constexpr u64 kTraps = 0x400f;  // BS, B3-B0
    if ((cpu_.pending_debug & kTraps) && !(cpu_.blocking & blocking::MOV_SS) &&
        (cpu_.activity == ActivityState::Active || cpu_.activity == ActivityState::Hlt))
        return false;
    if (std::exchange(tpr_exit_due_, false)) return due(ExitReason::TPR_BELOW_THRESHOLD);
    if (cpu_.cycles >= timer_deadline_) return due(ExitReason::PREEMPTION_TIMER);
    const u32 interruptibility = cpu_.blocking & (blocking::STI | blocking::MOV_SS);
    if (controls_.has(PrimaryControl::NMIWindowExiting) && !interruptibility && !(cpu_.blocking & blocking::NMI))
        return due(ExitReason::NMI_WINDOW);
    if (controls_.has(PrimaryControl::InterruptWindowExiting) && !interruptibility && (cpu_.rflags & rflags::IF) &&
        !shutdown)
        return due(ExitReason::INTERRUPT_WINDOW);
    return false;
}

/// The timer counts down by one whenever bit IA32_VMX_MISC[4:0] of the TSC changes (28.5.1, A.6).
void Vmx::start_timer() {
    timer_deadline_ = ~u64{0};
    if (!controls_.has(PinControl::ActivateVMXPreemptionTimer)) return;
    const unsigned shift = static_cast<unsigned>(capabilities_.get(arch::msr::IA32_VMX_MISC) & 31);
    const u64 value = page_.get(arch::Field::VMX_PREEMPTION_TIMER_VALUE);
    const u64 tsc = cpu_.cycles + cpu_.tsc_adjust;
    const u64 ticks_at_zero = (tsc >> shift) + value;
    timer_deadline_ = value == 0 ? cpu_.cycles : (ticks_at_zero << shift) - cpu_.tsc_adjust;
}

u64 Vmx::timer_value() const {
    if (cpu_.cycles >= timer_deadline_) return 0;
    const unsigned shift = static_cast<unsigned>(capabilities_.get(arch::msr::IA32_VMX_MISC) & 31);
    return ((timer_deadline_ + cpu_.tsc_adjust) >> shift) - ((cpu_.cycles + cpu_.tsc_adjust) >> shift);
}

}  // namespace vmxsim::vmx
