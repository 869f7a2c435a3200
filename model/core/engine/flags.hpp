// SPDX-License-Identifier: Apache-2.0
// The six arithmetic flags, kept as the result that they follow from. Two words, and consumers never ask which
// operation was last.
#pragma once

#include "model/vmx/cpu_state.hpp"

namespace vmxsim::core::engine {

/// `res`: the result, sign-extended to 64 bits. `aux`: carries out of bits n-1, n-2 and 3 at fixed places for all
/// sizes, and two corrections for flags that no result can have (POPF, SAHF).
struct Flags {
    static constexpr unsigned kCarry = 7, kCarryXorOverflow = 6, kAdjust = 11, kParityFlip = 16, kSignFlip = 63;
    static constexpr u64 kFromCarries = u64{1} << kCarry | u64{1} << kCarryXorOverflow | u64{1} << kAdjust;
    u64 res = 1;
    u64 aux = 0;

    bool cf() const { return aux >> kCarry & 1; }
    bool of() const { return (aux >> kCarry ^ aux >> kCarryXorOverflow) & 1; }
    bool af() const { return aux >> kAdjust & 1; }
    bool zf() const { return res == 0; }
    bool sf() const { return static_cast<s64>(res ^ aux) < 0; }
    bool pf() const { return !__builtin_parity(static_cast<u8>(res ^ aux >> kParityFlip)); }  // the host's own flag

    void set_cf_of(bool c, bool o) {
        aux = (aux & ~(u64{1} << kCarry | u64{1} << kCarryXorOverflow)) | u64{c} << kCarry |
              u64{c != o} << kCarryXorOverflow;
    }
    void set_cf(bool c) { set_cf_of(c, of()); }

    u64 get() const {
        using namespace vmx::rflags;
        return (cf() ? CF : 0) | (pf() ? PF : 0) | (af() ? AF : 0) | (zf() ? ZF : 0) | (sf() ? SF : 0) |
               (of() ? OF : 0);
    }
    void set(u64 rflags) {
        using namespace vmx::rflags;
        const bool z = rflags & ZF, p = rflags & PF, c = rflags & CF, o = rflags & OF;
        res = z ? 0 : 1;  // parity of 0: even, of 1: odd
        aux = u64{c} << kCarry | u64{c != o} << kCarryXorOverflow | u64{(rflags & AF) != 0} << kAdjust |
              u64{p != z} << kParityFlip | u64{(rflags & SF) != 0} << kSignFlip;
    }
};

/// Conditions by their encoding, as in Jcc, SETcc, CMOVcc (SDM 1, appendix B.1).
template <unsigned Code>
inline bool condition(const Flags& f) {
    constexpr unsigned kind = Code >> 1;
    bool value;
    if constexpr (kind == 0) value = f.of();
    else if constexpr (kind == 1) value = f.cf();
    else if constexpr (kind == 2) value = f.zf();
    else if constexpr (kind == 3) value = f.cf() | f.zf();
    else if constexpr (kind == 4) value = f.sf();
    else if constexpr (kind == 5) value = f.pf();
    else if constexpr (kind == 6) value = f.sf() != f.of();
    else value = f.zf() | (f.sf() != f.of());
    return value != bool(Code & 1);
}

inline bool condition(const Flags& f, unsigned code) {
    bool value = false;
    switch (code >> 1) {
        case 0: value = f.of(); break;
        case 1: value = f.cf(); break;
        case 2: value = f.zf(); break;
        case 3: value = f.cf() | f.zf(); break;
        case 4: value = f.sf(); break;
        case 5: value = f.pf(); break;
        case 6: value = f.sf() != f.of(); break;
        default: value = f.zf() | (f.sf() != f.of()); break;
    }
    return value != bool(code & 1);
}

}  // namespace vmxsim::core::engine
