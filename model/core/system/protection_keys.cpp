// SPDX-License-Identifier: Apache-2.0
// RDPKRU, WRPKRU (SDM 2B, 2D): at any privilege; CR4.PKE makes them exist.
#include "model/core/fpu.hpp"
#include "model/core/system/handlers.hpp"

namespace vmxsim::core {

using namespace vmx;

namespace {

Outcome check(Core& core) {
    if (!(core.state.cr4 & cr4::PKE)) return core.raise(vector::UD);
    return static_cast<u32>(core.state.r[RCX]) ? core.raise(vector::GP, 0) : Outcome::Next;
}

}  // namespace

Outcome rdpkru(Core& core, const Insn&) {
    VMXSIM_TRY(check(core));
    core.state.r[RAX] = core.state.pkru;
    core.state.r[RDX] = 0;
    return Outcome::Next;
}

Outcome wrpkru(Core& core, const Insn& insn) {
    VMXSIM_TRY(check(core));
    if (static_cast<u32>(core.state.r[RDX])) return core.raise(vector::GP, 0);
    set_pkru(core, static_cast<u32>(core.state.r[RAX]));
    return jump_next(core, insn);
}

}  // namespace vmxsim::core
