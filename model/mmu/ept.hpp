// SPDX-License-Identifier: Apache-2.0
// One walk of the EPT structures (SDM 31.3.2). Private to model/mmu.
#pragma once
#include "model/mmu/reference.hpp"
#include "model/mmu/regime.hpp"

namespace vmxsim::mmu {

/// Kinds of access, as bits 2:0 of an EPT violation's qualification (SDM table 30-7); an access may have several.
enum EptAccess : u8 { kDataRead = 1, kDataWrite = 2, kFetch = 4 };

struct EptWalk {
    WalkStatus status = WalkStatus::Ok;
    HostPhysical at{};
    u8 permissions = 0;     ///< bits R, W, X that all entries of the walk have; 0 where one was not present
    bool dirty = true;      ///< the leaf's dirty flag is set, or flags are off
    u64 qualification = 0;  ///< of a violation: bits 5:0
    Rights rights() const {
        return static_cast<Rights>((permissions & 1 ? kEptRead : 0) | (permissions & 2 ? kEptWrite : 0) |
                                   (permissions & 4 ? kEptExecute : 0) | (dirty ? kEptDirty : 0));
    }
};

/// Bits 5:0 of the qualification.
constexpr u64 ept_qualification(u8 access, u8 permissions) { return access | u64{permissions} << 3; }

/// Walks for `access` (EptAccess bits, all of which must be allowed); sets accessed and dirty flags if EPTP bit 6 is set.
EptWalk walk_ept(References& references, const Regime& regime, GuestPhysical at, u8 access);

}  // namespace vmxsim::mmu
