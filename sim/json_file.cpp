// SPDX-License-Identifier: Apache-2.0
#include "sim/json_file.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include "sim/error.hpp"

namespace vmxsim::sim {

nlohmann::ordered_json read_json(const std::filesystem::path& file) {
    std::error_code error;
    std::ifstream in(file, std::ios::binary);
    if (!in || !std::filesystem::is_regular_file(file, error))
        throw InputError(fmt::format("{}: cannot be read, expected a JSON file", file.string()));
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    try {
        return nlohmann::ordered_json::parse(text);
    } catch (const nlohmann::json::parse_error& e) {
        const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(e.byte, text.size()));
        throw InputError(fmt::format("{}:{}: not JSON, expected a statistics or reference file", file.string(),
                                     1 + std::count(text.begin(), end, '\n')));
    }
}

std::string schema_of(const nlohmann::ordered_json& document) {
    if (!document.is_object() || !document.contains("schema") || !document["schema"].is_string()) return "";
    return document["schema"];
}

}  // namespace vmxsim::sim
