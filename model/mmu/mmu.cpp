// SPDX-License-Identifier: Apache-2.0
#include "model/mmu/mmu.hpp"

#include "model/mmu/address_spaces.hpp"
#include "model/mmu/guest_walk.hpp"
#include "model/mmu/params.hpp"

namespace vmxsim::mmu {

struct Mmu::Impl {
    Impl(const MmuParams& p, memory::PhysicalMemory& ram_, memory::CacheHierarchy& caches_)
        : params(checked(p)), ram(ram_), caches(caches_), regime(context, params),
          known{Known{{}, regime}, Known{{}, regime}, Known{{}, regime}, Known{{}, regime}} {
        tag = tag_of(context);
        space = spaces.ids(tag);
        for (Known& k : known) k.tag = tag;
    }

    const MmuParams params;
    memory::PhysicalMemory& ram;
    memory::CacheHierarchy& caches;
    PagingContext context{};
    Regime regime;
    /// The contexts that the filter keeps apart: those used last.
    struct Known {
        PagingContext context{};
        Regime regime;
        SpaceTag tag{};
        u64 used = 0;
    };
    std::array<Known, FilterControl::kContexts> known;
    unsigned current = 0;
    u64 uses = 0;
    FilterControl* filter = nullptr;
    MmuStats stats;
    Tlb dtlb{params.dtlb_entries, params.dtlb_ways};
    Tlb itlb{params.itlb_entries, params.itlb_ways};
    Tlb stlb{params.stlb_entries, params.stlb_ways};
    AddressSpaces spaces{{&dtlb, &itlb, &stlb}};
    SpaceTag tag{};
    SpaceIds space{};

    static SpaceTag tag_of(const PagingContext& c) {
        constexpr u64 kPcide = 1u << 17, kLma = 1u << 10;
        const bool pcids = (c.cr4 & kPcide) && (c.efer & kLma);
        return {c.vpid.raw, static_cast<u16>(pcids ? c.cr3 & 0xfff : 0), c.ept ? c.eptp.root().raw : SpaceTag::kNoEpt};
    }
    unsigned find_known(const PagingContext& wanted, bool& anew);
    Translation translate(GuestVirtual at, const Access& access, bool effects);
    Translation success(const Access& access, Rights rights, HostPhysical at) const;
    Translation walk(u64 linear, const Access& access, bool effects);
    void fill(Tlb& first, const TlbEntry& entry);
    void remove(SpaceIds ids, u64 linear);
    void count_failure(WalkStatus status);
    void invalidated();
};

Translation Mmu::Impl::success(const Access& access, Rights rights, HostPhysical at) const {
    Translation t;
    t.at = at;
    const auto allows = [&](AccessType type) {
        return guest_permits(regime, rights, {type, access.user, access.smap_override}) && ept_permits(rights, type);
    };
    t.writable = allows(AccessType::Write) && flags_complete(rights, AccessType::Write);
    t.executable = allows(AccessType::Execute);
    t.global = rights & kGlobal;
    t.user_page = rights & kUser;
    return t;
}

Translation Mmu::Impl::translate(GuestVirtual at, const Access& access, bool effects) {
    const u64 linear = at.raw & regime.linear_mask;
    if (regime.mode == PagingMode::Off && !regime.ept)
        return success(access, kPagingOff | kEptAll, HostPhysical{linear});

    const auto usable = [&](const TlbEntry& entry) {
        return guest_permits(regime, entry.rights, access) && ept_permits(entry.rights, access.type) &&
               flags_complete(entry.rights, access.type);
    };
    const u64 page = TlbKey::page_of(linear);
    const u64 offset = linear & 0xfff;
    Tlb& first = access.type == AccessType::Execute ? itlb : dtlb;
    if (const TlbEntry* entry = first.find(space, page)) {
        if (usable(*entry)) return success(access, entry->rights, HostPhysical{entry->host_page + offset});
        return walk(linear, access, effects);
    }
    if (effects) ++(access.type == AccessType::Execute ? stats.itlb_misses : stats.dtlb_misses);
    if (const TlbEntry* entry = stlb.find(space, page); entry && usable(*entry)) {
        Translation t = success(access, entry->rights, HostPhysical{entry->host_page + offset});
        if (effects) {
            ++stats.stlb_hits;
            t.cycles = Cycles{params.stlb_latency};
            fill(first, *entry);
        }
        return t;
    }
    return walk(linear, access, effects);
}

Translation Mmu::Impl::walk(u64 linear, const Access& access, bool effects) {
    References references(ram, caches, stats, effects);
    references.spend(params.walk_overhead);
    const GuestWalk found = walk_guest(references, regime, linear, access);
    Translation t;
    if (found.status == WalkStatus::Ok) {
        t = success(access, found.rights, found.at);
    } else {
        t.status = found.status;
        t.error_code = found.error_code;
        t.qualification = found.qualification;
        if (found.status != WalkStatus::PageFault) t.gpa = found.gpa;
    }
    if (!effects) return t;

    t.cycles = references.spent();
    ++stats.walks;
    stats.walk_cycles += t.cycles.raw;
    if (found.status != WalkStatus::Ok) {
        count_failure(found.status);
        // A page fault or EPT violation invalidates what it could have used (SDM 4.10.4.1, 31.4.3.1).
        remove(space, linear);
        return t;
    }
    const TlbEntry entry{TlbKey(found.rights & kGlobal ? space.global : space.own, TlbKey::page_of(linear)),
                         found.at.page().raw, found.rights, found.shift};
    stlb.insert(entry, space);
    fill(access.type == AccessType::Execute ? itlb : dtlb, entry);
    return t;
}

void Mmu::Impl::count_failure(WalkStatus status) {
    if (status == WalkStatus::PageFault) ++stats.page_faults;
    if (status == WalkStatus::EptViolation) ++stats.ept_violations;
    if (status == WalkStatus::EptMisconfig) ++stats.ept_misconfigs;
}

void Mmu::Impl::fill(Tlb& first, const TlbEntry& entry) {
    const TlbKey displaced = first.insert(entry, space);
    if (filter && displaced.raw) filter->drop_page(displaced.linear());
}

void Mmu::Impl::remove(SpaceIds ids, u64 linear) {
    const u64 page = TlbKey::page_of(linear);
    const auto tell = [&](TlbKey key) {
        if (filter) filter->drop_page(key.linear());
    };
    dtlb.remove(ids, page, tell);
    itlb.remove(ids, page, tell);
    stlb.remove(ids, page, [](TlbKey) {});
}

/// After an invalidation by new ids: the filter may hold translations of any context.
void Mmu::Impl::invalidated() {
    ++stats.flushes;
    space = spaces.ids(tag);
    if (filter) filter->drop_all();
}

unsigned Mmu::Impl::find_known(const PagingContext& wanted, bool& anew) {
    for (unsigned i = 0; i < known.size(); ++i)
        if (known[i].context == wanted) return i;
    // Bits such as CR0.TS translate nothing.
    const Regime r(wanted, params);
    const SpaceTag t = tag_of(wanted);
    unsigned oldest = current == 0 ? 1 : 0;
    for (unsigned i = 0; i < known.size(); ++i) {
        if (known[i].regime == r && known[i].tag == t) {
            known[i].context = wanted;
            return i;
        }
        if (i != current && known[i].used < known[oldest].used) oldest = i;
    }
    anew = true;
    known[oldest] = {wanted, r, t, 0};
    return oldest;
}

Mmu::Mmu(const MmuParams& params, memory::PhysicalMemory& ram, memory::CacheHierarchy& caches)
    : impl_(std::make_unique<Impl>(params, ram, caches)) {}

Mmu::~Mmu() = default;

void Mmu::set_filter(FilterControl* filter) {
    impl_->filter = filter;
    if (filter) filter->select(impl_->current, true);
}

void Mmu::set_context(const PagingContext& context) {
    if (context == impl_->context) return;
    Impl& m = *impl_;
    bool anew = false;
    const unsigned before = m.current;
    m.current = m.find_known(context, anew);
    Impl::Known& k = m.known[m.current];
    k.used = ++m.uses;
    m.context = context;
    if (m.current == before) return;
    m.regime = k.regime;
    m.tag = k.tag;
    m.space = m.spaces.ids(m.tag);
    if (m.filter) m.filter->select(m.current, anew);
}

const PagingContext& Mmu::context() const { return impl_->context; }

Translation Mmu::translate(GuestVirtual at, AccessType type, bool user, bool smap_override) {
    return impl_->translate(at, {type, user, smap_override}, true);
}

Translation Mmu::probe(GuestVirtual at, AccessType type, bool user, bool smap_override) const {
    return impl_->translate(at, {type, user, smap_override}, false);
}

Translation Mmu::translate_guest_physical(GuestPhysical at, AccessType type) {
    Translation t;
    Impl& m = *impl_;
    if (!m.regime.ept) {
        t.at = HostPhysical{at.raw};
        t.writable = t.executable = true;
        return t;
    }
    References references(m.ram, m.caches, m.stats, true);
    references.spend(m.params.walk_overhead);
    const u8 kind = type == AccessType::Read ? kDataRead : type == AccessType::Write ? kDataWrite : kFetch;
    const EptWalk walk = walk_ept(references, m.regime, at, kind);
    t.status = walk.status;
    t.cycles = references.spent();
    ++m.stats.walks;
    m.stats.walk_cycles += t.cycles.raw;
    if (walk.status != WalkStatus::Ok) {
        m.count_failure(walk.status);
        t.gpa = at;
        t.qualification = walk.qualification;
        return t;
    }
    t.at = walk.at;
    t.writable = walk.permissions & 2 && walk.dirty;
    t.executable = walk.permissions & 4;
    return t;
}

void Mmu::invalidate_address(Vpid vpid, GuestVirtual at) {
    Impl& m = *impl_;
    ++m.stats.flushes;
    m.spaces.for_vpid(vpid.raw, [&](SpaceIds ids) { m.remove(ids, at.raw); });
}

void Mmu::flush_vpid(Vpid vpid, bool keep_global) {
    impl_->spaces.invalidate_vpid(vpid.raw, keep_global);
    impl_->invalidated();
}

void Mmu::flush_all_vpids() {
    impl_->spaces.invalidate_all_vpids();
    impl_->invalidated();
}

void Mmu::flush_eptp(Eptp eptp) {
    impl_->spaces.invalidate_ept_root(eptp.root().raw);
    impl_->invalidated();
}

void Mmu::flush_everything() {
    impl_->spaces.invalidate_everything();
    impl_->invalidated();
}

const MmuStats& Mmu::stats() const { return impl_->stats; }

}  // namespace vmxsim::mmu
