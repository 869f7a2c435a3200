// SPDX-License-Identifier: Apache-2.0
// Memory by linear address: the page and line TLBs in front of the MMU and the L1D, and the slow path behind them.
#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "model/core/breakpoints.hpp"
#include "model/core/engine/engine.hpp"
#include "model/core/operand.hpp"

namespace vmxsim::core {

using engine::PageEntry;
using memory::MemoryAccess;
using mmu::AccessType;
using mmu::Translation;
using mmu::WalkStatus;

namespace {

MemoryAccess cache_kind(bool write) { return write ? MemoryAccess::Write : MemoryAccess::Read; }

}  // namespace

void Engine::drop_lines() {
    for (u64 filled = std::exchange(hot_.lines_filled, 0); filled; filled &= filled - 1) {
        memory::LineEntry& e = hot_.line[static_cast<std::size_t>(std::countr_zero(filled))];
        e.vline_r = e.vline_w = ~u64{0};
    }
}

/// kNoGeneration is never one: PageEntry::kNone then matches no page.
u64 Engine::new_generation() {
    if (++generations_ == kNoGeneration) {
        generations_ = 0;
        for (auto& e : hot_.pages) e.tag_r = e.tag_w = PageEntry::kNone;
        for (View& v : views_) v.generation = kNoGeneration;
    }
    return generations_;
}

/// Data translations of all views.
void Engine::drop_data() {
    drop_lines();
    for (View& v : views_) v.generation = kNoGeneration;
    hot_.generation = new_generation();
}

void Engine::drop_all() {
    drop_data();
    for (u64 filled = std::exchange(hot_.code_filled, 0); filled; filled &= filled - 1)
        hot_.code[static_cast<std::size_t>(std::countr_zero(filled))] = {};
    for (View& v : views_) v.code_filled = 0;
}

/// Puts the present view's translations aside, and finds those of `view` again. Lines are filled anew: which of them are
/// the most recent of their sets has no memory of its own.
void Engine::switch_view(unsigned view) {
    if (view == view_) return;
    View &old = views_[view_], &now = views_[view];
    drop_lines();
    old.generation = hot_.generation;
    old.code_filled = hot_.code_filled;
    for (u64 filled = hot_.code_filled; filled; filled &= filled - 1) {
        const auto i = static_cast<std::size_t>(std::countr_zero(filled));
        old.code[i] = std::exchange(hot_.code[i], {});
    }
    view_ = view;
    hot_.generation = std::exchange(now.generation, kNoGeneration);
    if (hot_.generation == kNoGeneration) hot_.generation = new_generation();
    hot_.code_filled = std::exchange(now.code_filled, 0);
    for (u64 filled = hot_.code_filled; filled; filled &= filled - 1) {
        const auto i = static_cast<std::size_t>(std::countr_zero(filled));
        hot_.code[i] = now.code[i];
    }
}

void Engine::drop_view(unsigned view) {
    views_[view].generation = kNoGeneration;
    views_[view].code_filled = 0;
}

void Engine::select(unsigned context, bool anew) {
    // The present context is never the one that is given away.
    if (anew)
        for (unsigned p = 0; p < kPrivileges; ++p) drop_view(context * kPrivileges + p);
    context_ = context;
    switch_view(context * kPrivileges + view_ % kPrivileges);
}

void Engine::drop_page(GuestVirtual page) {
    const u64 vpage = page.page().raw;
    PageEntry& e = hot_.pages[vpage >> 12 & (engine::kPageEntries - 1)];
    e.tag_r = e.tag_w = PageEntry::kNone;
    for (auto& l : hot_.line) {
        if ((l.vline_r & ~u64{0xfff}) == vpage) l.vline_r = ~u64{0};
        if ((l.vline_w & ~u64{0xfff}) == vpage) l.vline_w = ~u64{0};
    }
    const u64 slot = vpage >> 12 & (engine::kCodePages - 1);
    if (hot_.code[slot].vpage == vpage) hot_.code[slot] = {};
    for (View& v : views_)
        if (v.code_filled >> slot & 1 && v.code[slot].vpage == vpage) v.code[slot] = {};
}

Outcome Engine::fail(const Translation& t, u64 va) {
    if (t.status == WalkStatus::PageFault) {
        core_.raise(14, t.error_code);
        core_.fault().cr2 = va;
        return Outcome::Fault;
    }
    vmx::ExitInfo& info = core_.exit_info();
    info = {};
    info.guest_physical = t.gpa.raw;
    if (t.status == WalkStatus::EptViolation) {
        info.reason = arch::ExitReason::EPT_VIOLATION;
        info.qualification = t.qualification;
        info.guest_linear = va;
    } else {
        info.reason = arch::ExitReason::EPT_MISCONFIG;
    }
    return Outcome::VmExit;
}

Outcome Engine::translate(u64 va, AccessType type, bool user, Translation& out) {
    out = core_.mmu().translate({va}, type, user, ac_ && !user && !implicit_);
    if (timed_) core_.state.cycles += out.cycles.raw;
    return out.status == WalkStatus::Ok ? Outcome::Next : fail(out, va);
}

/// Host-physical address of `va` for a data access, from the page TLB where that is for the privilege in question.
Outcome Engine::data_page(u64 va, bool write, bool user, HostPhysical& out) {
    PageEntry& e = hot_.pages[va >> 12 & (engine::kPageEntries - 1)];
    const u64 tag = (va & ~u64{0xfff}) | hot_.generation;
    // What RFLAGS.AC opened is not for implicit accesses.
    if (user == user_ && !(implicit_ && ac_) && e.tag_r == tag && (!write || e.tag_w == tag)) {
        out = {va + e.phys_addend};
        return Outcome::Next;
    }
    Translation t;
    if (const Outcome o = translate(va, write ? AccessType::Write : AccessType::Read, user, t); o != Outcome::Next)
        return o;
    out = t.at;
    if (user != user_ || !core_.ram().contains(t.at.page(), 4096)) return Outcome::Next;
    if (t.at.page().raw == apic_page_) return Outcome::Next;
    if (t.at.raw >= core_.mmio().lowest() && core_.mmio().claims(t.at)) return Outcome::Next;
    e.tag_r = tag;
    // Stores to decoded code must be seen: no store tag.
    e.tag_w = t.writable && !core_.ram().is_code(t.at) ? tag : PageEntry::kNone;
    e.phys_addend = t.at.raw - va;
    e.host_addend = reinterpret_cast<u64>(core_.ram().host(t.at)) - va;
    return Outcome::Next;
}

Engine::Reach Engine::reach(u64 va, unsigned bytes, bool write) {
    const u64 last = va + bytes - 1;
    if ((va ^ last) >> (timed_ ? 6 : 12)) return Reach::Slow;
    if (code64_ && !canonical(core_, va)) return Reach::Slow;
    HostPhysical at;
    if (const Outcome why = data_page(va, write, user_, at); why != Outcome::Next) {
        hot_.outcome = static_cast<u8>(why);
        return Reach::Event;
    }
    const PageEntry& e = hot_.pages[va >> 12 & (engine::kPageEntries - 1)];
    const u64 tag = (va & ~u64{0xfff}) | hot_.generation;
    if ((write ? e.tag_w : e.tag_r) != tag) return Reach::Slow;
    if (timed_) {
        core_.state.cycles += core_.caches().access(at, cache_kind(write)).raw;
        memory::LineEntry& l = hot_.line[va >> 6 & (memory::kLineEntries - 1)];
        hot_.lines_filled |= u64{1} << (va >> 6 & (memory::kLineEntries - 1));
        l.vline_r = va & ~u64{63};
        l.vline_w = e.tag_w == tag ? l.vline_r : ~u64{0};
        l.host_addend = e.host_addend;
    }
    return Reach::Ready;
}

Outcome Engine::access(u64 va, u8* data, unsigned bytes, MemoryKind kind, bool user) {
    const bool write = kind == MemoryKind::Write || kind == MemoryKind::ReadModifyWrite;
    if (aligned_ && user && bytes <= 8 && std::has_single_bit(bytes) && va & (bytes - 1)) [[unlikely]]
        return core_.raise(17, 0);  // #AC
    // Both pages are translated before either is touched.
    const unsigned first = std::min<unsigned>(bytes, static_cast<unsigned>(4096 - (va & 0xfff)));
    const u64 second = code64_ ? va + first : (va + first) & 0xffffffff;
    HostPhysical at[2];
    if (const Outcome o = data_page(va, write, user, at[0]); o != Outcome::Next) return o;
    if (first < bytes)
        if (const Outcome o = data_page(second, write, user, at[1]); o != Outcome::Next) return o;
    if (at[0].page().raw == apic_page_ || (first < bytes && at[1].page().raw == apic_page_)) [[unlikely]]
        return apic_access(at[at[0].page().raw != apic_page_], data, bytes,
                           kind == MemoryKind::Write ? vmx::ApicAccess::Write : vmx::ApicAccess::Read);
    if (watch_) [[unlikely]] note_breakpoints(core_.state, data_breakpoints(core_.state, va, bytes, write));
    const unsigned size[2] = {first, bytes - first};
    for (unsigned i = 0; i < 2 && size[i]; ++i) {
        u8* const bytes_here = data + (i ? first : 0);
        if (at[i].raw >= core_.mmio().lowest() && core_.mmio().claims(at[i])) [[unlikely]] {
            core_.spend(core_.params().io);  // uncached: as an access to a port
            if (kind == MemoryKind::Write) core_.mmio().write(at[i], bytes_here, size[i]);
            else core_.mmio().read(at[i], bytes_here, size[i]);
            hot_.until = 0;  // a device may have moved its deadline or raised an interrupt: look behind this block
            continue;
        }
        if (timed_)
            for (u64 line = at[i].line().raw; line < at[i].raw + size[i]; line += 64)
                core_.state.cycles += core_.caches().access({line}, cache_kind(write)).raw;
        const std::span<u8> part{bytes_here, size[i]};
        if (kind == MemoryKind::Write)
            core_.ram().write_block(at[i], part);
        else
            core_.ram().read_block(at[i], part);
    }
    return Outcome::Next;
}

Outcome Engine::access_system(u64 va, u8* data, unsigned bytes, MemoryKind kind) {
    implicit_ = true;
    const Outcome o = access(va, data, bytes, kind, false);
    implicit_ = false;
    return o;
}

/// SDM 32.4: virtualized for the task priority, else a VM exit. The read half of a read-modify-write reads.
Outcome Engine::apic_access(HostPhysical at, u8* data, unsigned bytes, vmx::ApicAccess type) {
    if (core_.vmx().access_apic_page(at.page_offset(), bytes, type, data, core_.exit_info())) return Outcome::VmExit;
    leave_block_ = core_.vmx().boundaries_matter();  // an exit by the TPR threshold
    return Outcome::Next;
}

Outcome Engine::probe_write(u64 va, unsigned bytes) {
    HostPhysical at;
    for (u64 done = 0; done < bytes;) {
        const u64 here = code64_ ? va + done : (va + done) & 0xffffffff;
        if (const Outcome o = data_page(here, true, core_.state.cpl() == 3, at); o != Outcome::Next) return o;
        done += 4096 - (here & 0xfff);
    }
    return Outcome::Next;
}

void Engine::select_privilege() {
    const vmx::CpuState& s = core_.state;
    user_ = s.cpl() == 3;
    ac_ = !user_ && (s.cr4 & vmx::cr4::SMAP) && (s.rflags & vmx::rflags::AC);
    switch_view(context_ * kPrivileges + (user_ ? 0u : 1u) + ac_);
}

void Engine::context_changed() {
    const vmx::CpuState& s = core_.state;
    mmu::PagingContext context{s.cr0, s.cr3, s.cr4, s.efer, s.pdpte, false, {}, {}, s.pkru};
    if (s.vmx.non_root && core_.vmx_) {
        const vmx::ActiveControls& c = core_.vmx().controls();
        context.ept = c.has(arch::SecondaryControl::EnableEPT);
        if (context.ept) context.eptp = c.eptp;
        context.vpid = c.vpid;
    }
    // Comes back by select(), where another context is meant.
    if (context != core_.mmu().context()) core_.mmu().set_context(context);
    const u64 apic_page = core_.vmx_ ? core_.vmx().apic_access_page().value_or(HostPhysical{~u64{0}}).raw : ~u64{0};
    apic_page_ = apic_page;
    if (apic_page != ~u64{0} && apic_page != last_apic_page_) {
        last_apic_page_ = apic_page;
        drop_all();  // translations of before do not know it
    }
    core_.counters.follow();
    select_privilege();
    const u32 m = engine::current_mode(s);
    code64_ = m == engine::mode::kCode64;
    if (m != mode_) hot_.jumps.fill(&dead_);  // their blocks are of the former mode
    mode_ = m;
}

}  // namespace vmxsim::core
