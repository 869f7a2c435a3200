// SPDX-License-Identifier: Apache-2.0
// Model-specific registers (SDM volume 4). What is not listed here does not exist: #GP(0).
#include "model/arch/msrs.hpp"

#include "model/core/engine/engine.hpp"
#include "model/core/fpu.hpp"
#include "model/core/system/handlers.hpp"

namespace vmxsim::core {

using namespace vmx;
namespace msr = arch::msr;

namespace {

constexpr u32 kPlatformId = 0x17, kBiosUpdateTrigger = 0x79;
constexpr u32 kMtrrVariable = 0x200, kMtrrFixed64 = 0x250, kMtrrFixed16 = 0x258, kMtrrFixed4 = 0x268;
constexpr u32 kXss = 0xda0;  ///< IA32_XSS: no supervisor state, so that nothing but zero is allowed (SDM 1, 13.3)
constexpr u64 kMtrrCapabilities = 0x508;  ///< 8 variable ranges, fixed ranges, write combining (SDM 12.11.1)

/// Registers that hold an address: writes must be canonical.
u64* address_register(CpuState& state, u32 index) {
    switch (index) {
        case msr::SYSENTER_ESP:
            return &state.sysenter_esp;
        case msr::SYSENTER_EIP:
            return &state.sysenter_eip;
        case msr::LSTAR:
            return &state.lstar;
        case msr::CSTAR:
            return &state.cstar;
        case msr::FS_BASE:
            return &state.seg[FS].base;
        case msr::GS_BASE:
            return &state.seg[GS].base;
        case msr::KERNEL_GS_BASE:
            return &state.kernel_gs_base;
        default:
            return nullptr;
    }
}

u64* mtrr(Core& core, u32 index) {
    SystemState& system = core.system;
    if (index >= kMtrrVariable && index < kMtrrVariable + system.mtrr_variable.size())
        return &system.mtrr_variable[index - kMtrrVariable];
    if (index == kMtrrFixed64) return &system.mtrr_fixed[0];
    if (index == kMtrrFixed16 || index == kMtrrFixed16 + 1) return &system.mtrr_fixed[index - kMtrrFixed16 + 1];
    if (index >= kMtrrFixed4 && index < kMtrrFixed4 + 8) return &system.mtrr_fixed[index - kMtrrFixed4 + 3];
    return index == msr::MTRR_DEF_TYPE ? &system.mtrr_default : nullptr;
}

bool has_mtrrs(const Core& core) { return cpuid_has(core, 1, 0, 3, 12); }

bool mtrr_type(u64 type) { return type <= 6 && type != 2 && type != 3; }

/// SDM 12.11.2: memory types, and reserved bits of variable ranges and the default-type register.
bool mtrr_value_ok(const Core& core, u32 index, u64 value) {
    const u64 address = ((u64{1} << core.capabilities().physical_address_bits) - 1) & ~u64{0xfff};
    if (index == msr::MTRR_DEF_TYPE) return mtrr_type(value & 0xff) && !(value & ~u64{0xcff});
    if (index < kMtrrFixed64)
        return index & 1 ? !(value & ~(address | 0x800)) : mtrr_type(value & 0xff) && !(value & ~(address | 0xff));
    for (unsigned i = 0; i < 8; ++i)
        if (!mtrr_type(value >> (8 * i) & 0xff)) return false;
    return true;
}

bool pat_ok(u64 value) {
    for (unsigned i = 0; i < 8; ++i) {
        const u64 type = value >> (8 * i) & 0xff;
        if (type > 7 || type == 2 || type == 3) return false;
    }
    return true;
}

/// IA32_VMX_* that this CPU has (SDM A.1 ff).
bool vmx_capability_exists(const Core& core, u32 index) {
    if (!cpuid_has(core, 1, 0, 2, 5)) return false;
    const arch::Capabilities& c = core.capabilities();
    const u64 primary = c.get(msr::IA32_VMX_PROCBASED_CTLS) >> 32;
    const u64 secondary = primary >> 31 & 1 ? c.get(msr::IA32_VMX_PROCBASED_CTLS2) >> 32 : 0;
    constexpr u64 kEpt = 1u << 1, kVpid = 1u << 5, kVmfunc = 1u << 13;
    switch (index) {
        case msr::IA32_VMX_PROCBASED_CTLS2:
            return primary >> 31 & 1;
        case msr::IA32_VMX_EPT_VPID_CAP:
            return secondary & (kEpt | kVpid);
        case msr::IA32_VMX_TRUE_PINBASED_CTLS:
        case msr::IA32_VMX_TRUE_PROCBASED_CTLS:
        case msr::IA32_VMX_TRUE_EXIT_CTLS:
        case msr::IA32_VMX_TRUE_ENTRY_CTLS:
            return c.has_true_controls();
        case msr::IA32_VMX_VMFUNC:
            return secondary & kVmfunc;
        case msr::IA32_VMX_PROCBASED_CTLS3:
            return primary >> 17 & 1;
        case msr::IA32_VMX_EXIT_CTLS2:
            return c.get(msr::IA32_VMX_EXIT_CTLS) >> 63;
        default:
            return true;
    }
}

/// Kept by the local APIC where there is one: APIC base, TSC deadline, x2APIC registers.
bool belongs_to_apic(u32 index) {
    constexpr u32 kTscDeadline = 0x6e0, kX2ApicFirst = 0x800, kX2ApicLast = 0x8ff;
    return index == msr::APIC_BASE || index == kTscDeadline || (index >= kX2ApicFirst && index <= kX2ApicLast);
}

/// Machine checks: no error is ever reported, so there are no banks (SDM 17.3.1).
constexpr u32 kMcgCap = 0x179, kMcgStatus = 0x17a;
bool has_machine_checks(const Core& core) { return cpuid_has(core, 1, 0, 3, 14); }

constexpr u32 kMperf = 0xe7, kAperf = 0xe8;
bool has_aperfmperf(const Core& core) { return cpuid_has(core, 6, 0, 2, 0); }

/// Power management that takes no time here, but that operating systems for these CPUs set up without asking CPUID
/// (SDM volume 4, table 2-15 and the later families' tables): kept as written.
constexpr u32 kPackageCStates = 0xe2, kPowerControl = 0x1fc;
u64* power_register(Core& core, u32 index) {
    return index == kPowerControl ? &core.system.power_control : index == kPackageCStates ? &core.system.c_states : nullptr;
}

/// IA32_MISC_ENABLE (SDM volume 4, table 2-2): bits 7, 11 and 12 tell what the processor is; bits 7 and 18 only where
/// CPUID has the feature at all. Thermal control, SpeedStep and the xTPR messages (3, 16, 23) have no effect here.
namespace misc_enable {
constexpr u64 kMonitorable = u64{1} << 7, kUnavailable = 3u << 11, kMonitor = u64{1} << 18, kXdDisable = u64{1} << 34;
constexpr u64 kIneffective = 1u << 3 | 1u << 16 | 1u << 23;
constexpr u64 kWritable = 1 | kIneffective | kMonitor | u64{1} << 22 | kXdDisable;
u64 exists(const Core& core) {
    u64 mask = 1 | kIneffective | kUnavailable | u64{1} << 22;
    if (core.counters.present()) mask |= kMonitorable;
    if (cpuid_has(core, 1, 0, 2, 3)) mask |= kMonitor;
    if (cpuid_has(core, 0x80000001, 0, 3, 20)) mask |= kXdDisable;
    return mask;
}
bool write(Core& core, u64 value) {
    u64& now = core.state.misc_enable;
    const u64 mask = exists(core);
    if (value & ~mask) return false;
    if ((value ^ now) & kUnavailable) return false;  // read only
    // Execute disable goes, and with it what the page tables' bit 63 means.
    if (value & ~now & kXdDisable) core.mmu().flush_vpid(current_vpid(core), false);
    now = (now & ~(kWritable & mask)) | (value & kWritable & mask);
    return true;
}
}  // namespace misc_enable

bool write_efer(Core& core, u64 value) {
    CpuState& state = core.state;
    u64 allowed = efer::SCE | efer::LME | efer::LMA;
    const bool xd = cpuid_has(core, 0x80000001, 0, 3, 20) && !(state.misc_enable & misc_enable::kXdDisable);
    if (xd) allowed |= efer::NXE;
    if (value & ~allowed) return false;
    if ((state.cr0 & cr0::PG) && ((state.efer ^ value) & efer::LME)) return false;  // SDM 2.2.1
    const u64 old = state.efer;
    state.efer = (value & ~efer::LMA) | (old & efer::LMA);
    if ((old ^ state.efer) & efer::NXE) core.mmu().flush_vpid(current_vpid(core), false);
    core.context_changed();
    return true;
}

}  // namespace

bool read_msr(Core& core, u32 index, u64& value) {
    CpuState& state = core.state;
    if (core.interrupts() && belongs_to_apic(index)) return core.interrupts()->read_msr(index, value);
    if (const u64* address = address_register(state, index)) return value = *address, true;
    if (const u64* power = power_register(core, index)) return value = *power, true;
    if (const u64* range = mtrr(core, index)) return value = *range, has_mtrrs(core);
    if (index >= msr::VMX_FIRST && index <= msr::VMX_LAST)
        return vmx_capability_exists(core, index) ? (value = core.capabilities().get(index), true) : false;
    if (core.counters.owns(index)) return core.counters.read(index, value);
    if (const u64* branch = core.system.last_branches.find(index)) return value = *branch, true;
    switch (index) {
        case kMperf:
        case kAperf:
            value = core.counters.unhalted_cycles() +
                    (index == kMperf ? core.system.mperf_offset : core.system.aperf_offset);
            return has_aperfmperf(core);
        case msr::TSC:
            value = state.cycles + state.tsc_adjust;
            return true;
        case kPlatformId:
            value = 0;
            return true;
        case msr::APIC_BASE:
            value = state.apic_base;
            return true;
        case msr::FEATURE_CONTROL:
            value = state.feature_control;
            return true;
        case msr::TSC_ADJUST:
            value = state.tsc_adjust;
            return true;
        case msr::BIOS_SIGN_ID:
            value = core.system.update_signature;
            return true;
        case msr::MTRRCAP:
            value = kMtrrCapabilities;
            return has_mtrrs(core);
        case kMcgCap:
            value = 0;
            return has_machine_checks(core);
        case kMcgStatus:
            value = core.system.mcg_status;
            return has_machine_checks(core);
        case msr::SYSENTER_CS:
            value = state.sysenter_cs;
            return true;
        case msr::MISC_ENABLE:
            value = state.misc_enable & misc_enable::exists(core);
            return true;
        case msr::DEBUGCTL:
            value = state.debugctl;
            return true;
        case msr::PAT:
            value = state.pat;
            return true;
        case msr::EFER:
            value = state.efer;
            return true;
        case msr::STAR:
            value = state.star;
            return true;
        case msr::FMASK:
            value = state.fmask;
            return true;
        case msr::TSC_AUX:
            value = state.tsc_aux;
            return true;
        case kXss:
            value = 0;
            return core.fpu.offered & offers::XSAVES;
        default:
            return false;
    }
}

bool write_msr(Core& core, u32 index, u64 value) {
    CpuState& state = core.state;
    if (core.interrupts() && belongs_to_apic(index)) {
        // Address bits beyond MAXPHYADDR are reserved (SDM figure 11-5).
        if (index == msr::APIC_BASE && value >> core.capabilities().physical_address_bits) return false;
        if (!core.interrupts()->write_msr(index, value)) return false;
        if (index == msr::APIC_BASE) {
            state.apic_base = value;
            core.engine().drop_all();  // another page may be the APIC's now
        }
        return true;
    }
    if (u64* address = address_register(state, index)) return canonical_base(core, value) ? (*address = value, true) : false;
    if (u64* power = power_register(core, index)) return *power = value, true;
    if (u64* range = mtrr(core, index))
        return has_mtrrs(core) && mtrr_value_ok(core, index, value) ? (*range = value, true) : false;
    if (core.counters.owns(index)) return core.counters.write(index, value);
    if (u64* branch = core.system.last_branches.find(index)) {
        using L = LastBranches;
        if (L::read_only(index) || (index == L::kTop && value >= L::kEntries) || (index == L::kSelect && value >> 9))
            return false;
        const bool address = index != L::kTop && index != L::kSelect;
        if (address && !canonical(core, value)) return false;
        return *branch = value, true;
    }
    switch (index) {
        case kMperf:
        case kAperf:
            (index == kMperf ? core.system.mperf_offset : core.system.aperf_offset) =
                value - core.counters.unhalted_cycles();
            return has_aperfmperf(core);
        // A write to either changes both alike (SDM 18.17.3).
        case msr::TSC:
            state.tsc_adjust = value - state.cycles;
            if (core.interrupts()) core.interrupts()->tsc_adjusted(state.tsc_adjust);
            return true;
        case msr::TSC_ADJUST:
            state.tsc_adjust = value;
            if (core.interrupts()) core.interrupts()->tsc_adjusted(value);
            return true;
        case msr::APIC_BASE: {
            const u64 address = ((u64{1} << core.capabilities().physical_address_bits) - 1) & ~u64{0xfff};
            constexpr u64 kBsp = 1u << 8, kEnable = 1u << 11;
            if (value & ~(address | kBsp | kEnable)) return false;
            state.apic_base = value;
            return true;
        }
        case msr::FEATURE_CONTROL:
            if (state.feature_control & 1) return false;  // the lock bit
            state.feature_control = value;
            return true;
        case kBiosUpdateTrigger:
            return true;  // no update that is offered is one for this CPU
        case msr::BIOS_SIGN_ID:
            core.system.update_signature = value;
            return true;
        case kMcgStatus: {
            constexpr u64 kDefined = 7;  // RIPV, EIPV, MCIP (SDM 17.3.1.2)
            if (!has_machine_checks(core) || (value & ~kDefined)) return false;
            core.system.mcg_status = value;
            return true;
        }
        case msr::SYSENTER_CS:
            state.sysenter_cs = value & 0xffffffff;
            return true;
        case msr::MISC_ENABLE:
            return misc_enable::write(core, value);
        case msr::DEBUGCTL:
            if (value & ~core.capabilities().debugctl_bits) return false;
            state.debugctl = value;
            return true;
        case msr::PAT:
            if (!pat_ok(value)) return false;
            state.pat = value;
            return true;
        case msr::EFER:
            return write_efer(core, value);
        case msr::STAR:
            state.star = value;
            return true;
        case msr::FMASK:
            state.fmask = value & 0xffffffff;
            return true;
        case msr::TSC_AUX:
            if (value >> 32) return false;
            state.tsc_aux = value;
            return true;
        case kXss:
            return core.fpu.offered & offers::XSAVES && value == 0;
        default:
            return false;
    }
}

bool Msrs::read(u32 index, u64& value) { return read_msr(core_, index, value); }
bool Msrs::write(u32 index, u64 value) { return write_msr(core_, index, value); }

}  // namespace vmxsim::core
