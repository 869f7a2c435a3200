// SPDX-License-Identifier: Apache-2.0
#include "model/core/counters.hpp"

#include <algorithm>

#include "model/core/engine/engine.hpp"
#include "model/core/operand.hpp"

namespace vmxsim::core {

namespace {

constexpr u32 kPmc0 = 0xc1, kSelect0 = 0x186, kFixed0 = 0x309, kFixedControl = 0x38d, kGlobalStatus = 0x38e,
              kGlobalControl = 0x38f, kGlobalOverflow = 0x390;
constexpr u64 kUser = 1u << 16, kOs = 1u << 17, kEdge = 1u << 18, kInterrupt = 1u << 20, kEnable = 1u << 22,
              kInvert = 1u << 23, kCounterMask = 0xff000000;
constexpr u64 kFreezeLbrs = 1u << 11, kFreezeCounters = 1u << 12, kLbr = 1;  // IA32_DEBUGCTL
constexpr u64 kSettableOverflow = u64{3} << 62;  // OvfBuffer, CondChgd: never set here

}  // namespace

bool Counters::present() const {
    return core_.cpuid().max_basic() >= 10 && (core_.cpuid().find(10, 0).eax & 0xff) >= 2;
}
unsigned Counters::general() const { return present() ? std::min(core_.cpuid().find(10, 0).eax >> 8 & 0xff, kFirstFixed) : 0; }
unsigned Counters::fixed() const { return present() ? std::min(core_.cpuid().find(10, 0).edx & 31, kFixed) : 0; }
u64 Counters::width_mask() const { return ~u64{0} >> (64 - (core_.cpuid().find(10, 0).eax >> 16 & 0xff)); }
u64 Counters::global_mask() const {
    return ((u64{1} << general()) - 1) | ((u64{1} << fixed()) - 1) << 32;
}

bool Counters::owns(u32 index) const {
    return (index >= kPmc0 && index < kPmc0 + general()) || (index >= kSelect0 && index < kSelect0 + general()) ||
           (index >= kFixed0 && index < kFixed0 + fixed()) || (index >= kFixedControl && index <= kGlobalOverflow);
}

u64 Counters::unhalted_cycles() const { return core_.state.cycles - core_.system.halted_cycles; }

/// Architectural events (SDM table 21-1), and nothing for others.
Counters::Event Counters::event_of(u64 select) {
    if (!(select & kEnable) || (select & (kEdge | kInvert | kCounterMask))) return Nothing;
    switch (select & 0xffff) {
        case 0x003c:
        case 0x013c:
            return Cycles;
        case 0x00c0:
            return Instructions;
        case 0x4f2e:
            return LlcReferences;
        case 0x412e:
            return LlcMisses;
        default:
            return Nothing;
    }
}

u64 Counters::source(Event event) const {
    switch (event) {
        case Instructions:
            return core_.instructions();
        case Cycles:
            return unhalted_cycles();
        case LlcReferences:
            return core_.caches().stats().llc_accesses;
        case LlcMisses:
            return core_.caches().stats().llc_misses;
        default:
            return 0;
    }
}

/// By the settings under which the time since the last settling passed.
bool Counters::enabled(unsigned i) const {
    const unsigned bit = i < kFirstFixed ? i : 32 + i - kFirstFixed;
    return counters_[i].event != Nothing && (seen_enabled_ >> bit & 1) && (counters_[i].control & (seen_user_ ? 2 : 1));
}

bool Counters::needs_settling() const {
    const vmx::CpuState& s = core_.state;
    return s.perf_global_ctrl != seen_enabled_ || (seen_enabled_ && (s.cpl() != 0) != seen_user_);
}

/// `in_flight`: instructions that the core has counted already, but that have not retired: the one that looks.
void Counters::settle(u64 in_flight) {
    bool interrupts = false;
    std::array<u64, kEvents> now{};
    for (unsigned e = Instructions; e < kEvents; ++e) now[e] = source(static_cast<Event>(e));
    now[Instructions] -= in_flight;
    const u64 mask = seen_enabled_ ? width_mask() : 0;
    for (unsigned i = 0; i < kMaximum; ++i) {
        Counter& c = counters_[i];
        if (!enabled(i)) continue;
        const u64 passed = now[c.event] - seen_[c.event];
        if (passed > mask - c.value) {
            status_ |= u64{1} << (i < kFirstFixed ? i : 32 + i - kFirstFixed);
            interrupts = interrupts || (c.control & 8);
        }
        c.value = (c.value + passed) & mask;
    }
    seen_ = now;
    seen_enabled_ = core_.state.perf_global_ctrl;
    seen_user_ = core_.state.cpl() != 0;
    if (interrupts) interrupt();
    arm();
}

/// A performance-monitoring interrupt, and what freezes with it (SDM 19.4.7).
void Counters::interrupt() {
    vmx::CpuState& s = core_.state;
    if (s.debugctl & kFreezeLbrs) s.debugctl &= ~kLbr;
    if (s.debugctl & kFreezeCounters) s.perf_global_ctrl = seen_enabled_ = 0;
    if (core_.interrupts()) core_.interrupts()->performance_interrupt();
}

/// The earliest cycle at which a counter that interrupts may overflow: no event happens more often than instructions
/// issue.
void Counters::arm() {
    deadline_ = ~u64{0};
    for (unsigned i = 0; i < kMaximum; ++i) {
        const Counter& c = counters_[i];
        if (!enabled(i) || !(c.control & 8)) continue;
        const u64 left = width_mask() - c.value + 1;
        const u64 cycles = c.event == Instructions ? left / core_.params().issue_width : left;
        deadline_ = std::min(deadline_, core_.state.cycles + std::max<u64>(cycles, 1));
    }
}

bool Counters::read(u32 index, u64& value) {
    settle(1);
    if (index >= kFixed0 && index < kFixed0 + fixed())
        value = counters_[kFirstFixed + index - kFixed0].value;
    else if (index >= kSelect0 && index < kSelect0 + general())
        value = select_[index - kSelect0];
    else if (index >= kPmc0 && index < kPmc0 + general())
        value = counters_[index - kPmc0].value;
    else if (index == kFixedControl)
        value = fixed_control_;
    else if (index == kGlobalStatus)
        value = status_;
    else if (index == kGlobalControl)
        value = core_.state.perf_global_ctrl;
    else if (index == kGlobalOverflow)
        value = 0;
    else
        return false;
    return present();
}

bool Counters::write(u32 index, u64 value) {
    if (!present()) return false;
    settle(1);
    ++seen_[Instructions];  // the writing instruction is not among those counted
    vmx::CpuState& s = core_.state;
    if (index >= kFixed0 && index < kFixed0 + fixed()) {
        if (value & ~width_mask()) return false;
        counters_[kFirstFixed + index - kFixed0].value = value;
    } else if (index >= kPmc0 && index < kPmc0 + general()) {
        // 32 bits, sign-extended: full-width writes are not offered (SDM 21.2.3, 21.2.8).
        counters_[index - kPmc0].value = static_cast<u64>(static_cast<s64>(static_cast<s32>(value))) & width_mask();
    } else if (index >= kSelect0 && index < kSelect0 + general()) {
        if (value >> 32) return false;
        Counter& c = counters_[index - kSelect0];
        select_[index - kSelect0] = value;
        c.event = event_of(value);
        c.control = static_cast<u8>((value & kOs ? 1 : 0) | (value & kUser ? 2 : 0) | (value & kInterrupt ? 8 : 0));
    } else if (index == kFixedControl) {
        if (value >> (4 * fixed())) return false;
        fixed_control_ = value;
        constexpr Event events[kFixed] = {Instructions, Cycles, Cycles};
        for (unsigned i = 0; i < fixed(); ++i)
            counters_[kFirstFixed + i].control = value >> (4 * i) & 15, counters_[kFirstFixed + i].event = events[i];
    } else if (index == kGlobalControl) {
        if (value & ~global_mask()) return false;
        s.perf_global_ctrl = seen_enabled_ = value;
    } else if (index == kGlobalOverflow) {
        if (value & ~(global_mask() | kSettableOverflow)) return false;
        status_ &= ~value;
    } else {
        return false;  // IA32_PERF_GLOBAL_STATUS is read only
    }
    arm();
    return true;
}

bool Counters::read_counter(u32 selector, u64& value) {
    constexpr u32 kFixedSpace = 1u << 30;
    const u32 number = selector & (kFixedSpace - 1);
    if (selector >> 31) return false;  // the 32-bit form is the Pentium 4's alone
    settle(1);
    const bool is_fixed = selector & kFixedSpace;
    if (number >= (is_fixed ? fixed() : general())) return false;
    value = counters_[is_fixed ? kFirstFixed + number : number].value;
    return true;
}

}  // namespace vmxsim::core
