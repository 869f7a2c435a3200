// SPDX-License-Identifier: Apache-2.0
// Far JMP and CALL: direct, through call gates, to tasks (SDM 5.8, 8.3).
#include <array>

#include "model/core/segments.hpp"
#include "model/core/system/handlers.hpp"
#include "model/core/task_switch.hpp"

namespace vmxsim::core {

using namespace vmx;

namespace {

struct FarPointer {
    u16 selector = 0;
    u64 offset = 0;
};

Outcome read_pointer(Core& core, const Insn& insn, FarPointer& out) {
    const ZydisDecodedOperand& op = insn.op[0];
    const unsigned width = insn.z.operand_width / 8u;
    if (op.type == ZYDIS_OPERAND_TYPE_POINTER) {
        out.selector = op.ptr.segment;
        out.offset = width == 2 ? op.ptr.offset & 0xffff : op.ptr.offset;
        return Outcome::Next;
    }
    if (!is_memory(op)) return core.raise(vector::UD);
    std::array<u8, 10> image{};
    VMXSIM_TRY(read_memory(core, insn, op, image.data(), width + 2));
    for (unsigned i = 0; i < width; ++i) out.offset |= u64{image[i]} << (8 * i);
    out.selector = static_cast<u16>(image[width] | image[width + 1] << 8);
    return Outcome::Next;
}

Outcome push_return(Core& core, const Insn& insn, Stack& stack, unsigned width) {
    const std::array<u64, 2> frame{core.state.seg[CS].selector, next_rip(core, insn)};
    return push_frame(core, stack, frame, width, core.state.cpl() == 3, 0);
}

Outcome arrive(Core& core, u64 offset) {
    core.state.rip = offset;
    core.spend(core.params().far_transfer);
    core.context_changed();
    return Outcome::Jump;
}

Outcome real_transfer(Core& core, const Insn& insn, const FarPointer& to, bool call) {
    if (to.offset > 0xffff) return core.raise(vector::GP, 0);
    if (call) {
        Stack stack = current_stack(core);
        VMXSIM_TRY(push_return(core, insn, stack, insn.z.operand_width / 8u));
        set_stack_pointer(core, stack);
    }
    load_real_segment(core, CS, to.selector);
    return arrive(core, to.offset);
}

/// Privilege rules of a direct transfer (SDM 5.8.1).
Outcome check_direct(Core& core, u16 selector, const Descriptor& d) {
    const u8 cpl = core.state.cpl();
    const u32 error = selector_error(selector);
    if (core.state.long_mode() && d.long_mode() && d.big()) return core.raise(vector::GP, error);
    const bool allowed = d.conforming() ? d.dpl() <= cpl : (selector & 3) <= cpl && d.dpl() == cpl;
    if (!allowed) return core.raise(vector::GP, error);
    if (!d.present()) return core.raise(vector::NP, error);
    return Outcome::Next;
}

Outcome direct_transfer(Core& core, const Insn& insn, const FarPointer& to, Descriptor& code, bool call) {
    VMXSIM_TRY(check_direct(core, to.selector, code));
    const u8 cpl = core.state.cpl();
    Stack stack = current_stack(core);
    VMXSIM_TRY(check_target(core, code, to.offset));
    if (call) VMXSIM_TRY(push_return(core, insn, stack, insn.z.operand_width / 8u));
    VMXSIM_TRY(load_code_segment(core, to.selector, code, cpl));
    if (call) set_stack_pointer(core, stack);
    return arrive(core, to.offset);
}

/// CALL through a gate to an inner level: the stack of that level, with the parameters copied (SDM 5.8.5).
Outcome call_inner(Core& core, const Insn& insn, const Descriptor& gate, Descriptor& code, u64 offset) {
    CpuState& state = core.state;
    const u8 level = code.dpl();
    const bool in_long = state.long_mode();
    const unsigned width = in_long ? 8 : gate.type() & 8 ? 4 : 2;
    const unsigned parameters = in_long ? 0 : gate.gate_parameters();
    Stack stack;
    u16 ss_selector = level;
    Descriptor ss{};
    VMXSIM_TRY(tss_stack(core, level, ss_selector, stack.pointer));
    if (in_long) {
        stack.flat = true;
    } else {
        if (is_null(ss_selector)) return core.raise(vector::TS, 0);
        VMXSIM_TRY(check_stack_segment(core, ss_selector, level, vector::TS, ss));
        stack.ss = make_segment(ss_selector, ss);
    }
    VMXSIM_TRY(check_target(core, code, offset));
    std::array<u64, 35> frame{};
    std::size_t n = 0;
    frame[n++] = state.seg[SS].selector;
    frame[n++] = state.r[RSP];
    std::array<u64, 31> copied{};
    VMXSIM_TRY(peek_stack(core, 0, width, std::span(copied).first(parameters)));
    for (unsigned i = parameters; i-- > 0;) frame[n++] = copied[i];
    frame[n++] = state.seg[CS].selector;
    frame[n++] = next_rip(core, insn);
    VMXSIM_TRY(push_frame(core, stack, std::span(frame).first(n), width, false, selector_error(ss_selector)));
    if (!in_long) VMXSIM_TRY(mark_accessed(core, ss_selector, ss));
    VMXSIM_TRY(load_code_segment(core, gate.gate_selector(), code, level));
    state.seg[SS] = in_long ? null_segment(level, level) : make_segment(ss_selector, ss);
    set_stack_pointer(core, stack);
    return arrive(core, offset);
}

Outcome gate_transfer(Core& core, const Insn& insn, u16 gate_selector, Descriptor& gate, bool call) {
    CpuState& state = core.state;
    const u8 cpl = state.cpl();
    const u32 gate_error = selector_error(gate_selector);
    if (gate.dpl() < cpl || gate.dpl() < (gate_selector & 3)) return core.raise(vector::GP, gate_error);
    if (!gate.present()) return core.raise(vector::NP, gate_error);
    const bool in_long = state.long_mode();
    if (in_long) VMXSIM_TRY(fetch_upper_half(core, gate_selector, vector::GP, gate));
    const u16 selector = gate.gate_selector();
    if (is_null(selector)) return core.raise(vector::GP, 0);
    Descriptor code;
    VMXSIM_TRY(fetch_descriptor(core, selector, vector::GP, code));
    const u32 error = selector_error(selector);
    if (!code.code() || code.dpl() > cpl) return core.raise(vector::GP, error);
    if (in_long && (!code.long_mode() || code.big())) return core.raise(vector::GP, error);
    if (!call && !code.conforming() && code.dpl() != cpl) return core.raise(vector::GP, error);
    if (!code.present()) return core.raise(vector::NP, error);
    const u64 offset = in_long ? gate.gate_offset() : gate.gate_offset() & (gate.type() & 8 ? 0xffffffff : 0xffff);
    if (call && !code.conforming() && code.dpl() < cpl) return call_inner(core, insn, gate, code, offset);
    VMXSIM_TRY(check_target(core, code, offset));
    Stack stack = current_stack(core);
    if (call) {
        // In 64-bit mode the frame is that of the gate's size, from compatibility mode as well.
        stack.flat = in_long;
        VMXSIM_TRY(push_return(core, insn, stack, in_long ? 8 : gate.type() & 8 ? 4 : 2));
    }
    VMXSIM_TRY(load_code_segment(core, selector, code, cpl));
    if (call) set_stack_pointer(core, stack);
    return arrive(core, offset);
}

/// A TSS or a task gate. In VMX non-root operation the switch is an exit.
Outcome task_transfer(Core& core, const Insn& insn, u16 selector, const Descriptor& d, bool call) {
    if (!core.state.long_mode()) {
        if (d.dpl() < core.state.cpl() || d.dpl() < (selector & 3))
            return core.raise(vector::GP, selector_error(selector));
        if (!d.present()) return core.raise(vector::NP, selector_error(selector));
        const TaskSource source = call ? TaskSource::Call : TaskSource::Jump;
        const u16 tss = d.type() == system_type::TASK_GATE ? d.gate_selector() : selector;
        ExitInfo exit;
        if (core.vmx().intercept_task_switch(tss, static_cast<unsigned>(source), exit))
            return exit_with(core, insn, exit);
        return switch_task_by_instruction(core, tss, source, next_rip(core, insn));
    }
    return core.raise(vector::GP, selector_error(selector));
}

Outcome transfer(Core& core, const Insn& insn, bool call) {
    FarPointer to;
    VMXSIM_TRY(read_pointer(core, insn, to));
    if (!selectors_mode(core)) return real_transfer(core, insn, to, call);
    if (is_null(to.selector)) return core.raise(vector::GP, 0);
    Descriptor d;
    VMXSIM_TRY(fetch_descriptor(core, to.selector, vector::GP, d));
    if (d.code()) return direct_transfer(core, insn, to, d, call);
    if (d.system(system_type::CALL) || (d.system(system_type::CALL16) && !core.state.long_mode()))
        return gate_transfer(core, insn, to.selector, d, call);
    if (d.system(system_type::TSS) || d.system(system_type::TSS16) || d.system(system_type::TASK_GATE))
        return task_transfer(core, insn, to.selector, d, call);
    return core.raise(vector::GP, selector_error(to.selector));
}

}  // namespace

Outcome far_jump(Core& core, const Insn& insn) { return transfer(core, insn, false); }
Outcome far_call(Core& core, const Insn& insn) { return transfer(core, insn, true); }

}  // namespace vmxsim::core
