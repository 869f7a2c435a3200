// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

namespace vmxsim::sim {

/// Reads a JSON document. Throws InputError "FILE:LINE: ..." where it cannot be read or parsed.
nlohmann::ordered_json read_json(const std::filesystem::path& file);

/// Its member "schema"; empty where there is none.
std::string schema_of(const nlohmann::ordered_json& document);

}  // namespace vmxsim::sim
