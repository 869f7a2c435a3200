// SPDX-License-Identifier: Apache-2.0
// Integer operations with their flags: one template each, used by the specialised handlers and by the interpreter
// alike. Flags that the SDM leaves undefined get whatever is cheapest.
#pragma once
#include <concepts>
#include <type_traits>
#include <utility>

#include "model/core/engine/flags.hpp"

namespace vmxsim::core::engine {

/// In the encoding's order of the eight two-operand instructions; TEST is an AND that writes nothing.
enum class Alu : u8 { Add, Or, Adc, Sbb, And, Sub, Xor, Cmp, Test };
constexpr bool writes(Alu op) { return op != Alu::Cmp && op != Alu::Test; }

enum class Shift : u8 { Rol, Ror, Rcl, Rcr, Shl, Shr, Sal, Sar };  ///< in the encoding's order; Sal is Shl

template <std::unsigned_integral T>
inline constexpr unsigned kBits = sizeof(T) * 8;

template <std::unsigned_integral T>
constexpr u64 extend(T v) { return static_cast<u64>(static_cast<s64>(static_cast<std::make_signed_t<T>>(v))); }

/// The carry vector moved to where Flags keeps it.
template <std::unsigned_integral T>
constexpr u64 carries(T vector) {
    if constexpr (sizeof(T) == 1)
        return (u64{vector} | u64{vector} << 8) & Flags::kFromCarries;
    else
        return u64{std::rotl(vector, 8)} & Flags::kFromCarries;
}

template <std::unsigned_integral T>
inline T add_with(Flags& f, T a, T b, bool carry) {
    const T r = static_cast<T>(a + b + carry);
    f.aux = carries<T>(static_cast<T>((a & b) | ((a | b) & ~r)));
    f.res = extend(r);
    return r;
}
template <std::unsigned_integral T>
inline T subtract_with(Flags& f, T a, T b, bool borrow) {
    const T r = static_cast<T>(a - b - borrow);
    f.aux = carries<T>(static_cast<T>((~a & b) | ((~a | b) & r)));
    f.res = extend(r);
    return r;
}
template <std::unsigned_integral T>
inline T logic(Flags& f, T r) {
    f.aux = 0;
    f.res = extend(r);
    return r;
}

template <Alu Op, std::unsigned_integral T>
inline T alu(Flags& f, T a, T b) {
    if constexpr (Op == Alu::Add) return add_with<T>(f, a, b, false);
    else if constexpr (Op == Alu::Adc) return add_with<T>(f, a, b, f.cf());
    else if constexpr (Op == Alu::Sbb) return subtract_with<T>(f, a, b, f.cf());
    else if constexpr (Op == Alu::Sub || Op == Alu::Cmp) return subtract_with<T>(f, a, b, false);
    else if constexpr (Op == Alu::Or) return logic<T>(f, a | b);
    else if constexpr (Op == Alu::Xor) return logic<T>(f, a ^ b);
    else return logic<T>(f, a & b);
}

/// INC, DEC: CF stays.
template <std::unsigned_integral T>
inline T increment(Flags& f, T a) {
    const bool c = f.cf();
    const T r = add_with<T>(f, a, T{1}, false);
    f.set_cf_of(c, r == static_cast<T>(T{1} << (kBits<T> - 1)));
    return r;
}
template <std::unsigned_integral T>
inline T decrement(Flags& f, T a) {
    const bool c = f.cf();
    const T r = subtract_with<T>(f, a, T{1}, false);
    f.set_cf_of(c, a == static_cast<T>(T{1} << (kBits<T> - 1)));
    return r;
}

template <std::unsigned_integral T>
constexpr bool top(T v) { return v >> (kBits<T> - 1); }

/// Shifts and rotates. `count` as in CL or the immediate: masked here. Nothing changes for a masked count of 0.
template <Shift Op, std::unsigned_integral T>
inline T shift(Flags& f, T a, unsigned count) {
    constexpr unsigned n = kBits<T>;
    count &= n == 64 ? 63 : 31;
    if (count == 0) return a;
    if constexpr (Op == Shift::Shl || Op == Shift::Sal) {
        const T r = count < n ? static_cast<T>(a << count) : T{0};
        const bool c = count <= n && (a >> (n - count) & 1);
        f.aux = 0;
        f.res = extend(r);
        f.set_cf_of(c, top(r) != c);
        return r;
    } else if constexpr (Op == Shift::Shr) {
        const T r = count < n ? static_cast<T>(a >> count) : T{0};
        const bool c = count <= n && (a >> (count - 1) & 1);
        f.aux = 0;
        f.res = extend(r);
        f.set_cf_of(c, top(a));
        return r;
    } else if constexpr (Op == Shift::Sar) {
        const s64 wide = static_cast<s64>(extend(a));
        const T r = static_cast<T>(wide >> count);
        f.aux = 0;
        f.res = extend(r);
        f.set_cf_of(wide >> (count - 1) & 1, false);
        return r;
    } else if constexpr (Op == Shift::Rol) {
        const T r = std::rotl(a, static_cast<int>(count % n));
        f.set_cf_of(r & 1, top(r) != bool(r & 1));
        return r;
    } else if constexpr (Op == Shift::Ror) {
        const T r = std::rotr(a, static_cast<int>(count % n));
        f.set_cf_of(top(r), top(r) != top(static_cast<T>(r << 1)));
        return r;
    } else {
        // Through the carry: n + 1 bits. The count may exceed n for 8 and 16 bits (SDM: modulo 9 and 17).
        count %= n + 1;
        bool c = f.cf();
        for (; count; --count) {
            if constexpr (Op == Shift::Rcl) {
                const bool out = top(a);
                a = static_cast<T>(a << 1 | c);
                c = out;
            } else {
                const bool out = a & 1;
                a = static_cast<T>(a >> 1 | static_cast<T>(T{c} << (n - 1)));
                c = out;
            }
        }
        f.set_cf_of(c, Op == Shift::Rcl ? top(a) != c : top(a) != top(static_cast<T>(a << 1)));
        return a;
    }
}

/// SHLD (left) and SHRD: `a` shifted, filled from `b`. A count beyond 16-bit operands is undefined; here it wraps.
template <bool Left, std::unsigned_integral T>
inline T double_shift(Flags& f, T a, T b, unsigned count) {
    constexpr unsigned n = kBits<T>;
    count &= n == 64 ? 63 : 31;
    if (count == 0) return a;
    if (count > n) { count -= n; std::swap(a, b); }
    T r;
    bool c;
    if (count == n) {
        r = b;
        c = Left ? a & 1 : top(a);
    } else if constexpr (Left) {
        r = static_cast<T>(a << count | b >> (n - count));
        c = a >> (n - count) & 1;
    } else {
        r = static_cast<T>(a >> count | b << (n - count));
        c = a >> (count - 1) & 1;
    }
    f.aux = 0;
    f.res = extend(r);
    f.set_cf_of(c, top(r) != top(a));
    return r;
}

/// IMUL with a truncated product: CF = OF = "does not fit".
template <std::unsigned_integral T>
inline T multiply(Flags& f, T a, T b) {
    std::make_signed_t<T> product;
    const bool lost =
        __builtin_mul_overflow(static_cast<std::make_signed_t<T>>(a), static_cast<std::make_signed_t<T>>(b), &product);
    logic<T>(f, static_cast<T>(product));
    f.set_cf_of(lost, lost);
    return static_cast<T>(product);
}

template <class T> struct Wide;
template <> struct Wide<u8> { using U = u16; using S = s16; };
template <> struct Wide<u16> { using U = u32; using S = s32; };
template <> struct Wide<u32> { using U = u64; using S = s64; };
template <> struct Wide<u64> { __extension__ typedef unsigned __int128 U; __extension__ typedef __int128 S; };

/// MUL, one-operand IMUL: the double-wide product.
template <bool Signed, std::unsigned_integral T>
inline void multiply_wide(Flags& f, T a, T b, T& low, T& high) {
    using U = typename Wide<T>::U;
    using S = typename Wide<T>::S;
    U product;
    if constexpr (Signed)
        product = static_cast<U>(static_cast<S>(static_cast<std::make_signed_t<T>>(a)) *
                                 static_cast<S>(static_cast<std::make_signed_t<T>>(b)));
    else
        product = static_cast<U>(static_cast<U>(a) * static_cast<U>(b));
    low = static_cast<T>(product);
    high = static_cast<T>(product >> kBits<T>);
    logic<T>(f, low);
    const bool c = high != (Signed && top(low) ? static_cast<T>(~T{0}) : T{0});
    f.set_cf_of(c, c);
}

/// DIV, IDIV. False: #DE. Flags, all undefined, stay.
template <bool Signed, std::unsigned_integral T>
inline bool divide(T low, T high, T divisor, T& quotient, T& remainder) {
    using U = typename Wide<T>::U;
    using S = typename Wide<T>::S;
    if (divisor == 0) return false;
    const U dividend = static_cast<U>(static_cast<U>(static_cast<U>(high) << kBits<T>) | low);
    if constexpr (!Signed) {
        if (high >= divisor) return false;
        quotient = static_cast<T>(dividend / divisor);
        remainder = static_cast<T>(dividend % divisor);
    } else {
        const S d = static_cast<S>(static_cast<std::make_signed_t<T>>(divisor));
        const S n = static_cast<S>(dividend);
        if (d == -1 && n == static_cast<S>(static_cast<U>(1) << (2 * kBits<T> - 1)))
            return false;  // would trap the host
        const S q = static_cast<S>(n / d);
        if (q != static_cast<S>(static_cast<std::make_signed_t<T>>(static_cast<T>(q)))) return false;
        quotient = static_cast<T>(q);
        remainder = static_cast<T>(n % d);
    }
    return true;
}

}  // namespace vmxsim::core::engine
