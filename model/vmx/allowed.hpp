// SPDX-License-Identifier: Apache-2.0
// What the capability MSRs let software set: control words, fixed CR bits, address widths (SDM Appendix A).
#pragma once
#include "model/arch/controls.hpp"
#include "model/arch/msrs.hpp"
#include "model/vmx/cpu_state.hpp"

namespace vmxsim::vmx {

/// Allowed settings of one control word (SDM A.2): bits that must be 1, bits that may be 1.
struct Allowed {
    u64 must = 0, may = 0;
    constexpr bool misses(u64 word) const { return must & ~word; }
    constexpr bool exceeds(u64 word) const { return word & ~may; }
};

namespace detail {
constexpr Allowed from_msr(u64 v) { return {v & 0xffffffff, v >> 32}; }
constexpr Allowed pick(const arch::Capabilities& c, u32 plain, u32 with_true) {
    return from_msr(c.get(c.has_true_controls() ? with_true : plain));
}
}  // namespace detail

constexpr Allowed allowed_pin(const arch::Capabilities& c) {
    return detail::pick(c, arch::msr::IA32_VMX_PINBASED_CTLS, arch::msr::IA32_VMX_TRUE_PINBASED_CTLS);
}
constexpr Allowed allowed_primary(const arch::Capabilities& c) {
    return detail::pick(c, arch::msr::IA32_VMX_PROCBASED_CTLS, arch::msr::IA32_VMX_TRUE_PROCBASED_CTLS);
}
constexpr Allowed allowed_exit(const arch::Capabilities& c) {
    return detail::pick(c, arch::msr::IA32_VMX_EXIT_CTLS, arch::msr::IA32_VMX_TRUE_EXIT_CTLS);
}
constexpr Allowed allowed_entry(const arch::Capabilities& c) {
    return detail::pick(c, arch::msr::IA32_VMX_ENTRY_CTLS, arch::msr::IA32_VMX_TRUE_ENTRY_CTLS);
}
/// The further words exist only where the word that activates them lets its bit be 1 (SDM A.3.3, A.3.4, A.4.2).
constexpr Allowed allowed_secondary(const arch::Capabilities& c) {
    const bool has = allowed_primary(c).may >> 31 & 1;
    return has ? Allowed{0, c.get(arch::msr::IA32_VMX_PROCBASED_CTLS2) >> 32} : Allowed{};
}
constexpr Allowed allowed_tertiary(const arch::Capabilities& c) {
    const bool has = allowed_primary(c).may >> 17 & 1;
    return has ? Allowed{0, c.get(arch::msr::IA32_VMX_PROCBASED_CTLS3)} : Allowed{};
}
constexpr Allowed allowed_exit2(const arch::Capabilities& c) {
    const bool has = allowed_exit(c).may >> 31 & 1;
    return has ? Allowed{0, c.get(arch::msr::IA32_VMX_EXIT_CTLS2)} : Allowed{};
}

template <class Bit>
constexpr bool may_set(Allowed a, Bit b) {
    return a.may >> static_cast<u8>(b) & 1;
}

constexpr u64 ept_vpid_cap(const arch::Capabilities& c) {
    const Allowed s = allowed_secondary(c);  // the MSR exists only with one of both features (SDM A.10)
    const bool has = may_set(s, arch::SecondaryControl::EnableEPT) || may_set(s, arch::SecondaryControl::EnableVPID);
    return has ? c.get(arch::msr::IA32_VMX_EPT_VPID_CAP) : 0;
}
constexpr bool has_ept_cap(const arch::Capabilities& c, unsigned bit) { return ept_vpid_cap(c) >> bit & 1; }

/// Bits that an address of a VMX structure must not have (SDM 27.2 and A.1: bit 48 limits them to 32 bits).
constexpr u64 beyond_structure_width(const arch::Capabilities& c) {
    const unsigned width = c.get(arch::msr::IA32_VMX_BASIC) >> 48 & 1 ? 32 : c.physical_address_bits;
    return ~((u64{1} << width) - 1);
}
/// Bits beyond the physical-address width.
constexpr u64 beyond_physical_width(const arch::Capabilities& c) { return ~((u64{1} << c.physical_address_bits) - 1); }

/// Linear-address width of the processor: 57 where CR4.LA57 may be set (SDM A.8).
constexpr unsigned linear_address_bits(const arch::Capabilities& c) {
    return c.get(arch::msr::IA32_VMX_CR4_FIXED1) & cr4::LA57 ? 57 : 48;
}
constexpr u64 sign_extended(u64 address, unsigned bits) {
    return static_cast<u64>(static_cast<s64>(address << (64 - bits)) >> (64 - bits));
}
constexpr bool canonical(const arch::Capabilities& c, u64 address) {
    return sign_extended(address, linear_address_bits(c)) == address;
}

/// Fixed bits of CR0 and CR4 in VMX operation (SDM A.7, A.8), `exempt` bits not looked at.
constexpr bool cr0_fixed_ok(const arch::Capabilities& c, u64 value, u64 exempt = 0) {
    const u64 must = c.get(arch::msr::IA32_VMX_CR0_FIXED0), may = c.get(arch::msr::IA32_VMX_CR0_FIXED1);
    return ((must & ~value) & ~exempt) == 0 && ((value & ~may) & ~exempt) == 0;
}
constexpr bool cr4_fixed_ok(const arch::Capabilities& c, u64 value) {
    const u64 must = c.get(arch::msr::IA32_VMX_CR4_FIXED0), may = c.get(arch::msr::IA32_VMX_CR4_FIXED1);
    return (must & ~value) == 0 && (value & ~may) == 0;
}

/// Whether an EPT pointer would be accepted at VM entry (SDM 29.2.1.1, 27.6.11).
bool eptp_acceptable(const arch::Capabilities& c, u64 eptp);

}  // namespace vmxsim::vmx
