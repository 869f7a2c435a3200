// SPDX-License-Identifier: Apache-2.0
// The machine's state as text of at most 100 columns: for a run that went wrong, and for the debugger.
#pragma once
#include <string>

#include "sim/debug/inspector.hpp"

namespace vmxsim::sim {

/// Registers, code around RIP, the last events, the current VMCS: all that is printed at a bad end.
std::string state_report(const Inspector& machine);

std::string registers_text(const Inspector& machine);
std::string code_text(const Inspector& machine);
std::string trail_text(const Inspector& machine);
/// The fields of the current VMCS that tell most.
std::string vmcs_summary(const Inspector& machine);
/// All fields that the CPU has, one a line; those whose name contains `part` (upper case) only.
std::string vmcs_text(const Inspector& machine, const std::string& part);

}  // namespace vmxsim::sim
