// SPDX-License-Identifier: Apache-2.0
#include "sim/reference.hpp"

#include <fstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "sim/error.hpp"
#include "sim/json_file.hpp"
#include "sim/paths.hpp"

namespace vmxsim::sim {

void load_references(const std::filesystem::path& file, References& into) {
    const auto document = read_json(file);
    if (schema_of(document) != "vmxsim-reference/1")
        throw InputError(
            fmt::format("{}:1: schema is '{}', expected vmxsim-reference/1", file.string(), schema_of(document)));
    try {
        for (const auto& row : document.at("rows")) {
            if (row.at("value").is_null()) continue;  // a qualitative statement
            Reference r;
            r.id = row.at("id");
            r.op = row.at("op");
            r.level = row.at("level");
            r.cpu = row.at("cpu");
            r.value = row.at("value");
            r.unit = row.at("unit");
            r.conditions = row.at("conditions");
            r.source = row.at("source");
            r.where = row.at("where");
            r.set = row.at("set");
            into[r.id] = r;
        }
    } catch (const nlohmann::json::exception& e) {
        throw InputError(fmt::format("{}:1: {}, expected the rows of vmxsim-reference/1", file.string(), e.what()));
    }
}

References load_references() {
    References all;
    for (const auto& file : reference_files()) load_references(file, all);
    return all;
}

}  // namespace vmxsim::sim
