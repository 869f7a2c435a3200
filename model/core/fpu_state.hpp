// SPDX-License-Identifier: Apache-2.0
// State of the x87 FPU, MMX, SSE and AVX: what the XSAVE feature set manages (SDM 1, 13.1). Plain data.
#pragma once
#include <array>
#include <cstring>

#include "model/arch/types.hpp"
#include "model/arch/xsave.hpp"

namespace vmxsim::core {

/// 16 bytes of an XMM register, by element.
union alignas(16) Vector {
    std::array<u64, 2> q{};
    std::array<u32, 4> d;
    std::array<u16, 8> w;
    std::array<u8, 16> b;
    std::array<float, 4> f;
};

namespace mxcsr {
inline constexpr u32 IE = 1, DE = 2, ZE = 4, OE = 8, UE = 16, PE = 32, DAZ = 64, UM = 1u << 11, FTZ = 1u << 15;
inline constexpr u32 kFlags = 0x3f, kMasks = 0x1f80, kDefined = 0xffff;
inline constexpr unsigned kMaskShift = 7;
}  // namespace mxcsr

namespace x87 {
inline constexpr u16 kExceptions = 0x3f, ES = 1u << 7, B = 1u << 15, kTop = 7u << 11;
inline constexpr unsigned kTopShift = 11;
inline constexpr u16 kControlAfterInit = 0x37f;
/// Bits of the control word that exist; bit 6 always reads as one.
inline constexpr u16 kControlDefined = 0x1f3f, kControlOnes = 0x40;
}  // namespace x87

/// A data register of the x87 stack: significand, then sign and exponent (SDM 1, 8.2).
using Extended = std::array<u8, 10>;

struct FpuState {
    u16 control = x87::kControlOnes;  ///< after reset (SDM 9.1.1); FNINIT makes it 37FH
    u16 status = 0;                   ///< TOP included
    u8 tags = 0xff;                   ///< one bit a physical register as in FXSAVE's image: 0 is empty
    u16 opcode = 0;                   ///< of the last instruction that is not a control instruction
    u64 ip = 0, dp = 0;               ///< offsets of its code and of its operand
    u16 cs = 0, ds = 0;
    u32 mxcsr = 0x1f80;
    std::array<Extended, 8> st{};     ///< in stack order: ST(0) first
    std::array<Vector, 16> xmm{};
    std::array<Vector, 16> ymm_high{};  ///< bits 255:128 of the YMM registers

    std::array<arch::xsave::Place, 2> extended{};  ///< AVX, PKRU: where XSAVE puts them, by CPUID

    u32 offered = 0;                  ///< instruction sets of the CPU, by CPUID (fpu.hpp)

    unsigned top() const { return status >> x87::kTopShift & 7; }
    /// MM registers are the significands of the physical registers.
    Extended& physical(unsigned n) { return st[(n - top()) & 7]; }
    u64 mm(unsigned n) {
        u64 v;
        std::memcpy(&v, physical(n).data(), 8);
        return v;
    }
    /// After any MMX instruction but EMMS: TOP is 0, all registers are valid (SDM 1, 9.5.1).
    void enter_mmx();
    void set_mm(unsigned n, u64 value) {
        std::memcpy(physical(n).data(), &value, 8);
        physical(n)[8] = physical(n)[9] = 0xff;  // exponent and sign become ones (SDM 1, 9.2.1)
    }
    /// Summary bit and busy bit follow from flags and masks.
    void summarise() {
        const bool unmasked = status & ~control & x87::kExceptions;
        status = static_cast<u16>((status & ~(x87::ES | x87::B)) | (unmasked ? x87::ES | x87::B : 0));
    }
};

}  // namespace vmxsim::core
