// SPDX-License-Identifier: Apache-2.0
// The local APIC's timer: one-shot, periodic, TSC deadline (SDM 11.5.4).
#include "model/devices/local_apic.hpp"

namespace vmxsim::devices {

/// Divide configuration register: bits 3, 1, 0 give 2, 4, ... 128, and 1.
u64 LocalApic::divider() const {
    const unsigned code = (divide_ & 3) | (divide_ >> 1 & 4);
    return code == 7 ? 1 : u64{2} << code;
}

void LocalApic::start_timer() {
    if (timer_mode() == kDeadline) return;
    started_ = bus_.ticks(timers_.now());
    spent_ = false;
    if (initial_ == 0) timers_.cancel(timer_);
    else timers_.arm(timer_, bus_.cycle_of(started_ + initial_ * divider()));
}

u32 LocalApic::current_count() const {
    if (initial_ == 0 || spent_ || timer_mode() == kDeadline) return 0;
    const u64 passed = (bus_.ticks(timers_.now()) - started_) / divider();
    if (passed < initial_) return initial_ - static_cast<u32>(passed);
    return timer_mode() == kPeriodic ? initial_ - static_cast<u32>(passed % initial_) : 0;
}

/// Another divider: the count goes on where it stands.
void LocalApic::rebase_timer(u32 divide) {
    const u32 left = current_count();
    divide_ = divide & 0xb;
    if (left == 0) return;
    started_ = bus_.ticks(timers_.now()) - (initial_ - left) * divider();
    timers_.arm(timer_, bus_.cycle_of(started_ + initial_ * divider()));
}

void LocalApic::arm_deadline() {
    if (timer_mode() != kDeadline || deadline_ == 0) return timers_.cancel(timer_);
    // The TSC may stand below or above it; one that has passed fires at once.
    const u64 now = timers_.now(), tsc = now + adjust_;
    timers_.arm(timer_, deadline_ <= tsc ? now : now + (deadline_ - tsc));
}

void LocalApic::timer_fired(u64 cycle) {
    if (timer_mode() == kDeadline) {
        deadline_ = 0;  // disarmed by the interrupt (SDM 11.5.4.1)
    } else if (timer_mode() == kPeriodic && initial_ != 0) {
        started_ = bus_.ticks(cycle);
        timers_.arm(timer_, bus_.cycle_of(started_ + initial_ * divider()));
    }
    raise_lvt(kTimer);
}

void LocalApic::tsc_adjusted(u64 adjust) {
    adjust_ = adjust;
    if (timer_mode() == kDeadline) arm_deadline();
}

}  // namespace vmxsim::devices
