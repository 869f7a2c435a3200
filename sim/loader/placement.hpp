// SPDX-License-Identifier: Apache-2.0
// Where in guest-physical memory the loaders put things.
#pragma once
#include <algorithm>
#include <array>
#include <vector>

#include "model/memory/physical_memory.hpp"

namespace vmxsim::sim {

// From here to 4 GiB: I/O APIC, local APIC, flash.
inline constexpr u64 kDevices = 0xfec00000, kFourGiB = u64{1} << 32;
inline constexpr u64 kPage = 4096;

struct Range {
    u64 begin = 0, end = 0;
};

inline u64 page_up(u64 at) { return (at + kPage - 1) & ~(kPage - 1); }

/// Guest-physical memory with the ranges that are taken.
class Placement {
public:
    explicit Placement(u64 limit) : limit_(limit) {}
    u64 limit() const { return limit_; }
    void take(u64 begin, u64 end) { taken_.push_back({begin, end}); }
    /// First page from `from` on with `bytes` free bytes below `end`; 0: none.
    u64 find(u64 bytes, u64 from, u64 end) const {
        end = std::min(end, limit_);
        u64 at = page_up(from);
        for (bool moved = true; moved;) {
            moved = false;
            if (at >= end || bytes > end - at) return 0;
            for (const Range& r : taken_)
                if (at < r.end && r.begin < at + bytes) {
                    at = page_up(r.end);
                    moved = true;
                    break;
                }
        }
        return at;
    }

private:
    u64 limit_;
    std::vector<Range> taken_;
};

/// Zeroes without touching pages that are zero already: RAM is sparse, and a bss may be huge.
inline void zero(memory::PhysicalMemory& memory, HostPhysical at, u64 bytes) {
    std::array<u8, kPage> page;
    constexpr std::array<u8, kPage> zeros{};
    while (bytes) {
        const u64 n = std::min(bytes, kPage);
        const std::span<u8> part(page.data(), n);
        memory.read_block(at, part);
        if (std::any_of(part.begin(), part.end(), [](u8 b) { return b != 0; }))
            memory.write_block(at, {zeros.data(), n});
        at = at + n;
        bytes -= n;
    }
}

}  // namespace vmxsim::sim
