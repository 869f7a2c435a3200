// SPDX-License-Identifier: Apache-2.0
// FNSTENV, FLDENV, FNSAVE, FRSTOR in the four formats of the environment (SDM 1, figures 8-9 to 8-12).
#pragma once
#include "model/core/core.hpp"
#include "model/core/insn.hpp"

namespace vmxsim::core::x87 {

/// What FNINIT does.
void initialise(FpuState& fpu);
/// `registers`: FNSAVE, which initialises the FPU behind it. Otherwise FNSTENV, which masks all exceptions.
Outcome store_environment(Core& core, const Insn& insn, bool registers);
Outcome load_environment(Core& core, const Insn& insn, bool registers);

}  // namespace vmxsim::core::x87
