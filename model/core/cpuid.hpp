// SPDX-License-Identifier: Apache-2.0
// CPUID by profile: the leaves of one CPU, without what this model does not do.
#pragma once
#include <vector>

#include "model/arch/types.hpp"

namespace vmxsim::core {

struct CpuidLeaf {
    u32 leaf = 0, subleaf = 0;
    bool any_subleaf = true;
    u32 eax = 0, ebx = 0, ecx = 0, edx = 0;
};

/// Leaves in any order. A basic leaf beyond the highest answers as the highest basic leaf (SDM 2A, CPUID).
struct CpuidTable {
    std::vector<CpuidLeaf> leaves;
    u32 microcode = 0;  ///< revision of the update that firmware has loaded, which leaf 1 leaves in an MSR; 0: none
    CpuidLeaf find(u32 leaf, u32 subleaf) const;
    u32 max_basic() const;
    u32 max_extended() const;
    /// A feature bit; `reg` 0 to 3: EAX, EBX, ECX, EDX. False for leaves beyond the highest.
    bool has(u32 leaf, u32 subleaf, unsigned reg, unsigned bit) const;
};

}  // namespace vmxsim::core
