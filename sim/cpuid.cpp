// SPDX-License-Identifier: Apache-2.0
// CPUID of one processor of the machine: what the platform and the number of processors add to the profile.
#include <algorithm>
#include <bit>

#include "sim/processor.hpp"

namespace vmxsim::sim {
namespace {

constexpr unsigned kApic = 9, kMtrr = 12, kX2Apic = 21, kTscDeadline = 24, kHtt = 28;

core::CpuidLeaf& leaf(core::CpuidTable& table, u32 number, u32 subleaf) {
    for (core::CpuidLeaf& l : table.leaves)
        if (l.leaf == number && (l.any_subleaf || l.subleaf == subleaf)) return l;
    core::CpuidLeaf made;
    made.leaf = number;
    made.subleaf = subleaf;
    made.any_subleaf = false;
    table.leaves.push_back(made);
    return table.leaves.back();
}

/// Leaf 4: type, level, size, and who shares it (SDM 2A, table 3-8).
void add_cache(core::CpuidTable& table, u32 subleaf, u32 type, u32 level, u64 bytes, u64 ways) {
    core::CpuidLeaf& l = leaf(table, 4, subleaf);
    constexpr u32 kSelfInitializing = 1u << 8, kLine = 64;
    l.eax = type | level << 5 | kSelfInitializing;
    l.ebx = (kLine - 1) | static_cast<u32>(ways - 1) << 22;
    l.ecx = static_cast<u32>(bytes / ways / kLine - 1);
    l.edx = 0;
}

/// One package of cores of one thread each; APIC IDs count them (SDM 9.9).
void add_topology(core::CpuidTable& table, const memory::CacheParams& caches, unsigned cpus, unsigned index) {
    const u32 id_bits = static_cast<u32>(std::bit_width(cpus - 1)), ids = 1u << id_bits;
    for (core::CpuidLeaf& l : table.leaves) {
        if (l.leaf == 0) l.eax = std::max(l.eax, 0xbu);
        if (l.leaf == 1) {
            l.ebx = (l.ebx & 0xffff) | ids << 16 | index << 24;
            l.edx |= 1u << kHtt;
        }
    }
    enum : u32 { kData = 1, kInstruction = 2, kUnified = 3 };
    const bool has_caches =
        std::any_of(table.leaves.begin(), table.leaves.end(), [](const core::CpuidLeaf& l) { return l.leaf == 4; });
    if (!has_caches) {
        add_cache(table, 0, kData, 1, caches.l1d_bytes, caches.l1d_ways);
        add_cache(table, 1, kInstruction, 1, caches.l1i_bytes, caches.l1i_ways);
        add_cache(table, 2, kUnified, 2, caches.l2_bytes, caches.l2_ways);
        add_cache(table, 3, kUnified, 3, caches.llc_bytes, caches.llc_ways);
    }
    for (core::CpuidLeaf& l : table.leaves) {
        if (l.leaf != 4 || (l.eax & 31) == 0) continue;
        const bool shared = (l.eax >> 5 & 7) == 3;
        l.eax = (l.eax & 0x3fff) | (shared ? ids - 1 : 0) << 14 | (ids - 1) << 26;
    }
    std::erase_if(table.leaves, [](const core::CpuidLeaf& l) { return l.leaf == 0xb; });
    enum : u32 { kThreads = 1, kCores = 2 };
    for (u32 level = 0; level < 3; ++level) {
        core::CpuidLeaf& l = leaf(table, 0xb, level);
        l.eax = level == 1 ? id_bits : 0;
        l.ebx = level == 0 ? 1 : level == 1 ? cpus : 0;
        const u32 type = level == 0 ? u32{kThreads} : level == 1 ? u32{kCores} : 0;
        l.ecx = level | type << 8;
        l.edx = index;
    }
}

/// Under the nested unit there is no local APIC yet, and L0 has neither performance counters nor MONITOR to give.
void hide_from_l1(core::CpuidTable& table) {
    constexpr u32 kMonitor = 1u << 3;  // leaf 1, ECX
    for (core::CpuidLeaf& l : table.leaves) {
        if (l.leaf == 1) l.ecx &= ~kMonitor;
        if (l.leaf == 5 || l.leaf == 6 || l.leaf == 0xa) l.eax = l.ebx = l.ecx = l.edx = 0;
    }
}

}  // namespace

core::CpuidTable cpuid_of(const MachineConfig& c, unsigned index) {
    core::CpuidTable table = c.profile.cpuid;
    table.microcode = static_cast<u32>(c.profile.cpu.microcode);
    if (c.l0 == L0Mode::Unit) {
        hide_from_l1(table);
        return table;
    }
    const CpuParams& cpu = c.profile.cpu;
    for (core::CpuidLeaf& l : table.leaves) {
        if (l.leaf != 1) continue;
        l.edx |= 1u << kApic | 1u << kMtrr;
        l.ecx |= static_cast<u32>(cpu.x2apic << kX2Apic | cpu.tsc_deadline << kTscDeadline);
    }
    if (c.cpus > 1) add_topology(table, c.profile.caches, c.cpus, index);
    return table;
}

}  // namespace vmxsim::sim
