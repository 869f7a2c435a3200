// SPDX-License-Identifier: Apache-2.0
// Conversions between integers and floating point, and between the formats.
#include "model/core/vector/host.hpp"

namespace vmxsim::core::simd {

namespace {

// clang-format off
VMXSIM_FLOAT(CVTDQ2PD, "cvtdq2pd") VMXSIM_FLOAT(CVTDQ2PS, "cvtdq2ps") VMXSIM_FLOAT(CVTPD2DQ, "cvtpd2dq")
VMXSIM_FLOAT(CVTPD2PS, "cvtpd2ps") VMXSIM_FLOAT(CVTPS2DQ, "cvtps2dq") VMXSIM_FLOAT(CVTPS2PD, "cvtps2pd")
VMXSIM_FLOAT(CVTTPD2DQ, "cvttpd2dq") VMXSIM_FLOAT(CVTTPS2DQ, "cvttps2dq") VMXSIM_FLOAT(CVTSD2SS, "cvtsd2ss")
VMXSIM_FLOAT(CVTSS2SD, "cvtss2sd")
// clang-format on

/// From a general-purpose register or memory, 32 or 64 bits.
#define VMXSIM_FROM_INTEGER(name, text)                                                                    \
    void name##_xmm(Args& a) {                                                                             \
        __m128i d = load(a.d);                                                                             \
        u32 csr = a.mxcsr;                                                                                 \
        if (a.s_bits == 64)                                                                                \
            asm volatile("ldmxcsr %1\n\t" text "q %2, %0\n\tstmxcsr %1\n\tldmxcsr %3"                      \
                         : "+x"(d), "+m"(csr) : "r"(a.s.q[0]), "m"(kHostMxcsr));                           \
        else                                                                                               \
            asm volatile("ldmxcsr %1\n\t" text "l %2, %0\n\tstmxcsr %1\n\tldmxcsr %3"                      \
                         : "+x"(d), "+m"(csr) : "r"(a.s.d[0]), "m"(kHostMxcsr));                           \
        store(a.d, d);                                                                                     \
        a.mxcsr = csr;                                                                                     \
    }
#define VMXSIM_TO_INTEGER(name, text)                                                                      \
    void name##_xmm(Args& a) {                                                                             \
        u32 csr = a.mxcsr;                                                                                 \
        a.d.q[0] = 0;                                                                                      \
        if (a.d_bits == 64)                                                                                \
            asm volatile("ldmxcsr %1\n\t" text " %2, %0\n\tstmxcsr %1\n\tldmxcsr %3"                       \
                         : "=&r"(a.d.q[0]), "+m"(csr) : "x"(load(a.s)), "m"(kHostMxcsr));                  \
        else                                                                                               \
            asm volatile("ldmxcsr %1\n\t" text " %2, %0\n\tstmxcsr %1\n\tldmxcsr %3"                       \
                         : "=&r"(a.d.d[0]), "+m"(csr) : "x"(load(a.s)), "m"(kHostMxcsr));                  \
        a.mxcsr = csr;                                                                                     \
    }
VMXSIM_FROM_INTEGER(CVTSI2SS, "cvtsi2ss")
VMXSIM_FROM_INTEGER(CVTSI2SD, "cvtsi2sd")
VMXSIM_TO_INTEGER(CVTSS2SI, "cvtss2si")
VMXSIM_TO_INTEGER(CVTTSS2SI, "cvttss2si")
VMXSIM_TO_INTEGER(CVTSD2SI, "cvtsd2si")
VMXSIM_TO_INTEGER(CVTTSD2SI, "cvttsd2si")

// MM registers hold what the low half of an XMM register holds in the SSE2 form; zeros above raise no flags.
void CVTPI2PS_xmm(Args& a) {
    const u64 high = a.d.q[1];
    a.s.q[1] = 0;
    CVTDQ2PS_xmm(a);
    a.d.q[1] = high;
}
void CVTPS2PI_xmm(Args& a) {
    a.s.q[1] = 0;
    CVTPS2DQ_xmm(a);
}
void CVTTPS2PI_xmm(Args& a) {
    a.s.q[1] = 0;
    CVTTPS2DQ_xmm(a);
}

}  // namespace

void add_conversions(Table& t) {
    using namespace traits;
    const auto row = [&](ZydisMnemonic m, Operation xmm, u16 extra = 0) {
        t[m] = {xmm, xmm, nullptr, static_cast<u16>(Float | Slow | extra)};
    };
    row(ZYDIS_MNEMONIC_CVTDQ2PD, CVTDQ2PD_xmm), row(ZYDIS_MNEMONIC_CVTDQ2PS, CVTDQ2PS_xmm);
    row(ZYDIS_MNEMONIC_CVTPD2DQ, CVTPD2DQ_xmm), row(ZYDIS_MNEMONIC_CVTPD2PS, CVTPD2PS_xmm, Single | Packed);
    row(ZYDIS_MNEMONIC_CVTPS2DQ, CVTPS2DQ_xmm), row(ZYDIS_MNEMONIC_CVTPS2PD, CVTPS2PD_xmm);
    row(ZYDIS_MNEMONIC_CVTTPD2DQ, CVTTPD2DQ_xmm), row(ZYDIS_MNEMONIC_CVTTPS2DQ, CVTTPS2DQ_xmm);
    row(ZYDIS_MNEMONIC_CVTSD2SS, CVTSD2SS_xmm, Single), row(ZYDIS_MNEMONIC_CVTSS2SD, CVTSS2SD_xmm);
    row(ZYDIS_MNEMONIC_CVTSI2SS, CVTSI2SS_xmm), row(ZYDIS_MNEMONIC_CVTSI2SD, CVTSI2SD_xmm);
    row(ZYDIS_MNEMONIC_CVTSS2SI, CVTSS2SI_xmm), row(ZYDIS_MNEMONIC_CVTTSS2SI, CVTTSS2SI_xmm);
    row(ZYDIS_MNEMONIC_CVTSD2SI, CVTSD2SI_xmm), row(ZYDIS_MNEMONIC_CVTTSD2SI, CVTTSD2SI_xmm);
    row(ZYDIS_MNEMONIC_CVTPI2PS, CVTPI2PS_xmm), row(ZYDIS_MNEMONIC_CVTPI2PD, CVTDQ2PD_xmm);
    row(ZYDIS_MNEMONIC_CVTPS2PI, CVTPS2PI_xmm), row(ZYDIS_MNEMONIC_CVTTPS2PI, CVTTPS2PI_xmm);
    row(ZYDIS_MNEMONIC_CVTPD2PI, CVTPD2DQ_xmm), row(ZYDIS_MNEMONIC_CVTTPD2PI, CVTTPD2DQ_xmm);
}

}  // namespace vmxsim::core::simd
