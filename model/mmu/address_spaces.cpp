// SPDX-License-Identifier: Apache-2.0
#include "model/mmu/address_spaces.hpp"

namespace vmxsim::mmu {

SpaceIds AddressSpaces::ids(const SpaceTag& tag) {
    if (next_ >= TlbKey::kMaxSpace - 4 || spaces_.size() + 1 >= limit_) renumber();
    SpaceIds result = entry(tag);
    if (tag.pcid) result.global = entry({tag.vpid, 0, tag.ept_root}).global;
    return result;
}

SpaceIds& AddressSpaces::entry(const SpaceTag& tag) {
    auto [it, fresh] = spaces_.try_emplace(tag);
    if (fresh) {
        it->second = {next_, next_ + 1};
        next_ += 2;
    }
    return it->second;
}

void AddressSpaces::invalidate_vpid(u16 vpid, bool keep_global) {
    auto it = spaces_.lower_bound(SpaceTag{vpid, 0, 0});
    while (it != spaces_.end() && it->first.vpid == vpid) {
        if (keep_global)
            (it++)->second.own = next_++;
        else
            it = spaces_.erase(it);
    }
    if (next_ >= TlbKey::kMaxSpace - limit_) renumber();
}

void AddressSpaces::invalidate_all_vpids() {
    std::erase_if(spaces_, [](const auto& space) { return space.first.vpid != 0; });
}

void AddressSpaces::invalidate_ept_root(u64 root) {
    std::erase_if(spaces_, [root](const auto& space) { return space.first.ept_root == root; });
}

/// Drops spaces that no entry belongs to and starts numbering anew. No live translation is lost, so nobody can tell.
void AddressSpaces::renumber() {
    std::map<SpaceId, SpaceId> live;  // old id to new
    for (Tlb* tlb : tlbs_)
        for (const TlbEntry& entry : tlb->entries()) live[entry.key.space()] = 0;
    next_ = 1;
    for (auto it = spaces_.begin(); it != spaces_.end();) {
        SpaceIds& ids = it->second;
        const auto own = live.find(ids.own), global = live.find(ids.global);
        if (own == live.end() && global == live.end()) {
            it = spaces_.erase(it);
            continue;
        }
        if (own != live.end()) own->second = next_;
        if (global != live.end()) global->second = next_ + 1;
        ids = {next_, next_ + 1};
        next_ += 2;
        ++it;
    }
    for (Tlb* tlb : tlbs_)
        for (TlbEntry& entry : tlb->entries()) {
            const SpaceId id = live[entry.key.space()];
            entry.key = id ? TlbKey(id, entry.key.page()) : TlbKey{};
        }
    limit_ = spaces_.size() + kManySpaces;
}

}  // namespace vmxsim::mmu
