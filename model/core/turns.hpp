// SPDX-License-Identifier: Apache-2.0
// Several processors in turn: one runs at a time, always the one that is furthest behind in cycles, for a slice. So no
// one is ahead of another by more than a slice, locked accesses are atomic by themselves, and a run repeats to the
// cycle.
#pragma once
#include <functional>
#include <vector>

#include "model/core/core.hpp"

namespace vmxsim::core {

class Turns {
public:
    /// `cores`: by index, at least one. `slice`: cycles that the running one may get ahead of the next. `running`: told
    /// whose turn begins; may be empty.
    Turns(std::vector<Core*> cores, u64 slice, std::function<void(unsigned)> running = {});

    /// As Core::run(), for all: Halted where none has anything to wait for but another one.
    StopReason run(u64 until);
    /// Of the one that is furthest ahead.
    u64 cycles() const;
    /// The processor that runs, or ran last.
    Core& running() { return *cores_[running_]; }
    /// Something waits for a processor that did not before: another one that runs lets it have its turn.
    void attention(unsigned index);

private:
    std::vector<Core*> cores_;
    u64 slice_;
    std::function<void(unsigned)> told_;
    unsigned running_ = 0;
};

}  // namespace vmxsim::core
