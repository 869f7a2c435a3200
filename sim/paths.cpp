// SPDX-License-Identifier: Apache-2.0
#include "sim/paths.hpp"

#include <algorithm>
#include <set>
#include <system_error>

#include <fmt/format.h>

#include "sim/error.hpp"
#include "sim/text.hpp"

#ifndef VMXSIM_DATA_DIR
#define VMXSIM_DATA_DIR "."  // the sources' root; the build defines it
#endif

namespace vmxsim::sim {
namespace fs = std::filesystem;

namespace {

/// Roots under which sim/profiles and the like may lie.
std::vector<fs::path> roots() { return {program_folder(), fs::path(VMXSIM_DATA_DIR)}; }

bool is_file(const fs::path& p) {
    std::error_code error;
    return fs::is_regular_file(p, error);
}

std::vector<fs::path> files_in(const fs::path& folder, std::string_view extension) {
    std::vector<fs::path> found;
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
        if (it->path().extension() == extension) found.push_back(it->path());
    std::sort(found.begin(), found.end());
    return found;
}

}  // namespace

fs::path program_folder() {
    std::error_code error;
    const fs::path program = fs::read_symlink("/proc/self/exe", error);
    return error ? fs::path(".") : program.parent_path();
}

std::vector<std::string> definitions(std::string_view folder) {
    std::set<std::string> names;
    for (const auto& root : roots())
        for (const auto& file : files_in(root / "sim" / folder, ".toml")) names.insert(file.stem().string());
    return {names.begin(), names.end()};
}

fs::path find_definition(std::string_view folder, const std::string& name) {
    if (name.ends_with(".toml") && is_file(name)) return name;
    // A name is one word: it does not lead out of the folder.
    if (name.find('/') == std::string::npos)
        for (const auto& root : roots())
            if (const fs::path file = root / "sim" / folder / (name + ".toml"); is_file(file)) return file;
    const auto names = definitions(folder);
    throw InputError(fmt::format("{}: no such {}, expected {} or a .toml file", name,
                                 folder.substr(0, folder.size() - 1), alternatives({names.begin(), names.end()})));
}

std::vector<fs::path> reference_files() {
    for (const auto& root : roots())
        if (auto files = files_in(root / "traces" / "hardware", ".json"); !files.empty()) return files;
    return {};
}

fs::path find_image(const std::string& name, const std::string& fetch) {
    if (is_file(name)) return name;
    if (name.find('/') == std::string::npos)
        for (const auto* folder : {"guests", "linux", "sim/guests", "."})
            for (const auto* extension : {"", ".elf"})
                if (const fs::path file = program_folder() / folder / (name + extension); is_file(file)) return file;
    if (!fetch.empty())
        throw InputError(fmt::format("{}: it is not in {} yet, expected after `{}`", name, program_folder().string(), fetch));
    throw InputError(fmt::format("{}: no such image, expected a file or a guest in {}", name,
                                 (program_folder() / "guests").string()));
}

}  // namespace vmxsim::sim
