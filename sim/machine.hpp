// SPDX-License-Identifier: Apache-2.0
// Assembly of the simulated machine.
#pragma once
#include "sim/config.hpp"
#include "sim/result.hpp"

namespace vmxsim::sim {

/// Builds the machine that `config` describes, loads the image, runs it to its end and returns what it left.
/// Once per process (SystemC elaborates once). Throws InputError for an image that cannot be loaded, and
/// rtl::LockstepError where model and RTL differ.
RunResult run_machine(const MachineConfig& config);

}  // namespace vmxsim::sim
