// SPDX-License-Identifier: Apache-2.0
// Far RET and IRET (SDM 2A and 2B, IRET and RET; 5.8.6; 6.12.1, 6.14.3).
#include <array>

#include "model/core/segments.hpp"
#include "model/core/system/handlers.hpp"
#include "model/core/task_switch.hpp"

namespace vmxsim::core {

using namespace vmx;

namespace {

Outcome arrive(Core& core, u64 offset, u64 cost) {
    core.state.rip = offset;
    core.spend(cost);
    core.context_changed();
    return Outcome::Jump;
}

/// The code segment that a return names.
Outcome fetch_return_code(Core& core, u16 selector, Descriptor& code) {
    if (is_null(selector)) return core.raise(vector::GP, 0);
    const u32 error = selector_error(selector);
    const u8 rpl = selector & 3;
    VMXSIM_TRY(fetch_descriptor(core, selector, vector::GP, code));
    if (rpl < core.state.cpl() || !code.code()) return core.raise(vector::GP, error);
    if (core.state.long_mode() && code.long_mode() && code.big()) return core.raise(vector::GP, error);
    if (code.conforming() ? code.dpl() > rpl : code.dpl() != rpl) return core.raise(vector::GP, error);
    if (!code.present()) return core.raise(vector::NP, error);
    return Outcome::Next;
}

/// The stack segment of a return that loads one. A null selector may be loaded for 64-bit code of levels 0 to 2.
Outcome fetch_return_stack(Core& core, u16 selector, u8 cpl, bool to_64, Segment& ss, Descriptor& d) {
    if (is_null(selector)) {
        if (!to_64 || cpl == 3) return core.raise(vector::GP, 0);
        ss = null_segment(selector, cpl);
        return Outcome::Next;
    }
    VMXSIM_TRY(check_stack_segment(core, selector, cpl, vector::GP, d));
    ss = make_segment(selector, d);
    ss.ar.raw |= 1;  // accessed
    return Outcome::Next;
}

/// Loads CS, and SS:RSP where the return names them.
struct ReturnStack {
    bool load = false;
    u16 selector = 0;
    Segment segment{};
    Descriptor descriptor{};
    u64 pointer = 0;
};

Outcome complete_return(Core& core, u16 cs_selector, Descriptor& code, ReturnStack& to, u64 released) {
    CpuState& state = core.state;
    const u8 new_cpl = cs_selector & 3;
    const u8 cpl = state.cpl();
    const bool to_64 = state.long_mode() && code.long_mode();
    Stack stack = current_stack(core);
    if (to.load && !is_null(to.selector)) VMXSIM_TRY(mark_accessed(core, to.selector, to.descriptor));
    VMXSIM_TRY(load_code_segment(core, cs_selector, code, new_cpl));
    if (to.load) {
        state.seg[SS] = to.segment;
        set_stack_pointer(core, {to.segment, to.pointer, to_64});
    } else {
        stack.pointer += released;
        set_stack_pointer(core, stack);
    }
    if (new_cpl > cpl) drop_privileged_segments(core, new_cpl);
    return Outcome::Next;
}

/// Flags that IRET may change at the level from which it returns.
u64 iret_flags_mask(const CpuState& state, unsigned width) {
    using namespace rflags;
    u64 mask = kArithmetic | TF | DF | NT;
    if (width >= 4) mask |= RF | AC | ID;
    const u64 iopl = (state.rflags & IOPL) >> 12;
    if (!state.protected_mode()) return mask | IF | IOPL;
    if (state.v8086()) return mask | IF;  // only with IOPL 3
    if (state.cpl() <= iopl) mask |= IF;
    if (state.cpl() == 0) mask |= width >= 4 ? IOPL | VIF | VIP : IOPL;
    return mask;
}

void set_flags(CpuState& state, u64 value, u64 mask) { state.rflags = (state.rflags & ~mask) | (value & mask) | 2; }

Outcome iret_real(Core& core, unsigned width) {
    CpuState& state = core.state;
    // Virtual-8086 mode below IOPL 3: with CR4.VME the 16-bit form changes VIF in place of IF (SDM 21.4).
    const bool is_virtual = state.v8086() && (state.rflags & rflags::IOPL) != rflags::IOPL;
    if (is_virtual && (!(state.cr4 & cr4::VME) || width != 2)) return core.raise(vector::GP, 0);
    std::array<u64, 3> frame{};
    VMXSIM_TRY(peek_stack(core, 0, width, frame));
    if (frame[0] > 0xffff) return core.raise(vector::GP, 0);
    u64 mask = iret_flags_mask(state, width);
    if (is_virtual) {
        const bool enables = frame[2] & rflags::IF;
        if ((frame[2] & rflags::TF) || (enables && (state.rflags & rflags::VIP))) return core.raise(vector::GP, 0);
        mask &= ~rflags::IF;
        state.rflags = (state.rflags & ~rflags::VIF) | (enables ? rflags::VIF : 0);
    }
    Stack stack = current_stack(core);
    stack.pointer += 3u * width;
    set_stack_pointer(core, stack);
    load_real_segment(core, CS, static_cast<u16>(frame[1]));
    set_flags(state, frame[2], mask);
    return arrive(core, frame[0], core.params().serialize);
}

/// IRET with NT set returns to the task that the TSS's link names. In VMX non-root operation that is an exit; in IA-32e
/// mode #GP(0).
Outcome iret_task(Core& core, const Insn& insn) {
    if (!core.state.long_mode()) {
        u16 link = 0;
        VMXSIM_TRY(core.read_system(system_address(core, core.state.seg[TR].base), &link, 2));
        ExitInfo exit;
        if (core.vmx().intercept_task_switch(link, static_cast<unsigned>(TaskSource::Iret), exit))
            return exit_with(core, insn, exit);
        return switch_task_by_instruction(core, link, TaskSource::Iret, next_rip(core, insn));
    }
    return core.raise(vector::GP, 0);
}

Outcome iret_to_v8086(Core& core, u64 ip, u64 cs, u64 flags) {
    CpuState& state = core.state;
    std::array<u64, 6> rest{};  // ESP, SS, ES, DS, FS, GS
    VMXSIM_TRY(peek_stack(core, 12, 4, rest));
    if (ip > 0xffff) return core.raise(vector::GP, 0);
    set_flags(state, flags, 0xffffffff & ~u64{0xffc0802a});
    const Seg order[] = {SS, ES, DS, FS, GS};
    load_real_segment(core, CS, static_cast<u16>(cs));
    for (unsigned i = 0; i < 5; ++i) load_real_segment(core, order[i], static_cast<u16>(rest[i + 1]));
    state.r[RSP] = rest[0];
    return arrive(core, ip, core.params().serialize);
}

Outcome iret_protected(Core& core, const Insn& insn, unsigned width) {
    CpuState& state = core.state;
    if (state.rflags & rflags::NT) return iret_task(core, insn);
    std::array<u64, 5> frame{};  // RIP, CS, RFLAGS, and where needed RSP, SS
    const bool from_64 = state.code64();
    VMXSIM_TRY(peek_stack(core, 0, width, std::span(frame).first(from_64 ? 5 : 3)));
    const u64 rip = frame[0], flags = frame[2];
    const u16 cs = static_cast<u16>(frame[1]);
    if ((flags & rflags::VM) && state.cpl() == 0 && width == 4 && !state.long_mode())
        return iret_to_v8086(core, rip, cs, flags);
    Descriptor code;
    VMXSIM_TRY(fetch_return_code(core, cs, code));
    VMXSIM_TRY(check_target(core, code, rip));
    const u8 new_cpl = cs & 3;
    ReturnStack to;
    to.load = from_64 || new_cpl > state.cpl();
    if (to.load) {
        if (!from_64) VMXSIM_TRY(peek_stack(core, 3 * width, width, std::span(frame).subspan(3)));
        to.selector = static_cast<u16>(frame[4]);
        to.pointer = frame[3];
        const bool to_64 = state.long_mode() && code.long_mode();
        VMXSIM_TRY(fetch_return_stack(core, to.selector, new_cpl, to_64, to.segment, to.descriptor));
    }
    const u64 mask = iret_flags_mask(state, width);  // by the level before the return
    VMXSIM_TRY(complete_return(core, cs, code, to, 3u * width));
    set_flags(state, flags, mask);
    return arrive(core, rip, core.params().serialize);
}

}  // namespace

Outcome far_return(Core& core, const Insn& insn) {
    CpuState& state = core.state;
    const unsigned width = insn.z.operand_width / 8u;
    const u64 parameters = insn.op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? insn.op[0].imm.value.u & 0xffff : 0;
    std::array<u64, 2> frame{};
    VMXSIM_TRY(peek_stack(core, 0, width, frame));
    const u16 cs = static_cast<u16>(frame[1]);
    const u64 released = 2u * width + parameters;
    if (!selectors_mode(core)) {
        if (frame[0] > 0xffff) return core.raise(vector::GP, 0);
        Stack stack = current_stack(core);
        stack.pointer += released;
        set_stack_pointer(core, stack);
        load_real_segment(core, CS, cs);
        return arrive(core, frame[0], core.params().far_transfer);
    }
    Descriptor code;
    VMXSIM_TRY(fetch_return_code(core, cs, code));
    VMXSIM_TRY(check_target(core, code, frame[0]));
    const u8 new_cpl = cs & 3;
    ReturnStack to;
    if (new_cpl > state.cpl()) {
        std::array<u64, 2> outer{};
        VMXSIM_TRY(peek_stack(core, static_cast<unsigned>(released), width, outer));
        const bool to_64 = state.long_mode() && code.long_mode();
        to.load = true;
        to.selector = static_cast<u16>(outer[1]);
        to.pointer = outer[0] + parameters;
        VMXSIM_TRY(fetch_return_stack(core, to.selector, new_cpl, to_64, to.segment, to.descriptor));
    }
    VMXSIM_TRY(complete_return(core, cs, code, to, released));
    return arrive(core, frame[0], core.params().far_transfer);
}

Outcome iret(Core& core, const Insn& insn) {
    CpuState& state = core.state;
    const unsigned width = insn.z.operand_width / 8u;
    const Outcome outcome = selectors_mode(core) ? iret_protected(core, insn, width) : iret_real(core, width);
    // IRET ends NMI blocking, also where it faults or exits (SDM 28.3); with NMI exiting it does so for virtual NMIs
    // only.
    using arch::PinControl;
    const bool affects = !state.vmx.non_root || !core.vmx().controls().has(PinControl::NMIExiting) ||
                         core.vmx().controls().has(PinControl::VirtualNMIs);
    const bool unblocks = affects && (state.blocking & blocking::NMI);
    if (!unblocks) return outcome;
    if (outcome == Outcome::VmExit && core.exit_info().reason == arch::ExitReason::TASK_SWITCH) return outcome;
    state.blocking &= ~blocking::NMI;
    if (outcome == Outcome::Fault) core.system.iret_unblocked_nmi = true;
    if (outcome == Outcome::VmExit && core.exit_info().reason == arch::ExitReason::EPT_VIOLATION)
        core.exit_info().qualification |= 1u << 12;  // "NMI unblocking due to IRET" (SDM 30.2.3)
    return outcome;
}

}  // namespace vmxsim::core
