// SPDX-License-Identifier: Apache-2.0
// What is measured, and what the hypervisor and its guest share.
#pragma once
#include "sim/guests/common/cpu.hpp"
#include "sim/guests/vmx/vmx.hpp"

namespace guest {

enum Kind : unsigned {
    kCpuid,
    kVmcall,
    kRdmsr,
    kOut,
    kIn,
    kHlt,
    kTouch,
    kGuestKinds,
    kVmread = kGuestKinds,
    kVmwrite,
    kVmptrld,
    kEmpty,
    kKinds
};
/// empty: nothing between the two readings of the clock.
inline constexpr const char* kKindNames[kKinds] = {"cpuid", "vmcall", "rdmsr",   "out",     "in",   "hlt",
                                                   "touch", "vmread", "vmwrite", "vmptrld", "empty"};

inline constexpr u64 kWarmUp = 5;
inline constexpr u32 kMsr = 0x175;     ///< IA32_SYSENTER_ESP: the guest reads it
inline constexpr u32 kOwnMsr = 0x277;  ///< IA32_PAT: no hypervisor lets its guest at it without an exit
inline constexpr u16 kPort = 0x80;
inline constexpr u64 kTouchBase = 0x4000000000;  ///< the guest's region of pages that are not there until touched
inline constexpr u64 kHypercallNop = 1, kHypercallEnd = 2;

/// Times of one kind at one level. min: of the timed iterations.
struct Series {
    u64 count = 0, sum = 0, min = ~u64{0};
    void add(u64 cycles) {
        ++count;
        sum += cycles;
        if (cycles < min) min = cycles;
    }
};

/// Runs `operation(i)` kWarmUp times untimed (in the sums), then n times timed.
template <class Operation>
[[gnu::always_inline]] inline Series measure(u64 n, Operation operation) {
    Series series;
    for (u64 i = 0; i < kWarmUp + n; ++i) {
        const u64 before = rdtsc();
        operation(i);
        const u64 after = rdtsc();
        if (i >= kWarmUp) series.add(after - before);
    }
    return series;
}

/// What the guest leaves for the hypervisor to print.
struct GuestResults {
    Series series[kKinds];
    Registers before[kGuestKinds], after[kGuestKinds];  ///< around the first operation of each kind
    u64 sums[kGuestKinds];                              ///< of what the operations returned
    u64 touched_ok;                                     ///< pages that read back what was in them and what was stored
};

void run_guest_program(u64 n, GuestResults& results);

extern "C" {
/// Loads the registers, executes one operation, stores the registers and RFLAGS.
void probe_cpuid(Registers*);
void probe_vmcall(Registers*);
void probe_rdmsr(Registers*);
void probe_out(Registers*);
void probe_in(Registers*);
void probe_hlt(Registers*);
void probe_touch(Registers*);
}

}  // namespace guest
