// SPDX-License-Identifier: Apache-2.0
// Tests common to the VMX instructions, before their operands are touched (SDM 33.3).
#include "model/vmx/allowed.hpp"
#include "model/vmx/vmx.hpp"

namespace vmxsim::vmx {

using arch::SecondaryControl;

/// Modes in which VMX instructions are defined: protected mode, not virtual-8086, not compatibility mode.
bool Vmx::code_allows_vmx() const {
    if (!cpu_.protected_mode() || cpu_.v8086()) return false;
    return !cpu_.long_mode() || cpu_.code64();
}

Gate Vmx::gate(VmxInstruction which) const {
    switch (which) {
        case VmxInstruction::Vmxon: {
            if (!code_allows_vmx() || !(cpu_.cr4 & cr4::VMXE)) return Gate::UndefinedOpcode;
            if (cpu_.vmx.non_root) return Gate::Exit;
            if (cpu_.cpl() > 0) return Gate::GeneralProtection;
            if (cpu_.vmx.on) return Gate::Proceed;  // to VMfail(15)
            // Lock bit, and VMXON outside SMX (SDM 26.7). Unrestricted guest does not relax the fixed bits here.
            constexpr u64 kLocked = 1, kOutsideSmx = 4;
            const bool enabled = (cpu_.feature_control & kLocked) && (cpu_.feature_control & kOutsideSmx);
            if (!enabled || !cr0_fixed_ok(capabilities_, cpu_.cr0) || !cr4_fixed_ok(capabilities_, cpu_.cr4))
                return Gate::GeneralProtection;
            return Gate::Proceed;
        }
        case VmxInstruction::Vmcall:
            if (!cpu_.vmx.on) return Gate::UndefinedOpcode;
            if (cpu_.vmx.non_root) return Gate::Exit;  // from any mode and privilege level
            if (!code_allows_vmx()) return Gate::UndefinedOpcode;
            return cpu_.cpl() > 0 ? Gate::GeneralProtection : Gate::Proceed;
        case VmxInstruction::Vmfunc:  // no test of the privilege level
            if (!cpu_.vmx.non_root || !controls_.has(SecondaryControl::EnableVMFunctions)) return Gate::UndefinedOpcode;
            return Gate::Proceed;
        case VmxInstruction::Invept:
            if (!may_set(allowed_secondary(capabilities_), SecondaryControl::EnableEPT) ||
                !has_ept_cap(capabilities_, 20))
                return Gate::UndefinedOpcode;
            break;
        case VmxInstruction::Invvpid:
            if (!may_set(allowed_secondary(capabilities_), SecondaryControl::EnableVPID) ||
                !has_ept_cap(capabilities_, 32))
                return Gate::UndefinedOpcode;
            break;
        default: break;
    }
    if (!cpu_.vmx.on || !code_allows_vmx()) return Gate::UndefinedOpcode;
    if (cpu_.vmx.non_root) return Gate::Exit;  // before the test of the privilege level
    return cpu_.cpl() > 0 ? Gate::GeneralProtection : Gate::Proceed;
}

Gate Vmx::gate_vmcs_access(bool write, u64 encoding) const {
    const Gate plain = gate(write ? VmxInstruction::Vmwrite : VmxInstruction::Vmread);
    if (plain != Gate::Exit || !controls_.has(SecondaryControl::VMCSShadowing)) return plain;
    // SDM 27.6.15: one bit for each of the low 15 bits of an encoding; others always exit.
    constexpr u64 kBitmapBits = 0x7fff;
    if (!cpu_.code64()) encoding &= 0xffffffff;
    if (encoding & ~kBitmapBits) return Gate::Exit;
    const HostPhysical bitmap = write ? controls_.vmwrite_bitmap : controls_.vmread_bitmap;
    const u64 byte = ram_.read(bitmap + (encoding >> 3), 1);
    if (byte >> (encoding & 7) & 1) return Gate::Exit;
    return cpu_.cpl() > 0 ? Gate::GeneralProtection : Gate::Proceed;
}

}  // namespace vmxsim::vmx
