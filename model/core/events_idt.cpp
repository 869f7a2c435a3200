// SPDX-License-Identifier: Apache-2.0
// Delivery of one event: real-address mode, 32- and 16-bit gates, 64-bit gates.
#include <array>

#include "model/core/events.hpp"
#include "model/core/segments.hpp"
#include "model/core/task_switch.hpp"

namespace vmxsim::core {

using namespace vmx;
using arch::EventType;

namespace {

bool is_software(const Event& e) {
    return e.type == EventType::SoftwareInterrupt || e.type == EventType::SoftwareException ||
           e.type == EventType::PrivilegedSoftwareException;
}

/// INT n, INT3, INTO: the gate's DPL counts; INT1 and everything external pass (SDM 6.12.1.2).
bool checks_gate_dpl(const Event& e) { return !sets_ext(e); }

constexpr u64 kGeneralDetect = 1u << 13;  ///< DR6.BD

/// RFLAGS as pushed. RF is set for faults, so that an instruction breakpoint does not recur on return; not for the
/// debug exception of an instruction breakpoint itself, whose handler decides (SDM 18.3.1.1).
u64 pushed_flags(const CpuState& state, const Event& e, bool injected) {
    if (injected) return state.rflags;
    const u64 flags = state.rflags;
    if (is_software(e)) return flags & ~rflags::RF;
    const bool fault = e.type == EventType::HardwareException && (e.vector != vector::DB || (e.dr6 & kGeneralDetect)) && e.vector != vector::DF;
    return fault ? flags | rflags::RF : flags;
}

/// RIP as pushed: software events return behind their instruction.
u64 return_address(const CpuState& state, const Event& e) {
    const u64 rip = state.rip + (is_software(e) ? e.instruction_length : 0u);
    return state.code64() ? rip : rip & 0xffffffff;
}

/// What the handler's first instruction finds: no blocking by STI or MOV SS, NMIs blocked by an NMI (SDM 6.7.1).
void begin_handler(Core& core, const Event& e, u64 cleared_flags) {
    CpuState& state = core.state;
    state.rflags &= ~cleared_flags;
    state.blocking &= ~(blocking::STI | blocking::MOV_SS);
    if (e.type == EventType::Nmi) state.blocking |= blocking::NMI;
    state.activity = ActivityState::Active;
    core.context_changed();
}

Outcome deliver_real(Core& core, const Event& e, bool injected) {
    CpuState& state = core.state;
    const u32 offset = e.vector * 4u;
    if (offset + 3 > state.idtr.limit) return core.raise(vector::GP);
    u32 entry = 0;
    VMXSIM_TRY(core.read_system(system_address(core, state.idtr.base + offset), &entry, 4));
    Stack stack = current_stack(core);
    const std::array<u64, 3> frame{pushed_flags(state, e, injected), state.seg[CS].selector, return_address(state, e)};
    VMXSIM_TRY(push_frame(core, stack, frame, 2, false, 0));
    set_stack_pointer(core, stack);
    load_real_segment(core, CS, static_cast<u16>(entry >> 16));
    state.rip = entry & 0xffff;
    begin_handler(core, e, rflags::IF | rflags::TF | rflags::AC | rflags::RF);
    return Outcome::Jump;
}

/// The gate of a vector, checked up to and including its presence.
Outcome fetch_gate(Core& core, const Event& e, Descriptor& gate) {
    const CpuState& state = core.state;
    const unsigned size = state.long_mode() ? 16 : 8;
    const u32 offset = e.vector * size;
    const u32 error = e.vector * 8u + 2u;  // IDT bit (SDM 6.13)
    if (offset + size - 1 > state.idtr.limit) return core.raise(vector::GP, error);
    const GuestVirtual at = system_address(core, state.idtr.base + offset);
    VMXSIM_TRY(core.read_system(at, &gate.low, 8));
    if (size == 16) VMXSIM_TRY(core.read_system(at + 8, &gate.high, 8));
    const u8 type = gate.type();
    const bool usable =
        !gate.code_or_data() &&
        (type == system_type::INT || type == system_type::TRAP ||
         (size == 8 && (type == system_type::INT16 || type == system_type::TRAP16 || type == system_type::TASK_GATE)));
    if (!usable) return core.raise(vector::GP, error);
    if (checks_gate_dpl(e) && gate.dpl() < state.cpl()) return core.raise(vector::GP, error);
    if (!gate.present()) return core.raise(vector::NP, error);
    return Outcome::Next;
}

/// The handler's code segment.
Outcome fetch_handler(Core& core, u16 selector, Descriptor& code) {
    if (is_null(selector)) return core.raise(vector::GP, 0);
    VMXSIM_TRY(fetch_descriptor(core, selector, vector::GP, code));
    if (!code.code() || code.dpl() > core.state.cpl()) return core.raise(vector::GP, selector_error(selector));
    if (core.state.long_mode() && (!code.long_mode() || code.big()))
        return core.raise(vector::GP, selector_error(selector));
    if (!code.present()) return core.raise(vector::NP, selector_error(selector));
    return Outcome::Next;
}

u64 flags_cleared_by(const Descriptor& gate) {
    const u64 always = rflags::TF | rflags::NT | rflags::RF | rflags::VM;
    return gate.type() & 1 ? always : always | rflags::IF;  // odd types are trap gates
}

Outcome deliver_long(Core& core, const Event& e, const Descriptor& gate, bool injected) {
    CpuState& state = core.state;
    const u16 selector = gate.gate_selector();
    Descriptor code;
    VMXSIM_TRY(fetch_handler(core, selector, code));
    const u8 cpl = state.cpl();
    const u8 new_cpl = code.conforming() ? cpl : code.dpl();
    Stack stack{state.seg[SS], state.r[RSP], true};
    if (gate.gate_ist() || new_cpl < cpl) {
        // IST 1 to 7 lie behind RSP0 to RSP2 and a reserved quadword, as stacks of "levels" 4 to 10 (SDM figure 8-11).
        u16 unused = 0;
        const u8 slot = gate.gate_ist() ? static_cast<u8>(gate.gate_ist() + 3) : new_cpl;
        VMXSIM_TRY(tss_stack(core, slot, unused, stack.pointer));
    }
    stack.pointer &= ~u64{15};  // SDM 6.14.2
    std::array<u64, 6> frame{state.seg[SS].selector,           state.r[RSP],
                             pushed_flags(state, e, injected), state.seg[CS].selector,
                             return_address(state, e),         e.error_code};
    VMXSIM_TRY(push_frame(core, stack, std::span(frame).first(e.has_error_code ? 6 : 5), 8, new_cpl == 3, 0));
    if (!canonical(core, gate.gate_offset())) return core.raise(vector::GP, 0);
    VMXSIM_TRY(load_code_segment(core, selector, code, new_cpl));
    if (new_cpl < cpl) state.seg[SS] = null_segment(new_cpl, new_cpl);  // SDM 6.14.4
    state.r[RSP] = stack.pointer;
    state.rip = gate.gate_offset();
    begin_handler(core, e, flags_cleared_by(gate));
    return Outcome::Jump;
}

Outcome deliver_legacy(Core& core, const Event& e, const Descriptor& gate, bool injected) {
    CpuState& state = core.state;
    const unsigned width = gate.type() & 8 ? 4 : 2;
    const u64 offset = width == 4 ? gate.gate_offset() & 0xffffffff : gate.gate_offset() & 0xffff;
    const u16 selector = gate.gate_selector();
    Descriptor code;
    VMXSIM_TRY(fetch_handler(core, selector, code));
    const u8 cpl = state.cpl();
    const u8 new_cpl = code.conforming() ? cpl : code.dpl();
    if (state.v8086() && (code.conforming() || code.dpl() != 0))
        return core.raise(vector::GP, selector_error(selector));

    std::array<u64, 10> frame{};
    std::size_t n = 0;
    Stack stack = current_stack(core);
    Descriptor ss{};
    u16 ss_selector = 0;
    if (new_cpl < cpl) {
        VMXSIM_TRY(tss_stack(core, new_cpl, ss_selector, stack.pointer));
        if (is_null(ss_selector)) return core.raise(vector::TS, 0);
        VMXSIM_TRY(check_stack_segment(core, ss_selector, new_cpl, vector::TS, ss));
        stack.ss = make_segment(ss_selector, ss);
        if (state.v8086())
            for (const Seg seg : {GS, FS, DS, ES}) frame[n++] = state.seg[seg].selector;
        frame[n++] = state.seg[SS].selector;
        frame[n++] = state.r[RSP];
    }
    frame[n++] = pushed_flags(state, e, injected);
    frame[n++] = state.seg[CS].selector;
    frame[n++] = return_address(state, e);
    if (e.has_error_code) frame[n++] = e.error_code;
    const u32 stack_error = new_cpl < cpl ? selector_error(ss_selector) : 0;
    VMXSIM_TRY(check_target(core, code, offset));
    VMXSIM_TRY(push_frame(core, stack, std::span(frame).first(n), width, new_cpl == 3, stack_error));

    if (new_cpl < cpl) VMXSIM_TRY(mark_accessed(core, ss_selector, ss));
    VMXSIM_TRY(load_code_segment(core, selector, code, new_cpl));
    if (new_cpl < cpl) state.seg[SS] = make_segment(ss_selector, ss);
    set_stack_pointer(core, stack);
    if (state.v8086())
        for (const Seg seg : {GS, FS, DS, ES}) state.seg[seg] = null_segment(0, 0);
    state.rip = offset;
    begin_handler(core, e, flags_cleared_by(gate));
    return Outcome::Jump;
}

/// A task gate. In VMX non-root operation the task switch is an exit (SDM 28.2).
Outcome deliver_by_task(Core& core, const Event& e, const Descriptor& gate, bool injected) {
    CpuState& state = core.state;
    ExitInfo info;
    if (state.vmx.non_root &&
        core.vmx().intercept_task_switch(gate.gate_selector(), static_cast<unsigned>(TaskSource::Gate), info)) {
        core.exit_info() = info;
        return Outcome::VmExit;
    }
    TaskSwitch how{gate.gate_selector(), TaskSource::Gate, return_address(state, e), pushed_flags(state, e, injected)};
    VMXSIM_TRY(switch_task(core, how));
    begin_handler(core, e, 0);
    if (!e.has_error_code) return Outcome::Jump;
    Stack stack = current_stack(core);
    const std::array<u64, 1> error{e.error_code};
    VMXSIM_TRY(push_frame(core, stack, error, task_width(core), state.cpl() == 3, 0));
    set_stack_pointer(core, stack);
    return Outcome::Jump;
}

}  // namespace

Outcome deliver_through_idt(Core& core, const Event& event, bool injected) {
    if (real_mode(core)) return deliver_real(core, event, injected);
    Descriptor gate;
    VMXSIM_TRY(fetch_gate(core, event, gate));
    if (core.state.long_mode()) return deliver_long(core, event, gate, injected);
    if (gate.type() == system_type::TASK_GATE) return deliver_by_task(core, event, gate, injected);
    return deliver_legacy(core, event, gate, injected);
}

}  // namespace vmxsim::core
