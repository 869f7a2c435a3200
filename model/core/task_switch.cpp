// SPDX-License-Identifier: Apache-2.0
#include "model/core/task_switch.hpp"

#include <array>

#include "model/core/segments.hpp"
#include "model/core/system/handlers.hpp"

namespace vmxsim::core {

using namespace vmx;

namespace {

/// Where a TSS keeps what (SDM figures 8-2 and 8-10): from `ip` on lie IP, FLAGS, the eight registers, the selectors.
struct Layout {
    unsigned width, bytes, cr3, ip, selectors, ldt, trap;
};
constexpr Layout kTss32{4, 104, 0x1c, 0x20, 6, 0x60, 0x64};
constexpr Layout kTss16{2, 44, 0, 0x0e, 4, 0x2a, 0};
constexpr Seg kSelectors[] = {ES, CS, SS, DS, FS, GS};
constexpr u8 kBusy = 2;

const Layout& layout_of(u8 type) { return type & 8 ? kTss32 : kTss16; }

using Image = std::array<u8, 104>;

u64 get(const Image& image, unsigned at, unsigned bytes) {
    u64 value = 0;
    for (unsigned i = 0; i < bytes; ++i) value |= u64{image[at + i]} << (8 * i);
    return value;
}
void put(Image& image, unsigned at, unsigned bytes, u64 value) {
    for (unsigned i = 0; i < bytes; ++i) image[at + i] = static_cast<u8>(value >> (8 * i));
}

/// The new TSS's descriptor: in the GDT, of the right state, present, large enough.
Outcome fetch_tss(Core& core, u16 selector, TaskSource source, Descriptor& tss) {
    const bool iret = source == TaskSource::Iret;
    const u8 exception = iret ? vector::TS : vector::GP;
    const u32 error = selector_error(selector);
    if (is_null(selector) || (selector & 4)) return core.raise(exception, error);
    VMXSIM_TRY(fetch_descriptor(core, selector, exception, tss));
    const u8 state = iret ? kBusy : 0;
    if (!tss.system(static_cast<u8>(system_type::TSS | state)) &&
        !tss.system(static_cast<u8>(system_type::TSS16 | state)))
        return core.raise(exception, error);
    if (!tss.present()) return core.raise(vector::NP, error);
    if (tss.limit() < layout_of(tss.type()).bytes - 1) return core.raise(vector::TS, error);
    return Outcome::Next;
}

/// The old task's registers into its TSS: only what a switch writes, the stacks, CR3 and the LDT stay.
Outcome save(Core& core, const TaskSwitch& how) {
    CpuState& state = core.state;
    const Layout& l = layout_of(state.seg[TR].ar.type());
    Image image{};
    unsigned at = l.ip;
    const auto next = [&](u64 value) { put(image, at, l.width, value), at += l.width; };
    next(how.return_rip);
    next(how.source == TaskSource::Iret ? how.saved_flags & ~rflags::NT : how.saved_flags);
    for (unsigned r = RAX; r <= RDI; ++r) next(state.r[r]);
    for (unsigned i = 0; i < l.selectors; ++i) next(state.seg[kSelectors[i]].selector);
    return core.write_system(system_address(core, state.seg[TR].base + l.ip), image.data() + l.ip, at - l.ip);
}

Outcome load_ldt(Core& core, u16 selector) {
    Segment& ldtr = core.state.seg[LDTR];
    ldtr = null_segment(selector, 0);
    if (is_null(selector)) return Outcome::Next;
    const u32 error = selector_error(selector);
    if (selector & 4) return core.raise(vector::TS, error);
    Descriptor d;
    VMXSIM_TRY(fetch_descriptor(core, selector, vector::TS, d));
    if (!d.system(system_type::LDT) || !d.present()) return core.raise(vector::TS, error);
    ldtr = make_segment(selector, d);
    return Outcome::Next;
}

Outcome load_code(Core& core, u16 selector) {
    const u32 error = selector_error(selector);
    const u8 rpl = selector & 3;
    if (is_null(selector)) return core.raise(vector::TS, 0);
    Descriptor d;
    VMXSIM_TRY(fetch_descriptor(core, selector, vector::TS, d));
    if (!d.code() || (d.conforming() ? d.dpl() > rpl : d.dpl() != rpl)) return core.raise(vector::TS, error);
    if (!d.present()) return core.raise(vector::NP, error);
    return load_code_segment(core, selector, d, rpl);
}

Outcome load_stack(Core& core, u16 selector, u8 cpl) {
    if (is_null(selector)) return core.raise(vector::TS, 0);
    Descriptor d;
    VMXSIM_TRY(check_stack_segment(core, selector, cpl, vector::TS, d));
    VMXSIM_TRY(mark_accessed(core, selector, d));
    core.state.seg[SS] = make_segment(selector, d);
    return Outcome::Next;
}

Outcome load_data(Core& core, Seg seg, u16 selector, u8 cpl) {
    if (is_null(selector)) return Outcome::Next;
    const u32 error = selector_error(selector);
    Descriptor d;
    VMXSIM_TRY(fetch_descriptor(core, selector, vector::TS, d));
    const bool conforming = d.code() && d.conforming();
    if (!d.code_or_data() || !d.readable() || (!conforming && (d.dpl() < cpl || d.dpl() < (selector & 3))))
        return core.raise(vector::TS, error);
    if (!d.present()) return core.raise(vector::NP, error);
    VMXSIM_TRY(mark_accessed(core, selector, d));
    core.state.seg[seg] = make_segment(selector, d);
    return Outcome::Next;
}

/// Everything from the new TSS. The selectors are loaded first, as null segments, so that a fault finds them (SDM 8.3).
Outcome load(Core& core, const Image& image, const Layout& l) {
    CpuState& state = core.state;
    const bool wide = l.width == 4;
    if (wide && (state.cr0 & cr0::PG)) VMXSIM_TRY(load_cr3(core, get(image, l.cr3, 4)));
    unsigned at = l.ip;
    const auto next = [&] { return at += l.width, get(image, at - l.width, l.width); };
    state.rip = next();
    constexpr u64 kWritable = 0x3f7fd5;  // bits 1, 3, 5, 15 and those from 22 on are fixed
    state.rflags = (next() & kWritable) | 2;
    for (unsigned r = RAX; r <= RDI; ++r) state.r[r] = next();
    std::array<u16, 6> selectors{};
    for (unsigned i = 0; i < l.selectors; ++i) selectors[i] = static_cast<u16>(next());
    const bool v8086 = state.v8086();
    const u8 cpl = v8086 ? 3 : selectors[1] & 3;
    for (unsigned i = 0; i < 6; ++i) state.seg[kSelectors[i]] = null_segment(selectors[i], cpl);
    core.context_changed();
    VMXSIM_TRY(load_ldt(core, static_cast<u16>(get(image, l.ldt, 2))));
    if (v8086) {
        for (unsigned i = 0; i < 6; ++i) load_real_segment(core, kSelectors[i], selectors[i]);
        return Outcome::Next;
    }
    VMXSIM_TRY(load_code(core, selectors[1]));
    VMXSIM_TRY(load_stack(core, selectors[2], cpl));
    for (unsigned i : {0u, 3u, 4u, 5u}) VMXSIM_TRY(load_data(core, kSelectors[i], selectors[i], cpl));
    return state.rip > state.seg[CS].limit ? core.raise(vector::GP, 0) : Outcome::Next;
}

}  // namespace

unsigned task_width(const Core& core) { return layout_of(core.state.seg[TR].ar.type()).width; }

Outcome switch_task(Core& core, TaskSwitch& how) {
    CpuState& state = core.state;
    Descriptor tss;
    VMXSIM_TRY(fetch_tss(core, how.selector, how.source, tss));
    const Layout& l = layout_of(tss.type());
    Image image{};
    VMXSIM_TRY(core.read_system(system_address(core, tss.base()), image.data(), l.bytes));
    const bool nests = how.source == TaskSource::Call || how.source == TaskSource::Gate;
    const Segment old = state.seg[TR];
    if (nests) VMXSIM_TRY(core.write_system(system_address(core, tss.base()), &old.selector, 2));
    VMXSIM_TRY(save(core, how));
    if (!nests) {
        Descriptor former;
        VMXSIM_TRY(fetch_descriptor(core, old.selector, vector::TS, former));
        VMXSIM_TRY(write_type(core, old.selector, former, static_cast<u8>(former.type() & ~kBusy)));
    }
    if (how.source != TaskSource::Iret)
        VMXSIM_TRY(write_type(core, how.selector, tss, static_cast<u8>(tss.type() | kBusy)));

    how.committed = true;
    state.seg[TR] = make_segment(how.selector, tss);
    state.seg[TR].ar.raw |= kBusy;
    state.cr0 |= cr0::TS;
    constexpr u64 kLocal = 0x155;  // L0 to L3 and LE: local to the old task (SDM 18.2.4)
    state.dr7 &= ~kLocal;
    core.spend(core.params().far_transfer);
    const Outcome outcome = load(core, image, l);
    if (nests) state.rflags |= rflags::NT;
    core.context_changed();
    VMXSIM_TRY(outcome);
    constexpr u64 kTaskSwitchTrap = 1u << 15;  // DR6.BT
    if (l.trap && (image[l.trap] & 1)) state.pending_debug |= kTaskSwitchTrap;
    return Outcome::Next;
}

Outcome switch_task_by_instruction(Core& core, u16 selector, TaskSource source, u64 return_rip) {
    TaskSwitch how{selector, source, return_rip, core.state.rflags & ~rflags::RF};
    const Outcome outcome = switch_task(core, how);
    if (outcome == Outcome::Next) return Outcome::Jump;
    if (!how.committed) return outcome;
    if (outcome == Outcome::Fault)
        core.deliver(Event{core.fault()});
    else if (outcome == Outcome::VmExit)
        core.take_vm_exit();
    return Outcome::Jump;
}

}  // namespace vmxsim::core
