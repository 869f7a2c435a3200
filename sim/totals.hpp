// SPDX-License-Identifier: Apache-2.0
// Sums over the processors of a machine.
#pragma once
#include <array>
#include <bit>

#include "sim/result.hpp"

namespace vmxsim::sim {

/// Of a struct of counters, member by member.
template <class Counters>
void add_counters(Counters& sum, const Counters& more) {
    using Words = std::array<u64, sizeof(Counters) / sizeof(u64)>;
    Words a = std::bit_cast<Words>(sum);
    const Words b = std::bit_cast<Words>(more);
    for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
    sum = std::bit_cast<Counters>(a);
}

inline void add_cycles(std::vector<u64>& sum, const std::vector<u64>& more) {
    if (sum.size() < more.size()) sum.resize(more.size());
    for (std::size_t i = 0; i < more.size(); ++i) sum[i] += more[i];
}

/// Buckets and episodes. Several processors have the same buckets: those of the core.
inline void add_ledger(RunResult& sum, const vmx::Ledger& ledger) {
    sum.bucket_names = ledger.names();
    add_cycles(sum.bucket_totals, ledger.totals());
    for (const auto& [key, episode] : ledger.episodes()) {
        vmx::Episode& e = sum.episodes[key];
        e.count += episode.count;
        add_cycles(e.cycles, episode.cycles);
    }
}

}  // namespace vmxsim::sim
