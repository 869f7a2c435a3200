// SPDX-License-Identifier: Apache-2.0
// A decoded instruction for everything outside the fast path.
#pragma once
#include <Zydis/Zydis.h>

#include "model/arch/types.hpp"

namespace vmxsim::core {

class Core;
struct Insn;
enum class Outcome : u8;
using Handler = Outcome (*)(Core& core, const Insn& insn);

/// As Zydis decoded it, all operands (hidden ones included). Lives as long as the block that holds it.
struct Insn {
    ZydisDecodedInstruction z;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    Handler system = nullptr;  ///< who executes it, where it is a system instruction and decoded for a block
    unsigned length() const { return z.length; }
};

}  // namespace vmxsim::core
