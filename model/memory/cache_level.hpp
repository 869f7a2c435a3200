// SPDX-License-Identifier: Apache-2.0
// One set-associative cache of tags with true LRU. Private to model/memory.
#pragma once
#include <algorithm>
#include <vector>

#include "model/memory/cache_hierarchy.hpp"

namespace vmxsim::memory {

/// Each set keeps its line numbers most recent first, so the first compare is the likely one and age needs no stamps.
struct CacheHierarchy::Level {
    enum class Result : u8 { MostRecent, Hit, Miss };

    Level(u64 set_count, u64 way_count)
        : sets(set_count), ways(way_count), lines(static_cast<std::size_t>(set_count * way_count), kNone) {}

    u64 set_of(u64 line) const { return line & (sets - 1); }

    /// Moves the line to the front of its set; on a miss the last, least recently used one falls out.
    Result touch(u64 line) {
        u64* const set = lines.data() + set_of(line) * ways;
        if (set[0] == line) return Result::MostRecent;
        u64 way = 1;
        while (way < ways && set[way] != line) ++way;
        const Result result = way < ways ? Result::Hit : Result::Miss;
        const u64 last = std::min(way, ways - 1);
        std::copy_backward(set, set + last, set + last + 1);
        set[0] = line;
        return result;
    }

    bool holds(u64 line) const {
        const u64* const set = lines.data() + set_of(line) * ways;
        return std::find(set, set + ways, line) != set + ways;
    }

    u64 sets, ways;

private:
    static constexpr u64 kNone = ~u64{0};  // no line number: those have 58 bits
    std::vector<u64> lines;
};

}  // namespace vmxsim::memory
