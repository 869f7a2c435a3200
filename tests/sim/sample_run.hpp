// SPDX-License-Identifier: Apache-2.0
// A run made up for tests of reports: round numbers, so that each mean can be told by eye.
#pragma once
#include <filesystem>

#include "sim/report.hpp"

namespace vmxsim::sim {

inline const std::filesystem::path kSources = VMXSIM_SOURCE_DIR;

inline MachineConfig sample_config() {
    MachineConfig c;
    c.profile = load_profile(kSources / "sim/profiles/nehalem.toml");
    c.l0 = L0Mode::Unit;
    c.append = "n=10";
    return c;
}

/// Ten nested CPUID exits of 50,000 cycles and twenty single ones of 2,500.
inline RunResult sample_result() {
    RunResult r;
    r.console =
        "own level\r\ncycles own cpuid 20 50000 2400\ncycles guest cpuid 10 501000 49000\ncycles guest vmcall 10 "
        "400000 39000\nresult ok\n";
    r.stop = core::StopReason::DebugExit;
    r.debug_exit = 0;
    r.bucket_names = {"root-mode software",
                      "guest software",
                      "L2 software",
                      "VM exit",
                      "VM entry",
                      "vmcs12 sync",
                      "prepare_vmcs02: guest segments",
                      "prepare_vmcs02: CR0"};
    r.bucket_totals = {0, 50000, 10000, 60000, 50000, 180000, 100000, 60000};
    for (const u64 c : r.bucket_totals) r.cycles += c;
    r.instructions = 4321;
    r.episodes[{1, 10}] = {20, {0, 0, 0, 12000, 8000, 30000}};
    r.episodes[{2, 10}] = {10, {0, 40000, 0, 60000, 50000, 170000, 120000, 60000}};
    r.vmcs_cache.reads = 2290;
    r.vmcs_cache.misses = 1234567;
    r.unit = nested::UnitStats{};
    r.unit->vmread = 2290;
    return r;
}

inline Scenario sample_scenario() { return load_scenario(kSources / "sim/scenarios/nested-exits.toml"); }

inline References sample_references() {
    References all;
    load_references(kSources / "traces/hardware/turtles.json", all);
    load_references(kSources / "traces/hardware/primitives.json", all);
    load_references(kSources / "traces/hardware/haswell-nested.json", all);
    return all;
}

}  // namespace vmxsim::sim
