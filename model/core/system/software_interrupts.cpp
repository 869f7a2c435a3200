// SPDX-License-Identifier: Apache-2.0
// INT n, INT3, INTO, INT1 as events for Core::deliver(); CLI and STI.
#include <array>

#include "model/core/segments.hpp"
#include "model/core/system/handlers.hpp"

namespace vmxsim::core {

using namespace vmx;
using arch::EventType;

namespace {

u64 iopl(const CpuState& state) { return (state.rflags & rflags::IOPL) >> 12; }

/// Whether CLI and STI act on the virtual interrupt flag (SDM 21.3.3.5, 21.4): VME in virtual-8086 mode, PVI at CPL 3.
bool virtual_interrupts(const CpuState& state) {
    return state.v8086() ? (state.cr4 & cr4::VME) != 0 : (state.cr4 & cr4::PVI) && state.cpl() == 3;
}

/// CR4.VME: the bitmap below the TSS's I/O map tells which INT n stay in virtual-8086 mode, by a clear bit (SDM 21.3.3.4).
Outcome is_redirected(Core& core, u8 number, bool& redirected) {
    redirected = false;
    if (!(core.state.cr4 & cr4::VME)) return Outcome::Next;
    const Segment& tr = core.state.seg[TR];
    constexpr u32 kBitmapBase = 102, kBitmapBytes = 32;
    if (tr.ar.unusable() || tr.limit < kBitmapBase + 1) return core.raise(vector::GP, 0);
    u16 base = 0;
    VMXSIM_TRY(core.read_system(system_address(core, tr.base + kBitmapBase), &base, 2));
    const u32 at = base - kBitmapBytes + number / 8u;
    if (base < kBitmapBytes || at > tr.limit) return core.raise(vector::GP, 0);
    u8 bits = 0;
    VMXSIM_TRY(core.read_system(system_address(core, tr.base + at), &bits, 1));
    redirected = !(bits >> (number & 7) & 1);
    return Outcome::Next;
}

/// INT n through the interrupt vector table of the virtual-8086 task, as in real-address mode (SDM table 21-2).
Outcome redirect(Core& core, const Insn& insn, u8 number) {
    CpuState& state = core.state;
    u32 entry = 0;
    VMXSIM_TRY(core.read({number * 4u}, &entry, 4));
    const bool is_virtual = iopl(state) < 3;
    u64 flags = state.rflags & 0xffff;
    if (is_virtual) flags = (flags & ~rflags::IF) | rflags::IOPL | (state.rflags & rflags::VIF ? rflags::IF : 0);
    Stack stack = current_stack(core);
    const std::array<u64, 3> frame{flags, state.seg[CS].selector, next_rip(core, insn)};
    VMXSIM_TRY(push_frame(core, stack, frame, 2, true, 0));
    set_stack_pointer(core, stack);
    load_real_segment(core, CS, static_cast<u16>(entry >> 16));
    state.rip = entry & 0xffff;
    state.rflags &= ~(rflags::TF | (is_virtual ? rflags::VIF : rflags::IF));
    core.spend(core.params().far_transfer);
    core.context_changed();
    return Outcome::Jump;
}

}  // namespace

Outcome software_interrupt(Core& core, const Insn& insn) {
    CpuState& state = core.state;
    Event e;
    e.instruction_length = static_cast<u8>(insn.length());
    switch (insn.z.mnemonic) {
        case ZYDIS_MNEMONIC_INT3:
            e.vector = vector::BP;
            e.type = EventType::SoftwareException;
            break;
        case ZYDIS_MNEMONIC_INT1:
            e.vector = vector::DB;
            e.type = EventType::PrivilegedSoftwareException;
            break;
        case ZYDIS_MNEMONIC_INTO:
            if (!(state.rflags & rflags::OF)) return Outcome::Next;
            e.vector = vector::OF;
            e.type = EventType::SoftwareException;
            break;
        default:
            e.vector = static_cast<u8>(insn.op[0].imm.value.u);
            if (state.v8086()) {
                bool redirected = false;
                VMXSIM_TRY(is_redirected(core, e.vector, redirected));
                if (redirected) return redirect(core, insn, e.vector);
                if (iopl(state) < 3) return core.raise(vector::GP, 0);  // SDM 21.3.3
            }
            e.type = EventType::SoftwareInterrupt;
    }
    core.fault() = e;
    return Outcome::Fault;
}

Outcome cli(Core& core, const Insn& insn) {
    CpuState& state = core.state;
    if (!state.protected_mode() || state.cpl() <= (state.v8086() ? 0u : iopl(state)) ||
        (state.v8086() && iopl(state) == 3))
        state.rflags &= ~rflags::IF;
    else if (virtual_interrupts(state))
        state.rflags &= ~rflags::VIF;
    else
        return core.raise(vector::GP, 0);
    return jump_next(core, insn);
}

Outcome sti(Core& core, const Insn& insn) {
    CpuState& state = core.state;
    if (!state.protected_mode() || (state.v8086() ? iopl(state) == 3 : state.cpl() <= iopl(state))) {
        // The instruction behind STI runs before an interrupt is taken, if IF was clear (SDM 6.8.1).
        if (!(state.rflags & rflags::IF)) state.blocking |= blocking::STI;
        state.rflags |= rflags::IF;
    } else if (virtual_interrupts(state) && !(state.rflags & rflags::VIP)) {
        state.rflags |= rflags::VIF;
    } else {
        return core.raise(vector::GP, 0);
    }
    return jump_next(core, insn);
}

}  // namespace vmxsim::core
