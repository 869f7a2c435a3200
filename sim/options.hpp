// SPDX-License-Identifier: Apache-2.0
// The command line.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "sim/config.hpp"

namespace vmxsim::sim {

enum class Command : u8 { Run, Boot, Compare, List };

/// What the user asked for. Empty optionals: not said, so the scenario's or the default value holds.
struct Options {
    Command command = Command::Run;
    std::string scenario;  ///< run
    std::string image;     ///< boot
    std::string a, b;      ///< compare
    std::string topic;     ///< list
    std::optional<std::string> append;
    std::vector<std::string> modules;  ///< --initrd
    std::optional<u64> memory_bytes;
    unsigned cpus = 1;
    std::optional<L0Mode> l0;
    std::optional<std::string> policy, profile;
    VmcsCacheKind vmcs_cache = VmcsCacheKind::Tlm;
    core::TimingLevel timing = core::TimingLevel::Interval;
    std::vector<std::string> settings;  ///< --set, in order
    std::string stats;                  ///< file; empty: none
    u64 max_cycles = 0;                 ///< 0: no limit
    DebugOptions debug;                 ///< --gdb, --log...
    bool quiet = false;
    bool console = false;  ///< run: show what the image prints
};

/// What list knows.
std::vector<std::string_view> list_topics();

/// The result of reading a command line: options, or a text to print (help, version).
struct Parsed {
    std::optional<Options> options;
    std::string text;
};

/// Throws InputError, in one line, for anything that it does not understand.
Parsed parse_options(int argc, const char* const* argv);

}  // namespace vmxsim::sim
