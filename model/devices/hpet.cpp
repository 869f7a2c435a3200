// SPDX-License-Identifier: Apache-2.0
#include "model/devices/hpet.hpp"

namespace vmxsim::devices {

namespace {

constexpr u64 kLevel = 2, kInterrupt = 4, kPeriodic = 8, kPeriodicCapable = 0x10, kSize64 = 0x20, kValueSet = 0x40,
              kMode32 = 0x100, kRoute = 0x3e00;
constexpr u64 kWritable = kLevel | kInterrupt | kPeriodic | kMode32 | kRoute;
constexpr u64 kRouteCapability = u64{0x00f00000} << 32;  ///< pins 20 to 23 of the I/O APIC
constexpr u64 kCapabilities = Hpet::kPeriod << 32 | 0x8086ull << 16 | 1u << 15 | 1u << 13 | (Hpet::kComparators - 1) << 8 | 1;
constexpr u64 kFirstComparator = 0x100, kStride = 0x20;

}  // namespace

Hpet::Hpet(Timers& timers, Wires wires) : timers_(timers), wires_(std::move(wires)), clock_(timers.clock(kHz)) {
    for (unsigned n = 0; n < kComparators; ++n) {
        comparators_[n].config = kRouteCapability | kPeriodicCapable | kSize64;
        comparators_[n].timer = timers.add([this, n](u64 cycle) { fired(n, cycle); });
    }
}

u64 Hpet::counter() const { return enabled() ? base_ + clock_.ticks(timers_.now()) : base_; }

void Hpet::enable(bool on) {
    if (on == enabled()) return;
    const u64 stands = counter();
    config_ ^= 1;
    base_ = on ? stands - clock_.ticks(timers_.now()) : stands;
    for (unsigned n = 0; n < kComparators; ++n) {
        if (!on && comparators_[n].config & kLevel) drive(n, false);
        schedule(comparators_[n]);
    }
}

void Hpet::schedule(Comparator& c) {
    if (!enabled() || (c.config & kPeriodic && c.period == 0)) return timers_.cancel(c.timer);
    const u64 tick = clock_.ticks(timers_.now()), at = base_ + tick;
    const u64 left = c.config & kMode32 ? u64{static_cast<u32>(c.value - at)} : c.value - at;
    // A value behind the counter comes round only after the counter's wrap.
    if (left > (u64{1} << 62)) return timers_.cancel(c.timer);
    timers_.arm(c.timer, clock_.cycle_of(tick + left));
}

void Hpet::drive(unsigned n, bool high) {
    const Comparator& c = comparators_[n];
    if (replaces_legacy() && n < 2) wires_.legacy(n == 0 ? 0u : 8u, high);
    else wires_.io_apic(static_cast<unsigned>((c.config & kRoute) >> 9), high);
}

void Hpet::fired(unsigned n, u64 cycle) {
    Comparator& c = comparators_[n];
    if (c.config & kPeriodic && c.period) {
        c.value += c.period;
        if (c.config & kMode32) c.value = static_cast<u32>(c.value);
        timers_.arm(c.timer, clock_.cycle_of(clock_.ticks(cycle) + c.period));
    } else if (c.config & kMode32) {
        timers_.arm(c.timer, clock_.cycle_of(clock_.ticks(cycle) + (u64{1} << 32)));
    }
    if (c.config & kLevel) status_ |= u64{1} << n;
    if (!(c.config & kInterrupt)) return;
    // An edge stays high until the next one, so that an 8259A, which wants its request held, sees it as well.
    if (!(c.config & kLevel)) drive(n, false);
    drive(n, true);
}

u64 Hpet::read_word(u64 offset) const {
    switch (offset) {
        case 0x00: return kCapabilities;
        case 0x10: return config_;
        case 0x20: return status_;
        case 0xf0: return counter();
        default: break;
    }
    const u64 n = (offset - kFirstComparator) / kStride;
    if (offset < kFirstComparator || n >= kComparators) return 0;
    switch (offset % kStride) {
        case 0: return comparators_[n].config;
        case 8: return comparators_[n].value;
        default: return 0;
    }
}

void Hpet::write_config(unsigned n, u64 value) {
    Comparator& c = comparators_[n];
    c.config = (c.config & ~kWritable) | (value & kWritable);
    if (value & kValueSet && c.config & kPeriodic) c.accumulator_next = true;
    if (c.config & kMode32) c.value = static_cast<u32>(c.value), c.period = static_cast<u32>(c.period);
    schedule(c);
}

void Hpet::write_comparator(unsigned n, u64 value, u64 mask) {
    Comparator& c = comparators_[n];
    if (c.config & kMode32) value = static_cast<u32>(value), mask &= 0xffffffff;
    if (!(c.config & kPeriodic)) {
        c.value = (c.value & ~mask) | (value & mask);
    } else {
        // With VAL_SET the first write is of the comparator, else of the period (2.3.9.2.2).
        if (c.accumulator_next) c.value = (c.value & ~mask) | (value & mask);
        else c.period = (c.period & ~mask) | (value & mask);
        c.accumulator_next = false;
    }
    schedule(c);
}

void Hpet::write_word(u64 offset, u64 value, u64 mask) {
    switch (offset) {
        case 0x10:
            if (!(mask & 3)) return;
            enable(value & 1);
            config_ = (config_ & 1) | (value & 2);
            return;
        case 0x20:
            for (unsigned n = 0; n < kComparators; ++n)
                if (value & status_ & u64{1} << n) {
                    status_ &= ~(u64{1} << n);
                    drive(n, false);
                }
            return;
        case 0xf0: {
            if (enabled()) return;  // undefined while it runs
            base_ = (base_ & ~mask) | (value & mask);
            return;
        }
        default: break;
    }
    const u64 n = (offset - kFirstComparator) / kStride;
    if (offset < kFirstComparator || n >= kComparators) return;
    if (offset % kStride == 0 && mask & 0xffffffff) write_config(static_cast<unsigned>(n), value);
    if (offset % kStride == 8) write_comparator(static_cast<unsigned>(n), value, mask);
}

u64 Hpet::read(u64 offset, unsigned bytes) {
    const u64 word = read_word(offset & ~u64{7}) >> 8 * (offset & 7);
    return bytes == 8 ? word : word & ((u64{1} << 8 * bytes) - 1);
}

void Hpet::write(u64 offset, unsigned bytes, u64 value) {
    const unsigned shift = static_cast<unsigned>(8 * (offset & 7));
    const u64 mask = bytes == 8 ? ~u64{0} : ((u64{1} << 8 * bytes) - 1) << shift;
    write_word(offset & ~u64{7}, value << shift, mask);
}

}  // namespace vmxsim::devices
