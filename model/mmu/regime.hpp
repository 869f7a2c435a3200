// SPDX-License-Identifier: Apache-2.0
// What the control registers select, decoded once per context; and rights of a translation. Private to model/mmu.
#pragma once
#include "model/mmu/mmu.hpp"

namespace vmxsim::mmu {

enum class PagingMode : u8 { Off, Bits32, Pae, FourLevel, FiveLevel };  ///< SDM 4.1.1

struct Regime {
    Regime() = default;
    Regime(const PagingContext& context, const MmuParams& params);
    bool operator==(const Regime&) const = default;

    PagingMode mode = PagingMode::Off;
    bool wp = false, nxe = false, smep = false, smap = false, pge = false, pse = false;
    bool keys = false;            ///< protection keys of user pages are in force (CR4.PKE)
    u32 pkru = 0;                 ///< their rights; 0 where they are not
    bool long_mode() const { return mode == PagingMode::FourLevel || mode == PagingMode::FiveLevel; }
    bool fetch_reported = false;  ///< a fetch shows in bit 4 of a #PF's error code (SDM 4.7)
    bool ept = false, ept_ad = false;
    bool page_1g = true, ept_execute_only = true, ept_2m = true, ept_1g = true;
    u64 linear_mask = 0;
    u64 physical_mask = 0;        ///< bits M-1:0
    u64 reserved_address = 0;     ///< bits 51:M
    u64 reserved_pse36 = 0;       ///< of a 4-MiB page's entry: bits 21:(M-19) with M at most 40 (SDM table 4-4)
    u64 root = 0;                 ///< guest-physical address of the top table (not PAE)
    HostPhysical ept_root{};
    std::array<u64, 4> pdpte{};   ///< PAE only
};

/// What the entries of a walk say together. Without EPT, its four bits are set.
using Rights = u16;
inline constexpr Rights kWrite = 1, kUser = 2, kNoExecute = 4, kDirty = 8, kGlobal = 16;
inline constexpr Rights kEptRead = 32, kEptWrite = 64, kEptExecute = 128, kEptDirty = 256;
inline constexpr unsigned kKeyShift = 9;  ///< bits 12:9: the page's protection key
inline constexpr Rights kEptAll = kEptRead | kEptWrite | kEptExecute | kEptDirty;
inline constexpr Rights kPagingOff = kWrite | kUser | kDirty;

/// One access, as translate() takes it.
struct Access {
    AccessType type;
    bool user;
    bool smap_override;
};

/// PKRU forbids the access (SDM 4.6.2).
bool key_forbids(const Regime& regime, Rights rights, const Access& access);
/// Access rights of guest paging (SDM 4.6.1, 4.6.2). With paging off, everything.
bool guest_permits(const Regime& regime, Rights rights, const Access& access);

inline bool ept_permits(Rights rights, AccessType type) {
    const Rights needed = type == AccessType::Read ? kEptRead : type == AccessType::Write ? kEptWrite : kEptExecute;
    return rights & needed;
}

/// True where the access needs no flag that is not set yet. Accessed flags are: only used entries are cached.
inline bool flags_complete(Rights rights, AccessType type) {
    return type != AccessType::Write || (rights & (kDirty | kEptDirty)) == (kDirty | kEptDirty);
}

}  // namespace vmxsim::mmu
