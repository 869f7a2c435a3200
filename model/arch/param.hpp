// SPDX-License-Identifier: Apache-2.0
// Parameters of a module: one row each with key, unit, range and meaning. A profile fills them, `--set` overrides them,
// `vmxsim list knobs` prints them. Modules hold a plain struct; the rows name its members.
#pragma once
#include <string_view>

#include "model/arch/types.hpp"

namespace vmxsim::arch {

template <class S>
struct Param {
    std::string_view key;   ///< as in the profile: "vmcs_cache.contexts"
    u64 S::*member;
    std::string_view unit;  ///< "cycles", "entries", "bytes", "flag"
    u64 min, max;
    std::string_view what;
};

}  // namespace vmxsim::arch
