// SPDX-License-Identifier: Apache-2.0
// What a run says: the human result and the statistics document. Both are made from plain data.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "sim/breakdown.hpp"
#include "sim/measured.hpp"
#include "sim/reference.hpp"
#include "sim/scenario.hpp"

namespace vmxsim::sim {

inline constexpr std::string_view kStatsSchema = "vmxsim-stats/1";

/// A published figure beside ours.
struct Comparison {
    Reference reference;
    ReferenceUse use;
    std::optional<double> simulated;  ///< empty: the image did not measure it
    double ratio() const { return simulated && reference.value != 0 ? *simulated / reference.value : 0; }
};

/// All that a report is made from.
struct Report {
    const MachineConfig& config;
    const RunResult& result;
    std::string scenario, title, image;  ///< scenario and title: empty for `boot`
    std::vector<Measurement> measured;
    std::vector<Comparison> comparisons;
    int exit_status = 0;
    bool guest_measures = false;  ///< the image is L0 itself: its guest, L1, printed the measurements
    /// "own" was measured in L1 and "guest" in L2.
    bool nested() const { return guest_measures || config.l0 == L0Mode::Unit; }
};

/// Throws InputError where the scenario names a reference that does not exist.
Report make_report(const MachineConfig& config, const RunResult& result, const Scenario* scenario,
                   const std::string& image, const References& references);

/// The program's status for the end of the run: 0, 3, or what the image gave (see `vmxsim --help`).
int exit_status(const RunResult& result, bool boot);

/// One sentence on how the run ended.
std::string ending(const RunResult& result);
/// The machine came to an end that its image did not ask for: its state is worth a look.
bool went_wrong(const RunResult& result);

/// Tables of at most 100 columns.
std::string human_report(const Report& report);

nlohmann::ordered_json statistics(const Report& report);

}  // namespace vmxsim::sim
