// SPDX-License-Identifier: Apache-2.0
#include "model/memory/cache_hierarchy.hpp"

#include <bit>
#include <stdexcept>
#include <string>

#include "model/memory/cache_level.hpp"

namespace vmxsim::memory {
namespace {

constexpr u64 kLineBytes = 64;

constexpr arch::Param<CacheParams> kRows[] = {
    {"caches.l1d_bytes", &CacheParams::l1d_bytes, "bytes", 64, 1u << 24, "size of the first-level data cache"},
    {"caches.l1d_ways", &CacheParams::l1d_ways, "ways", 1, 64, "associativity of the first-level data cache"},
    {"caches.l1i_bytes", &CacheParams::l1i_bytes, "bytes", 64, 1u << 24, "size of the first-level instruction cache"},
    {"caches.l1i_ways", &CacheParams::l1i_ways, "ways", 1, 64, "associativity of the first-level instruction cache"},
    {"caches.l2_bytes", &CacheParams::l2_bytes, "bytes", 64, 1u << 28, "size of the second-level cache"},
    {"caches.l2_ways", &CacheParams::l2_ways, "ways", 1, 64, "associativity of the second-level cache"},
    {"caches.llc_bytes", &CacheParams::llc_bytes, "bytes", 64, 1u << 30, "size of the last-level cache"},
    {"caches.llc_ways", &CacheParams::llc_ways, "ways", 1, 64, "associativity of the last-level cache"},
    {"caches.l1_latency", &CacheParams::l1_latency, "cycles", 0, 10000, "load-to-use time of a first-level hit"},
    {"caches.l2_latency", &CacheParams::l2_latency, "cycles", 0, 10000, "load-to-use time of a second-level hit, in total"},
    {"caches.llc_latency", &CacheParams::llc_latency, "cycles", 0, 10000, "load-to-use time of a last-level hit, in total"},
    {"caches.dram_latency", &CacheParams::dram_latency, "cycles", 0, 100000, "load-to-use time of a DRAM access, in total"},
};

/// Number of sets, or the complaint that names the row and its value.
u64 sets_of(const CacheParams& params, const arch::Param<CacheParams>& size, const arch::Param<CacheParams>& ways) {
    for (const auto& row : {size, ways})
        if (params.*row.member < row.min || params.*row.member > row.max)
            throw std::invalid_argument(std::string(row.key) + " = " + std::to_string(params.*row.member) +
                                        ", expected " + std::to_string(row.min) + " to " + std::to_string(row.max));
    const u64 way_bytes = params.*ways.member * kLineBytes;
    const u64 sets = params.*size.member / way_bytes;
    if (sets * way_bytes != params.*size.member || !std::has_single_bit(sets))
        throw std::invalid_argument(std::string(size.key) + " = " + std::to_string(params.*size.member) +
                                    ", expected a power-of-two number of sets of " + std::to_string(way_bytes) +
                                    " bytes (" + std::string(ways.key) + " lines of 64)");
    return sets;
}

}  // namespace

std::span<const arch::Param<CacheParams>> cache_params() { return kRows; }

CacheHierarchy::CacheHierarchy(const CacheParams& params, const CacheHierarchy* package)
    : params_(params),
      l1d_(std::make_unique<Level>(sets_of(params, kRows[0], kRows[1]), params.l1d_ways)),
      l1i_(std::make_unique<Level>(sets_of(params, kRows[2], kRows[3]), params.l1i_ways)),
      l2_(std::make_unique<Level>(sets_of(params, kRows[4], kRows[5]), params.l2_ways)),
      llc_(package ? package->llc_ : std::make_shared<Level>(sets_of(params, kRows[6], kRows[7]), params.llc_ways)) {
    for (std::size_t i = 9; i < std::size(kRows); ++i)
        if (params.*kRows[i].member < params.*kRows[i - 1].member)
            throw std::invalid_argument(std::string(kRows[i].key) + " = " + std::to_string(params.*kRows[i].member) +
                                        ", expected at least " + std::string(kRows[i - 1].key) + " = " +
                                        std::to_string(params.*kRows[i - 1].member));
}

CacheHierarchy::~CacheHierarchy() = default;

void CacheHierarchy::drop_line_entry(u64 set) {
    if (!filter_) return;
    // One entry where a way is 4 KiB. Larger ways share entries, smaller ones have several.
    for (u64 entry = set % kLineEntries; entry < kLineEntries; entry += l1d_->sets) {
        (*filter_)[entry].vline_r = ~u64{0};
        (*filter_)[entry].vline_w = ~u64{0};
    }
}

u64 CacheHierarchy::look_up(HostPhysical at, MemoryAccess kind) {
    const u64 line = at.raw / kLineBytes;
    if (kind == MemoryAccess::Fetch) {
        ++stats_.l1i_accesses;
        if (l1i_->touch(line) != Level::Result::Miss) return params_.l1_latency;
        ++stats_.l1i_misses;
    } else {
        ++stats_.l1d_accesses;
        const Level::Result result = l1d_->touch(line);
        if (result == Level::Result::MostRecent) return params_.l1_latency;
        drop_line_entry(l1d_->set_of(line));
        if (result == Level::Result::Hit) return params_.l1_latency;
        ++stats_.l1d_misses;
    }
    ++stats_.l2_accesses;
    if (l2_->touch(line) != Level::Result::Miss) return params_.l2_latency;
    ++stats_.l2_misses;
    ++stats_.llc_accesses;
    if (llc_->touch(line) != Level::Result::Miss) return params_.llc_latency;
    ++stats_.llc_misses;
    return params_.dram_latency;
}

Cycles CacheHierarchy::access(HostPhysical at, MemoryAccess kind) {
    return {look_up(at, kind) - params_.l1_latency};
}

Cycles CacheHierarchy::reference(HostPhysical at, MemoryAccess kind) { return {look_up(at, kind)}; }

Cycles CacheHierarchy::probe(HostPhysical at, MemoryAccess kind) const {
    const u64 line = at.raw / kLineBytes;
    const Level& first = kind == MemoryAccess::Fetch ? *l1i_ : *l1d_;
    return {first.holds(line)  ? params_.l1_latency
            : l2_->holds(line)  ? params_.l2_latency
            : llc_->holds(line) ? params_.llc_latency
                                : params_.dram_latency};
}

}  // namespace vmxsim::memory
