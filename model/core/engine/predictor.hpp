// SPDX-License-Identifier: Apache-2.0
// The branch predictor of the interval model: gshare for directions, a stack for returns, a table for other indirect
// targets. Direct targets are taken to be known when decoded. A wrong prediction costs core.mispredict; nothing of the
// wrong path is modelled. VM entries, exits and changes of context leave it as it is, as on CPUs without later fences.
#pragma once
#include <array>

#include "model/arch/types.hpp"

namespace vmxsim::core::engine {

struct Predictor {
    static constexpr u64 kCounters = 1u << 14, kTargets = 1u << 9, kReturns = 32;  ///< the most that a profile may have

    u64 penalty = 0;
    u64 history = 0;                  ///< of conditional branches, the latest in bit 0
    u64 history_mask = 0;
    u64 counter_mask = 0, target_mask = 0, return_mask = 0;
    u64 top = 0;                      ///< of the return stack
    u64 branches = 0, mispredicts = 0;
    std::array<u64, kReturns> returns{};
    std::array<u64, kTargets> targets{};
    std::array<u8, kCounters> counters{};  ///< two bits each: taken from 2 on

    /// Cycles that the conditional branch at linear address `at` costs by its prediction.
    u64 conditional(u64 at, bool taken) {
        ++branches;
        u8& counter = counters[(at ^ history) & counter_mask];
        const bool wrong = (counter > 1) != taken;
        history = (history << 1 | u64{taken}) & history_mask;
        counter = static_cast<u8>(taken ? counter + (counter < 3) : counter - (counter > 0));
        return wrong ? missed() : 0;
    }
    void call(u64 return_address) { returns[++top & return_mask] = return_address; }
    u64 ret(u64 target) {
        ++branches;
        return returns[top-- & return_mask] == target ? 0 : missed();
    }
    u64 indirect(u64 at, u64 target) {
        ++branches;
        u64& predicted = targets[(at ^ history) & target_mask];
        if (predicted == target) return 0;
        predicted = target;
        return missed();
    }

private:
    u64 missed() {
        ++mispredicts;
        return penalty;
    }
};

}  // namespace vmxsim::core::engine
