// SPDX-License-Identifier: Apache-2.0
// Which address spaces cached translations belong to, and their invalidation. Private to model/mmu.
#pragma once
#include <map>
#include <span>

#include "model/mmu/tlb.hpp"

namespace vmxsim::mmu {

/// Tags of a cached mapping (SDM 31.4.1): linear mappings have no EPT root, combined mappings have one.
struct SpaceTag {
    static constexpr u64 kNoEpt = ~u64{0};
    u16 vpid = 0;
    u16 pcid = 0;  ///< 0 without CR4.PCIDE; global pages are those of PCID 0 (SDM 4.10.2.4)
    u64 ept_root = kNoEpt;
    auto operator<=>(const SpaceTag&) const = default;
};

/// Gives each address space small ids. An invalidation gives it new ones, so that it takes the same short time whatever
/// the TLBs hold: entries under the old ids match nothing.
class AddressSpaces {
public:
    /// All TLBs that keep these ids: renumber() rewrites them.
    explicit AddressSpaces(std::array<Tlb*, 3> tlbs) : tlbs_(tlbs) {}

    /// The ids of `tag`, made on first use.
    SpaceIds ids(const SpaceTag& tag);

    void invalidate_vpid(u16 vpid, bool keep_global);
    void invalidate_all_vpids();  ///< all but VPID 0
    void invalidate_ept_root(u64 root);
    void invalidate_everything() { spaces_.clear(); }

    /// Calls f(ids) for each space of the VPID, whatever its EPT root.
    template <class F>
    void for_vpid(u16 vpid, F&& f) const {
        for (auto it = spaces_.lower_bound(SpaceTag{vpid, 0, 0}); it != spaces_.end() && it->first.vpid == vpid; ++it)
            f(it->second);
    }

private:
    void renumber();
    SpaceIds& entry(const SpaceTag& tag);

    static constexpr std::size_t kManySpaces = 1024;
    std::map<SpaceTag, SpaceIds> spaces_;
    std::array<Tlb*, 3> tlbs_;
    SpaceId next_ = 1;
    std::size_t limit_ = kManySpaces;  ///< number of spaces at which those without entries are looked for
};

}  // namespace vmxsim::mmu
