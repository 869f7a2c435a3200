// SPDX-License-Identifier: Apache-2.0
#include "model/core/engine/engine.hpp"

namespace vmxsim::core {

void Core::context_changed() { engine_->context_changed(); }

void Core::record_branch(u64 from, unsigned kind) {
    const u64 base = state.code64() ? 0 : state.seg[vmx::CS].base;
    system.last_branches.record(base + from, base + state.rip,
                                kind | (state.cpl() == 0 ? LastBranches::AtCpl0 : LastBranches::AboveCpl0));
}

}  // namespace vmxsim::core
