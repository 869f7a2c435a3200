// SPDX-License-Identifier: Apache-2.0
// Private to model/mmu.
#pragma once
#include "model/mmu/mmu.hpp"

namespace vmxsim::mmu {

/// The parameters themselves. Throws std::invalid_argument naming key and value of the first bad one.
const MmuParams& checked(const MmuParams& params);

}  // namespace vmxsim::mmu
