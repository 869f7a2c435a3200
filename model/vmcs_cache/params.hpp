// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "model/arch/param.hpp"

namespace vmxsim::vmcs_cache {

/// Size and latencies of the VMCS cache. The TLM model and the RTL take the same values and give the same cycles.
struct VmcsCacheParams {
    u64 contexts = 4;            ///< VMCSs held on chip; 0: none, every access goes to memory (before Westmere)
    u64 access_latency = 1;      ///< one field, line present
    u64 line_latency = 1;        ///< one line of a bulk transfer or merge, line present
    u64 activate_latency = 1;    ///< finding or taking a context, beside an eviction's write-backs
};
std::span<const arch::Param<VmcsCacheParams>> vmcs_cache_params();

}  // namespace vmxsim::vmcs_cache
