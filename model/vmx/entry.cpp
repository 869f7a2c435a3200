// SPDX-License-Identifier: Apache-2.0
// VM entry: VMLAUNCH and VMRESUME (SDM chapter 29). The order of work is the SDM's; gate() has been passed.
#include "model/vmx/entry_memo.hpp"
#include "model/vmx/vmx.hpp"

namespace vmxsim::vmx {

using arch::Field;
using arch::FieldType;
using arch::VmcsOp;

namespace {

EntryResult failed(VmxResult result, const char* violated) {
    EntryResult r;
    r.kind = EntryResult::Failed;
    r.result = result;
    r.violated = violated;
    return r;
}

}  // namespace

EntryResult Vmx::enter(bool launch) {
    const BucketId before = ledger_.charge(kVmEntry, cpu_.cycles);
    EntryResult result = try_entry(launch);
    if (result.kind == EntryResult::Entered) {
        ledger_.charge(guest_level_ == 1 ? kGuestCode : kNestedCode, cpu_.cycles);
        ledger_.close(guest_level_, cpu_.cycles);
    } else {
        ledger_.charge(before, cpu_.cycles);
    }
    return result;
}

EntryResult Vmx::try_entry(bool launch) {
    // Basic checks (29.1), in this order
    const u64 vmcs = cpu_.vmx.current_vmcs;
    if (vmcs == ~u64{0}) return failed({VmxResult::FailInvalid, 0}, "BASIC-NO-CURRENT-VMCS");
    if (current_is_shadow_) return failed({VmxResult::FailInvalid, 0}, "BASIC-SHADOW-VMCS");
    if (cpu_.blocking & blocking::MOV_SS) return failed(fail(26), "BASIC-MOVSS");
    const bool launched = transact({.op = VmcsOp::GetLaunchState, .vmcs = {vmcs}}).data != 0;
    if (launch && launched) return failed(fail(4), "BASIC-LAUNCH-CLEAR");
    if (!launch && !launched) return failed(fail(5), "BASIC-RESUME-LAUNCHED");

    cpu_.cycles += timing_.entry_base;
    bulk_read({FieldType::Control, FieldType::Guest, FieldType::Host});

    const DecodedControls& decoded = checker_->begin(page_, vmcs);
    EntryContext context(page_, decoded, capabilities_, cpu_, ram_, vmcs);
    bool host = false;
    if (const EntryCheck* v = checker_->early_violated(context, host)) return failed(fail(host ? 8 : 7), v->id);

    controls_ = decoded.controls;
    if (const EntryCheck* v = checker_->guest_violated(context))
        return fail_entry(arch::ExitReason::INVALID_STATE, v->qualification, v->id);

    load_guest_state();
    const char* violated = nullptr;
    const u32 refused = load_msrs(page_.get(Field::VM_ENTRY_MSR_LOAD_ADDR),
                                  static_cast<u32>(page_.get(Field::VM_ENTRY_MSR_LOAD_COUNT)), &violated);
    if (refused != 0) return fail_entry(arch::ExitReason::MSR_LOAD_FAIL, refused, violated);

    if (launch) transact({.op = VmcsOp::SetLaunchState, .vmcs = {vmcs}, .data = 1});
    EntryResult result;
    result.kind = EntryResult::Entered;
    load_non_register_state(result);
    cpu_.vmx.non_root = true;
    start_timer();
    // 31.4.3.1: without VPIDs a VM entry invalidates what is tagged with VPID 0000H.
    if (!controls_.has(arch::SecondaryControl::EnableVPID)) translations_.flush_vpid({}, false);
    return result;
}

/// VM-entry failure during or after loading guest state (29.8): as a VM exit, but only reason and qualification are
/// recorded; guest-state area, MSR-store area and the injected event's valid bit stay as they are.
EntryResult Vmx::fail_entry(arch::ExitReason reason, u64 qualification, const char* violated) {
    const HostPhysical vmcs{cpu_.vmx.current_vmcs};
    transact({.op = VmcsOp::Write, .vmcs = vmcs, .encoding = arch::encoding_of(Field::VM_EXIT_REASON),
              .data = static_cast<u32>(reason) | arch::kExitReasonEntryFailure});
    transact({.op = VmcsOp::Write, .vmcs = vmcs, .encoding = arch::encoding_of(Field::EXIT_QUALIFICATION),
              .data = qualification});
    const bool nmi_blocked = cpu_.blocking & blocking::NMI;
    load_host_state(nmi_blocked);
    EntryResult result;
    result.kind = EntryResult::FailedExit;
    result.violated = violated;
    return result;
}

/// State between instructions, event injection (29.3.2.4, 29.6, 29.7).
void Vmx::load_non_register_state(EntryResult& result) {
    cpu_.activity = static_cast<ActivityState>(page_.get(Field::GUEST_ACTIVITY_STATE));
    cpu_.blocking = static_cast<u32>(page_.get(Field::GUEST_INTERRUPTIBILITY_INFO));
    cpu_.pending_debug = page_.get(Field::GUEST_PENDING_DBG_EXCEPTIONS);
    pause_seen_ = false;
    mtf_ = controls_.has(arch::PrimaryControl::MonitorTrapFlag) ? Mtf::AfterInstruction : Mtf::Off;
    check_threshold_at_entry();

    const arch::EventInfo inject{static_cast<u32>(page_.get(Field::VM_ENTRY_INTR_INFO_FIELD))};
    if (!inject.valid()) {
        if (cpu_.activity == ActivityState::Shutdown || cpu_.activity == ActivityState::WaitForSipi)
            cpu_.pending_debug = 0;  // 29.7.3
        return;
    }
    // 29.7.3: pending debug exceptions do not outlive the injection, but for a software event behind MOV SS.
    const bool software = inject.type() == arch::EventType::SoftwareInterrupt ||
                          inject.type() == arch::EventType::SoftwareException;
    if (!(software && (cpu_.blocking & blocking::MOV_SS))) cpu_.pending_debug = 0;
    // 29.7.1: no blocking by STI or MOV SS after a VM entry that injects. The event ends an inactive state (29.7.2).
    cpu_.blocking &= ~(blocking::STI | blocking::MOV_SS);
    cpu_.activity = ActivityState::Active;
    if (inject.type() == arch::EventType::Other) {  // 29.6.2: vector 0, a pending MTF VM exit
        mtf_ = Mtf::Due;
        return;
    }
    // 28.5.2: with MTF, the exit is pending on the boundary behind the injected event's delivery.
    if (mtf_ != Mtf::Off) mtf_ = Mtf::Due;
    if (inject.type() == arch::EventType::Nmi) cpu_.blocking |= blocking::NMI;

    Event event;
    event.vector = inject.vector();
    event.type = inject.type();
    event.has_error_code = inject.has_error_code();
    if (event.has_error_code) event.error_code = static_cast<u32>(page_.get(Field::VM_ENTRY_EXCEPTION_ERROR_CODE));
    event.cr2 = cpu_.cr2;  // an injected #PF leaves CR2 as it is (29.6.1)
    if (software || event.type == arch::EventType::PrivilegedSoftwareException)
        event.instruction_length = static_cast<u8>(page_.get(Field::VM_ENTRY_INSTRUCTION_LEN));
    result.inject = event;
}

}  // namespace vmxsim::vmx
