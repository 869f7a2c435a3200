// SPDX-License-Identifier: Apache-2.0
// Floating-point arithmetic and comparisons: the host's own instruction under the guest's MXCSR.
#include <bit>
#include <cmath>

#include "model/core/vector/host.hpp"

namespace vmxsim::core::simd {

namespace {

// clang-format off
VMXSIM_FLOAT(ADDPS, "addps") VMXSIM_FLOAT(ADDPD, "addpd") VMXSIM_FLOAT(ADDSS, "addss")
VMXSIM_FLOAT(ADDSD, "addsd") VMXSIM_FLOAT(SUBPS, "subps") VMXSIM_FLOAT(SUBPD, "subpd")
VMXSIM_FLOAT(SUBSS, "subss") VMXSIM_FLOAT(SUBSD, "subsd") VMXSIM_FLOAT(MULPS, "mulps")
VMXSIM_FLOAT(MULPD, "mulpd") VMXSIM_FLOAT(MULSS, "mulss") VMXSIM_FLOAT(MULSD, "mulsd")
VMXSIM_FLOAT(DIVPS, "divps") VMXSIM_FLOAT(DIVPD, "divpd") VMXSIM_FLOAT(DIVSS, "divss")
VMXSIM_FLOAT(DIVSD, "divsd") VMXSIM_FLOAT(SQRTPS, "sqrtps") VMXSIM_FLOAT(SQRTPD, "sqrtpd")
VMXSIM_FLOAT(SQRTSS, "sqrtss") VMXSIM_FLOAT(SQRTSD, "sqrtsd") VMXSIM_FLOAT(MINPS, "minps")
VMXSIM_FLOAT(MINPD, "minpd") VMXSIM_FLOAT(MINSS, "minss") VMXSIM_FLOAT(MINSD, "minsd")
VMXSIM_FLOAT(MAXPS, "maxps") VMXSIM_FLOAT(MAXPD, "maxpd") VMXSIM_FLOAT(MAXSS, "maxss")
VMXSIM_FLOAT(MAXSD, "maxsd") VMXSIM_FLOAT(ADDSUBPS, "addsubps") VMXSIM_FLOAT(ADDSUBPD, "addsubpd")
VMXSIM_FLOAT(HADDPS, "haddps") VMXSIM_FLOAT(HADDPD, "haddpd") VMXSIM_FLOAT(HSUBPS, "hsubps")
VMXSIM_FLOAT(HSUBPD, "hsubpd")
VMXSIM_FLOAT_IMMEDIATE(CMPPS, "cmpps", 8) VMXSIM_FLOAT_IMMEDIATE(CMPPD, "cmppd", 8)
VMXSIM_FLOAT_IMMEDIATE(CMPSS, "cmpss", 8) VMXSIM_FLOAT_IMMEDIATE(CMPSD, "cmpsd", 8)
VMXSIM_FLOAT_IMMEDIATE(ROUNDPS, "roundps", 16) VMXSIM_FLOAT_IMMEDIATE(ROUNDPD, "roundpd", 16)
VMXSIM_FLOAT_IMMEDIATE(ROUNDSS, "roundss", 16) VMXSIM_FLOAT_IMMEDIATE(ROUNDSD, "roundsd", 16)
VMXSIM_FLOAT_IMMEDIATE(DPPS, "dpps", 256) VMXSIM_FLOAT_IMMEDIATE(DPPD, "dppd", 256)
// clang-format on

/// COMISS and its kin: ZF, PF, CF; the other arithmetic flags are cleared (SDM 2A, COMISS).
#define VMXSIM_ORDERED(name, text)                                                            \
    void name##_xmm(Args& a) {                                                                \
        u32 csr = a.mxcsr;                                                                    \
        bool z, p, c;                                                                         \
        asm volatile("ldmxcsr %3\n\t" text " %4, %5\n\tstmxcsr %3\n\tldmxcsr %6"               \
                     : "=@ccz"(z), "=@ccp"(p), "=@ccc"(c), "+m"(csr)                          \
                     : "x"(load(a.s)), "x"(load(a.d)), "m"(kHostMxcsr));                      \
        a.mxcsr = csr;                                                                        \
        a.flags = (z ? vmx::rflags::ZF : 0) | (p ? vmx::rflags::PF : 0) | (c ? vmx::rflags::CF : 0); \
    }
VMXSIM_ORDERED(COMISS, "comiss")
VMXSIM_ORDERED(COMISD, "comisd")
VMXSIM_ORDERED(UCOMISS, "ucomiss")
VMXSIM_ORDERED(UCOMISD, "ucomisd")
#undef VMXSIM_ORDERED

constexpr u32 kSign = 0x80000000, kInfinity = 0x7f800000, kQuiet = 0x00400000, kIndefinite = 0xffc00000;

/// To 12 bits of significand. Processors differ in the approximation (error up to 1.5 x 2^-12 by the SDM); a simulated
/// one must not depend on the host, so this one is exact but for that rounding. Tiny results are zero.
u32 rounded(double v, u32 sign) {
    const u32 bits = std::bit_cast<u32>(static_cast<float>(v));
    if ((bits & kInfinity) == 0) return sign;
    return ((bits & ~kSign) + 0x800) >> 12 << 12 | sign;
}
u32 reciprocal(u32 x) {
    const u32 sign = x & kSign, size = x & ~kSign;
    if (size > kInfinity) return x | kQuiet;
    if (size == kInfinity) return sign;
    if (size < 0x00800000) return sign | kInfinity;  // zeros and denormals
    return rounded(1.0 / static_cast<double>(std::bit_cast<float>(size)), sign);
}
u32 reciprocal_root(u32 x) {
    const u32 sign = x & kSign, size = x & ~kSign;
    if (size > kInfinity) return x | kQuiet;
    if (size < 0x00800000) return sign | kInfinity;
    if (sign) return kIndefinite;
    if (size == kInfinity) return 0;
    return rounded(1.0 / std::sqrt(static_cast<double>(std::bit_cast<float>(size))), 0);
}
void RCPSS_xmm(Args& a) { a.d.d[0] = reciprocal(a.s.d[0]); }
void RSQRTSS_xmm(Args& a) { a.d.d[0] = reciprocal_root(a.s.d[0]); }
void RCPPS_xmm(Args& a) {
    for (unsigned i = 0; i < 4; ++i) a.d.d[i] = reciprocal(a.s.d[i]);
}
void RSQRTPS_xmm(Args& a) {
    for (unsigned i = 0; i < 4; ++i) a.d.d[i] = reciprocal_root(a.s.d[i]);
}

}  // namespace

#define VMXSIM_ROW(name, extra) t[ZYDIS_MNEMONIC_##name] = {name##_xmm, nullptr, nullptr, traits::Slow | (extra)};

void add_float(Table& t) {
    using namespace traits;
    // clang-format off
    VMXSIM_ROW(ADDPS, Float | Single | Packed) VMXSIM_ROW(ADDPD, Float | Double | Packed)
    VMXSIM_ROW(ADDSS, Float | Single) VMXSIM_ROW(ADDSD, Float | Double) VMXSIM_ROW(SUBPS, Float | Single | Packed)
    VMXSIM_ROW(SUBPD, Float | Double | Packed) VMXSIM_ROW(SUBSS, Float | Single) VMXSIM_ROW(SUBSD, Float | Double)
    VMXSIM_ROW(MULPS, Float | Single | Packed) VMXSIM_ROW(MULPD, Float | Double | Packed)
    VMXSIM_ROW(MULSS, Float | Single) VMXSIM_ROW(MULSD, Float | Double) VMXSIM_ROW(DIVPS, Float | Single | Packed)
    VMXSIM_ROW(DIVPD, Float | Double | Packed) VMXSIM_ROW(DIVSS, Float | Single) VMXSIM_ROW(DIVSD, Float | Double)
    VMXSIM_ROW(SQRTPS, Float) VMXSIM_ROW(SQRTPD, Float) VMXSIM_ROW(SQRTSS, Float) VMXSIM_ROW(SQRTSD, Float)
    VMXSIM_ROW(MINPS, Float) VMXSIM_ROW(MINPD, Float) VMXSIM_ROW(MINSS, Float) VMXSIM_ROW(MINSD, Float)
    VMXSIM_ROW(MAXPS, Float) VMXSIM_ROW(MAXPD, Float) VMXSIM_ROW(MAXSS, Float) VMXSIM_ROW(MAXSD, Float)
    VMXSIM_ROW(ADDSUBPS, Float | Single | Packed) VMXSIM_ROW(ADDSUBPD, Float | Double | Packed)
    VMXSIM_ROW(HADDPS, Float | Single | Packed) VMXSIM_ROW(HADDPD, Float | Double | Packed)
    VMXSIM_ROW(HSUBPS, Float | Single | Packed) VMXSIM_ROW(HSUBPD, Float | Double | Packed) VMXSIM_ROW(CMPPS, Float)
    VMXSIM_ROW(CMPPD, Float) VMXSIM_ROW(CMPSS, Float) VMXSIM_ROW(CMPSD, Float) VMXSIM_ROW(ROUNDPS, Float)
    VMXSIM_ROW(ROUNDPD, Float) VMXSIM_ROW(ROUNDSS, Float) VMXSIM_ROW(ROUNDSD, Float)
    VMXSIM_ROW(DPPS, Float | Single | Packed) VMXSIM_ROW(DPPD, Float | Double | Packed)
    VMXSIM_ROW(COMISS, Float | Flags | Compare) VMXSIM_ROW(COMISD, Float | Flags | Compare)
    VMXSIM_ROW(UCOMISS, Float | Flags | Compare) VMXSIM_ROW(UCOMISD, Float | Flags | Compare) VMXSIM_ROW(RCPSS, 0)
    VMXSIM_ROW(RCPPS, 0) VMXSIM_ROW(RSQRTSS, 0) VMXSIM_ROW(RSQRTPS, 0)
    // clang-format on
}

#undef VMXSIM_ROW

}  // namespace vmxsim::core::simd
