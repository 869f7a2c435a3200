// SPDX-License-Identifier: Apache-2.0
// Where the cycles of one kind of VM exit go: means over its episodes.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "sim/config.hpp"
#include "sim/result.hpp"

namespace vmxsim::sim {

/// Buckets of one phase of L0. A bucket "PHASE: STEP" is a step of PHASE; one without a colon is a phase without steps.
struct Phase {
    struct Step {
        std::string name;
        double cycles;
    };
    std::string name;
    double cycles = 0;
    std::vector<Step> steps;
};

/// Cycles of one episode in the mean.
struct Breakdown {
    u64 count = 0;
    double total = 0;
    double switches = 0;                  ///< the hardware's VM exits and VM entries
    double l0 = 0;                        ///< software of L0: the sum of `phases`
    double l1 = 0;                        ///< code of the image as L1 (only of exits of level 2)
    double vm_exits = 0, vm_entries = 0;  ///< the two parts of `switches`
    std::vector<Phase> phases;            ///< in the order in which the ledger came to know them
};

Breakdown break_down(const std::vector<std::string>& bucket_names, const vmx::Episode& episode);

/// Of the exits of a level with a reason; empty where there was none.
std::optional<Breakdown> break_down(const RunResult& result, u8 level, arch::ExitReason reason);

/// The level whose episodes hold what the image calls "own" or "guest". 0: none, such an operation does not exit.
u8 episode_level(L0Mode l0, std::string_view level);

}  // namespace vmxsim::sim
