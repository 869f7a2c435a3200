// SPDX-License-Identifier: Apache-2.0
#include "model/devices/cmos.hpp"

#include <chrono>

namespace vmxsim::devices {

namespace {

enum : u8 {
    kSecond = 0, kSecondAlarm = 1, kMinute = 2, kMinuteAlarm = 3, kHour = 4, kHourAlarm = 5, kWeekday = 6, kDay = 7,
    kMonth = 8, kYear = 9, kA = 10, kB = 11, kC = 12, kD = 13, kCentury = 0x32
};
constexpr u8 kSet = 0x80, kPeriodic = 0x40, kAlarm = 0x20, kUpdate = 0x10, kBinary = 4, k24Hours = 2;
constexpr u8 kValidRam = 0x80, kUpdateInProgress = 0x80;
constexpr u64 kCrystal = 32768, kUpdateTicks = 73;  ///< an update is announced 2228 us ahead, 73 ticks
constexpr u64 kDaySeconds = 86400;

std::chrono::sys_days epoch() {
    using namespace std::chrono;
    return sys_days{year{2000} / January / 1};
}

}  // namespace

Cmos::Cmos(Timers& timers, Line irq8, u64 ram_bytes)
    : timers_(timers), irq8_(std::move(irq8)), second_(timers.clock(1)), crystal_(timers.clock(kCrystal)),
      second_timer_(timers.add([this](u64 cycle) { second_passed(cycle); })),
      periodic_timer_(timers.add([this](u64 cycle) { period_passed(cycle); })) {
    memory_[kA] = 0x26;  // 32768 Hz, periodic rate 1024 Hz
    memory_[kB] = k24Hours;
    memory_[kD] = kValidRam;
    const auto word = [this](u8 at, u64 value) {
        const u64 v = std::min<u64>(value, 0xffff);
        memory_[at] = static_cast<u8>(v);
        memory_[at + 1] = static_cast<u8>(v >> 8);
    };
    constexpr u64 kMiB = u64{1} << 20, kGiB4 = u64{1} << 32;
    const u64 extended_kib = ram_bytes > kMiB ? (ram_bytes - kMiB) >> 10 : 0;
    memory_[0x14] = 2;  // equipment: a coprocessor, as the BIOS data area tells
    word(0x15, 640);
    word(0x17, extended_kib);
    word(0x30, extended_kib);
    word(0x34, ram_bytes > 16 * kMiB ? (ram_bytes - 16 * kMiB) >> 16 : 0);
    const u64 high = ram_bytes > kGiB4 ? (ram_bytes - kGiB4) >> 16 : 0;
    for (u8 i = 0; i < 3; ++i) memory_[0x5b + i] = static_cast<u8>(high >> 8 * i);
}

u64 Cmos::seconds() const {
    return memory_[kB] & kSet ? frozen_ : second_.ticks(timers_.now()) + static_cast<u64>(offset_);
}

u8 Cmos::encode(unsigned value) const {
    return static_cast<u8>(memory_[kB] & kBinary ? value : value / 10 << 4 | value % 10);
}

unsigned Cmos::decode(u8 value) const { return memory_[kB] & kBinary ? value : (value >> 4) * 10u + (value & 15u); }

u8 Cmos::read(u8 index) {
    using namespace std::chrono;
    const u64 s = seconds(), in_day = s % kDaySeconds;
    const year_month_day date{epoch() + days{s / kDaySeconds}};
    switch (index) {
        case kSecond: return encode(static_cast<unsigned>(in_day % 60));
        case kMinute: return encode(static_cast<unsigned>(in_day / 60 % 60));
        case kHour: {
            const unsigned hour = static_cast<unsigned>(in_day / 3600);
            if (memory_[kB] & k24Hours) return encode(hour);
            return static_cast<u8>(encode(hour % 12 ? hour % 12 : 12) | (hour >= 12 ? 0x80 : 0));
        }
        case kWeekday: return encode(weekday{sys_days{date}}.c_encoding() + 1);
        case kDay: return encode(unsigned{date.day()});
        case kMonth: return encode(unsigned{date.month()});
        case kYear: return encode(static_cast<unsigned>(int{date.year()} % 100));
        case kCentury: return encode(static_cast<unsigned>(int{date.year()} / 100));
        case kA: {
            const u64 tick = crystal_.ticks(timers_.now()) % kCrystal;
            const bool soon = tick >= kCrystal - kUpdateTicks && !(memory_[kB] & kSet);
            return static_cast<u8>(memory_[kA] | (soon ? kUpdateInProgress : 0));
        }
        case kC: {
            const u8 flags = memory_[kC];
            memory_[kC] = 0;
            irq8_(false);
            return flags;
        }
        default: return memory_[index];
    }
}

/// A part of the date or the time of day is set; the others stay.
void Cmos::set_field(u8 index, u8 value) {
    using namespace std::chrono;
    const u64 s = seconds(), in_day = s % kDaySeconds;
    year_month_day date{epoch() + days{s / kDaySeconds}};
    u64 hour = in_day / 3600, minute = in_day / 60 % 60, second = in_day % 60;
    const unsigned v = decode(value);
    switch (index) {
        case kSecond: second = v % 60; break;
        case kMinute: minute = v % 60; break;
        case kHour:
            hour = memory_[kB] & k24Hours ? v % 24 : decode(value & 0x7f) % 12 + (value & 0x80 ? 12u : 0u);
            break;
        case kDay: date = date.year() / date.month() / day{v}; break;
        case kMonth: date = date.year() / month{v} / date.day(); break;
        case kYear: date = year{2000 + static_cast<int>(v % 100)} / date.month() / date.day(); break;
        default: return;  // the weekday follows from the date; other centuries than this one are not kept
    }
    if (!date.ok()) return;  // the next field makes it a date
    const s64 days_since = (sys_days{date} - epoch()).count();
    const u64 now = static_cast<u64>(days_since) * kDaySeconds + hour * 3600 + minute * 60 + second;
    if (memory_[kB] & kSet) frozen_ = now;
    else offset_ = static_cast<s64>(now - second_.ticks(timers_.now()));
}

void Cmos::write(u8 index, u8 value) {
    switch (index) {
        case kA:
            memory_[kA] = value & 0x7f;
            schedule();
            break;
        case kB:
            if (value & ~memory_[kB] & kSet) frozen_ = seconds();
            if (memory_[kB] & ~value & kSet) offset_ = static_cast<s64>(frozen_ - second_.ticks(timers_.now()));
            memory_[kB] = value;
            flag(0);
            schedule();
            break;
        case kC:
        case kD: break;  // read only
        default:
            if (index <= kYear && !(index & 1 && index < kWeekday)) set_field(index, value);
            else memory_[index] = value;
    }
}

u64 Cmos::period() const {
    const unsigned rate = memory_[kA] & 15;
    if (rate == 0) return 0;
    return u64{1} << ((rate < 3 ? rate + 7 : rate) - 1);  // rates 1 and 2 are those of 8 and 9
}

/// Timers run for enabled interrupts alone; flags of disabled ones are not set, which a polling guest would miss.
void Cmos::schedule() {
    const u64 now = timers_.now();
    const bool seconds_matter = memory_[kB] & (kUpdate | kAlarm) && !(memory_[kB] & kSet);
    if (!seconds_matter) timers_.cancel(second_timer_);
    else timers_.arm(second_timer_, second_.cycle_of(second_.ticks(now) + 1));
    if (!(memory_[kB] & kPeriodic) || period() == 0) timers_.cancel(periodic_timer_);
    else timers_.arm(periodic_timer_, crystal_.cycle_of((crystal_.ticks(now) / period() + 1) * period()));
}

bool Cmos::alarm_now() const {
    Cmos& self = const_cast<Cmos&>(*this);  // reading these fields has no side effect
    const auto matches = [&](u8 field, u8 alarm) {
        return memory_[alarm] >= 0xc0 || memory_[alarm] == self.read(field);  // 11xxxxxx: any
    };
    return matches(kSecond, kSecondAlarm) && matches(kMinute, kMinuteAlarm) && matches(kHour, kHourAlarm);
}

void Cmos::flag(u8 bits) {
    constexpr u8 kRequest = 0x80;
    memory_[kC] |= bits;
    if (!(memory_[kC] & memory_[kB] & (kPeriodic | kAlarm | kUpdate))) return;
    memory_[kC] |= kRequest;
    irq8_(true);
}

void Cmos::second_passed(u64 cycle) {
    timers_.arm(second_timer_, second_.cycle_of(second_.ticks(cycle) + 1));
    flag(static_cast<u8>(kUpdate | (alarm_now() ? kAlarm : 0)));
}

void Cmos::period_passed(u64 cycle) {
    if (period()) timers_.arm(periodic_timer_, crystal_.cycle_of(crystal_.ticks(cycle) + period()));
    flag(kPeriodic);
}

u32 Cmos::in(u16 port, unsigned bytes) {
    u32 value = 0;
    for (unsigned i = 0; i < bytes; ++i) value |= u32{port + i == kData ? read(index_) : u8{0xff}} << 8 * i;
    return value;
}

void Cmos::out(u16 port, unsigned bytes, u32 value) {
    for (unsigned i = 0; i < bytes; ++i) {
        const u8 byte = static_cast<u8>(value >> 8 * i);
        if (port + i == kIndex) index_ = byte & 0x7f;  // bit 7 masks NMI, of which there is no source here
        else write(index_, byte);
    }
}

}  // namespace vmxsim::devices
