// SPDX-License-Identifier: Apache-2.0
// Time as devices see it: cycles of the processor's clock, and events at exact cycles. Deterministic: events of one
// cycle happen in the order in which their timers were made.
#pragma once
#include <algorithm>
#include <functional>
#include <vector>

#include "model/arch/types.hpp"

namespace vmxsim::devices {

/// A clock of `hz` beside the processor's of `cycle_hz`. Tick n begins at the first cycle at which n ticks have passed,
/// so that ticks(cycle_of(n)) == n wherever hz <= cycle_hz.
struct Clock {
    u64 hz = 1, cycle_hz = 1;
    u64 ticks(u64 cycles) const { return static_cast<u64>(static_cast<Wide>(cycles) * hz / cycle_hz); }
    u64 cycle_of(u64 tick) const {
        const Wide at = (static_cast<Wide>(tick) * cycle_hz + hz - 1) / hz;
        return at > ~u64{0} ? ~u64{0} : static_cast<u64>(at);
    }

private:
    __extension__ using Wide = unsigned __int128;
};

class Timers {
public:
    using Id = std::size_t;
    static constexpr u64 kNever = ~u64{0};

    /// `cycles`: the processor's count, read whenever the time is needed. `next`: where the next event's cycle is kept,
    /// kNever without one; `moved` is called after it was set.
    Timers(const u64& cycles, u64 cycle_hz, u64& next, std::function<void()> moved = {})
        : cycles_(&cycles), cycle_hz_(cycle_hz), next_(next), moved_(std::move(moved)) {}
    u64 now() const { return std::max(*cycles_, floor_); }
    /// Another processor runs from here on: its count is the time. What was told of time does not go back, though one
    /// that is behind has its turn.
    void follow(const u64& cycles) {
        floor_ = now();
        cycles_ = &cycles;
    }
    u64 cycle_hz() const { return cycle_hz_; }
    Clock clock(u64 hz) const { return {hz, cycle_hz_}; }

    /// A timer that calls `fire` with the cycle it was armed for. It is disarmed before the call.
    Id add(std::function<void(u64)> fire) {
        timers_.push_back({kNever, std::move(fire)});
        return timers_.size() - 1;
    }
    void arm(Id id, u64 cycle) {
        timers_[id].deadline = cycle;
        find_next();
    }
    void cancel(Id id) { arm(id, kNever); }
    u64 deadline(Id id) const { return timers_[id].deadline; }
    u64 next() const { return next_; }

    /// Lets all events up to now happen, earliest first.
    void advance() {
        while (next_ <= now() && next_ != kNever) {
            const auto due = std::min_element(timers_.begin(), timers_.end(),
                                              [](const Timer& a, const Timer& b) { return a.deadline < b.deadline; });
            const u64 cycle = due->deadline;
            due->deadline = kNever;
            find_next();
            due->fire(cycle);
        }
    }

private:
    struct Timer {
        u64 deadline;
        std::function<void(u64)> fire;
    };
    void find_next() {
        next_ = kNever;
        for (const Timer& t : timers_) next_ = std::min(next_, t.deadline);
        if (moved_) moved_();
    }
    const u64* cycles_;
    u64 floor_ = 0;  ///< what others than the running processor have reached
    u64 cycle_hz_;
    std::vector<Timer> timers_;
    u64& next_;
    std::function<void()> moved_;
};

/// A wire that a device drives high or low.
using Line = std::function<void(bool)>;

}  // namespace vmxsim::devices
