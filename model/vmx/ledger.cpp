// SPDX-License-Identifier: Apache-2.0
#include "model/vmx/ledger.hpp"

#include <algorithm>

namespace vmxsim::vmx {

Ledger::Ledger()
    : names_{"root-mode software", "guest software", "L2 software", "VM exit", "VM entry"}, totals_(kStandardBuckets) {}

BucketId Ledger::bucket(std::string_view name) {
    const auto it = std::find(names_.begin(), names_.end(), name);
    if (it != names_.end()) return static_cast<BucketId>(it - names_.begin());
    names_.emplace_back(name);
    totals_.push_back(0);
    return static_cast<BucketId>(names_.size() - 1);
}

BucketId Ledger::charge(BucketId to, u64 now) {
    settle(now);
    const BucketId before = current_;
    current_ = to;
    return before;
}

void Ledger::settle(u64 now) {
    const u64 passed = now - since_;
    since_ = now;
    if (passed == 0) return;
    totals_[current_] += passed;
    for (Open& o : open_) {
        if (!o.is_open) continue;
        if (o.cycles.size() <= current_) o.cycles.resize(names_.size());
        o.cycles[current_] += passed;
    }
}

void Ledger::open(EpisodeKey key, u64 now) {
    settle(now);
    for (u8 l = 0; l <= key.level; ++l) drop(open_[l]);
    open_[key.level].is_open = true;
    open_[key.level].key = key;
}

void Ledger::drop(Open& o) {
    o.is_open = false;
    std::fill(o.cycles.begin(), o.cycles.end(), 0);  // keeps its room: exits do not allocate
}

void Ledger::close(u8 level, u64 now) {
    settle(now);
    for (u8 l = 0; l <= level; ++l) {
        Open& o = open_[l];
        if (!o.is_open) continue;
        Episode& e = episodes_[o.key];
        ++e.count;
        if (e.cycles.size() < o.cycles.size()) e.cycles.resize(o.cycles.size());
        for (std::size_t i = 0; i < o.cycles.size(); ++i) e.cycles[i] += o.cycles[i];
        drop(o);
    }
}

bool Ledger::is_open(u8 level) const { return open_[level].is_open; }

}  // namespace vmxsim::vmx
