// SPDX-License-Identifier: Apache-2.0
// Numbers of model-specific registers (SDM volume 4), and the VMX capability MSRs (Appendix A).
#pragma once
#include <array>
#include <string_view>

#include "model/arch/types.hpp"

namespace vmxsim::arch::msr {

inline constexpr u32 TSC = 0x10;
inline constexpr u32 APIC_BASE = 0x1b;
inline constexpr u32 FEATURE_CONTROL = 0x3a;
inline constexpr u32 TSC_ADJUST = 0x3b;
inline constexpr u32 BIOS_SIGN_ID = 0x8b;
inline constexpr u32 MTRRCAP = 0xfe;
inline constexpr u32 SYSENTER_CS = 0x174;
inline constexpr u32 SYSENTER_ESP = 0x175;
inline constexpr u32 SYSENTER_EIP = 0x176;
inline constexpr u32 MISC_ENABLE = 0x1a0;
inline constexpr u32 DEBUGCTL = 0x1d9;
inline constexpr u32 PAT = 0x277;
inline constexpr u32 MTRR_DEF_TYPE = 0x2ff;
inline constexpr u32 PERF_GLOBAL_CTRL = 0x38f;
inline constexpr u32 VMX_FIRST = 0x480;
inline constexpr u32 VMX_LAST = 0x493;
inline constexpr u32 EFER = 0xc0000080;
inline constexpr u32 STAR = 0xc0000081;
inline constexpr u32 LSTAR = 0xc0000082;
inline constexpr u32 CSTAR = 0xc0000083;
inline constexpr u32 FMASK = 0xc0000084;
inline constexpr u32 FS_BASE = 0xc0000100;
inline constexpr u32 GS_BASE = 0xc0000101;
inline constexpr u32 KERNEL_GS_BASE = 0xc0000102;
inline constexpr u32 TSC_AUX = 0xc0000103;

#define VMXSIM_CAPABILITY(index, name) inline constexpr u32 name = index;
#include "model/arch/capability_msrs.def"
#undef VMXSIM_CAPABILITY

struct CapabilityInfo {
    u32 index;
    std::string_view name;
};
inline constexpr CapabilityInfo kCapabilities[] = {
#define VMXSIM_CAPABILITY(index, name) {index, #name},
#include "model/arch/capability_msrs.def"
#undef VMXSIM_CAPABILITY
};

}  // namespace vmxsim::arch::msr

namespace vmxsim::arch {

/// The IA32_VMX_* MSRs of one CPU (0x480 to 0x493), with IA32_FEATURE_CONTROL's value at reset of the machine.
struct Capabilities {
    std::array<u64, msr::VMX_LAST - msr::VMX_FIRST + 1> vmx{};
    u64 feature_control = 5;  ///< locked, VMXON outside SMX allowed (SDM 26.7)
    unsigned physical_address_bits = 40;
    /// Bits of IA32_DEBUGCTL and IA32_PERF_GLOBAL_CTRL that are not reserved: LBR, BTF, TR, the freezes; the counters.
    u64 debugctl_bits = 0x1843, perf_global_bits = 0x70000000f;
    constexpr u64 get(u32 index) const { return vmx[index - msr::VMX_FIRST]; }
    constexpr void set(u32 index, u64 value) { vmx[index - msr::VMX_FIRST] = value; }
    constexpr u32 revision_id() const { return static_cast<u32>(get(msr::IA32_VMX_BASIC)) & 0x7fffffff; }
    /// Bit 55 of IA32_VMX_BASIC: the TRUE capability MSRs exist (SDM A.1).
    constexpr bool has_true_controls() const { return get(msr::IA32_VMX_BASIC) >> 55 & 1; }
};

}  // namespace vmxsim::arch
