// SPDX-License-Identifier: Apache-2.0
#include "model/vmcs_cache/params.hpp"

namespace vmxsim::vmcs_cache {

// A latency of 0 does not exist: an answer takes at least one clock edge. The upper bound is the RTL's counter.
std::span<const arch::Param<VmcsCacheParams>> vmcs_cache_params() {
    using P = VmcsCacheParams;
    static constexpr arch::Param<P> kRows[] = {
        {"vmcs_cache.contexts", &P::contexts, "entries", 0, 16, "VMCSs held on chip; 0: every access goes to memory"},
        {"vmcs_cache.access_latency", &P::access_latency, "cycles", 1, 65535, "one field, its line on chip"},
        {"vmcs_cache.line_latency", &P::line_latency, "cycles", 1, 65535, "one line of a bulk transfer or merge, on chip"},
        {"vmcs_cache.activate_latency", &P::activate_latency, "cycles", 1, 65535,
         "finding, taking or freeing a context, beside lines written back"},
    };
    return kRows;
}

}  // namespace vmxsim::vmcs_cache
