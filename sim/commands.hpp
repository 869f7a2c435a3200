// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "sim/options.hpp"
#include "sim/scenario.hpp"

namespace vmxsim::sim {

/// Does what the options say; prints on standard output and error. Returns the program's status. Throws InputError.
int run_command(const Options& options);

/// The machine that options ask for; `scenario` gives what they leave open (null: `boot`).
MachineConfig make_config(const Options& options, const Scenario* scenario);

/// Text of `vmxsim list TOPIC`.
std::string list_text(std::string_view topic);

}  // namespace vmxsim::sim
