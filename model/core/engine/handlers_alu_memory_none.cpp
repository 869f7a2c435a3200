// SPDX-License-Identifier: Apache-2.0
#include "model/core/engine/handlers_alu_memory.hpp"

namespace vmxsim::core::engine {

Handler alu_memory_handler(Alu op, unsigned size, AluForm form, unsigned address, bool timed) {
    return timed ? alu_memory_timed(op, size, form, address) : alu_memory<false>(op, size, form, address);
}

Handler unary_memory_handler(Unary op, unsigned size, unsigned address, bool timed) {
    return timed ? unary_memory_timed(op, size, address) : unary_memory<false>(op, size, address);
}

}  // namespace vmxsim::core::engine
