// SPDX-License-Identifier: Apache-2.0
// The MTRRs as firmware leaves them (SDM 3A, 12.11): memory is write-back, devices are uncacheable.
#pragma once
#include "model/core/core.hpp"

namespace vmxsim::sim {

/// `address_bits`: MAXPHYADDR. The same on every processor (SDM 3A, 12.11.8).
void set_memory_types(core::SystemState& system, u64 address_bits);

}  // namespace vmxsim::sim
