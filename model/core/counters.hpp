// SPDX-License-Identifier: Apache-2.0
// Architectural performance monitoring (SDM 21.2), of the version, number and width that CPUID leaf 0AH says: up to 8
// general-purpose counters, 3 fixed ones. Nothing is counted as it happens: the counters follow the core's own counts,
// and are brought up to date where somebody looks, at changes of privilege and of IA32_PERF_GLOBAL_CTRL, and at the cycle
// at which one may overflow.
//
// Counted: instructions retired, core and reference cycles (at the TSC's rate), references to and misses of the last-level
// cache. Other events count nothing; leaf 0AH says so of the architectural ones. Edge detection, inversion and counter
// masks are not modelled: such a selection counts nothing.
#pragma once
#include <array>

#include "model/arch/types.hpp"

namespace vmxsim::core {

class Core;

class Counters {
public:
    explicit Counters(Core& core) : core_(core) {}

    bool present() const;                             ///< CPUID leaf 0AH offers version 2 or more
    bool owns(u32 index) const;                       ///< an MSR of this part
    bool read(u32 index, u64& value);                 ///< false: #GP(0)
    bool write(u32 index, u64 value);
    bool read_counter(u32 selector, u64& value);      ///< RDPMC
    /// Bits of IA32_PERF_GLOBAL_CTRL that exist.
    u64 global_mask() const;

    /// To be called where privilege or IA32_PERF_GLOBAL_CTRL may have changed.
    void follow() {
        if (needs_settling()) settle(0);
    }
    /// Cycle from which on check() is to be called; ~0: none.
    u64 deadline() const { return deadline_; }
    void check() { settle(0); }
    /// IA32_MPERF and IA32_APERF: cycles in C0 (SDM 16.2).
    u64 unhalted_cycles() const;

private:
    enum Event : u8 { Nothing, Instructions, Cycles, LlcReferences, LlcMisses, kEvents };
    struct Counter {
        u64 value = 0;
        u8 control = 0;   ///< bit 0: counts at CPL 0; bit 1: at CPL 3 (and 1, 2); bit 3: interrupts
        Event event = Nothing;
    };
    static constexpr unsigned kFixed = 3, kFirstFixed = 8, kMaximum = kFirstFixed + kFixed;

    bool needs_settling() const;
    bool enabled(unsigned i) const;
    unsigned general() const;
    unsigned fixed() const;
    u64 width_mask() const;
    u64 source(Event event) const;
    void settle(u64 in_flight);
    void arm();
    void interrupt();
    static Event event_of(u64 select);

    Core& core_;
    std::array<Counter, kMaximum> counters_{};
    std::array<u64, 8> select_{};
    std::array<u64, kEvents> seen_{};   ///< the core's counts when last settled
    u64 fixed_control_ = 0, status_ = 0;
    u64 seen_enabled_ = 0;              ///< IA32_PERF_GLOBAL_CTRL and privilege since then
    bool seen_user_ = false;
    u64 deadline_ = ~u64{0};
};

}  // namespace vmxsim::core
