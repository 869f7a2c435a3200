// SPDX-License-Identifier: Apache-2.0
// MOV to and from debug registers (SDM 18.2). What breakpoints meet: model/core/breakpoints.hpp.
#include "model/core/system/handlers.hpp"

namespace vmxsim::core {

using namespace vmx;

Outcome mov_dr(Core& core, const Insn& insn) {
    const bool from = ZydisRegisterGetClass(insn.op[1].reg.value) == ZYDIS_REGCLASS_DEBUG;
    const ZydisRegister gpr = insn.op[from ? 0 : 1].reg.value;
    unsigned dr = static_cast<unsigned>(insn.op[from ? 1 : 0].reg.value - ZYDIS_REGISTER_DR0);
    if (dr > 7) return core.raise(vector::UD);
    CpuState& state = core.state;
    core.spend(core.params().mov_cr);
    // The one exit that precedes the instruction's own faults, those of CPL and DR4, DR5 included (SDM 28.1.3).
    ExitInfo exit;
    if (core.vmx().intercept_mov_dr(dr, from, gpr_number(gpr), exit)) return exit_with(core, insn, exit);
    if (dr == 4 || dr == 5) {
        if (state.cr4 & cr4::DE) return core.raise(vector::UD);
        dr += 2;  // aliases of DR6 and DR7 (SDM 18.2.2)
    }
    VMXSIM_TRY(require_cpl0(core));
    constexpr u64 kGeneralDetect = 1u << 13;
    if (state.dr7 & kGeneralDetect) {
        const Outcome fault = core.raise(vector::DB);
        core.fault().dr6 = kGeneralDetect;  // BD
        return fault;
    }
    if (from) {
        write_gpr(core, gpr, dr < 4 ? state.dr[dr] : dr == 6 ? state.dr6 : state.dr7);
        return Outcome::Next;
    }
    const u64 value = read_gpr(core, gpr);
    if (dr < 4) {
        state.dr[dr] = value;
        return Outcome::Next;
    }
    if (value >> 32) return core.raise(vector::GP, 0);
    constexpr u64 kDr6Settable = 0xe00f, kDr6Ones = 0xffff0ff0, kDr7Settable = 0xffff23ff, kDr7Ones = 0x400;
    if (dr == 6)
        state.dr6 = (value & kDr6Settable) | kDr6Ones;
    else
        state.dr7 = (value & kDr7Settable) | kDr7Ones;
    return Outcome::Next;
}

}  // namespace vmxsim::core
