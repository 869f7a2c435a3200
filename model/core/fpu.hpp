// SPDX-License-Identifier: Apache-2.0
// x87, MMX and SSE instructions. They run outside the fast path; the host processor computes their results, with the
// guest's control and status words loaded, so that rounding, NaNs and flags are a processor's own.
// Not here: AVX-512, XOP, 3DNow!, SSE4A. They raise #UD.
#pragma once
#include "model/core/core.hpp"
#include "model/core/insn.hpp"

namespace vmxsim::core {

namespace vector {
inline constexpr u8 NM = 7, MF = 16, AC = 17, XM = 19;
}

/// Instruction sets as CPUID offers them.
namespace offers {
inline constexpr u32 X87 = 1, MMX = 2, FXSR = 4, SSE = 8, SSE2 = 16, SSE3 = 32, SSSE3 = 64, SSE41 = 128, SSE42 = 256,
                     XSAVE = 512, XSAVEOPT = 1 << 10, XSAVEC = 1 << 11, XGETBV1 = 1 << 12, XSAVES = 1 << 13, AVX = 1 << 14,
                     AVX2 = 1 << 15;
}
u32 fpu_offers(const CpuidTable& cpuid);

/// Places of AVX and PKRU state in XSAVE's area.
std::array<arch::xsave::Place, 2> xsave_places(const CpuidTable& cpuid);
/// XINUSE: components that are not in their initial configuration (SDM 1, 13.6).
u64 xsave_in_use(const Core& core);
inline constexpr u32 kInitialMxcsr = 0x1f80;
/// Protection keys: translations that are held under the old rights go.
void set_pkru(Core& core, u32 value);

/// The instruction's set is among `offered`.
bool fpu_offers_instruction(u32 offered, const Insn& insn);

/// True: execute_fpu() knows it.
bool is_fpu(const Insn& insn);
/// `flags`: the arithmetic flags, in; and out where `changes_flags`.
Outcome execute_fpu(Core& core, const Insn& insn, u64& flags, bool& changes_flags);
/// Cycles beyond the issue slot.
u64 fpu_latency(const Insn& insn, const CoreParams& params);

}  // namespace vmxsim::core
