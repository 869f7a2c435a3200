// SPDX-License-Identifier: Apache-2.0
// Events from arising to their handler: intercepts, nesting of exceptions, and the VM exits that come of it
// (SDM 6.15, 28.2, 30.2.3, 30.2.4). How one event passes through the IDT: events_idt.cpp.
#include "model/core/events.hpp"

#include <optional>
#include <utility>

#include "model/core/operand.hpp"

namespace vmxsim::core {

using arch::EventInfo;
using arch::EventType;
using arch::ExitReason;
using vmx::Event;
using vmx::ExitInfo;

namespace {

enum class Class : u8 { Benign, Contributory, PageFault, DoubleFault };

/// SDM table 6-4. Software-generated events are benign, whatever their vector.
Class class_of(const Event& e) {
    if (e.type != EventType::HardwareException) return Class::Benign;
    switch (e.vector) {
        case vector::DE:
        case vector::TS:
        case vector::NP:
        case vector::SS:
        case vector::GP:
            return Class::Contributory;
        case vector::PF:
        case 20:
            return Class::PageFault;  // 20: #VE, of the page-fault class (SDM 28.5.8.2)
        case vector::DF:
            return Class::DoubleFault;
        default:
            return Class::Benign;
    }
}

enum class Next : u8 { Second, DoubleFault, TripleFault };

/// SDM table 6-5: what follows an exception during the delivery of another event.
Next combine(Class first, Class second) {
    if (first == Class::DoubleFault) return Next::TripleFault;
    const bool contributory = second == Class::Contributory;
    if (first == Class::Contributory && contributory) return Next::DoubleFault;
    if (first == Class::PageFault && (contributory || second == Class::PageFault)) return Next::DoubleFault;
    return Next::Second;
}

bool has_length(const Event& e) {
    return e.type == EventType::SoftwareInterrupt || e.type == EventType::SoftwareException ||
           e.type == EventType::PrivilegedSoftwareException;
}

/// Registers that an exception sets once it is known not to cause a VM exit (SDM 28.1, 30.1).
void record(vmx::CpuState& state, const Event& e) {
    if (e.type == EventType::HardwareException && e.vector == vector::PF) state.cr2 = e.cr2;
    // A #DB takes traps with it that MOV SS held back, without telling of them: processors deliver one #DB, DR6.BS clear,
    // for MOV SS and INT1 or a general-detect fault. Other events leave them pending for their handler's first boundary.
    if (e.vector == vector::DB &&
        (e.type == EventType::HardwareException || e.type == EventType::PrivilegedSoftwareException))
        state.pending_debug = 0;
    if (e.vector == vector::DB && e.type == EventType::HardwareException) {
        state.dr6 = (state.dr6 & ~u64{0xf}) | (e.dr6 & 0xe00f);
        state.dr7 &= ~u64{1u << 13};  // GD, so that the handler may use the registers (SDM 18.2.4)
        state.debugctl &= ~u64{1};    // LBR stops with each #DB (SDM 18.4.2); BTF likewise
        state.debugctl &= ~u64{2};
    }
}

/// IDT-vectoring information: `info` ends the delivery of `original` (SDM 30.2.4).
void record_original(ExitInfo& info, const Event& original) {
    info.idt_vectoring = EventInfo::make(original.vector, original.type, original.has_error_code);
    info.idt_vectoring_error_code = original.has_error_code ? original.error_code : 0;
    if (has_length(original)) info.instruction_length = original.instruction_length;
}

/// "NMI unblocking due to IRET" (SDM 30.2.3): bit 12 of the exiting event's information, or of the qualification.
void record_nmi_unblocking(ExitInfo& info) {
    constexpr u32 kBit = 1u << 12;
    switch (info.reason) {
        case ExitReason::EXCEPTION_NMI:
            if (info.intr_info.vector() != vector::DF && !info.idt_vectoring.valid()) info.intr_info.raw |= kBit;
            break;
        case ExitReason::EPT_VIOLATION:
        case ExitReason::PML_FULL:
        case ExitReason::SPP_RELATED_EVENT:
            if (!info.idt_vectoring.valid()) info.qualification |= kBit;
            break;
        default:
            break;
    }
}

}  // namespace

void Core::note_delivery(const Event& event, bool injected) {
    trail_.note({.kind = TrailKind::Delivery, .vector = event.vector, .type = static_cast<u8>(event.type),
                 .has_error_code = event.has_error_code, .injected = injected, .non_root = state.vmx.non_root,
                 .error_code = event.error_code, .rip = state.rip, .cycles = state.cycles, .detail = event.cr2});
    if (observer_) [[unlikely]] observer_->delivering(*this, event, injected);
}

void Core::note_entry(bool failed) {
    trail_.note({.kind = failed ? TrailKind::FailedEntry : TrailKind::Entry, .non_root = state.vmx.non_root,
                 .rip = state.rip, .cycles = state.cycles});
    if (observer_) [[unlikely]] observer_->vm_entry(*this, failed);
}

bool Core::deliver_or_exit(Event event, bool injected) {
    if (event.type == EventType::Other) return false;  // a pending MTF VM exit, which Vmx::pending_exit() reports
    std::optional<Event> original;
    const bool unblocked = std::exchange(system.iret_unblocked_nmi, false);
    for (;; injected = false) {
        // No error codes in real-address mode, neither on the stack nor in a VMCS (SDM 30.2.2).
        if (real_mode(*this)) event.has_error_code = false;
        ExitInfo info;
        // What VM entry injects causes no exit by itself and changes neither CR2 nor debug registers (SDM 29.6.1).
        if (!injected && vmx_ && vmx_->intercept_event(event, original ? &*original : nullptr, info)) {
            if (original)
                record_original(info, *original);
            else if (has_length(event))
                info.instruction_length = event.instruction_length;
            if (unblocked && !original) record_nmi_unblocking(info);
            exit_ = info;
            return true;
        }
        note_delivery(event, injected);
        if (!injected) record(state, event);
        const u64 from = state.rip;
        spend(injected && vmx_ ? vmx_->injection_cost() : params_.far_transfer);
        const Outcome outcome = deliver_through_idt(*this, event, injected);
        if (outcome == Outcome::VmExit) {
            if (exit_.reason == ExitReason::APIC_ACCESS)  // "linear access during event delivery" (SDM table 30-6)
                exit_.qualification = (exit_.qualification & 0xfff) |
                                      u64{static_cast<u8>(vmx::ApicAccess::EventDelivery)} << 12;
            record_original(exit_, event);
            return true;
        }
        if (outcome != Outcome::Fault) {
            if (state.debugctl & 1) [[unlikely]] {  // LBR
                system.last_branches.before_event();
                record_branch(from, LastBranches::Far);
            }
            return false;
        }

        // The exception during delivery is tested against the exception bitmap by itself first, and only then becomes a
        // double fault, which is tested in turn and does not count as "during delivery" (SDM 30.2.4).
        Event second = fault_;
        if (second.has_error_code && second.vector != vector::PF && sets_ext(event)) second.error_code |= 1;
        switch (combine(class_of(event), class_of(second))) {
            case Next::Second:
                original = event;
                event = second;
                break;
            case Next::DoubleFault: {
                ExitInfo direct;
                if (real_mode(*this)) second.has_error_code = false;
                if (vmx_ && vmx_->intercept_event(second, &event, direct)) {
                    record_original(direct, event);
                    exit_ = direct;
                    return true;
                }
                record(state, second);
                original.reset();
                event = {};
                event.vector = vector::DF;
                event.has_error_code = true;
                break;
            }
            case Next::TripleFault: {
                ExitInfo last;
                if (vmx_ && vmx_->intercept_event(second, &event, last)) {
                    record_original(last, event);
                    exit_ = last;
                    return true;
                }
                last = {};
                if (vmx_ && vmx_->intercept_triple_fault(last)) {
                    exit_ = last;
                    return true;
                }
                trail_.note({.kind = TrailKind::TripleFault, .rip = state.rip, .cycles = state.cycles});
                if (observer_) observer_->triple_fault(*this);
                state.activity = vmx::ActivityState::Shutdown;
                request_stop(StopReason::Shutdown);
                return false;
            }
        }
    }
}

void Core::deliver(const Event& event) {
    if (deliver_or_exit(event, false)) take_vm_exit();
}

void Core::take_vm_exit() { serve_exits(true); }

void Core::serve_exits(bool exit_due) {
    // A loop, not recursion: an agent may inject events whose delivery exits again, without end.
    for (;;) {
        if (exit_due) {
            trail_.note({.kind = TrailKind::Exit, .non_root = true, .reason = static_cast<u16>(exit_.reason),
                         .rip = state.rip, .cycles = state.cycles, .detail = exit_.qualification});
            if (observer_) [[unlikely]] observer_->vm_exit(*this, exit_);
            vmx_->exit(exit_);
            context_changed();
            if (vmx_->abort_indicator() != 0) {
                request_stop(StopReason::VmxAbort);
                return;
            }
        }
        if (!agent_) return;
        const std::optional<Event> inject = agent_->vm_exit_taken();
        context_changed();
        if (agent_->stopped()) {
            request_stop(StopReason::AgentStopped);
            return;
        }
        note_entry(false);
        if (!inject || !deliver_or_exit(*inject, true)) return;
        exit_due = true;
    }
}

void Core::after_vm_entry(const vmx::EntryResult& result) {
    switch (result.kind) {
        case vmx::EntryResult::Failed:
            break;
        case vmx::EntryResult::FailedExit:
            context_changed();
            note_entry(true);
            serve_exits(false);
            break;
        case vmx::EntryResult::Entered:
            context_changed();
            note_entry(false);
            if (result.inject && deliver_or_exit(*result.inject, true)) take_vm_exit();
            break;
    }
}

}  // namespace vmxsim::core
