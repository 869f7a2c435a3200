// SPDX-License-Identifier: Apache-2.0
#include "nested/ept01.hpp"

namespace vmxsim::nested {

namespace {
constexpr u64 kAllRights = 7;  // read, write, execute (SDM table 31-2)
constexpr u64 kLargePage = 1u << 7;
constexpr u64 kWriteBack = 6u << 3;  // memory type of a leaf
constexpr u64 kAddress = 0x000ffffffffff000;
constexpr u64 kLargeBytes = u64{2} << 20;
}  // namespace

Ept01::Ept01(memory::PhysicalMemory& ram, PageAllocator& pages, const L1Memory& l1,
             const arch::Capabilities& capabilities, bool large_pages)
    : ram_(ram), pages_(pages), l1_(l1) {
    const u64 cap = capabilities.get(arch::msr::IA32_VMX_EPT_VPID_CAP);  // SDM A.10
    large_pages_ = large_pages && (cap >> 16 & 1) && (l1.host({0}).raw & (kLargeBytes - 1)) == 0;
    const u64 memory_type = cap >> 14 & 1 ? 6 : 0;           // of the tables: write-back where offered
    pointer_ = {pages_.take().raw | memory_type | 3u << 3};  // four levels (SDM 27.6.11)
}

HostPhysical Ept01::entry(GuestPhysical at, unsigned level) {
    HostPhysical table = pointer_.root();
    for (unsigned l = 4;; --l) {
        const HostPhysical e = table + (at.raw >> (12 + 9 * (l - 1)) & 511) * 8;
        if (l == level) return e;
        u64 value = ram_.read(e, 8);
        if (!(value & kAllRights)) {
            value = pages_.take().raw | kAllRights;
            ram_.write(e, 8, value);
        }
        table = {value & kAddress};
    }
}

bool Ept01::fill(GuestPhysical at) {
    const HostPhysical directory = entry(at, 2);
    const u64 value = ram_.read(directory, 8);
    if (value & kLargePage) return false;
    const GuestPhysical block{at.raw & ~(kLargeBytes - 1)};
    if (large_pages_ && value == 0 && (l1_.contains(block, kLargeBytes) || !l1_.contains(block))) {
        ram_.write(directory, 8, l1_.host(block).raw | kLargePage | kWriteBack | kAllRights);
        return true;
    }
    const HostPhysical leaf = entry(at, 1);
    if (ram_.read(leaf, 8) & kAllRights) return false;
    ram_.write(leaf, 8, l1_.host(at.page()).raw | kWriteBack | kAllRights);
    return true;
}

void Ept01::map(GuestPhysical at, HostPhysical to) { ram_.write(entry(at, 1), 8, to.raw | kWriteBack | kAllRights); }

}  // namespace vmxsim::nested
