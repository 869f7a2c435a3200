// SPDX-License-Identifier: Apache-2.0
// The MMU: guest paging, EPT, and the cached translations of both, with the cost of every reference of a walk.
//
// Modelled: paging off, 32-bit (with PSE-36), PAE and 4-level paging; 4-level EPT; two levels of TLBs.
// Not modelled: paging-structure caches (each walk starts at its root, under EPT for each guest-physical address anew),
// cached guest-physical mappings, PCIDs, 5-level paging and EPT, protection keys, memory types, and the controls of
// mode-based execution, PML, SPP, HLAT, #VE and guest-paging verification.
#pragma once
#include <array>
#include <memory>
#include <span>

#include "model/arch/param.hpp"
#include "model/arch/types.hpp"
#include "model/memory/cache_hierarchy.hpp"
#include "model/memory/physical_memory.hpp"
#include "model/arch/translation_control.hpp"

namespace vmxsim::mmu {

struct MmuParams {
    u64 dtlb_entries = 64, dtlb_ways = 4, itlb_entries = 64, itlb_ways = 4;  ///< first-level TLBs, 4-KiB granules
    u64 stlb_entries = 512, stlb_ways = 4, stlb_latency = 7;                  ///< second level
    u64 walk_overhead = 0;  ///< cycles of a walk beside its references
    u64 physical_address_bits = 40;
    // Capabilities, to agree with CPUID and IA32_VMX_EPT_VPID_CAP (bits 0, 16, 17).
    u64 page_1g = 1, ept_execute_only = 1, ept_2m = 1, ept_1g = 1;
};
std::span<const arch::Param<MmuParams>> mmu_params();

enum class AccessType : u8 { Read, Write, Execute };

/// Everything that selects a translation. The core sets it whenever one of the registers changes.
struct PagingContext {
    u64 cr0 = 0, cr3 = 0, cr4 = 0, efer = 0;
    std::array<u64, 4> pdpte{};  ///< PAE page-directory-pointer-table entries (SDM 4.4.1)
    bool ept = false;            ///< in VMX non-root with "enable EPT"
    Eptp eptp{};
    Vpid vpid{};
    bool operator==(const PagingContext&) const = default;
};

enum class WalkStatus : u8 { Ok, PageFault, EptViolation, EptMisconfig };

/// Result of a translation. On success the rights say what else the 4-KiB granule allows, so that a fast path may cache it:
/// `writable` only once the dirty flags (guest and EPT) are set.
struct Translation {
    WalkStatus status = WalkStatus::Ok;
    HostPhysical at{};         ///< of the whole address, offset included
    bool writable = false;     ///< for the privilege asked with (user flag)
    bool executable = false;
    bool global = false;
    bool user_page = false;    ///< user-mode page: under CR4.SMAP, who caches what `smap_override` allowed must watch AC
    u32 error_code = 0;        ///< PageFault: as pushed (SDM 4.7)
    u64 qualification = 0;     ///< EptViolation: as SDM table 30-7
    GuestPhysical gpa{};       ///< EptViolation, EptMisconfig: the guest-physical address
    Cycles cycles{};           ///< beyond a first-level hit: second level, or the walk's references
};

struct MmuStats {
    u64 itlb_misses = 0, dtlb_misses = 0, stlb_hits = 0;
    u64 walks = 0, walk_references = 0, walk_cycles = 0;          ///< of guest tables (and of both, under EPT)
    u64 ept_references = 0;                                       ///< part of walk_references to EPT entries
    u64 flag_updates = 0;                                         ///< accessed or dirty flags set; not walk_references
    u64 page_faults = 0, ept_violations = 0, ept_misconfigs = 0;
    u64 flushes = 0;                                              ///< invalidation requests of any kind
};

/// Told when a cached translation leaves the first-level TLBs, so that whoever filters in front drops it too. A filter may
/// keep the translations of several contexts apart, so that coming back to one (a VM exit, a system call) finds them.
class FilterControl {
public:
    static constexpr unsigned kContexts = 4;
    virtual ~FilterControl() = default;
    virtual void drop_page(GuestVirtual page) = 0;  ///< any translation of this page, of whatever context
    virtual void drop_all() = 0;                    ///< those of all contexts
    /// From now on translations are of `context`, below kContexts. `anew`: what was kept under that number is void.
    virtual void select(unsigned context, bool anew) = 0;
};

/// TLBs hold 4-KiB granules: a larger page takes one entry for each granule used, as where the sizes of guest and EPT
/// pages differ (SDM 31.4.1 allows it); an invalidation of an address in it removes them all (SDM 4.10.4.1). Entries are
/// tagged with VPID and EPT root. A set is refilled round robin, and a hit changes no state, so that a filter in front,
/// which holds a part of what the first level holds, does not alter the timing.
///
/// A stale entry that allows an access keeps allowing it until an invalidation. One that forbids it, or lacks a dirty flag,
/// is walked anew: this model has no spurious faults.
class Mmu : public arch::TranslationControl {
public:
    /// Throws std::invalid_argument naming key and value of a parameter out of its range.
    Mmu(const MmuParams& params, memory::PhysicalMemory& ram, memory::CacheHierarchy& caches);
    ~Mmu() override;

    void set_filter(FilterControl* filter);
    /// Selects the address space. No translation is lost by it; INVVPID etc. and MOV CR rules are the caller's calls. The
    /// filter is told which of its contexts this is, where it translates otherwise than the present one.
    void set_context(const PagingContext& context);
    const PagingContext& context() const;

    /// Translates one access that lies within a 4-KiB page. Sets accessed and dirty flags. `user`: a user-mode access
    /// (CPL 3 and not implicit-supervisor). SMAP: `smap_override` = RFLAGS.AC set, explicit access. The address is taken
    /// as canonical (48 bits), and cut to 32 bits outside 4-level paging.
    Translation translate(GuestVirtual at, AccessType type, bool user, bool smap_override = false);

    /// The same without effects: no flags set, no statistics, no TLB fill, no cycles. For debuggers and tests.
    /// Cached translations count, stale ones included: it tells what translate() would.
    Translation probe(GuestVirtual at, AccessType type, bool user, bool smap_override = false) const;

    /// Guest-physical to host-physical through the current EPT (identity where off), as MOV CR3's PDPTE load and VM
    /// entry need it. Counts references and cycles. A violation's qualification has bits 7 and 8 clear.
    Translation translate_guest_physical(GuestPhysical at, AccessType type);

    // arch::TranslationControl: see there.
    void invalidate_address(Vpid vpid, GuestVirtual at) override;
    void flush_vpid(Vpid vpid, bool keep_global) override;
    void flush_all_vpids() override;
    void flush_eptp(Eptp eptp) override;
    void flush_everything() override;

    const MmuStats& stats() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace vmxsim::mmu
