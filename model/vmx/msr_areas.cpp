// SPDX-License-Identifier: Apache-2.0
// MSR-load and MSR-store areas (SDM 29.4, 30.4, 30.6): entries of 16 bytes, index, reserved dword, value.
#include "model/vmx/entry_checks.hpp"
#include "model/vmx/vmx.hpp"

namespace vmxsim::vmx {
namespace {

namespace msr = arch::msr;
constexpr u64 kEntryBytes = 16;
constexpr u32 kSmmMonitorControl = 0x9b, kSmbase = 0x9e;

/// x2APIC registers are refused in every mode.
constexpr bool is_x2apic(u32 index) { return index >> 8 == 8; }

/// The rule that keeps an MSR from being loaded whatever its value (29.4); null: none.
constexpr const char* never_loaded(u32 index) {
    if (index == msr::FS_BASE) return "MSRLD-FSBASE";
    if (index == msr::GS_BASE) return "MSRLD-GSBASE";
    if (is_x2apic(index)) return "MSRLD-X2APIC";
    if (index == kSmmMonitorControl) return "MSRLD-SMMONLY";
    if (index == kSmbase) return "MSRLD-SMBASE";
    if (index == msr::BIOS_SIGN_ID) return "MSRLD-MODEL";  // a microcode update is not one of a VM entry's works
    return nullptr;
}

}  // namespace

u32 Vmx::load_msrs(u64 area, u32 count, const char** violated) {
    for (u32 i = 0; i < count; ++i) {
        cpu_.cycles += timing_.msr_list_entry;
        const HostPhysical entry{area + i * kEntryBytes};
        const auto index = static_cast<u32>(ram_.read(entry, 4));
        const char* why = ram_.read(entry + 4, 4) != 0 ? "MSRLD-RSVD" : never_loaded(index);
        if (why == nullptr && !load_msr(index, ram_.read(entry + 8, 8))) why = "MSRLD-GP";
        if (why != nullptr) {
            if (violated != nullptr) *violated = why;
            return i + 1;
        }
    }
    return 0;
}

u32 Vmx::store_msrs(u64 area, u32 count) {
    for (u32 i = 0; i < count; ++i) {
        cpu_.cycles += timing_.msr_list_entry;
        const HostPhysical entry{area + i * kEntryBytes};
        const auto index = static_cast<u32>(ram_.read(entry, 4));
        u64 value = 0;
        if (ram_.read(entry + 4, 4) != 0 || is_x2apic(index) || index == kSmbase || !store_msr(index, value))
            return i + 1;
        ram_.write(entry + 8, 8, value);
    }
    return 0;
}

/// WRMSR at CPL 0; false where it would fault.
bool Vmx::load_msr(u32 index, u64 value) {
    const auto is_canonical = [this](u64 v) { return canonical(capabilities_, v); };
    const auto assign = [value](u64& to, bool allowed) {
        if (allowed) to = value;
        return allowed;
    };
    switch (index) {
        case msr::TSC: cpu_.tsc_adjust = value - cpu_.cycles; return true;
        case msr::TSC_ADJUST: return assign(cpu_.tsc_adjust, true);
        case msr::SYSENTER_CS: cpu_.sysenter_cs = value & 0xffffffff; return true;
        case msr::SYSENTER_ESP: return assign(cpu_.sysenter_esp, is_canonical(value));
        case msr::SYSENTER_EIP: return assign(cpu_.sysenter_eip, is_canonical(value));
        case msr::DEBUGCTL: return assign(cpu_.debugctl, (value & ~capabilities_.debugctl_bits) == 0);
        case msr::PAT: return assign(cpu_.pat, pat_ok(value));
        case msr::PERF_GLOBAL_CTRL:
            return assign(cpu_.perf_global_ctrl, (value & ~capabilities_.perf_global_bits) == 0);
        case msr::EFER: return load_efer(value);
        case msr::STAR: return assign(cpu_.star, true);
        case msr::LSTAR: return assign(cpu_.lstar, is_canonical(value));
        case msr::CSTAR: return assign(cpu_.cstar, is_canonical(value));
        case msr::FMASK: return assign(cpu_.fmask, value >> 32 == 0);
        case msr::KERNEL_GS_BASE: return assign(cpu_.kernel_gs_base, is_canonical(value));
        case msr::TSC_AUX: return assign(cpu_.tsc_aux, value >> 32 == 0);
        default: break;
    }
    if (index == msr::FEATURE_CONTROL || (index >= msr::VMX_FIRST && index <= msr::VMX_LAST)) return false;
    return msrs_ != nullptr && msrs_->write(index, value);
}

/// WRMSR of IA32_EFER: reserved bits, and LME under paging, fault; LMA is read-only (SDM 3A 2.2.1).
bool Vmx::load_efer(u64 value) {
    if (value & ~kEferDefined) return false;
    if ((cpu_.cr0 & cr0::PG) && ((value ^ cpu_.efer) & efer::LME)) return false;
    cpu_.efer = (value & ~efer::LMA) | (cpu_.efer & efer::LMA);
    return true;
}

/// RDMSR at CPL 0; false where it would fault.
bool Vmx::store_msr(u32 index, u64& value) const {
    switch (index) {
        case msr::TSC: value = cpu_.cycles + cpu_.tsc_adjust; return true;
        case msr::TSC_ADJUST: value = cpu_.tsc_adjust; return true;
        case msr::FEATURE_CONTROL: value = cpu_.feature_control; return true;
        case msr::SYSENTER_CS: value = cpu_.sysenter_cs; return true;
        case msr::SYSENTER_ESP: value = cpu_.sysenter_esp; return true;
        case msr::SYSENTER_EIP: value = cpu_.sysenter_eip; return true;
        case msr::DEBUGCTL: value = cpu_.debugctl; return true;
        case msr::PAT: value = cpu_.pat; return true;
        case msr::PERF_GLOBAL_CTRL: value = cpu_.perf_global_ctrl; return true;
        case msr::EFER: value = cpu_.efer; return true;
        case msr::STAR: value = cpu_.star; return true;
        case msr::LSTAR: value = cpu_.lstar; return true;
        case msr::CSTAR: value = cpu_.cstar; return true;
        case msr::FMASK: value = cpu_.fmask; return true;
        case msr::FS_BASE: value = cpu_.seg[FS].base; return true;
        case msr::GS_BASE: value = cpu_.seg[GS].base; return true;
        case msr::KERNEL_GS_BASE: value = cpu_.kernel_gs_base; return true;
        case msr::TSC_AUX: value = cpu_.tsc_aux; return true;
        default: break;
    }
    if (index >= msr::VMX_FIRST && index <= msr::VMX_LAST) {
        value = capabilities_.get(index);
        return true;
    }
    return msrs_ != nullptr && msrs_->read(index, value);
}

}  // namespace vmxsim::vmx
