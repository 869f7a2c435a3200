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
    for (Episode* e : open_) {
        if (e == nullptr) continue;
        if (e->cycles.size() <= current_) e->cycles.resize(names_.size());
        e->cycles[current_] += passed;
    }
}

void Ledger::open(EpisodeKey key, u64 now) {
    close(key.level, now);
    Episode& e = episodes_[key];
    ++e.count;
    open_[key.level] = &e;
}

void Ledger::close(u8 level, u64 now) {
    settle(now);
    for (u8 l = 0; l <= level; ++l) open_[l] = nullptr;
}

bool Ledger::is_open(u8 level) const { return open_[level] != nullptr; }

}  // namespace vmxsim::vmx
