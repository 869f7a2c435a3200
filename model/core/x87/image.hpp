// SPDX-License-Identifier: Apache-2.0
// The x87 state as FNSAVE has it in 32-bit protected mode, which is also what the host is handed (SDM 1, 8.1.10).
#pragma once
#include "model/core/fpu_state.hpp"

namespace vmxsim::core::x87 {

struct Image {
    u32 control = 0, status = 0, tags = 0, ip = 0, cs_opcode = 0, dp = 0, ds = 0;
    u8 st[80] = {};
};
static_assert(sizeof(Image) == 108);

/// Two bits a physical register: 0 valid, 1 zero, 2 special, 3 empty.
u16 full_tags(FpuState& fpu);
u8 short_tags(u32 full);

/// Runs the instruction `opcode` (D8H to DFH) with `modrm` on the host, its memory operand at `memory`. AH: SF to CF, in
/// and out. The control word may unmask exceptions: they stay pending in the host and are discarded.
void run_on_host(Image& image, u8 opcode, u8 modrm, void* memory, u16& ax);

}  // namespace vmxsim::core::x87
