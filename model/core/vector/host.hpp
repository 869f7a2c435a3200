// SPDX-License-Identifier: Apache-2.0
// The host's own instruction as the operation: one line an instruction.
#pragma once
#include <emmintrin.h>

#include <utility>

#include "model/core/vector/table.hpp"

namespace vmxsim::core::simd {

inline __m128i load(const Vector& v) { return _mm_load_si128(reinterpret_cast<const __m128i*>(v.b.data())); }
inline void store(Vector& to, __m128i v) { _mm_store_si128(reinterpret_cast<__m128i*>(to.b.data()), v); }

/// What the simulator itself runs with: the ABI's value.
inline constexpr u32 kHostMxcsr = 0x1f80;

}  // namespace vmxsim::core::simd

#define VMXSIM_XMM(name, text)                             \
    void name##_xmm(Args& a) {                             \
        __m128i d = load(a.d);                             \
        asm(text " %1, %0" : "+x"(d) : "x"(load(a.s)));    \
        store(a.d, d);                                     \
    }
#define VMXSIM_MMX(name, text)                                                                      \
    void name##_mmx(Args& a) {                                                                      \
        asm("movq %0, %%mm0\n\t" text " %1, %%mm0\n\tmovq %%mm0, %0\n\temms"                        \
            : "+m"(a.d.q[0])                                                                        \
            : "m"(a.s.q[0])                                                                         \
            : "mm0", "mm1", "mm2", "mm3", "mm4", "mm5", "mm6", "mm7", "st", "st(1)", "st(2)",       \
              "st(3)", "st(4)", "st(5)", "st(6)", "st(7)");                                         \
    }
#define VMXSIM_BOTH(name, text) VMXSIM_XMM(name, text) VMXSIM_MMX(name, text)

/// With the guest's MXCSR, whose exceptions are all masked; its flags come back.
#define VMXSIM_FLOAT(name, text)                                                                         \
    void name##_xmm(Args& a) {                                                                           \
        __m128i d = load(a.d);                                                                           \
        u32 csr = a.mxcsr;                                                                               \
        asm volatile("ldmxcsr %1\n\t" text " %2, %0\n\tstmxcsr %1\n\tldmxcsr %3"                         \
                     : "+x"(d), "+m"(csr)                                                                \
                     : "x"(load(a.s)), "m"(kHostMxcsr));                                                 \
        store(a.d, d);                                                                                   \
        a.mxcsr = csr;                                                                                   \
    }
/// The same, with an immediate of `count` values.
#define VMXSIM_FLOAT_IMMEDIATE(name, text, count)                                                        \
    template <unsigned I>                                                                                \
    void name##_one(Args& a) {                                                                           \
        __m128i d = load(a.d);                                                                           \
        u32 csr = a.mxcsr;                                                                               \
        asm volatile("ldmxcsr %1\n\t" text " %4, %2, %0\n\tstmxcsr %1\n\tldmxcsr %3"                     \
                     : "+x"(d), "+m"(csr)                                                                \
                     : "x"(load(a.s)), "m"(kHostMxcsr), "i"(I));                                         \
        store(a.d, d);                                                                                   \
        a.mxcsr = csr;                                                                                   \
    }                                                                                                    \
    void name##_xmm(Args& a) {                                                                           \
        [&]<unsigned... I>(std::integer_sequence<unsigned, I...>) {                                      \
            static constexpr Operation kOne[] = {name##_one<I>...};                                      \
            kOne[a.imm % (count)](a);                                                                    \
        }(std::make_integer_sequence<unsigned, count>{});                                                \
    }
