// SPDX-License-Identifier: Apache-2.0
// The MMU: guest paging, EPT, and the cached translations of both, with the cost of every reference of a walk.
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
    u32 error_code = 0;        ///< PageFault: as pushed (SDM 4.7)
    u64 qualification = 0;     ///< EptViolation: as SDM table 30-7
    GuestPhysical gpa{};       ///< EptViolation, EptMisconfig: the guest-physical address
    Cycles cycles{};           ///< beyond a first-level hit: second level, or the walk's references
};

struct MmuStats {
    u64 itlb_misses = 0, dtlb_misses = 0, stlb_hits = 0;
    u64 walks = 0, walk_references = 0, walk_cycles = 0;          ///< of guest tables (and of both, under EPT)
    u64 ept_references = 0;                                       ///< part of walk_references to EPT entries
    u64 page_faults = 0, ept_violations = 0, ept_misconfigs = 0;
    u64 flushes = 0;                                              ///< invalidation requests of any kind
};

/// Told when a cached translation leaves the first-level TLBs, so that whoever filters in front drops it too.
class FilterControl {
public:
    virtual ~FilterControl() = default;
    virtual void drop_page(GuestVirtual page) = 0;  ///< any translation of this page (of the current context)
    virtual void drop_all() = 0;
};

class Mmu : public arch::TranslationControl {
public:
    Mmu(const MmuParams& params, memory::PhysicalMemory& ram, memory::CacheHierarchy& caches);
    ~Mmu() override;

    void set_filter(FilterControl* filter);
    /// Selects the address space. No translation is lost by it; INVVPID etc. and MOV CR rules are the caller's calls.
    void set_context(const PagingContext& context);
    const PagingContext& context() const;

    /// Translates one access that lies within a 4-KiB page. Sets accessed and dirty flags. `user`: a user-mode access
    /// (CPL 3 and not implicit-supervisor). SMAP: `smap_override` = RFLAGS.AC set, explicit access.
    Translation translate(GuestVirtual at, AccessType type, bool user, bool smap_override = false);

    /// The same without effects: no flags set, no statistics, no TLB fill, no cycles. For debuggers and tests.
    Translation probe(GuestVirtual at, AccessType type, bool user) const;

    /// Guest-physical to host-physical through the current EPT (identity where off), as MOV CR3's PDPTE load and VM
    /// entry need it. Counts references and cycles.
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
