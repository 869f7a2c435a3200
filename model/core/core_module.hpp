// SPDX-License-Identifier: Apache-2.0
// The core as a SystemC process. It runs a slice of instructions without the kernel, then lets simulated time pass: no
// context switch within a slice. Between the core, the VMCS cache and the nested unit there is no quantum: their calls
// return exact cycles. What a device sees of time is late by at most one slice.
#pragma once
#include <algorithm>
#include <systemc>

#include "model/core/core.hpp"

namespace vmxsim::core {

class CoreModule : public sc_core::sc_module {
public:
    /// Cycles of a slice. Nothing observable depends on it while no device raises interrupts on its own clock.
    static constexpr u64 kQuantum = 1'000'000;

    CoreModule(const sc_core::sc_module_name& name, Core& core, u64 max_cycles, sc_core::sc_time period)
        : sc_module(name), core_(core), max_cycles_(max_cycles), period_(period) {
        SC_HAS_PROCESS(CoreModule);
        SC_THREAD(slices);
    }
    StopReason stopped_by() const { return stopped_by_; }

private:
    void slices() {
        while (stopped_by_ == StopReason::None) {
            const u64 before = core_.state.cycles;
            const StopReason why = core_.run(std::min(before + kQuantum, max_cycles_));
            wait(period_ * static_cast<double>(core_.state.cycles - before));
            if (why != StopReason::Budget || core_.state.cycles >= max_cycles_) stopped_by_ = why;
        }
        sc_core::sc_stop();
    }
    Core& core_;
    u64 max_cycles_;
    sc_core::sc_time period_;
    StopReason stopped_by_ = StopReason::None;
};

}  // namespace vmxsim::core
