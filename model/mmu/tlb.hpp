// SPDX-License-Identifier: Apache-2.0
// One set-associative TLB of 4-KiB granules. Private to model/mmu.
#pragma once
#include <algorithm>
#include <span>
#include <vector>

#include "model/mmu/regime.hpp"

namespace vmxsim::mmu {

/// Name of an address space in the TLBs: a small number given by AddressSpaces. 0: none.
using SpaceId = u32;

/// Page number of a canonical linear address, and address space.
struct TlbKey {
    static constexpr SpaceId kMaxSpace = (SpaceId{1} << 28) - 1;
    constexpr TlbKey() = default;
    constexpr TlbKey(SpaceId space, u64 page) : page_(page), space_(space) {}
    constexpr SpaceId space() const { return space_; }
    constexpr u64 page() const { return page_; }
    constexpr bool empty() const { return space_ == 0; }
    static constexpr u64 page_of(u64 linear) { return linear >> 12; }
    constexpr GuestVirtual linear() const { return {page_ << 12}; }

private:
    u64 page_ = 0;
    SpaceId space_ = 0;
};

struct TlbEntry {
    TlbKey key{};
    u64 host_page = 0;  ///< host-physical address of the granule
    Rights rights = 0;
    u8 shift = 12;      ///< log2 of the size of the guest page that the granule belongs to
};

/// An address space's two ids: of its global pages and of the others.
struct SpaceIds {
    SpaceId own = 0, global = 0;
    bool has(SpaceId id) const { return id == own || id == global; }
};

/// Round-robin replacement: hits change nothing, and an entry that no id reaches any more is as good as an empty one.
class Tlb {
public:
    Tlb(u64 entries, u64 ways) : sets_(entries / ways), ways_(ways), entries_(entries), next_(sets_) {}

    const TlbEntry* find(SpaceIds space, u64 page) const {
        const u64 index = index_of(space, page);
        return index == kNone ? nullptr : &entries_[index];
    }

    /// Replaces the page's former entry in its place, or else the set's next in turn. Returns the key that it displaced.
    TlbKey insert(const TlbEntry& entry, SpaceIds space) {
        const u64 set = set_of(entry.key.page());
        u64 index = index_of(space, entry.key.page());
        if (index == kNone) {
            u32& turn = next_[set];
            index = set * ways_ + turn;
            turn = turn + 1 == ways_ ? 0 : turn + 1;
        }
        const TlbKey before = entries_[index].key;
        entries_[index] = entry;
        large_ |= entry.shift > 12;
        return before;
    }

    /// Removes the page, and all granules of a larger page that covers it (SDM 4.10.4.1); tells `removed` of each key.
    template <class F>
    void remove(SpaceIds space, u64 page, F&& removed) {
        const auto drop = [&](TlbEntry& entry) {
            removed(entry.key);
            entry = {};
        };
        if (!large_) {
            if (const u64 index = index_of(space, page); index != kNone) drop(entries_[index]);
            return;
        }
        for (TlbEntry& entry : entries_)
            if (!entry.key.empty() && space.has(entry.key.space()) && !((entry.key.page() ^ page) >> (entry.shift - 12)))
                drop(entry);
    }

    std::span<TlbEntry> entries() { return entries_; }

private:
    static constexpr u64 kNone = ~u64{0};

    u64 set_of(u64 page) const { return page & (sets_ - 1); }
    u64 index_of(SpaceIds space, u64 page) const {
        const u64 first = set_of(page) * ways_;
        for (u64 index = first; index < first + ways_; ++index)
            if (const TlbKey key = entries_[index].key; key.page() == page && space.has(key.space())) return index;
        return kNone;
    }

    u64 sets_, ways_;
    std::vector<TlbEntry> entries_;
    std::vector<u32> next_;  ///< by set: the way that the next new entry takes
    bool large_ = false;     ///< a granule of a larger page has ever been held: removal must look at all sets
};

}  // namespace vmxsim::mmu
