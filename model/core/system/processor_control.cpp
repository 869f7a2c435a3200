// SPDX-License-Identifier: Apache-2.0
// HLT, cache and TLB instructions, MONITOR and MWAIT, PAUSE, CLAC and STAC, undefined opcodes.
#include <array>

#include "model/core/interrupts.hpp"
#include "model/core/system/handlers.hpp"

namespace vmxsim::core {

using namespace vmx;
using arch::SecondaryControl;

namespace {

/// CPUID's MONITOR, which IA32_MISC_ENABLE bit 18 takes away (SDM volume 4); level 0 only.
bool has_monitor(const Core& core) {
    constexpr unsigned kMonitorEnable = 18;
    return core.state.cpl() == 0 && (core.state.misc_enable >> kMonitorEnable & 1) && cpuid_has(core, 1, 0, 2, 3);
}

/// ECX; all of RCX in 64-bit mode (SDM 2B, MONITOR, MWAIT).
u64 hints(const CpuState& state) { return state.code64() ? state.r[RCX] : state.r[RCX] & 0xffffffff; }

}  // namespace

Outcome undefined(Core& core, const Insn&) { return core.raise(vector::UD); }

Outcome hlt(Core& core, const Insn& insn) {
    VMXSIM_TRY(require_cpl0(core));
    ExitInfo exit;
    if (core.vmx().intercept_hlt(exit)) return exit_with(core, insn, exit);
    core.state.activity = ActivityState::Hlt;
    return jump_next(core, insn);
}

Outcome invd(Core& core, const Insn& insn) {
    VMXSIM_TRY(require_cpl0(core));
    ExitInfo exit;
    const bool exits =
        insn.z.mnemonic == ZYDIS_MNEMONIC_INVD ? core.vmx().intercept_invd(exit) : core.vmx().intercept_wbinvd(exit);
    if (exits) return exit_with(core, insn, exit);
    core.spend(core.params().serialize);  // memory is always up to date here: the caches hold tags only
    return Outcome::Next;
}

Outcome invlpg(Core& core, const Insn& insn) {
    VMXSIM_TRY(require_cpl0(core));
    // The operand is an address, not an access: no limit or canonicality check (SDM 2A, INVLPG).
    const EffectiveAddress ea = effective_address(core, insn, insn.op[0]);
    const bool in_64 = core.state.code64();
    const bool based = !in_64 || ea.seg == FS || ea.seg == GS;
    const u64 sum = (based ? core.state.seg[ea.seg].base : 0) + ea.offset;
    const GuestVirtual at{in_64 ? sum : sum & 0xffffffff};
    ExitInfo exit;
    if (core.vmx().intercept_invlpg(at, exit)) return exit_with(core, insn, exit);
    core.spend(core.params().serialize);
    if (canonical_base(core, at.raw)) core.mmu().invalidate_address(current_vpid(core), at);
    return jump_next(core, insn);
}

Outcome invpcid(Core& core, const Insn& insn) {
    CpuState& state = core.state;
    const bool enabled = !state.vmx.non_root || core.vmx().controls().has(SecondaryControl::EnableINVPCID);
    if (!enabled || !cpuid_has(core, 7, 0, 1, 10)) return core.raise(vector::UD);
    VMXSIM_TRY(require_cpl0(core));
    const ZydisRegister type_register = insn.op[0].reg.value;
    ExitInfo exit;
    if (core.vmx().intercept_invpcid(exit)) {
        exit.qualification = displacement(core, insn, insn.op[1]);
        return exit_with(core, insn, exit, operand_information(insn, insn.op[1]) | second_register(type_register));
    }
    enum : u64 { Address, SinglePcid, AllAndGlobal, AllButGlobal };
    const u64 type = read_gpr(core, type_register);
    if (type > AllButGlobal) return core.raise(vector::GP, 0);
    std::array<u64, 2> descriptor{};
    VMXSIM_TRY(read_memory(core, insn, insn.op[1], descriptor.data(), 16));
    const u64 pcid = descriptor[0];
    if (pcid >> 12) return core.raise(vector::GP, 0);
    const bool names_pcid = type == Address || type == SinglePcid;
    if (names_pcid && pcid != 0 && !(state.cr4 & cr4::PCIDE)) return core.raise(vector::GP, 0);
    if (type == Address && !canonical_base(core, descriptor[1])) return core.raise(vector::GP, 0);
    core.spend(core.params().serialize);
    if (type == Address)
        core.mmu().invalidate_address(current_vpid(core), {descriptor[1]});
    else
        core.mmu().flush_vpid(current_vpid(core), type != AllAndGlobal);  // all PCIDs where one would do (SDM 4.10.4.1)
    return jump_next(core, insn);
}

Outcome monitor(Core& core, const Insn& insn) {
    CpuState& state = core.state;
    if (!has_monitor(core)) return core.raise(vector::UD);
    ExitInfo exit;
    if (core.vmx().intercept_monitor(exit)) return exit_with(core, insn, exit);
    if (hints(state) != 0) return core.raise(vector::GP, 0);  // no extensions
    const u64 mask = insn.z.address_width == 64 ? ~u64{0} : insn.z.address_width == 32 ? 0xffffffff : 0xffff;
    Seg seg = DS;
    for (unsigned i = 0; i < insn.z.operand_count; ++i)
        if (is_memory(insn.op[i])) seg = effective_address(core, insn, insn.op[i]).seg;
    u8 byte = 0;
    GuestVirtual at;
    VMXSIM_TRY(core.linear(seg, state.r[RAX] & mask, 1, MemoryKind::Read, at));
    VMXSIM_TRY(core.read(at, &byte, 1));
    const mmu::Translation t = core.mmu().translate(at, mmu::AccessType::Read, false);
    SystemState& system = core.system;
    system.monitored = t.at.line();
    system.monitor_armed = core.ram().contains(system.monitored, 64);
    if (system.monitor_armed) core.ram().read_block(system.monitored, system.monitored_bytes);
    return Outcome::Next;
}

Outcome mwait(Core& core, const Insn& insn) {
    CpuState& state = core.state;
    if (!has_monitor(core)) return core.raise(vector::UD);
    ExitInfo exit;
    if (core.vmx().intercept_mwait(core.system.monitor_armed, exit)) return exit_with(core, insn, exit);
    constexpr u64 kBreakOnMaskedInterrupt = 1;
    const u64 allowed = cpuid_has(core, 5, 0, 2, 1) ? kBreakOnMaskedInterrupt : 0;
    if (hints(state) & ~allowed) return core.raise(vector::GP, 0);
    core.system.mwait_masked = hints(state) & kBreakOnMaskedInterrupt;
    // Without an armed monitor, or with the line written since, it is a NOP. The state that EAX asks for is a hint.
    if (core.system.monitor_armed && !mwait_ends(core))
        state.activity = ActivityState::Mwait;
    else
        core.system.monitor_armed = false;
    return jump_next(core, insn);
}

Outcome pause(Core& core, const Insn& insn) {
    ExitInfo exit;
    if (core.vmx().intercept_pause(exit)) return exit_with(core, insn, exit);
    return Outcome::Next;
}

Outcome clac_stac(Core& core, const Insn& insn) {
    if (core.state.cpl() > 0 || core.state.v8086() || !cpuid_has(core, 7, 0, 1, 20)) return core.raise(vector::UD);
    if (insn.z.mnemonic == ZYDIS_MNEMONIC_STAC)
        core.state.rflags |= rflags::AC;
    else
        core.state.rflags &= ~rflags::AC;
    core.context_changed();  // what SMAP allows has changed
    return jump_next(core, insn);
}

}  // namespace vmxsim::core
