// SPDX-License-Identifier: Apache-2.0
// The hypervisor's own operations: on bare metal they show what the instructions cost, in a virtual machine what
// an exit of one level costs.
#include "sim/guests/common/multiboot.hpp"
#include "sim/guests/hypervisor/hypervisor.hpp"

extern "C" guest::u64 boot_pd[512];

namespace guest {
namespace {

// Pages that no one has touched, in a mapping of 4-KiB pages, so that each has a translation of its own.
u64 untouched_pages(u64 count) {
    const u64 table_count = (count >> 9) + 2;
    u64* tables = allocate_table();
    for (u64 i = 1; i < table_count; ++i) allocate_table();  // they follow each other
    const u64 first = allocate_pages(count);
    for (u64 i = 0; i < table_count; ++i) {
        const u64 base = (first >> 21) + i;
        for (u64 k = 0; k < 512; ++k) tables[512 * i + k] = base << 21 | k << 12 | 3;
        boot_pd[base] = reinterpret_cast<u64>(tables + 512 * i) | 3;
    }
    write_cr3(read_cr3());
    return first;
}

}  // namespace

void measure_own(u64 n, Series (&series)[kKinds]) {
    const u64 pages = untouched_pages(kWarmUp + n);
    series[kCpuid] = measure(n, [](u64) { cpuid(0); });
    series[kRdmsr] = measure(n, [](u64) { rdmsr(kOwnMsr); });
    series[kOut] = measure(n, [](u64 i) { out8(kPort, static_cast<u8>(i)); });
    series[kTouch] = measure(n, [=](u64 i) { *reinterpret_cast<volatile u64*>(pages + i * 4096 + 8) = ~i; });
    series[kVmread] = measure(n, [](u64) { vmread(GUEST_RIP); });
    const u64 rip = vmread(GUEST_RIP);
    series[kVmwrite] = measure(n, [=](u64) { vmwrite(GUEST_RIP, rip); });
    const u64 vmcs = vmcs_region();
    series[kVmptrld] = measure(n, [=](u64) { vmptrld(vmcs); });
    series[kEmpty] = measure(n, [](u64) {});
}

}  // namespace guest
