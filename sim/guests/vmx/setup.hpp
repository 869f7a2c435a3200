// SPDX-License-Identifier: Apache-2.0
// What every hypervisor of ours begins with.
#pragma once
#include "sim/guests/vmx/vmx.hpp"

namespace guest {

/// Regions that VMXON and VMCLEAR are given.
u64 vmxon_region();
u64 vmcs_region();
u64 spare_vmcs_region();
u32 vmcs_revision();

/// Checks CPUID and IA32_FEATURE_CONTROL (locks it where it is open), sets CR0, prepares the regions.
void prepare_vmx();

/// `wanted` with what the capability MSRs demand (SDM A.2 to A.5: bits 31:0 of the MSR must be 1 in the control, bits
/// 63:32 may be; the TRUE MSR counts where it exists). Ends the machine where `wanted` is not allowed.
u64 adjusted_control(Field control, u32 wanted);

/// Fills the current VMCS but for GUEST_RIP and GUEST_RSP: a 64-bit guest without interrupts or IDT, whose HLT, I/O,
/// MSR accesses and exceptions exit; a host that continues in vmx_exit.
void fill_vmcs(u64 guest_cr3);

}  // namespace guest
