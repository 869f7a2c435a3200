// SPDX-License-Identifier: Apache-2.0
// vmcs12: the VMCS that L1 builds for L2, kept in L1's memory in a layout of L0's own (SDM 27.2: software must not
// know).
//
//   offset 0   revision identifier (bits 30:0), as IA32_VMX_BASIC offers it to L1
//   offset 4   VMX-abort indicator
//   offset 8   launch state: 1 = launched
//   offset 64  the fields: 8 bytes each, in the order of the field table (model/arch/vmcs_fields.def)
#pragma once
#include "model/arch/vmcs_field.hpp"
#include "nested/memory.hpp"

namespace vmxsim::nested {

inline constexpr u32 kVmcs12Revision = 0x11e57ed0;
inline constexpr u64 kVmcs12LaunchState = 8;
inline constexpr u64 kVmcs12Fields = 64;
static_assert(kVmcs12Fields + 8 * arch::kFieldCount <= 4096);

/// Offset of a field in the region.
constexpr u64 vmcs12_offset(arch::Field f) { return kVmcs12Fields + 8 * arch::index_of(f); }

/// Whether vmcs12 has the field: those of the CPUs of 2010, beside what L1 is not offered at all.
bool vmcs12_has(arch::Field f);

/// Highest index of a field of vmcs12, as IA32_VMX_VMCS_ENUM reports it (SDM A.9).
u64 vmcs12_highest_index();

/// A vmcs12 by its guest-physical address. Plain memory accesses; what they cost is the caller's business.
class Vmcs12 {
public:
    Vmcs12(L1Memory& memory, GuestPhysical at) : memory_(&memory), at_(at) {}
    GuestPhysical address() const { return at_; }
    u64 get(arch::Field f) const;
    void set(arch::Field f, u64 value);
    bool launched() const { return memory_->read(at_ + kVmcs12LaunchState, 4) & 1; }
    void set_launched(bool on) { memory_->write(at_ + kVmcs12LaunchState, 4, on ? 1 : 0); }

private:
    L1Memory* memory_;
    GuestPhysical at_;
};

}  // namespace vmxsim::nested
