// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace vmxsim::sim {

inline constexpr const char* kVersion = "0.1.0";  // as in CMakeLists.txt

}  // namespace vmxsim::sim
