// SPDX-License-Identifier: Apache-2.0
#include "model/mmu/ept.hpp"

namespace vmxsim::mmu {
namespace {

constexpr u64 kPermissions = 7, kLargePage = 1 << 7, kAccessed = 1 << 8, kDirtyFlag = 1 << 9;
constexpr unsigned kTopShift = 39;

/// SDM 31.3.3.1. `leaf`: the entry maps a page, of 2^shift bytes.
bool misconfigured(const Regime& regime, u64 entry, unsigned shift, bool leaf) {
    const bool r = entry & 1, w = entry & 2, x = entry & 4;
    if (!r && (w || (x && !regime.ept_execute_only))) return true;
    if (entry & regime.reserved_address) return true;
    if (!leaf) return entry & (shift == kTopShift ? 0xf8 : 0x78);
    if (shift == 30 && !regime.ept_1g) return true;
    if (shift == 21 && !regime.ept_2m) return true;
    if (entry & ((u64{1} << shift) - 1) & ~u64{0xfff}) return true;
    const u64 memory_type = entry >> 3 & 7;
    return memory_type == 2 || memory_type == 3 || memory_type == 7;
}

}  // namespace

EptWalk walk_ept(References& references, const Regime& regime, GuestPhysical at, u8 access) {
    EptWalk walk;
    const auto violation = [&](u8 permissions) {
        walk.status = WalkStatus::EptViolation;
        walk.permissions = permissions;
        walk.qualification = ept_qualification(access, permissions);
        return walk;
    };
    if (at.raw >> 48) return violation(0);  // beyond what four levels translate

    std::array<HostPhysical, 4> used{};
    unsigned count = 0;
    u8 permissions = kPermissions;
    HostPhysical table = regime.ept_root;
    u64 entry = 0;
    unsigned shift = kTopShift;
    for (;; shift -= 9) {
        const HostPhysical where = table + (at.raw >> shift & 511) * 8;
        entry = references.read_ept_entry(where);
        if (!(entry & kPermissions)) return violation(0);
        // Bit 7 of a top-level entry is reserved, of a last-level entry ignored.
        const bool leaf = shift == 12 || (shift != kTopShift && entry & kLargePage);
        if (misconfigured(regime, entry, shift, leaf)) {
            walk.status = WalkStatus::EptMisconfig;
            return walk;
        }
        permissions &= static_cast<u8>(entry & kPermissions);
        used[count++] = where;
        if (leaf) break;
        table = HostPhysical{entry & regime.physical_mask}.page();
    }
    // Permissions are judged only behind the whole walk, so that a misconfiguration below wins (SDM 31.3.3).
    if ((permissions & access) != access) return violation(permissions);

    const u64 offset_mask = (u64{1} << shift) - 1;
    walk.at = HostPhysical{(entry & regime.physical_mask & ~offset_mask) | (at.raw & offset_mask)};
    walk.permissions = permissions;
    if (regime.ept_ad) {  // SDM 31.3.5
        const u64 leaf_flags = kAccessed | (access & kDataWrite ? kDirtyFlag : 0);
        for (unsigned i = 0; i < count; ++i)
            references.set_flags(used[i], 8, i + 1 == count ? leaf_flags : kAccessed);
        walk.dirty = entry & kDirtyFlag || access & kDataWrite;
    }
    return walk;
}

}  // namespace vmxsim::mmu
