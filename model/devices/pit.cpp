// SPDX-License-Identifier: Apache-2.0
#include "model/devices/pit.hpp"

namespace vmxsim::devices {

namespace {

constexpr u8 kGate2 = 1, kRefresh = 0x10, kOut2 = 0x20;
constexpr u32 kWhole = 0x10000;

u32 from_bcd(u32 v) { return (v >> 12 & 15) * 1000 + (v >> 8 & 15) * 100 + (v >> 4 & 15) * 10 + (v & 15); }
u32 to_bcd(u32 v) { return v / 1000 % 10 << 12 | v / 100 % 10 << 8 | v / 10 % 10 << 4 | v % 10; }

bool periodic(u8 mode) { return mode == 2 || mode == 3; }
/// Modes 1 and 5 begin with the gate's edge, 0 and 4 with the count.
bool triggered(u8 mode) { return mode == 1 || mode == 5; }

}  // namespace

Pit::Pit(Timers& timers, Line irq0)
    : timers_(timers), irq0_(std::move(irq0)), clock_(timers.clock(kHz)),
      timer_(timers.add([this](u64 cycle) { changed(cycle); })) {
    channels_[2].gate = false;
}

void Pit::attach_to(IoBus& bus) {
    bus.attach(kFirst, kLast, *this);
    bus.attach(kPortB, kPortB, *this);
}

u32 Pit::value(const Channel& c) const {
    if (!c.counting) return c.held;
    if (!c.gate && !triggered(c.mode)) return c.held;
    const u64 passed = tick() - c.start;
    if (c.mode == 3) {  // counts down by two, twice a period; odd counts have a longer first half
        const u64 in = passed % c.count, half = (c.count + 1) / 2;
        return static_cast<u32>((c.count & ~1u) - 2 * (in < half ? in : in - half));
    }
    if (c.mode == 2) return static_cast<u32>(c.count - passed % c.count);
    const u32 modulus = c.bcd ? 10000 : kWhole;  // one shots go on below zero
    return static_cast<u32>((c.count + modulus - passed % modulus) % modulus);
}

bool Pit::output(const Channel& c) const {
    if (!c.counting) return c.mode != 0;
    const u64 passed = c.gate || triggered(c.mode) ? tick() - c.start : c.count - c.held;
    switch (c.mode) {
        case 0:
        case 1: return passed >= c.count;
        case 2: return !c.gate || passed % c.count != c.count - 1;
        case 3: return !c.gate || passed % c.count < (c.count + 1) / 2;
        default: return passed != c.count;  // 4, 5: low for one tick
    }
}

u16 Pit::shown(const Channel& c) const { return static_cast<u16>(c.bcd ? to_bcd(value(c)) : value(c)); }

void Pit::load(Channel& c, u32 count) {
    if (c.bcd) count = from_bcd(count);
    if (count == 0) count = c.bcd ? 10000 : kWhole;
    c.null_count = false;
    // A new count in modes 2 and 3 replaces the old one at the end of its period; the first one begins at once.
    const bool running = c.counting && periodic(c.mode) && c.gate;
    if (!running) c.start = tick();
    else if (count != c.count) c.start = tick();  // simplification: at once here, too
    c.count = count;
    c.held = count;
    c.counting = !triggered(c.mode);
    if (&c == &channels_[0]) {
        drive(output(c));
        schedule();
    }
}

void Pit::write(Channel& c, u8 byte) {
    switch (c.access) {
        case 1: return load(c, byte);
        case 2: return load(c, u32{byte} << 8);
        default: break;
    }
    c.write_high = !c.write_high;
    if (c.write_high) {
        c.low = byte;
        c.null_count = true;
        if (c.mode == 0) {  // the first byte stops the count
            c.held = value(c);
            c.counting = false;
            if (&c == &channels_[0]) drive(false), schedule();
        }
    } else {
        load(c, c.low | u32{byte} << 8);
    }
}

u8 Pit::read(Channel& c) {
    if (c.status_latched) {
        c.status_latched = false;
        return c.status;
    }
    const u16 v = c.latched ? c.latch : shown(c);
    if (c.access == 1 || c.access == 2) {
        c.latched = false;
        return static_cast<u8>(c.access == 1 ? v : v >> 8);
    }
    c.read_high = !c.read_high;
    if (c.read_high) return static_cast<u8>(v);
    c.latched = false;
    return static_cast<u8>(v >> 8);
}

void Pit::latch_status(Channel& c) const {
    if (c.status_latched) return;
    c.status_latched = true;
    c.status = static_cast<u8>((output(c) ? 0x80 : 0) | (c.null_count ? 0x40 : 0) | c.access << 4 | c.mode << 1 |
                               (c.bcd ? 1 : 0));
}

void Pit::control(u8 word) {
    const unsigned which = word >> 6;
    if (which == 3) {  // read-back: counts and status of several channels
        for (unsigned i = 0; i < 3; ++i) {
            Channel& c = channels_[i];
            if (!(word >> (i + 1) & 1)) continue;
            if (!(word & 0x20) && !c.latched) c.latch = shown(c), c.latched = true;
            if (!(word & 0x10)) latch_status(c);
        }
        return;
    }
    Channel& c = channels_[which];
    const u8 access = word >> 4 & 3;
    if (access == 0) {
        if (!c.latched) c.latch = shown(c), c.latched = true;
        return;
    }
    const bool gate = c.gate;
    const u32 stood = value(c);
    c = {};
    c.gate = gate;
    c.held = stood;
    c.access = access;
    c.mode = word >> 1 & 7;
    if (c.mode > 5) c.mode &= 3;  // modes 2 and 3 have a don't-care bit
    c.bcd = word & 1;
    if (which == 0) {
        drive(output(c));
        schedule();
    }
}

void Pit::set_gate2(bool high) {
    Channel& c = channels_[2];
    if (c.gate == high) return;
    if (!high) {
        c.held = value(c);
    } else if (triggered(c.mode) || periodic(c.mode)) {
        c.start = tick();  // a rising edge starts the count anew
        c.counting = !c.null_count;
    } else {
        c.start = tick() - (c.count - c.held);  // goes on where it stood
    }
    c.gate = high;
}

void Pit::drive(bool high) {
    if (high == level_) return;
    level_ = high;
    irq0_(high);
}

void Pit::schedule() {
    const Channel& c = channels_[0];
    if (!c.counting) return timers_.cancel(timer_);
    const u64 passed = tick() - c.start, in = passed % c.count, period = c.start + passed - in;
    const u64 half = (c.count + 1) / 2;
    u64 next = 0;
    switch (c.mode) {
        case 0: next = passed < c.count ? c.start + c.count : 0; break;
        case 2: next = in < c.count - 1 ? period + c.count - 1 : period + c.count; break;
        case 3: next = in < half && half < c.count ? period + half : period + c.count; break;
        case 4: next = passed < c.count ? c.start + c.count : passed == c.count ? c.start + c.count + 1 : 0; break;
        default: break;
    }
    next ? timers_.arm(timer_, clock_.cycle_of(next)) : timers_.cancel(timer_);
}

void Pit::changed(u64 cycle) {
    const Channel& c = channels_[0];
    // The engine may come late, at the end of a block: ticks that were passed over happen as well, each once.
    const u64 at = clock_.ticks(cycle), passed = at - c.start;
    const u64 half = (c.count + 1) / 2, in = passed % c.count;
    u64 next = 0;
    bool level = true;
    switch (c.mode) {
        case 2: level = in != c.count - 1 || c.count == 1; next = level ? at + c.count - 1 : at + 1; break;
        case 3: level = in < half; next = level ? at + half : at + (c.count - half); break;
        case 4: level = passed != c.count; next = level ? 0 : at + 1; break;
        default: break;
    }
    if (c.count == 1 && periodic(c.mode)) next = at + 1, drive(false);
    if (next) timers_.arm(timer_, clock_.cycle_of(next));
    drive(level);
}

u32 Pit::in(u16 port, unsigned bytes) {
    u32 all = 0;
    for (unsigned i = 0; i < bytes; ++i) {
        const unsigned p = port + i;
        u8 byte = 0xff;
        if (p < kLast) byte = read(channels_[p - kFirst]);
        if (p == kPortB) {
            // Bit 4 changes with each refresh of DRAM: every 15 microseconds, 18 ticks.
            byte = static_cast<u8>((port_b_ & 0xf) | (tick() / 18 & 1 ? kRefresh : 0) |
                                   (output(channels_[2]) ? kOut2 : 0));
        }
        all |= u32{byte} << 8 * i;
    }
    return all;
}

void Pit::out(u16 port, unsigned bytes, u32 value) {
    for (unsigned i = 0; i < bytes; ++i) {
        const unsigned p = port + i;
        const u8 byte = static_cast<u8>(value >> 8 * i);
        if (p == kPortB) {
            port_b_ = byte & 0xf;
            set_gate2(byte & kGate2);
        } else if (p == kLast) {
            control(byte);
        } else {
            write(channels_[p - kFirst], byte);
        }
    }
}

}  // namespace vmxsim::devices
