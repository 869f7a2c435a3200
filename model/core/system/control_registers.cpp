// SPDX-License-Identifier: Apache-2.0
// MOV to and from control registers, CLTS, LMSW, SMSW (SDM 2.5, 4.10.4, 28.1.3, 28.3).
#include <array>

#include "model/core/system/handlers.hpp"

namespace vmxsim::core {

using namespace vmx;

namespace {

unsigned cr_number(const ZydisDecodedOperand& op) { return static_cast<unsigned>(op.reg.value - ZYDIS_REGISTER_CR0); }

u64 beyond_physical(const Core& core) {
    const unsigned bits = core.capabilities().physical_address_bits;
    return bits >= 64 ? 0 : ~u64{0} << bits;
}

/// PDPTE load under PAE paging: #GP(0) where a present entry has reserved bits set (SDM 4.4.1).
Outcome load_pdptes(Core& core, u64 cr3, std::array<u64, 4>& out) {
    for (unsigned i = 0; i < 4; ++i) {
        const GuestPhysical at{(cr3 & 0xffffffe0) + i * 8u};
        const mmu::Translation t = core.mmu().translate_guest_physical(at, mmu::AccessType::Read);
        core.spend(t.cycles.raw);
        if (t.status != mmu::WalkStatus::Ok) {
            ExitInfo& exit = core.exit_info();
            exit = {};
            const bool violation = t.status == mmu::WalkStatus::EptViolation;
            exit.reason = violation ? arch::ExitReason::EPT_VIOLATION : arch::ExitReason::EPT_MISCONFIG;
            exit.qualification = violation ? t.qualification : 0;
            exit.guest_physical = t.gpa.raw;
            return Outcome::VmExit;
        }
        out[i] = core.ram().read(t.at, 8);
        constexpr u64 kReserved = 0x1e6;  // bits 2:1 and 8:5
        if ((out[i] & 1) && (out[i] & (kReserved | beyond_physical(core)))) return core.raise(vector::GP, 0);
    }
    return Outcome::Next;
}

bool pae_paging(u64 cr0_value, u64 cr4_value, u64 efer_value) {
    return (cr0_value & cr0::PG) && (cr4_value & cr4::PAE) && !(efer_value & efer::LMA);
}

/// Gives CR0 a value that intercepts have passed and masks been merged into.
Outcome set_cr0(Core& core, u64 value) {
    CpuState& state = core.state;
    constexpr u64 kDefined =
        cr0::PE | cr0::MP | cr0::EM | cr0::TS | cr0::NE | cr0::WP | cr0::AM | cr0::NW | cr0::CD | cr0::PG;
    if (value >> 32) return core.raise(vector::GP, 0);
    value = (value & kDefined) | cr0::ET;
    const u64 old = state.cr0;
    if ((value & cr0::PG) && !(value & cr0::PE)) return core.raise(vector::GP, 0);
    if ((value & cr0::NW) && !(value & cr0::CD)) return core.raise(vector::GP, 0);
    if (!core.vmx().cr0_allowed(value)) return core.raise(vector::GP, 0);
    u64 new_efer = state.efer;
    if (!(old & cr0::PG) && (value & cr0::PG) && (state.efer & efer::LME)) {
        // IA-32e mode begins (SDM 10.8.5): PAE must be on, CS must not be a 64-bit segment nor TR a 16-bit TSS.
        const bool tss16 = !state.seg[TR].ar.unusable() && !(state.seg[TR].ar.type() & 8);
        if (!(state.cr4 & cr4::PAE) || state.seg[CS].ar.long_mode() || tss16) return core.raise(vector::GP, 0);
        new_efer |= efer::LMA;
    }
    if ((old & cr0::PG) && !(value & cr0::PG)) {
        if (state.code64() || (state.cr4 & cr4::PCIDE)) return core.raise(vector::GP, 0);
        new_efer &= ~efer::LMA;
    }
    constexpr u64 kPdpteTriggers = cr0::PG | cr0::CD | cr0::NW;  // SDM 4.4.1
    if (pae_paging(value, state.cr4, new_efer) && ((old ^ value) & kPdpteTriggers)) {
        std::array<u64, 4> pdptes{};
        VMXSIM_TRY(load_pdptes(core, state.cr3, pdptes));
        state.pdpte = pdptes;
    }
    state.cr0 = value;
    state.efer = new_efer;
    // SDM 4.10.4.1 asks for it where PG goes off; WP and PE change what cached entries allow.
    if ((old ^ value) & (cr0::PG | cr0::WP | cr0::PE)) core.mmu().flush_vpid(current_vpid(core), false);
    core.context_changed();
    return Outcome::Next;
}

Outcome set_cr3(Core& core, u64 value) {
    CpuState& state = core.state;
    constexpr u64 kNoFlush = u64{1} << 63;
    const bool pcid = state.cr4 & cr4::PCIDE;
    const bool keep = pcid && (value & kNoFlush);
    if (pcid) value &= ~kNoFlush;
    if (state.long_mode()) {
        if (value & beyond_physical(core)) return core.raise(vector::GP, 0);
    } else {
        value &= 0xffffffff;
    }
    if (pae_paging(state.cr0, state.cr4, state.efer)) {
        std::array<u64, 4> pdptes{};
        VMXSIM_TRY(load_pdptes(core, value, pdptes));
        state.pdpte = pdptes;
    }
    state.cr3 = value;
    if (!keep) core.mmu().flush_vpid(current_vpid(core), true);
    core.context_changed();
    return Outcome::Next;
}

Outcome set_cr4(Core& core, u64 value) {
    CpuState& state = core.state;
    const u64 old = state.cr4;
    if (value & ~supported_cr4(core.cpuid())) return core.raise(vector::GP, 0);
    if (!core.vmx().cr4_allowed(value)) return core.raise(vector::GP, 0);
    if (state.long_mode() && (!(value & cr4::PAE) || ((value ^ old) & cr4::LA57))) return core.raise(vector::GP, 0);
    if ((value & cr4::PCIDE) && !(old & cr4::PCIDE) && (!state.long_mode() || (state.cr3 & 0xfff)))
        return core.raise(vector::GP, 0);
    constexpr u64 kPdpteTriggers = cr4::PGE | cr4::PSE | cr4::PAE | cr4::SMEP;  // SDM 4.4.1
    if (pae_paging(state.cr0, value, state.efer) && ((old ^ value) & kPdpteTriggers)) {
        std::array<u64, 4> pdptes{};
        VMXSIM_TRY(load_pdptes(core, state.cr3, pdptes));
        state.pdpte = pdptes;
    }
    state.cr4 = value;
    constexpr u64 kFlush =
        cr4::PGE | cr4::PSE | cr4::PAE | cr4::SMEP | cr4::SMAP | cr4::PCIDE | cr4::PKE;  // SDM 4.10.4.1
    if ((old ^ value) & kFlush) core.mmu().flush_vpid(current_vpid(core), false);
    core.context_changed();
    return Outcome::Next;
}

}  // namespace

Outcome load_cr3(Core& core, u64 value) { return set_cr3(core, value); }

u64 supported_cr4(const CpuidTable& cpuid) {
    struct Row {
        u64 bit;
        u32 leaf;
        u8 reg, position;
    };
    enum { EBX = 1, ECX = 2, EDX = 3 };
    static constexpr Row rows[] = {
        {cr4::VME | cr4::PVI, 1, EDX, 1},
        {cr4::TSD, 1, EDX, 4},
        {cr4::DE, 1, EDX, 2},
        {cr4::PSE, 1, EDX, 3},
        {cr4::PAE, 1, EDX, 6},
        {cr4::MCE, 1, EDX, 7},
        {cr4::PGE, 1, EDX, 13},
        {cr4::OSFXSR, 1, EDX, 24},
        {cr4::OSXMMEXCPT, 1, EDX, 25},
        {cr4::VMXE, 1, ECX, 5},
        {cr4::SMXE, 1, ECX, 6},
        {cr4::PCIDE, 1, ECX, 17},
        {cr4::OSXSAVE, 1, ECX, 26},
        {cr4::FSGSBASE, 7, EBX, 0},
        {cr4::SMEP, 7, EBX, 7},
        {cr4::SMAP, 7, EBX, 20},
        {cr4::UMIP, 7, ECX, 2},
        {cr4::PKE, 7, ECX, 3},
        {cr4::LA57, 7, ECX, 16},
    };
    u64 mask = cr4::PCE;
    for (const Row& r : rows)
        if (cpuid.has(r.leaf, 0, r.reg, r.position)) mask |= r.bit;
    return mask;
}

Outcome mov_to_cr(Core& core, const Insn& insn) {
    VMXSIM_TRY(require_cpl0(core));
    const unsigned cr = cr_number(insn.op[0]);
    if (cr != 0 && cr != 2 && cr != 3 && cr != 4 && cr != 8) return core.raise(vector::UD);
    const u64 value = read_gpr(core, insn.op[1].reg.value);
    core.spend(core.params().mov_cr);
    ExitInfo exit;
    if (core.vmx().intercept_mov_to_cr(cr, gpr_number(insn.op[1].reg.value), value, exit))
        return exit_with(core, insn, exit);
    switch (cr) {
        case 0:
            if (value >> 32) return core.raise(vector::GP, 0);
            VMXSIM_TRY(set_cr0(core, core.vmx().merged_cr0(value) & 0xffffffff));
            break;
        case 2:
            core.state.cr2 = value;
            break;
        case 3:
            VMXSIM_TRY(set_cr3(core, value));
            break;
        case 4:
            VMXSIM_TRY(set_cr4(core, core.vmx().merged_cr4(value)));
            break;
        default:
            if (value >> 4) return core.raise(vector::GP, 0);
            if (core.vmx().virtual_cr8()) {
                if (core.vmx().write_virtual_cr8(value, exit)) {
                    // Trap-like: the instruction is complete, and the exit is taken behind it (SDM 30.1).
                    core.state.rip = next_rip(core, insn);
                    core.exit_info() = exit;
                    core.take_vm_exit();
                    return Outcome::Jump;
                }
            } else {
                core.state.cr8 = value;
                if (core.interrupts()) core.interrupts()->set_task_priority(static_cast<u8>(value << 4));
            }
    }
    return jump_next(core, insn);
}

Outcome mov_from_cr(Core& core, const Insn& insn) {
    VMXSIM_TRY(require_cpl0(core));
    const unsigned cr = cr_number(insn.op[1]);
    const ZydisRegister gpr = insn.op[0].reg.value;
    core.spend(core.params().mov_cr);
    ExitInfo exit;
    if ((cr == 3 || cr == 8) && core.vmx().intercept_mov_from_cr(cr, gpr_number(gpr), exit))
        return exit_with(core, insn, exit);
    u64 value = 0;
    switch (cr) {
        case 0:
            value = core.vmx().visible_cr0();
            break;
        case 2:
            value = core.state.cr2;
            break;
        case 3:
            value = core.state.cr3;
            break;
        case 4:
            value = core.vmx().visible_cr4();
            break;
        case 8:
            value = core.vmx().virtual_cr8().value_or(
                core.interrupts() ? core.interrupts()->task_priority() >> 4u : core.state.cr8);
            break;
        default:
            return core.raise(vector::UD);
    }
    write_gpr(core, gpr, value);
    return Outcome::Next;
}

Outcome clts(Core& core, const Insn& insn) {
    VMXSIM_TRY(require_cpl0(core));
    core.spend(core.params().mov_cr);
    ExitInfo exit;
    if (core.vmx().intercept_clts(exit)) return exit_with(core, insn, exit);
    core.state.cr0 = core.vmx().merged_cr0(core.state.cr0 & ~cr0::TS);  // a host-owned TS stays (SDM 28.3)
    core.context_changed();
    return Outcome::Next;
}

Outcome lmsw(Core& core, const Insn& insn) {
    VMXSIM_TRY(require_cpl0(core));
    core.spend(core.params().mov_cr);
    u64 source = 0, linear = 0;
    // The operand is read before the intercept, which needs its value.
    VMXSIM_TRY(read_operand(core, insn, insn.op[0], 2, source));
    const bool memory = is_memory(insn.op[0]);
    if (memory) {
        const EffectiveAddress ea = effective_address(core, insn, insn.op[0]);
        GuestVirtual at;
        VMXSIM_TRY(core.linear(ea.seg, ea.offset, 2, MemoryKind::Read, at));
        linear = at.raw;
    }
    ExitInfo exit;
    if (core.vmx().intercept_lmsw(static_cast<u16>(source), memory, linear, exit)) return exit_with(core, insn, exit);
    constexpr u64 kLoaded = cr0::MP | cr0::EM | cr0::TS;
    const u64 value = (core.state.cr0 & ~kLoaded) | (source & (kLoaded | cr0::PE));  // PE can be set, not cleared
    VMXSIM_TRY(set_cr0(core, core.vmx().merged_cr0(value)));
    return jump_next(core, insn);
}

Outcome smsw(Core& core, const Insn& insn) {
    if ((core.state.cr4 & cr4::UMIP) && core.state.cpl() > 0) return core.raise(vector::GP, 0);
    const unsigned bytes = is_memory(insn.op[0]) ? 2 : insn.z.operand_width / 8u;
    return write_operand(core, insn, insn.op[0], bytes, core.vmx().visible_cr0());
}

}  // namespace vmxsim::core
