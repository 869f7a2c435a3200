// SPDX-License-Identifier: Apache-2.0
// Where profiles, scenarios, references and images are found.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace vmxsim::sim {

/// Folder of the running program.
std::filesystem::path program_folder();

/// A profile ("profiles") or scenario ("scenarios"): `name` is a name ("nehalem") or the path of a TOML file. Looked
/// for beside the program, then in the sources. Throws InputError that lists what there is.
std::filesystem::path find_definition(std::string_view folder, const std::string& name);

/// Names in that folder, sorted.
std::vector<std::string> definitions(std::string_view folder);

/// Files of traces/hardware, sorted.
std::vector<std::filesystem::path> reference_files();

/// A guest image: the path of a file, or the name of one of the project's own, which are built beside the program, or of a
/// kernel that was fetched there. Where there is none: InputError; `fetch`: the command that would bring it.
std::filesystem::path find_image(const std::string& name, const std::string& fetch = "");

}  // namespace vmxsim::sim
