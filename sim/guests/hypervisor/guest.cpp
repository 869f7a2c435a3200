// SPDX-License-Identifier: Apache-2.0
// The guest's program: 64-bit code under page tables of its own, without a device; it ends with a hypercall.
#include "sim/guests/hypervisor/kinds.hpp"

namespace guest {
namespace {

inline u64 vmcall(u64 number, u64 argument) {
    u64 result = number;
    asm volatile("vmcall" : "+a"(result) : "b"(argument) : "memory", "cc");
    return result;
}

// Each register has a value of its own, so that one that changes, or changes places, shows.
void probe(GuestResults& results, Kind kind, void (*operation)(Registers*), u64 rax, u64 rcx, u64 rbx) {
    Registers r;
    for (u64 i = 0; i < 16; ++i) reinterpret_cast<u64*>(&r)[i] = 0x0101010101010101 * (i + 0xa0);
    r.rax = rax;
    if (rcx != ~u64{0}) r.rcx = rcx;
    if (rbx != ~u64{0}) r.rbx = rbx;
    results.before[kind] = r;
    operation(&r);
    results.after[kind] = r;
}

}  // namespace

void run_guest_program(u64 n, GuestResults& results) {
    constexpr u64 any = ~u64{0};
    // The upper halves of RAX and RCX tell a 32-bit result, which clears them, from an 8-bit one, which does not.
    probe(results, kCpuid, probe_cpuid, 0xa5a5a5a500000000, 0xc5c5c5c500000000, any);
    probe(results, kVmcall, probe_vmcall, kHypercallNop, any, 0x1234);
    probe(results, kRdmsr, probe_rdmsr, 0xa5a5a5a5a5a5a5a5, 0xc5c5c5c500000000 | kMsr, any);
    probe(results, kOut, probe_out, 0xa5a5a5a5a5a5a53c, any, any);
    probe(results, kIn, probe_in, 0xa5a5a5a5a5a5a5a5, any, any);
    probe(results, kHlt, probe_hlt, 0xa5a5a5a5a5a5a5a5, any, any);
    probe(results, kTouch, probe_touch, 0x70c4ed, any, kTouchBase);

    u64* const sums = results.sums;
    results.series[kCpuid] = measure(n, [&](u64) { sums[kCpuid] += cpuid(0).ebx; });
    results.series[kVmcall] = measure(n, [&](u64 i) { sums[kVmcall] += vmcall(kHypercallNop, i); });
    results.series[kRdmsr] = measure(n, [&](u64) { sums[kRdmsr] += rdmsr(kMsr); });
    results.series[kOut] = measure(n, [&](u64 i) { out8(kPort, static_cast<u8>(i)); });
    results.series[kIn] = measure(n, [&](u64) { sums[kIn] += in8(kPort); });
    results.series[kHlt] = measure(n, [](u64) { asm volatile("hlt" ::: "memory"); });
    // Each page comes with its number in its first quadword; the touch stores to the second one.
    results.series[kTouch] =
        measure(n, [](u64 i) { *reinterpret_cast<volatile u64*>(kTouchBase + (i + 1) * 4096 + 8) = ~i; });
    results.series[kEmpty] = measure(n, [](u64) {});
    for (u64 i = 0; i < kWarmUp + n; ++i) {
        const auto* page = reinterpret_cast<volatile u64*>(kTouchBase + (i + 1) * 4096);
        sums[kTouch] += page[0];
        results.touched_ok += page[0] == i + 1 && page[1] == ~i;
    }
    vmcall(kHypercallEnd, 0);
    for (;;) asm volatile("ud2");
}

}  // namespace guest
