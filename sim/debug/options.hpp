// SPDX-License-Identifier: Apache-2.0
// What the user wants to see of a run: --gdb and --log.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "model/arch/types.hpp"

namespace vmxsim::sim {

enum class LogKind : u8 { Insn, Exit, Entry, Interrupt, Exception, Msr, Io, Vmcs, Cr };
inline constexpr std::string_view kLogKinds[] = {"insn", "exit", "entry", "interrupt", "exception", "msr", "io", "vmcs", "cr"};

struct LogOptions {
    std::string file;               ///< "-": standard error; empty: no log
    u32 kinds = ~u32{1};            ///< bit LogKind; all but insn
    u64 first = 0, last = ~u64{0};  ///< linear addresses of RIP
    u64 from = 0;                   ///< cycle
    bool has(LogKind k) const { return kinds >> static_cast<u8>(k) & 1; }
};

/// The bits of "insn,exit,..."; "all" is every kind. Empty: a word of it is none of them.
std::optional<u32> parse_log_kinds(std::string_view words);
/// "ADDRESS-ADDRESS", hexadecimal, the second one included. False: it is none.
bool parse_log_range(std::string_view text, LogOptions& options);

struct DebugOptions {
    std::optional<u16> gdb;  ///< port; 0: any free one
    LogOptions log;
    bool boot = false;       ///< the program's exit status is boot's (GDB is told it)
    bool any() const { return gdb || !log.file.empty(); }
};

}  // namespace vmxsim::sim
