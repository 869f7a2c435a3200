// SPDX-License-Identifier: Apache-2.0
// What decoding depends on besides the bytes.
#pragma once
#include "model/vmx/cpu_state.hpp"

namespace vmxsim::core::engine {

namespace mode {
inline constexpr u32 kCode16 = 0, kCode32 = 1, kCode64 = 2, kCodeMask = 3;
inline constexpr u32 kStack32 = 4;  ///< outside 64-bit mode: SS.B
inline constexpr u32 kFlat = 8;     ///< outside 64-bit mode: code, stack and data segments of base 0 and 4 GiB, so that
                                    ///< linear addresses equal offsets and no check can fail but the one on wrapping
inline constexpr u32 kSingle = 16;  ///< blocks of one instruction
}  // namespace mode

/// A segment that the fast path may ignore.
inline bool is_flat(const vmx::Segment& seg) {
    return seg.base == 0 && seg.limit == 0xffffffff && !seg.ar.unusable();
}

inline u32 current_mode(const vmx::CpuState& s) {
    if (s.code64()) return mode::kCode64;
    const bool code32 = s.seg[vmx::CS].ar.big();
    u32 m = code32 ? mode::kCode32 : mode::kCode16;
    if (s.seg[vmx::SS].ar.big()) m |= mode::kStack32;
    const auto writable_data = [](const vmx::Segment& seg) { return is_flat(seg) && (seg.ar.type() & 0xe) == 2; };
    if (m == (mode::kCode32 | mode::kStack32) && s.protected_mode() && !s.v8086() && is_flat(s.seg[vmx::CS]) &&
        (s.seg[vmx::CS].ar.type() & 2) && writable_data(s.seg[vmx::SS]) && writable_data(s.seg[vmx::DS]) &&
        writable_data(s.seg[vmx::ES]))
        m |= mode::kFlat;
    return m;
}

/// True where specialised handlers may touch memory and RIP without asking segments.
constexpr bool is_fast(u32 m) { return (m & mode::kCodeMask) == mode::kCode64 || (m & mode::kFlat); }

/// A 48-bit canonical address: also canonical with 57 bits. Branches to others run outside the fast path.
constexpr bool is_canonical(u64 va) { return static_cast<u64>(static_cast<s64>(va << 16) >> 16) == va; }

}  // namespace vmxsim::core::engine
