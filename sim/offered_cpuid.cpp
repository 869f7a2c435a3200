// SPDX-License-Identifier: Apache-2.0
#include "sim/offered_cpuid.hpp"

namespace vmxsim::sim {

namespace {

constexpr u32 kApic = 1u << 9;                          ///< leaf 1, EDX
constexpr unsigned kX2Apic = 21, kTscDeadline = 24;     ///< leaf 1, ECX
constexpr u32 kMonitor = 1u << 3;                       ///< leaf 1, ECX

/// Leaves that an L0 without the hardware's help shows empty: MONITOR, power management, performance counters.
constexpr bool hidden_by_l0(u32 leaf) { return leaf == 5 || leaf == 6 || leaf == 0xa; }

}  // namespace

core::CpuidTable offered_cpuid(const Profile& profile, L0Mode l0) {
    core::CpuidTable table = profile.cpuid;
    for (core::CpuidLeaf& leaf : table.leaves) {
        if (l0 == L0Mode::Unit) {
            if (leaf.leaf == 1) leaf.ecx &= ~kMonitor;
            if (hidden_by_l0(leaf.leaf)) leaf.eax = leaf.ebx = leaf.ecx = leaf.edx = 0;
        } else if (leaf.leaf == 1) {
            leaf.edx |= kApic;
            leaf.ecx |= static_cast<u32>(profile.cpu.x2apic << kX2Apic | profile.cpu.tsc_deadline << kTscDeadline);
        }
    }
    return table;
}

}  // namespace vmxsim::sim
