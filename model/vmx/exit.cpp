// SPDX-License-Identifier: Apache-2.0
// VM exit (SDM chapter 30): recording, saving, MSR-store area, host state.
#include "model/vmx/allowed.hpp"
#include "model/vmx/vmx.hpp"

namespace vmxsim::vmx {

using arch::Field;
using arch::FieldType;
using arch::VmcsOp;

/// VM-exit information fields (30.2). Undefined ones are zero.
void Vmx::record_exit(const ExitInfo& info) {
    page_.set(Field::VM_EXIT_REASON,
              static_cast<u32>(info.reason) | (info.entry_failure ? arch::kExitReasonEntryFailure : 0u));
    page_.set(Field::EXIT_QUALIFICATION, info.qualification);
    page_.set(Field::GUEST_LINEAR_ADDRESS, info.guest_linear);
    page_.set(Field::GUEST_PHYSICAL_ADDRESS, info.guest_physical);
    page_.set(Field::VM_EXIT_INTR_INFO, info.intr_info.raw);
    page_.set(Field::VM_EXIT_INTR_ERROR_CODE, info.intr_error_code);
    page_.set(Field::IDT_VECTORING_INFO_FIELD, info.idt_vectoring.raw);
    page_.set(Field::IDT_VECTORING_ERROR_CODE, info.idt_vectoring_error_code);
    page_.set(Field::VM_EXIT_INSTRUCTION_LEN, info.instruction_length);
    page_.set(Field::VMX_INSTRUCTION_INFO, info.instruction_info);
    page_.set(Field::IO_RCX, info.io_rcx);
    page_.set(Field::IO_RSI, info.io_rsi);
    page_.set(Field::IO_RDI, info.io_rdi);
    page_.set(Field::IO_RIP, info.io_rip);
}

void Vmx::exit(const ExitInfo& info) {
    ledger_.charge(kVmExit, cpu_.cycles);
    ledger_.open({.level = guest_level_, .exit_reason = static_cast<u16>(info.reason)}, cpu_.cycles);
    cpu_.cycles += timing_.exit_base;
    const HostPhysical vmcs{cpu_.vmx.current_vmcs};

    // The exit-information lines are written whole, and no VM exit changes the VM-instruction error.
    page_.set(Field::VM_INSTRUCTION_ERROR,
              transact({.op = VmcsOp::Read, .vmcs = vmcs,
                        .encoding = arch::encoding_of(Field::VM_INSTRUCTION_ERROR)}).data);
    record_exit(info);
    save_guest_state(info);
    bulk_write({FieldType::Guest, FieldType::ReadOnly});
    // 30.2: the valid bit of the injected event is cleared.
    const u64 inject = page_.get(Field::VM_ENTRY_INTR_INFO_FIELD) & 0x7fffffff;
    page_.set(Field::VM_ENTRY_INTR_INFO_FIELD, inject);
    transact({.op = VmcsOp::Write, .vmcs = vmcs, .encoding = arch::encoding_of(Field::VM_ENTRY_INTR_INFO_FIELD),
              .data = inject});
    // 30.2: processors with unrestricted guest keep EFER.LMA in "IA-32e mode guest"; written where it has changed.
    arch::EntryControls entry = controls_.entry;
    cpu_.long_mode() ? entry.set(arch::EntryControl::IA32eModeGuest) : entry.clear(arch::EntryControl::IA32eModeGuest);
    if (entry != controls_.entry &&
        may_set(allowed_secondary(capabilities_), arch::SecondaryControl::UnrestrictedGuest))
        transact({.op = VmcsOp::Write, .vmcs = vmcs, .encoding = arch::encoding_of(Field::VM_ENTRY_CONTROLS),
                  .data = entry.raw});

    // 30.5.5: only an exit directly due to an NMI starts blocking by NMI; others leave it, and under "virtual NMIs" the
    // guest's bit is not the physical one.
    const bool nmi = info.reason == arch::ExitReason::EXCEPTION_NMI && info.intr_info.type() == arch::EventType::Nmi;
    const bool nmi_blocked =
        nmi || (!controls_.has(arch::PinControl::VirtualNMIs) && (cpu_.blocking & blocking::NMI));

    const u32 unsaved = store_msrs(page_.get(Field::VM_EXIT_MSR_STORE_ADDR),
                                   static_cast<u32>(page_.get(Field::VM_EXIT_MSR_STORE_COUNT)));
    if (unsaved != 0) {
        constexpr u32 kSavingMsrs = 1;
        cpu_.vmx.non_root = false;
        abort(kSavingMsrs);
    } else {
        bulk_read({FieldType::Host});
        load_host_state(nmi_blocked);
    }
    ledger_.charge(kRootCode, cpu_.cycles);
}

}  // namespace vmxsim::vmx
