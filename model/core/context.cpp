// SPDX-License-Identifier: Apache-2.0
#include "model/core/engine/engine.hpp"

namespace vmxsim::core {

void Core::context_changed() { engine_->context_changed(); }

}  // namespace vmxsim::core
