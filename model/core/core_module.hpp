// SPDX-License-Identifier: Apache-2.0
// The machine's processors as a SystemC process. It runs a quantum of instructions without the kernel, then lets
// simulated time pass: no context switch within it. Between the core, the VMCS cache and the nested unit there is no
// quantum: their calls return exact cycles.
#pragma once
#include <algorithm>
#include <systemc>

#include "model/core/turns.hpp"

namespace vmxsim::core {

class CoreModule : public sc_core::sc_module {
public:
    /// In cycles. Nothing observable depends on it while no device raises interrupts on its own clock.
    static constexpr u64 kQuantum = 1'000'000;

    CoreModule(const sc_core::sc_module_name& name, Turns& cores, u64 max_cycles, sc_core::sc_time period)
        : sc_module(name), cores_(cores), max_cycles_(max_cycles), period_(period) {
        SC_HAS_PROCESS(CoreModule);
        SC_THREAD(quanta);
    }
    StopReason stopped_by() const { return stopped_by_; }

private:
    void quanta() {
        while (stopped_by_ == StopReason::None) {
            const u64 before = cores_.cycles();
            const StopReason why = cores_.run(std::min(before + kQuantum, max_cycles_));
            wait(period_ * static_cast<double>(cores_.cycles() - before));
            if (why != StopReason::Budget || cores_.cycles() >= max_cycles_) stopped_by_ = why;
        }
        sc_core::sc_stop();
    }
    Turns& cores_;
    u64 max_cycles_;
    sc_core::sc_time period_;
    StopReason stopped_by_ = StopReason::None;
};

}  // namespace vmxsim::core
