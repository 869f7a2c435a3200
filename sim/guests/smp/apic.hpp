// SPDX-License-Identifier: Apache-2.0
// The local APIC, in xAPIC mode by its page and in x2APIC mode by MSRs.
#pragma once
#include "sim/guests/common/cpu.hpp"

namespace guest::apic {

inline constexpr u64 kPage = 0xfee00000;
enum Register : u32 { kId = 0x20, kTpr = 0x80, kEoi = 0xb0, kLdr = 0xd0, kDfr = 0xe0, kSvr = 0xf0, kIcrLow = 0x300,
                      kIcrHigh = 0x310, kTimer = 0x320, kInitialCount = 0x380, kDivide = 0x3e0 };
enum Command : u32 { kFixed = 0, kLowestPriority = 1 << 8, kNmi = 4 << 8, kInit = 5 << 8, kStartUp = 6 << 8,
                     kLogical = 1 << 11, kAssert = 1 << 14, kSelf = 1 << 18, kAll = 2 << 18, kOthers = 3 << 18 };

inline bool x2() { return rdmsr(0x1b) >> 10 & 1; }
inline u32 read(u32 at) {
    if (x2()) return static_cast<u32>(rdmsr(0x800 + at / 16));
    return *reinterpret_cast<volatile u32*>(kPage + at);
}
inline void write(u32 at, u32 value) {
    if (x2()) wrmsr(0x800 + at / 16, value);
    else *reinterpret_cast<volatile u32*>(kPage + at) = value;
}
/// `destination`: an APIC ID, or a logical one in the form of the mode.
inline void send(u32 command, u32 destination = 0) {
    if (x2()) return wrmsr(0x830, u64{destination} << 32 | command | kAssert);
    write(kIcrHigh, destination << 24);
    write(kIcrLow, command | kAssert);
    while (read(kIcrLow) >> 12 & 1) {}
}
inline u32 id() { return cpuid(1).ebx >> 24; }

}  // namespace guest::apic
