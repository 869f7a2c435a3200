// SPDX-License-Identifier: Apache-2.0
// An MMU with memory, and a way to write page tables of 4-level paging and EPT.
#pragma once
#include <set>
#include <vector>

#include "model/mmu/mmu.hpp"

namespace vmxsim::test {

inline constexpr u64 kPresent = 1, kWritable = 2, kUser = 4, kAccessed = 0x20, kDirty = 0x40, kLarge = 0x80, kGlobal = 0x100;
inline constexpr u64 kAll = kPresent | kWritable | kUser | kAccessed | kDirty;
inline constexpr u64 kEptRwx = 7, kEptWb = 6 << 3, kEptLarge = 0x80, kEptA = 0x100, kEptD = 0x200;

struct Machine {
    explicit Machine(mmu::MmuParams p = {}) : params(p), mmu(params, ram, caches) {}

    /// A fresh zero page for a table.
    u64 table() { return next_table += 4096; }

    /// Maps linear to gpa in the tables under `root` (4-level) with a page of 2^shift bytes. Returns the leaf's address.
    u64 map(u64 root, u64 linear, u64 gpa, u64 flags = kAll, unsigned shift = 12, u64 upper = kAll) {
        return place(root, linear, gpa | flags | (shift > 12 ? kLarge : 0), upper, shift);
    }
    /// The same in EPT.
    u64 map_ept(u64 root, u64 gpa, u64 host, u64 rights = kEptRwx, unsigned shift = 12, u64 flags = kEptA | kEptD) {
        return place(root, gpa, host | rights | kEptWb | flags | (shift > 12 ? kEptLarge : 0), kEptRwx, shift);
    }
    /// Identity, by 1-GiB pages.
    void map_ept_identity(u64 root, unsigned gigabytes = 1) {
        for (u64 i = 0; i < gigabytes; ++i) map_ept(root, i << 30, i << 30, kEptRwx, 30);
    }

    mmu::PagingContext native(u64 root, u16 vpid = 0) const {
        mmu::PagingContext c;
        c.cr0 = u64{1} << 31 | 1 << 16 | 1;
        c.cr3 = root;
        c.cr4 = 1 << 5 | 1 << 7;
        c.efer = 1 << 10 | 1 << 11;
        c.vpid.raw = vpid;
        return c;
    }
    mmu::PagingContext nested(u64 root, u64 ept_root, u16 vpid = 0, bool ad = false) const {
        mmu::PagingContext c = native(root, vpid);
        c.ept = true;
        c.eptp.raw = ept_root | 3 << 3 | 6 | (ad ? 1 << 6 : 0);
        return c;
    }

    mmu::Translation read(u64 at, bool user = false) { return mmu.translate({at}, mmu::AccessType::Read, user); }
    mmu::Translation write(u64 at, bool user = false) { return mmu.translate({at}, mmu::AccessType::Write, user); }
    mmu::Translation fetch(u64 at, bool user = false) { return mmu.translate({at}, mmu::AccessType::Execute, user); }

    /// Walks that an access of this kind causes: 0 where a TLB has it.
    u64 walks(u64 at, mmu::AccessType type = mmu::AccessType::Read) {
        const u64 before = mmu.stats().walks;
        mmu.translate({at}, type, false);
        return mmu.stats().walks - before;
    }

    memory::CacheParams cache_params{};
    memory::PhysicalMemory ram{u64{64} << 20};
    memory::CacheHierarchy caches{cache_params};
    mmu::MmuParams params;
    mmu::Mmu mmu;
    u64 next_table = u64{32} << 20;

private:
    u64 place(u64 root, u64 at, u64 leaf, u64 upper, unsigned shift) {
        u64 table_at = root;
        for (unsigned level = 39; level > shift; level -= 9) {
            const u64 entry_at = table_at + (at >> level & 511) * 8;
            if (!ram.read({entry_at}, 8)) ram.write({entry_at}, 8, table() | upper);
            table_at = ram.read({entry_at}, 8) & 0x000ffffffffff000;
        }
        const u64 leaf_at = table_at + (at >> shift & 511) * 8;
        ram.write({leaf_at}, 8, leaf);
        return leaf_at;
    }
};

/// Remembers what it was told.
struct RecordingFilter : mmu::FilterControl {
    std::vector<u64> pages;
    unsigned all = 0;
    void drop_page(GuestVirtual page) override { pages.push_back(page.raw); }
    void drop_all() override { ++all; }
    void select(unsigned context, bool anew) override { selected.emplace_back(context, anew); }
    void forget() { pages.clear(), selected.clear(), all = 0; }
    std::vector<std::pair<unsigned, bool>> selected;  ///< context, anew
};

}  // namespace vmxsim::test
