// SPDX-License-Identifier: Apache-2.0
// System instructions: what is not integer computation, data movement or a near transfer.
#pragma once
#include "model/core/core.hpp"
#include "model/core/insn.hpp"

namespace vmxsim::core {

/// True for mnemonics (with their operand forms: MOV CR, MOV DR, MOV to and from a segment register, far transfers, IRET,
/// INT, I/O, MSRs, descriptor tables, VMX, ...) that execute_system() carries out.
bool is_system(const Insn& insn);
/// Who carries it out; null: not a system instruction.
Handler system_handler(const Insn& insn);

/// Executes one system instruction with all its checks, intercepts and faults. Flags are exact on entry and on return.
/// RIP names the instruction on entry. An instruction that this model does not have is #UD.
Outcome execute_system(Core& core, const Insn& insn);

}  // namespace vmxsim::core
