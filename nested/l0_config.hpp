// SPDX-License-Identifier: Apache-2.0
// What L0 asks of the CPU for its own guests, and what it offers L1 in turn.
#pragma once
#include "model/arch/controls.hpp"
#include "model/arch/msrs.hpp"
#include "nested/params.hpp"

namespace vmxsim::nested {

/// L0's control words for a guest of its own (KVM's vmcs_config), by what the CPU allows.
struct L0Config {
    bool ept = false, vpid = false, unrestricted = false, load_efer = false, rdtscp = false;
    bool load_pat_entry = false, load_pat_exit = false, tpr_shadow = false, msr_bitmaps = false, secondary_word = false;
    arch::PinControls pin{};
    arch::PrimaryControls primary{};
    arch::SecondaryControls secondary{};  ///< as KVM wants it, virtualize-APIC-accesses included
    arch::ExitControls exit{};
    arch::EntryControls entry{};  ///< without "IA-32e mode guest", which follows the guest

    /// Throws std::runtime_error naming a control that the CPU lacks and L0 cannot do without.
    static L0Config make(const arch::Capabilities& cpu, const NestedParams& params);
};

/// The capability MSRs that L1 sees. Not among them: 0 where has_capability() is false.
arch::Capabilities offered_capabilities(const arch::Capabilities& cpu, const L0Config& l0);
/// Whether RDMSR of this capability MSR works in L1.
bool capability_offered(u32 index);

}  // namespace vmxsim::nested
