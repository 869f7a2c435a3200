// SPDX-License-Identifier: Apache-2.0
// Where cycles go. At any time exactly one bucket is charged, so the buckets' sum is the run's length, to the cycle.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/arch/types.hpp"

namespace vmxsim::vmx {

using BucketId = u16;

/// Buckets that the core itself charges; the nested unit registers its own behind them.
enum StandardBucket : BucketId {
    kRootCode,   ///< software in VMX root operation (or outside VMX)
    kGuestCode,  ///< software in VMX non-root operation, level 1
    kNestedCode, ///< software of L2 (only under the nested unit)
    kVmExit,     ///< the hardware's part of VM exits
    kVmEntry,    ///< the hardware's part of VM entries
    kStandardBuckets
};

/// An episode: from the VM exit of a level until that level runs again, by kind of exit.
struct Episode {
    u64 count = 0;
    std::vector<u64> cycles;  ///< by bucket
};
struct EpisodeKey {
    u8 level;        ///< 1: the guest of the hypervisor in root mode; 2: a nested guest
    u16 exit_reason; ///< basic reason of the exit that opened it
    auto operator<=>(const EpisodeKey&) const = default;
};

class Ledger {
public:
    Ledger();
    /// Id of the bucket of that name, made on first use. Names: "prepare_vmcs02: guest segments".
    BucketId bucket(std::string_view name);
    const std::vector<std::string>& names() const { return names_; }

    /// From cycle `now` on, `to` is charged. Returns the bucket charged before.
    BucketId charge(BucketId to, u64 now);
    BucketId current() const { return current_; }

    /// Opens an episode at `now`. One of a higher level stays open and keeps being charged as well (a nested exit consists
    /// of single ones); one of a lower or the same level never came to its end and does not count.
    void open(EpisodeKey key, u64 now);
    /// The guest of `level` runs again: episodes of its and of lower levels end here, and count.
    void close(u8 level, u64 now);
    bool is_open(u8 level) const;
    /// Charges what has passed until `now`, so that totals can be read.
    void settle(u64 now);

    const std::vector<u64>& totals() const { return totals_; }  ///< by bucket, whole run
    const std::map<EpisodeKey, Episode>& episodes() const { return episodes_; }

private:
    std::vector<std::string> names_;
    std::vector<u64> totals_;
    std::map<EpisodeKey, Episode> episodes_;
    /// An episode that has not ended.
    struct Open {
        bool is_open = false;
        EpisodeKey key{};
        std::vector<u64> cycles;
    };
    static void drop(Open& o);
    Open open_[3];
    u64 since_ = 0;
    BucketId current_ = kRootCode;
};

/// Charges a bucket for a scope and returns to the former one. `cycles` is the processor's running counter.
class Charge {
public:
    Charge(Ledger& ledger, BucketId to, const u64& cycles) : ledger_(ledger), cycles_(cycles), before_(ledger.charge(to, cycles)) {}
    ~Charge() { ledger_.charge(before_, cycles_); }
    Charge(const Charge&) = delete;
    Charge& operator=(const Charge&) = delete;

private:
    Ledger& ledger_;
    const u64& cycles_;
    BucketId before_;
};

}  // namespace vmxsim::vmx
