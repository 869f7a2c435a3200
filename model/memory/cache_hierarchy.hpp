// SPDX-License-Identifier: Apache-2.0
// Time of a memory reference: L1 data and instruction caches, L2, last level, DRAM. Holds tags only, no data.
#pragma once
#include <array>
#include <memory>
#include <span>

#include "model/arch/param.hpp"

namespace vmxsim::memory {

/// Geometry and load-to-use latencies. Sizes in bytes, latencies in cycles *in total* (an L2 hit costs l2_latency, not
/// l1 + l2). An L1 hit of the pipeline's own loads is part of the instruction's static cost: access() returns 0 for it.
struct CacheParams {
    u64 l1d_bytes = 32768, l1d_ways = 8, l1i_bytes = 32768, l1i_ways = 4;
    u64 l2_bytes = 262144, l2_ways = 8, llc_bytes = 8388608, llc_ways = 16;
    u64 l1_latency = 4, l2_latency = 10, llc_latency = 43, dram_latency = 221;
};
std::span<const arch::Param<CacheParams>> cache_params();

enum class MemoryAccess : u8 { Read, Write, Fetch };

/// An entry of the core's line TLB: proves translation, permission and "hit in the most recently used way of its L1D set"
/// with one compare of the linear line address. ~0: never matches.
struct LineEntry {
    u64 vline_r = ~u64{0};
    u64 vline_w = ~u64{0};
    u64 host_addend = 0;  ///< host address = linear address + addend
    u64 pad = 0;
};
inline constexpr unsigned kLineEntries = 64;  ///< one per L1D set; a way is 4 KiB, so the set comes from the page offset
using LineTlb = std::array<LineEntry, kLineEntries>;

struct CacheStats {
    u64 l1d_accesses = 0, l1d_misses = 0, l1i_accesses = 0, l1i_misses = 0;  // L1D: those that left the line TLB
    u64 l2_accesses = 0, l2_misses = 0, llc_accesses = 0, llc_misses = 0;
};

/// True LRU in every cache, lines of 64 bytes, write-back, write-allocate, not inclusive. The L1D's most recently used way
/// of a set is what a LineEntry stands for: each access that changes a set's order invalidates the entry of that set.
///
/// Not modelled: write-backs (taken to hide behind fills, so there are no dirty bits), coherence between L1I and L1D and
/// between processors (a line stays in all the caches that have read it, whoever writes to it), prefetchers, bandwidth,
/// and overlap of misses.
class CacheHierarchy {
public:
    /// Throws std::invalid_argument naming the parameter, where a size is no power-of-two number of sets of lines, or a
    /// farther level is quicker than a nearer one.
    /// `package`: another processor's caches, of which it shares the last level. Both have the same parameters.
    explicit CacheHierarchy(const CacheParams& params, const CacheHierarchy* package = nullptr);
    ~CacheHierarchy();
    CacheHierarchy(const CacheHierarchy&) = delete;
    CacheHierarchy& operator=(const CacheHierarchy&) = delete;
    /// The core's line TLB, whose entries this object invalidates as its sets change. Null: none.
    void attach(LineTlb* filter) { filter_ = filter; }
    /// A reference by the pipeline: extra cycles beyond an L1 hit (0 for a hit). The line is then its set's most recent.
    Cycles access(HostPhysical at, MemoryAccess kind);
    /// A reference by a unit that waits for its data (page walker, VMCS microcode): the whole latency, L1D hit included.
    Cycles reference(HostPhysical at, MemoryAccess kind);
    /// What reference() would cost now, without any effect.
    Cycles probe(HostPhysical at, MemoryAccess kind) const;
    const CacheStats& stats() const { return stats_; }

private:
    struct Level;
    /// Total latency; moves the line to the front of the caches that it goes through.
    u64 look_up(HostPhysical at, MemoryAccess kind);
    void drop_line_entry(u64 set);
    CacheParams params_;
    CacheStats stats_;
    std::unique_ptr<Level> l1d_, l1i_, l2_;
    std::shared_ptr<Level> llc_;
    LineTlb* filter_ = nullptr;
};

}  // namespace vmxsim::memory
