// SPDX-License-Identifier: Apache-2.0
// The XSAVE area (SDM 1, 13.4): components and where they lie, as CPUID leaf 0DH tells.
#pragma once
#include <algorithm>

#include "model/arch/types.hpp"

namespace vmxsim::arch::xsave {

inline constexpr u64 kX87 = 1, kSse = 2, kAvx = 4, kPkru = 1 << 9;
/// The components that the processor model has.
inline constexpr u64 kModelled = kX87 | kSse | kAvx | kPkru;
inline constexpr unsigned kAvxNumber = 2, kPkruNumber = 9;
inline constexpr u32 kLegacyBytes = 512, kHeaderBytes = 64, kExtendedRegion = kLegacyBytes + kHeaderBytes;
/// XCOMP_BV: the area is in the compacted format.
inline constexpr u64 kCompacted = u64{1} << 63;

/// Of a component in the extended region.
struct Place {
    u32 bytes = 0;
    u32 offset = 0;        ///< in the standard format
    bool aligned = false;  ///< to 64 bytes, in the compacted format
};

/// Where a component begins behind `end`, in the compacted format.
inline u32 compacted_start(const Place& p, u32 end) { return p.aligned ? (end + 63) / 64 * 64 : end; }

/// Bytes of an area with `components`. `leaf(i)`: EAX, EBX, ECX of CPUID.(0DH, i) as a Place.
template <class Leaf>
u32 area_bytes(const Leaf& leaf, u64 components, bool compacted) {
    u32 end = kExtendedRegion;
    for (u32 i = 2; i < 63; ++i) {
        if (!(components >> i & 1)) continue;
        const Place p = leaf(i);
        end = compacted ? compacted_start(p, end) + p.bytes : std::max(end, p.offset + p.bytes);
    }
    return end;
}

inline Place place_of(u32 eax, u32 ebx, u32 ecx) { return {eax, ebx, (ecx >> 1 & 1) != 0}; }

}  // namespace vmxsim::arch::xsave
