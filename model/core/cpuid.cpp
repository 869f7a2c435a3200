// SPDX-License-Identifier: Apache-2.0
#include "model/core/cpuid.hpp"

#include <algorithm>

namespace vmxsim::core {

namespace {
constexpr u32 kExtended = 0x80000000;
}

u32 CpuidTable::max_basic() const {
    u32 highest = 0;
    bool named = false;
    for (const CpuidLeaf& l : leaves) {
        if (l.leaf == 0 && l.eax) return l.eax;  // leaf 0 says it itself (SDM 2A, CPUID)
        if (l.leaf < 0x40000000) highest = std::max(highest, l.leaf), named = true;
    }
    return named ? highest : 0;
}

u32 CpuidTable::max_extended() const {
    u32 highest = 0;
    for (const CpuidLeaf& l : leaves) {
        if (l.leaf == kExtended && l.eax) return l.eax;
        if (l.leaf >= kExtended) highest = std::max(highest, l.leaf);
    }
    return highest;
}

CpuidLeaf CpuidTable::find(u32 leaf, u32 subleaf) const {
    // "If a value entered for CPUID.EAX is higher than the maximum input value for basic or extended function for that
    // processor then the data for the highest basic information leaf is returned" (SDM 2A, CPUID).
    const u32 highest = leaf & kExtended ? max_extended() : max_basic();
    u32 wanted = leaf;
    if (leaf > highest || (leaf & kExtended && highest < kExtended)) wanted = max_basic();
    for (const CpuidLeaf& l : leaves)
        if (l.leaf == wanted && (l.any_subleaf || l.subleaf == subleaf)) return l;
    // A leaf or subleaf that is in range and empty reads as zero. Leaf 0BH and 1FH keep the subleaf in ECX[7:0].
    CpuidLeaf empty;
    empty.leaf = wanted;
    empty.subleaf = subleaf;
    if (wanted == 0xb || wanted == 0x1f) empty.ecx = subleaf & 0xff;
    return empty;
}

bool CpuidTable::has(u32 leaf, u32 subleaf, unsigned reg, unsigned bit) const {
    // A leaf beyond the highest would answer with another leaf's bits (SDM 2A, CPUID).
    if (leaf > (leaf & kExtended ? max_extended() : max_basic())) return false;
    const CpuidLeaf found = find(leaf, subleaf);
    const u32 registers[] = {found.eax, found.ebx, found.ecx, found.edx};
    return registers[reg & 3] >> bit & 1;
}

}  // namespace vmxsim::core
