// SPDX-License-Identifier: Apache-2.0
#include "model/core/turns.hpp"

#include <algorithm>
#include <utility>

#include "model/core/interrupts.hpp"

namespace vmxsim::core {

namespace {
constexpr u64 kNever = ~u64{0};
/// Of one turn while the others wait for something: it ends earlier where that comes.
constexpr u64 kLongTurn = 1'000'000;
}  // namespace

void Core::begin_turn(u64 horizon) {
    horizon_ = horizon;
    wanted_ = std::exchange(yielded_at_, 0);
    before_turn_ = instructions();
}

/// The clock that processors share (the TSC of each counts the same cycles) is read in the order of its values: who is
/// ahead waits, and reads what it would have read.
bool Core::wait_for_others(u64 cost) {
    const u64 wanted = std::exchange(wanted_, 0);
    if (wanted != 0 && instructions() - before_turn_ <= 1) {
        state.cycles = std::max(state.cycles, wanted - cost);
        return true;
    }
    if (state.cycles + cost <= horizon_) return true;
    yielded_at_ = state.cycles + cost;
    return false;
}

bool Core::asleep() const { return state.activity != vmx::ActivityState::Active && !wakes_now(*this); }

u64 Core::next_cycle() const {
    if (yielded_at_ != 0) return yielded_at_;
    if (!asleep() || (state.vmx.non_root && vmx_->boundaries_matter())) return state.cycles;
    u64 wake = state.vmx.non_root ? vmx_->timer_deadline() : kNever;
    if (can_wake(*this)) wake = std::min(wake, lines().deadline);
    return wake == kNever ? kNever : std::max(wake, state.cycles);
}

Turns::Turns(std::vector<Core*> cores, u64 slice, std::function<void(unsigned)> running)
    : cores_(std::move(cores)), slice_(slice), told_(std::move(running)) {}

u64 Turns::cycles() const {
    u64 most = 0;
    for (const Core* c : cores_) most = std::max(most, c->state.cycles);
    return most;
}

void Turns::attention(unsigned index) {
    if (index != running_ && running().stop_reason() == StopReason::None) running().request_stop(StopReason::Budget);
}

StopReason Turns::run(u64 until) {
    if (cores_.size() == 1) return running().run(until);
    for (;;) {
        u64 first = kNever, second = kNever;
        unsigned next = running_, asleep = 0;
        bool watched = false;  // a store would wake someone: it is looked for between turns
        for (unsigned i = 0; i < cores_.size(); ++i) {
            if (cores_[i]->asleep()) {
                asleep |= 1u << i;
                watched = watched || cores_[i]->system.monitor_armed;
            }
            const u64 at = cores_[i]->next_cycle();
            if (at < first) second = std::exchange(first, at), next = i;
            else second = std::min(second, at);
        }
        if (first == kNever) return StopReason::Halted;
        if (first >= until) {
            for (unsigned i = 0; i < cores_.size(); ++i)
                if (asleep >> i & 1) cores_[i]->sleep_until(until);
            return StopReason::Budget;
        }
        running_ = next;
        if (told_) told_(next);
        Core& core = running();
        core.begin_turn(second);
        const StopReason why = core.run(std::min(until, std::min(second, first + (watched ? 0 : kLongTurn)) + slice_));
        // Who was woken by it was woken now.
        for (unsigned i = 0; i < cores_.size(); ++i)
            if (i != next && (asleep >> i & 1) && !cores_[i]->asleep()) cores_[i]->sleep_until(core.state.cycles);
        if (why != StopReason::Budget && why != StopReason::Halted) return why;
    }
}

}  // namespace vmxsim::core
