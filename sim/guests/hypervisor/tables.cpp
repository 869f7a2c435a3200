// SPDX-License-Identifier: Apache-2.0
// The guest's page tables.
#include "sim/guests/common/multiboot.hpp"
#include "sim/guests/hypervisor/hypervisor.hpp"

namespace guest {
namespace {
alignas(4096) u64 pml4[512];
alignas(4096) u64 pdpt[512];
alignas(4096) u64 pd[512];
u64* touch_pd;
u64 touch_pages;
}  // namespace

u64 guest_cr3() { return reinterpret_cast<u64>(pml4); }

void build_guest_tables(u64 n) {
    pml4[0] = reinterpret_cast<u64>(pdpt) | 3;
    pdpt[0] = reinterpret_cast<u64>(pd) | 3;
    for (u64 i = 0; i < 8; ++i) pd[i] = i << 21 | 0x83;
    touch_pages = n + kWarmUp + 1;
    touch_pd = allocate_table();
    pdpt[kTouchBase >> 30 & 511] = reinterpret_cast<u64>(touch_pd) | 3;
    for (u64 i = 0; i * 512 < touch_pages; ++i) touch_pd[i] = reinterpret_cast<u64>(allocate_table()) | 3;
}

bool map_guest_page(u64 address) {
    const u64 number = (address - kTouchBase) >> 12;
    if (number >= touch_pages) return false;
    auto* const table = reinterpret_cast<u64*>(touch_pd[number >> 9] & ~u64{0xfff});
    if (table[number & 511] & 1) return false;
    const u64 page = allocate_pages(1);
    *reinterpret_cast<u64*>(page) = number;
    table[number & 511] = page | 3;
    return true;
}

}  // namespace guest
