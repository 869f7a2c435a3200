// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <string_view>

#include "model/arch/param.hpp"

namespace vmxsim::nested {

/// Cycles of what the nested unit does beside VMX instructions (those cost what the core's do) under a policy, and its
/// switches. A profile gives each with its source; none is fitted to a nested measurement.
struct NestedParams {
    u64 exit_software = 0;       ///< software around one exit of a guest: exit path, dispatch, entry path, without VMREAD/VMWRITE
    u64 emulate_access = 0;      ///< one emulated VMREAD/VMWRITE of L1, beyond exit_software and its own accesses
    u64 user_exit = 0;           ///< leaving to the user-space device model and back (I/O), beyond exit_software
    u64 handle_msr = 0;          ///< an emulated RDMSR or WRMSR, beyond exit_software
    u64 page_fill = 0;           ///< an EPT violation or shadow-page fault that L0 resolves, beyond exit_software
    u64 vmcs12_access = 0;       ///< one load or store of a vmcs12 field in memory
    u64 rdmsr = 0, wrmsr = 0;    ///< L0's own MSR accesses on the switch path
    u64 switch_software = 0;     ///< software of one vmcs01 <-> vmcs02 switch beside its MSR accesses and VMPTRLD
    u64 ept = 1;                 ///< flag: L0 uses EPT (else shadow page tables)
    u64 ept_large_pages = 0;     ///< flag: L0 maps L1's memory in 2-MiB pages where it can
    u64 vpid = 1;                ///< flag: L0 uses VPID
    u64 rdtscp = 0;              ///< flag: L0 lets its guests use RDTSCP
    u64 vmcs02_pool = 1;         ///< size of the pool of vmcs02s
};
std::span<const arch::Param<NestedParams>> nested_params();

/// Names that `--policy` takes. This issue of the unit has one: "kvm-2011".
std::span<const std::string_view> policies();

}  // namespace vmxsim::nested
