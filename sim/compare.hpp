// SPDX-License-Identifier: Apache-2.0
// vmxsim compare: two statistics documents, or one and published figures.
#pragma once
#include <string>

#include <nlohmann/json.hpp>

namespace vmxsim::sim {

/// Text of `vmxsim compare A B`; B may be the word "hardware". Throws InputError for files that are none.
std::string compare_files(const std::string& a, const std::string& b);

/// Settings that differ, then cycles of each kind and bucket side by side.
std::string compare_statistics(const nlohmann::ordered_json& a, const nlohmann::ordered_json& b);

/// The published figures that the run was held against; calibration and validation apart.
std::string compare_with_references(const nlohmann::ordered_json& a);

}  // namespace vmxsim::sim
