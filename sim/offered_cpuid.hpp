// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "model/core/cpuid.hpp"
#include "sim/config.hpp"
#include "sim/profile.hpp"

namespace vmxsim::sim {

/// What CPUID offers with the platform around the processor: the profile's leaves, with the local APIC on the bare
/// machine. Under the nested unit, L0 has neither a local APIC nor performance counters nor MONITOR to give.
core::CpuidTable offered_cpuid(const Profile& profile, L0Mode l0);

}  // namespace vmxsim::sim
