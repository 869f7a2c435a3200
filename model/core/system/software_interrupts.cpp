// SPDX-License-Identifier: Apache-2.0
// INT n, INT3, INTO, INT1 as events for Core::deliver(); CLI and STI.
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
            // Limitation: no redirection by CR4.VME's bitmap; INT n is for IOPL 3 (SDM 21.3.3).
            if (state.v8086() && iopl(state) < 3) return core.raise(vector::GP, 0);
            e.vector = static_cast<u8>(insn.op[0].imm.value.u);
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
