// SPDX-License-Identifier: Apache-2.0
// Units as types: an address of one kind cannot be passed where another kind is meant.
#pragma once
#include <compare>
#include <cstdint>

namespace vmxsim {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using s8 = std::int8_t;
using s16 = std::int16_t;
using s32 = std::int32_t;
using s64 = std::int64_t;

/// An address in one address space; `raw` is its value. Adding an offset keeps the kind.
template <class Space>
struct Address {
    u64 raw = 0;
    constexpr auto operator<=>(const Address&) const = default;
    friend constexpr Address operator+(Address a, u64 offset) { return {a.raw + offset}; }
    friend constexpr Address operator-(Address a, u64 offset) { return {a.raw - offset}; }
    /// The 4-KiB page that holds the address.
    constexpr Address page() const { return {raw & ~u64{0xfff}}; }
    /// The 64-byte line that holds the address.
    constexpr Address line() const { return {raw & ~u64{63}}; }
    constexpr u64 page_offset() const { return raw & 0xfff; }
};

using GuestVirtual = Address<struct GuestVirtualSpace>;    ///< a linear address
using GuestPhysical = Address<struct GuestPhysicalSpace>;  ///< before EPT; equal to HostPhysical where EPT is off
using HostPhysical = Address<struct HostPhysicalSpace>;    ///< what RAM and buses see

/// Processor cycles (of the core's clock, which is also the TSC's).
struct Cycles {
    u64 raw = 0;
    constexpr auto operator<=>(const Cycles&) const = default;
    constexpr Cycles& operator+=(Cycles o) { raw += o.raw; return *this; }
    friend constexpr Cycles operator+(Cycles a, Cycles b) { return {a.raw + b.raw}; }
    friend constexpr Cycles operator-(Cycles a, Cycles b) { return {a.raw - b.raw}; }
    friend constexpr Cycles operator*(Cycles a, u64 n) { return {a.raw * n}; }
};

/// Virtual-processor identifier, tag of cached translations (SDM 31.1). 0: VMX root, or "enable VPID" off.
struct Vpid {
    u16 raw = 0;
    constexpr auto operator<=>(const Vpid&) const = default;
};

/// EPT pointer (SDM 27.6.11).
struct Eptp {
    u64 raw = 0;
    constexpr auto operator<=>(const Eptp&) const = default;
    constexpr HostPhysical root() const { return {raw & 0x000ffffffffff000}; }
};

}  // namespace vmxsim
