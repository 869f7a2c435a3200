// SPDX-License-Identifier: Apache-2.0
#include "model/mmu/regime.hpp"

#include <algorithm>

namespace vmxsim::mmu {
namespace {

constexpr u64 kCr0Wp = u64{1} << 16, kCr0Pg = u64{1} << 31;
constexpr u64 kCr4Pse = 1 << 4, kCr4Pae = 1 << 5, kCr4Pge = 1 << 7, kCr4Smep = 1 << 20, kCr4Smap = 1 << 21;
constexpr u64 kCr4La57 = 1 << 12, kCr4Pke = 1 << 22;
constexpr u64 kEferLma = 1 << 10, kEferNxe = 1 << 11;
constexpr u64 kEptpAccessedDirty = 1 << 6;

constexpr u64 bits(u64 high, u64 low) { return ((u64{2} << (high - low)) - 1) << low; }

}  // namespace

Regime::Regime(const PagingContext& c, const MmuParams& params) {
    const bool pae = c.cr4 & kCr4Pae;
    const u64 width = params.physical_address_bits;
    if (c.cr0 & kCr0Pg) {
        mode = !pae ? PagingMode::Bits32 : !(c.efer & kEferLma) ? PagingMode::Pae
               : c.cr4 & kCr4La57     ? PagingMode::FiveLevel
                                      : PagingMode::FourLevel;
        keys = long_mode() && c.cr4 & kCr4Pke;
        pkru = keys ? c.pkru : 0;
        wp = c.cr0 & kCr0Wp;
        smep = c.cr4 & kCr4Smep;
        smap = c.cr4 & kCr4Smap;
        pge = c.cr4 & kCr4Pge;
        pse = c.cr4 & kCr4Pse;
        nxe = pae && c.efer & kEferNxe;
        fetch_reported = smep || nxe;
    }
    ept = c.ept;
    ept_ad = c.ept && c.eptp.raw & kEptpAccessedDirty;
    page_1g = params.page_1g != 0;
    ept_execute_only = params.ept_execute_only != 0;
    ept_2m = params.ept_2m != 0;
    ept_1g = params.ept_1g != 0;
    linear_mask = long_mode() ? ~u64{0} : bits(31, 0);
    physical_mask = bits(width - 1, 0);
    reserved_address = width < 52 ? bits(51, width) : 0;
    const u64 pse36 = std::min<u64>(width, 40);
    reserved_pse36 = bits(21, pse36 - 19);
    if (mode == PagingMode::Bits32) root = c.cr3 & bits(31, 12);
    if (long_mode()) root = c.cr3 & physical_mask & ~bits(11, 0);
    if (ept) ept_root = HostPhysical{c.eptp.root().raw & physical_mask};
    if (mode == PagingMode::Pae) pdpte = c.pdpte;
}

bool key_forbids(const Regime& regime, Rights rights, const Access& access) {
    if (!regime.keys || access.type == AccessType::Execute || !(rights & kUser)) return false;
    const u32 of_key = regime.pkru >> 2 * (rights >> kKeyShift & 15);
    constexpr u32 kAccessDisable = 1, kWriteDisable = 2;
    return of_key & kAccessDisable ||
           (of_key & kWriteDisable && access.type == AccessType::Write && (access.user || regime.wp));
}

bool guest_permits(const Regime& regime, Rights rights, const Access& access) {
    if (regime.mode == PagingMode::Off) return true;
    if (access.type == AccessType::Execute) {
        if (rights & kNoExecute) return false;
        if (access.user) return rights & kUser;
        return !(rights & kUser && regime.smep);
    }
    if (key_forbids(regime, rights, access)) return false;
    if (access.user) return rights & kUser && (access.type == AccessType::Read || rights & kWrite);
    if (rights & kUser && regime.smap && !access.smap_override) return false;
    return access.type == AccessType::Read || rights & kWrite || !regime.wp;
}

}  // namespace vmxsim::mmu
