// SPDX-License-Identifier: Apache-2.0
// One walk of the guest's paging structures, each reference through EPT where that is on. Private to model/mmu.
#pragma once
#include "model/mmu/ept.hpp"

namespace vmxsim::mmu {

/// What a walk found. On success host address, rights and size are what a TLB keeps.
struct GuestWalk {
    WalkStatus status = WalkStatus::Ok;
    HostPhysical at{};
    Rights rights = 0;
    u8 shift = 12;          ///< log2 of the guest page's size
    u32 error_code = 0;
    u64 qualification = 0;
    GuestPhysical gpa{};
};

/// `linear` is cut to the mode's width. Accessed and dirty flags are set once the access is known to be permitted, top
/// entry first, and before the final address goes through EPT.
GuestWalk walk_guest(References& references, const Regime& regime, u64 linear, const Access& access);

}  // namespace vmxsim::mmu
