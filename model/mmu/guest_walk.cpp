// SPDX-License-Identifier: Apache-2.0
#include "model/mmu/guest_walk.hpp"

namespace vmxsim::mmu {
namespace {

constexpr u64 kPresent = 1, kEntryWrite = 2, kEntryUser = 4, kAccessed = 1 << 5, kEntryDirty = 1 << 6, kPageSize = 1 << 7;
constexpr u64 kEntryGlobal = 1 << 8, kExecuteDisable = u64{1} << 63;
constexpr u32 kErrorPresent = 1, kErrorWrite = 2, kErrorUser = 4, kErrorReserved = 8, kErrorFetch = 16,
              kErrorKey = 32;
constexpr unsigned kEntryKeyShift = 59;
constexpr u64 kLinearValid = 1 << 7, kFinalAddress = 1 << 8;  // bits of an EPT violation's qualification

constexpr u64 low_bits(unsigned n) { return (u64{1} << n) - 1; }

/// An entry that the walk used, for its flags.
struct Used {
    HostPhysical where{};
    GuestPhysical gpa{};
    u64 entry = 0;
    u8 ept_permissions = 7;
};

/// Does the entry, at the level that spans 2^shift bytes, map a page?
bool is_leaf(const Regime& regime, u64 entry, unsigned shift) {
    if (shift == 12) return true;
    if (!(entry & kPageSize)) return false;
    if (regime.mode == PagingMode::Bits32) return regime.pse;  // without CR4.PSE the bit is ignored (SDM table 4-5)
    return shift == 21 || (shift == 30 && regime.page_1g);
}

/// Reserved bits of a present entry (SDM 4.3, 4.4.2, 4.5.4).
u64 reserved_bits(const Regime& regime, unsigned shift, bool leaf) {
    if (regime.mode == PagingMode::Bits32) return leaf && shift == 22 ? regime.reserved_pse36 : 0;
    u64 reserved = regime.reserved_address;
    if (!regime.nxe) reserved |= kExecuteDisable;
    if (regime.mode == PagingMode::Pae) reserved |= low_bits(63) & ~low_bits(52);  // ignored in 4-level entries
    if (leaf) reserved |= low_bits(shift) & ~low_bits(13);  // bit 12 of a large page is its PAT bit
    if (!leaf && shift >= 30) reserved |= kPageSize;
    return reserved;
}

/// Physical address of the page that a leaf maps.
u64 page_address(const Regime& regime, u64 entry, unsigned shift) {
    if (regime.mode == PagingMode::Bits32 && shift == 22)  // PSE-36: bits 20:13 are address bits 39:32
        return ((entry & 0xffc00000) | (entry >> 13 & 0xff) << 32) & regime.physical_mask;
    return entry & regime.physical_mask & ~low_bits(shift);
}

class Walker {
public:
    Walker(References& references, const Regime& regime, u64 linear, const Access& access)
        : references_(references), regime_(regime), linear_(linear), access_(access) {}

    GuestWalk run() {
        if (regime_.mode == PagingMode::Off) {
            result_.rights = kPagingOff;
            result_.gpa = GuestPhysical{linear_};
            finish();
        } else if (walk_tables() && check_rights() && set_flags()) {
            finish();
        }
        return result_;
    }

private:
    bool page_fault(u32 cause) {
        result_.status = WalkStatus::PageFault;
        result_.error_code = cause | (access_.type == AccessType::Write ? kErrorWrite : 0) |
                             (access_.user ? kErrorUser : 0) |
                             (access_.type == AccessType::Execute && regime_.fetch_reported ? kErrorFetch : 0);
        return false;
    }

    bool ept_fault(WalkStatus status, u64 qualification, GuestPhysical gpa) {
        result_.status = status;
        result_.qualification = status == WalkStatus::EptViolation ? qualification | kLinearValid : 0;
        result_.gpa = gpa;
        return false;
    }

    bool fetch_entry(GuestPhysical gpa, unsigned bytes, Used& used) {
        used.gpa = gpa;
        used.where = HostPhysical{gpa.raw};
        if (regime_.ept) {
            // With EPT's accessed and dirty flags, guest table accesses count as writes, too (SDM 31.3.3.2).
            const EptWalk walk = walk_ept(references_, regime_, gpa, regime_.ept_ad ? kDataRead | kDataWrite : kDataRead);
            if (walk.status != WalkStatus::Ok) return ept_fault(walk.status, walk.qualification, gpa);
            used.where = walk.at;
            used.ept_permissions = walk.permissions;
        }
        used.entry = references_.read_guest_entry(used.where, bytes);
        return true;
    }

    bool walk_tables() {
        const bool narrow = regime_.mode == PagingMode::Bits32;
        entry_bytes_ = narrow ? 4 : 8;
        const unsigned index_bits = narrow ? 10 : 9;
        unsigned shift = narrow ? 22 : regime_.mode == PagingMode::Pae         ? 21
                         : regime_.mode == PagingMode::FiveLevel ? 48
                                                                 : 39;
        u64 table = regime_.root;
        if (regime_.mode == PagingMode::Pae) {
            // The PDPTEs were checked as they were loaded; they carry no rights (SDM 4.4.1).
            const u64 pdpte = regime_.pdpte[linear_ >> 30 & 3];
            if (!(pdpte & kPresent)) return page_fault(0);
            table = pdpte & regime_.physical_mask & ~low_bits(12);
        }
        Rights rights = kWrite | kUser;
        for (;; shift -= index_bits) {
            Used& used = used_[count_];
            const u64 index = linear_ >> shift & low_bits(index_bits);
            if (!fetch_entry(GuestPhysical{table + index * entry_bytes_}, entry_bytes_, used)) return false;
            const u64 entry = used.entry;
            if (!(entry & kPresent)) return page_fault(0);
            const bool leaf = is_leaf(regime_, entry, shift);
            if (entry & reserved_bits(regime_, shift, leaf)) return page_fault(kErrorPresent | kErrorReserved);
            ++count_;
            if (!(entry & kEntryWrite)) rights &= static_cast<Rights>(~kWrite);
            if (!(entry & kEntryUser)) rights &= static_cast<Rights>(~kUser);
            if (entry & kExecuteDisable) rights |= kNoExecute;  // reserved, so not set, where it has no meaning
            if (!leaf) {
                table = entry & regime_.physical_mask & ~low_bits(12);
                continue;
            }
            if (entry & kEntryDirty || access_.type == AccessType::Write) rights |= kDirty;
            if (entry & kEntryGlobal && regime_.pge) rights |= kGlobal;
            if (regime_.long_mode()) rights |= static_cast<Rights>((entry >> kEntryKeyShift & 15) << kKeyShift);
            result_.rights = rights;
            result_.shift = static_cast<u8>(shift);
            result_.gpa = GuestPhysical{page_address(regime_, entry, shift) | (linear_ & low_bits(shift))};
            return true;
        }
    }

    bool check_rights() {
        if (guest_permits(regime_, result_.rights, access_)) return true;
        // Bit 5 tells that PKRU forbids it, whatever else does, too (SDM 4.7).
        return page_fault(kErrorPresent | (key_forbids(regime_, result_.rights, access_) ? kErrorKey : 0));
    }

    /// SDM 4.8. An update is a read and a write; without EPT's own flags this is where EPT's W is asked for.
    bool set_flags() {
        for (unsigned i = 0; i < count_; ++i) {
            const bool leaf = i + 1 == count_;
            const u64 flags = kAccessed | (leaf && access_.type == AccessType::Write ? kEntryDirty : 0);
            const Used& used = used_[i];
            if ((used.entry & flags) == flags) continue;
            constexpr u8 kUpdate = kDataRead | kDataWrite;
            if ((used.ept_permissions & kUpdate) != kUpdate)
                return ept_fault(WalkStatus::EptViolation, ept_qualification(kUpdate, used.ept_permissions), used.gpa);
            references_.set_flags(used.where, entry_bytes_, flags);
        }
        return true;
    }

    void finish() {
        if (!regime_.ept) {
            result_.at = HostPhysical{result_.gpa.raw};
            result_.rights |= kEptAll;
            return;
        }
        const u8 kind = access_.type == AccessType::Read    ? kDataRead
                        : access_.type == AccessType::Write ? kDataWrite
                                                            : kFetch;
        const EptWalk walk = walk_ept(references_, regime_, result_.gpa, kind);
        if (walk.status != WalkStatus::Ok) {
            ept_fault(walk.status, walk.qualification | kFinalAddress, result_.gpa);
            return;
        }
        result_.at = walk.at;
        result_.rights |= walk.rights();
    }

    References& references_;
    const Regime& regime_;
    const u64 linear_;
    const Access access_;
    GuestWalk result_;
    std::array<Used, 5> used_{};
    unsigned count_ = 0;
    unsigned entry_bytes_ = 8;
};

}  // namespace

GuestWalk walk_guest(References& references, const Regime& regime, u64 linear, const Access& access) {
    return Walker(references, regime, linear, access).run();
}

}  // namespace vmxsim::mmu
