// SPDX-License-Identifier: Apache-2.0
#include "model/core/engine/handlers_alu_memory.hpp"

namespace vmxsim::core::engine {

Handler alu_memory_timed(Alu op, unsigned size, AluForm form, unsigned address) {
    return alu_memory<true>(op, size, form, address);
}

Handler unary_memory_timed(Unary op, unsigned size, unsigned address) { return unary_memory<true>(op, size, address); }

}  // namespace vmxsim::core::engine
