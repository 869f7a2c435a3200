// SPDX-License-Identifier: Apache-2.0
// Hardware breakpoints: which of DR0 to DR3 an access meets (SDM 18.2.4, 18.2.5). Bits 3:0 of the results are B0 to B3.
#pragma once
#include "model/vmx/cpu_state.hpp"

namespace vmxsim::core {

enum class BreakOn : u8 { Execute = 0, Write = 1, Io = 2, ReadWrite = 3 };  ///< DR7.R/W fields

/// Any of L0 to G3 is set.
constexpr bool breakpoints_armed(const vmx::CpuState& state) { return state.dr7 & 0xff; }

/// Enabled breakpoints whose kind `accepts(kind)` and whose range meets [at, at + bytes).
template <class Accepts>
constexpr u64 breakpoints_met(const vmx::CpuState& state, u64 at, unsigned bytes, Accepts&& accepts) {
    u64 met = 0;
    for (unsigned i = 0; i < 4; ++i) {
        if (!(state.dr7 >> (2 * i) & 3)) continue;
        const auto kind = static_cast<BreakOn>(state.dr7 >> (16 + 4 * i) & 3);
        if (!accepts(kind)) continue;
        constexpr u64 kLength[] = {1, 2, 8, 4};
        const u64 length = kLength[state.dr7 >> (18 + 4 * i) & 3], first = state.dr[i] & ~(length - 1);
        if (at < first + length && first < at + bytes) met |= u64{1} << i;
    }
    return met;
}

constexpr u64 instruction_breakpoints(const vmx::CpuState& state, u64 linear) {
    return breakpoints_met(state, linear, 1, [](BreakOn kind) { return kind == BreakOn::Execute; });
}
constexpr u64 data_breakpoints(const vmx::CpuState& state, u64 linear, unsigned bytes, bool write) {
    return breakpoints_met(state, linear, bytes, [&](BreakOn kind) {
        return kind == BreakOn::ReadWrite || (write && kind == BreakOn::Write);
    });
}
/// Only with CR4.DE; without it the encoding is undefined, and meets nothing here.
constexpr u64 io_breakpoints(const vmx::CpuState& state, u16 port, unsigned bytes) {
    if (!(state.cr4 & vmx::cr4::DE)) return 0;
    return breakpoints_met(state, port, bytes, [](BreakOn kind) { return kind == BreakOn::Io; });
}

/// A data or I/O breakpoint is a trap: it becomes pending, as the VMCS field has it (SDM table 27-4, bit 12 as well).
constexpr void note_breakpoints(vmx::CpuState& state, u64 met) {
    if (met) state.pending_debug |= met | u64{1} << 12;
}

}  // namespace vmxsim::core
