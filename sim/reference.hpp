// SPDX-License-Identifier: Apache-2.0
// Published measurements of real VT-x: the rows of traces/hardware/*.json (schema vmxsim-reference/1).
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace vmxsim::sim {

struct Reference {
    std::string id;     ///< "turtles2-02"
    std::string op;     ///< what was measured
    std::string level;  ///< native, L1 (one hypervisor), L2 (nested)
    std::string cpu;
    double value = 0;
    std::string unit;
    std::string conditions;
    std::string source;  ///< the publication
    std::string where;   ///< table or figure
    std::string set;     ///< calibration, validation or workload
};
using References = std::map<std::string, Reference, std::less<>>;

/// Adds the rows of one file. Throws InputError in one line where the file is no reference file.
void load_references(const std::filesystem::path& file, References& into);

/// The rows of all files that come with the program.
References load_references();

}  // namespace vmxsim::sim
