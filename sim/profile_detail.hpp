// SPDX-License-Identifier: Apache-2.0
// Private to profile.cpp and knobs.cpp.
#pragma once
#include "sim/profile.hpp"

namespace vmxsim::sim {

/// Copies what [cpu], [capabilities] and [[cpuid]] say once to every other place that needs it.
void spread_cpu_facts(Profile& profile);

}  // namespace vmxsim::sim
