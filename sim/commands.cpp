// SPDX-License-Identifier: Apache-2.0
#include "sim/commands.hpp"

#include <cstdio>
#include <filesystem>
#include <stdexcept>

#include <fmt/format.h>

#include "sim/compare.hpp"
#include "sim/machine.hpp"
#include "sim/paths.hpp"
#include "sim/progress.hpp"
#include "sim/report.hpp"
#include "sim/text.hpp"

namespace vmxsim::sim {

namespace {

void print(std::FILE* to, const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), to);
    std::fflush(to);
}

/// Stores the statistics. The file's folder is tried before the run, so that a long run is not lost.
void check_writable(const std::string& file) {
    if (file.empty()) return;
    const std::filesystem::path path(file);
    std::error_code error;
    const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
    if (!std::filesystem::is_directory(folder, error))
        throw InputError(fmt::format("{}: '{}' is no folder, expected a writable path", file, folder.string()));
    if (std::filesystem::is_directory(path, error))
        throw InputError(fmt::format("{}: is a folder, expected a file's path", file));
}

/// The last lines of an image that went wrong: they most often say why.
std::string last_lines(const std::string& console) {
    const auto lines = lines_of(console);
    std::string out = lines.empty() ? "" : "the image's last lines:\n";
    for (std::size_t i = lines.size() > 8 ? lines.size() - 8 : 0; i < lines.size(); ++i) out += "  " + lines[i] + "\n";
    return out;
}

/// A machine that the parameters do not allow (a cache with a fraction of a set) is the user's mistake.
RunResult run(const MachineConfig& config) {
    try {
        return run_machine(config);
    } catch (const std::invalid_argument& e) {
        throw InputError(fmt::format("profile {}: {}", config.profile.name, e.what()));
    }
}

int simulate(const Options& options) {
    const bool boot = options.command == Command::Boot;
    std::optional<Scenario> scenario;
    if (!boot) scenario = load_scenario(find_definition("scenarios", options.scenario));
    const Scenario* const s = scenario ? &*scenario : nullptr;
    MachineConfig config = make_config(options, s);
    const References references = s ? load_references() : References{};
    // A scenario whose references do not exist is refused before its run.
    make_report(config, RunResult{}, s, "", references);
    check_writable(options.stats);

    const bool echo = boot || options.console || (s && s->console);
    // Each line at once, into a file or pipe as well: whoever waits for it, or stops the run, has what was printed.
    if (echo) std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
    std::optional<Progress> progress;
    if (!options.quiet && Progress::wanted()) {
        progress.emplace(config.profile.cpu.frequency_mhz);
        config.progress = [&progress](const Advance& now) { progress->update(now); };
    }
    if (echo)
        config.console = [&progress](char c) {
            if (progress) progress->before(c);
            std::putchar(c);
        };
    const RunResult result = run(config);
    progress.reset();
    if (echo) {
        if (!result.console.empty() && result.console.back() != '\n') std::putchar('\n');
        std::fflush(stdout);
    }

    const Report report = make_report(config, result, s, s ? s->image : options.image, references);
    if (!options.stats.empty())
        write_atomically(options.stats,
                         statistics(report).dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    for (const core::Missing& m : result.missing)
        print(stderr, fmt::format("vmxsim: '{}' at rip {:#x} has no implementation and raised #UD ({} times)\n", m.text, m.rip, m.times));
    if (report.exit_status != 0 && went_wrong(result)) {
        if (!echo) print(stderr, last_lines(result.console));
        print(stderr, fmt::format("{}\n{}", result.state, result.state.ends_with('\n') ? "" : "\n"));
        print(stderr, fmt::format("vmxsim: {}\n", ending(result)));
    } else if (!boot && report.exit_status != 0) {
        if (!echo) print(stderr, last_lines(result.console));
        print(stderr, fmt::format("vmxsim: {}, expected 0\n", ending(result)));
    }
    // Standard output belongs to a booted image, as on QEMU.
    if (!options.quiet) print(boot ? stderr : stdout, human_report(report));
    return report.exit_status;
}

}  // namespace

MachineConfig make_config(const Options& o, const Scenario* s) {
    MachineConfig c;
    c.profile = load_profile(find_definition("profiles", o.profile.value_or(s ? s->profile : "nehalem")));
    for (const auto& setting : o.settings) set_knob(c.profile, setting);
    c.l0 = o.l0.value_or(s ? s->l0 : L0Mode::None);
    c.policy = o.policy.value_or(s ? s->policy : std::string("kvm-2011"));
    c.vmcs_cache = o.vmcs_cache;
    c.timing = o.timing;
    c.cpus = o.cpus;
    if (c.cpus > 1 && c.l0 == L0Mode::Unit)
        throw InputError(fmt::format("--cpus: '{}' is not possible under the nested unit, expected 1, or --l0 none", c.cpus));
    c.memory_bytes = o.memory_bytes.value_or(s ? s->memory_bytes : u64{512} << 20);
    c.image_path = s ? find_image(s->image, s->fetch).string() : find_image(o.image).string();
    c.append = o.append.value_or(s ? s->append : "");
    if (s)
        for (const auto& file : s->initrd) c.modules.push_back({find_image(file, s->fetch).string(), ""});
    // As with QEMU, words behind the file are the module's command line. A file whose name has spaces is taken whole.
    for (const auto& text : o.modules) {
        const auto space = text.find(' ');
        if (space == text.npos || std::filesystem::exists(text)) c.modules.push_back({text, ""});
        else c.modules.push_back({text.substr(0, space), text.substr(space + 1)});
    }
    c.max_cycles = o.max_cycles;
    c.debug = o.debug;
    c.debug.boot = o.command == Command::Boot;
    c.quiet = o.quiet;
    return c;
}

int run_command(const Options& options) {
    switch (options.command) {
        case Command::Run:
        case Command::Boot:
            return simulate(options);
        case Command::Compare:
            print(stdout, compare_files(options.a, options.b));
            return 0;
        case Command::List:
            print(stdout, list_text(options.topic));
            return 0;
    }
    return 0;
}

}  // namespace vmxsim::sim
