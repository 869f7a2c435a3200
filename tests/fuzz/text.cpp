// SPDX-License-Identifier: Apache-2.0
// What users write: scenario and profile files, settings, command lines, statistics to compare.
// Input: which of them, then the text.
#include <fstream>
#include <iterator>
#include <sstream>

#include <sys/mman.h>
#include <unistd.h>

#include "sim/compare.hpp"
#include "sim/options.hpp"
#include "sim/paths.hpp"
#include "sim/profile.hpp"
#include "sim/scenario.hpp"
#include "tests/fuzz/target.hpp"

using namespace vmxsim;
using namespace vmxsim::sim;

namespace {

enum Kind : u8 { ScenarioFile, ProfileFile, Setting, CommandLine, Statistics, kKinds };

fuzz::Input seed(Kind kind, const std::string& text) {
    fuzz::Input in;
    in.reserve(text.size() + 1);
    in.push_back(static_cast<u8>(kind));
    in.insert(in.end(), text.begin(), text.end());
    return in;
}

std::string file_text(const std::filesystem::path& file) {
    std::ifstream in(file);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

/// A file in memory that holds the text.
std::string as_file(const std::string& text) {
    static const int file = memfd_create("fuzz", 0);
    VMXSIM_HOLDS(ftruncate(file, 0) == 0);
    VMXSIM_HOLDS(pwrite(file, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    return "/proc/self/fd/" + std::to_string(file);
}

void command_line(const std::string& text) {
    std::vector<std::string> words{"vmxsim"};
    std::stringstream in(text);
    for (std::string word; std::getline(in, word, ' ');) words.push_back(word);
    std::vector<const char*> argv;
    for (const auto& word : words) argv.push_back(word.c_str());
    argv.push_back(nullptr);
    parse_options(static_cast<int>(words.size()), argv.data());
}

}  // namespace

std::vector<fuzz::Input> fuzz::seeds() {
    std::vector<Input> all;
    for (const auto& name : definitions("scenarios")) all.push_back(seed(ScenarioFile, file_text(find_definition("scenarios", name))));
    for (const auto& name : definitions("profiles")) all.push_back(seed(ProfileFile, file_text(find_definition("profiles", name))));
    all.push_back(seed(ScenarioFile, "title = \"t\"\nimage = \"i\"\nprofile = \"nehalem\"\nmemory = \"64M\"\nl0 = \"unit\"\n"));
    for (const char* s : {"vmcs_cache.contexts=8", "cpu.frequency_mhz=0x10", "core.mul=99999999999999999999", "nested.exit_software=-1", "=", "a.b"})
        all.push_back(seed(Setting, s));
    for (const char* s : {"run nested-exits --l0 none --set vmcs_cache.contexts=8 --stats a.json --max-cycles 100",
                          "boot my.elf --append x --memory 128M --initrd a --initrd b --timing none --quiet", "list knobs",
                          "compare a.json hardware", "--help", "run --help", "--version"})
        all.push_back(seed(CommandLine, s));
    all.push_back(seed(Statistics, "{\"schema\": \"vmxsim.statistics/1\", \"scenario\": \"a\", \"run\": {\"cycles\": 1}}"));
    all.push_back(seed(Statistics, file_text(find_definition("scenarios", "nested-exits").parent_path() / "../../tests/analysis/made_up_run.json")));
    return all;
}

int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
    fuzz::Reader in({data, size});
    const auto kind = static_cast<Kind>(in.byte() % kKinds);
    const std::string text(in.rest().begin(), in.rest().end());
    try {
        switch (kind) {
            case ScenarioFile: load_scenario(as_file(text)); break;
            case ProfileFile: load_profile(as_file(text)); break;
            case Setting: {
                static const Profile good = load_profile(find_definition("profiles", "nehalem"));
                Profile profile = good;
                set_knob(profile, text);
                break;
            }
            case CommandLine: command_line(text); break;
            default: {
                const std::string file = as_file(text);
                compare_files(file, file);
                compare_files(file, "hardware");
            }
        }
    } catch (const InputError& e) {
        VMXSIM_HOLDS(!std::strchr(e.what(), '\n') || kind == CommandLine || kind == Setting);
    }
    return 0;
}
