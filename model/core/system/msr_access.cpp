// SPDX-License-Identifier: Apache-2.0
// RDMSR and WRMSR as instructions; the registers: msrs.cpp.
#include "model/core/system/handlers.hpp"

namespace vmxsim::core {

using namespace vmx;

Outcome rdmsr(Core& core, const Insn& insn) {
    VMXSIM_TRY(require_cpl0(core));
    CpuState& state = core.state;
    const u32 index = static_cast<u32>(state.r[RCX]);
    if (index == arch::msr::TSC && !core.others_have_come(core.params().rdmsr)) return Outcome::Yield;
    core.spend(core.params().rdmsr);
    ExitInfo exit;
    if (core.vmx().intercept_rdmsr(index, exit)) return exit_with(core, insn, exit);
    u64 value = 0;
    if (index == arch::msr::TSC)
        value = core.vmx().guest_tsc();  // TSC offsetting covers RDMSR, too (SDM 28.3)
    else if (!read_msr(core, index, value))
        return core.raise(vector::GP, 0);
    state.r[RAX] = value & 0xffffffff;
    state.r[RDX] = value >> 32;
    return Outcome::Next;
}

Outcome wrmsr(Core& core, const Insn& insn) {
    VMXSIM_TRY(require_cpl0(core));
    CpuState& state = core.state;
    const u32 index = static_cast<u32>(state.r[RCX]);
    core.spend(core.params().wrmsr);
    ExitInfo exit;
    if (core.vmx().intercept_wrmsr(index, exit)) return exit_with(core, insn, exit);
    if (!write_msr(core, index, (state.r[RAX] & 0xffffffff) | state.r[RDX] << 32)) return core.raise(vector::GP, 0);
    return jump_next(core, insn);
}

}  // namespace vmxsim::core
