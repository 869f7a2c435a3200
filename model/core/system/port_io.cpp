// SPDX-License-Identifier: Apache-2.0
// IN, OUT, INS, OUTS: permission (SDM 19.5), intercept, then the bus.
#include "model/core/breakpoints.hpp"
#include "model/core/system/handlers.hpp"

namespace vmxsim::core {

using namespace vmx;

namespace {

/// IOPL and the I/O permission bitmap of the TSS.
Outcome check_permission(Core& core, u16 port, unsigned bytes) {
    const CpuState& state = core.state;
    const u64 iopl = (state.rflags & rflags::IOPL) >> 12;
    if (!state.protected_mode() || (!state.v8086() && state.cpl() <= iopl)) return Outcome::Next;
    const Segment& tr = state.seg[TR];
    constexpr u32 kBitmapBase = 102;
    const bool tss32 = tr.ar.type() & 8;  // 32- or 64-bit TSS: a 16-bit one has no bitmap
    if (tr.ar.unusable() || !tss32 || tr.limit < kBitmapBase + 1) return core.raise(vector::GP, 0);
    u16 base = 0;
    VMXSIM_TRY(core.read_system(system_address(core, tr.base + kBitmapBase), &base, 2));
    const u32 at = u32{base} + port / 8u;
    if (at + 1 > tr.limit) return core.raise(vector::GP, 0);  // two bytes are always read
    u16 bits = 0;
    VMXSIM_TRY(core.read_system(system_address(core, tr.base + at), &bits, 2));
    const u32 mask = ((1u << bytes) - 1) << (port & 7);
    return bits & mask ? core.raise(vector::GP, 0) : Outcome::Next;
}

u64 address_mask(const Insn& insn) {
    return insn.z.address_width == 64 ? ~u64{0} : insn.z.address_width == 32 ? 0xffffffff : 0xffff;
}

/// RSI, RDI, RCX in the address size: 32-bit writes clear the upper half, 16-bit ones keep it.
void set_counter(Core& core, const Insn& insn, Reg reg, u64 value) {
    const u64 mask = address_mask(insn);
    u64& full = core.state.r[reg];
    full = insn.z.address_width == 16 ? (full & ~mask) | (value & mask) : value & mask;
}

}  // namespace

Outcome in_out(Core& core, const Insn& insn) {
    const bool in = insn.z.mnemonic == ZYDIS_MNEMONIC_IN;
    const ZydisDecodedOperand& data = insn.op[in ? 0 : 1];
    const ZydisDecodedOperand& where = insn.op[in ? 1 : 0];
    const bool immediate = where.type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
    const u16 port = immediate ? static_cast<u16>(where.imm.value.u & 0xff) : static_cast<u16>(core.state.r[RDX]);
    const unsigned bytes = data.size / 8u;
    VMXSIM_TRY(check_permission(core, port, bytes));
    ExitInfo exit;
    if (core.vmx().intercept_io({port, bytes, in, false, false, immediate}, exit)) return exit_with(core, insn, exit);
    core.spend(core.params().io);
    if (in)
        write_gpr(core, data.reg.value, core.io().in(port, bytes));
    else
        core.io().out(port, bytes, static_cast<u32>(read_gpr(core, data.reg.value)));
    note_breakpoints(core.state, io_breakpoints(core.state, port, bytes));
    // A device may have asked for the run's end.
    return jump_next(core, insn);
}

Outcome ins_outs(Core& core, const Insn& insn) {
    CpuState& state = core.state;
    const auto mnemonic = insn.z.mnemonic;
    const bool in =
        mnemonic == ZYDIS_MNEMONIC_INSB || mnemonic == ZYDIS_MNEMONIC_INSW || mnemonic == ZYDIS_MNEMONIC_INSD;
    const bool byte = mnemonic == ZYDIS_MNEMONIC_INSB || mnemonic == ZYDIS_MNEMONIC_OUTSB;
    const bool word = mnemonic == ZYDIS_MNEMONIC_INSW || mnemonic == ZYDIS_MNEMONIC_OUTSW;
    const unsigned bytes = byte ? 1 : word ? 2 : 4;
    const bool rep = insn.z.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE);
    const u64 mask = address_mask(insn);
    if (rep && (state.r[RCX] & mask) == 0) return Outcome::Next;

    const u16 port = static_cast<u16>(state.r[RDX]);
    VMXSIM_TRY(check_permission(core, port, bytes));
    const Reg pointer = in ? RDI : RSI;
    const u64 offset = state.r[pointer] & mask;
    Seg seg = ES;  // INS ignores segment prefixes
    if (!in)
        for (unsigned i = 0; i < insn.z.operand_count; ++i)
            if (is_memory(insn.op[i])) seg = effective_address(core, insn, insn.op[i]).seg;
    ExitInfo exit;
    if (core.vmx().intercept_io({port, bytes, in, true, rep, false}, exit)) {
        // Before any test of the memory operand (SDM 28.1.1); the linear address is only computed.
        const bool based = !state.code64() || seg == FS || seg == GS;
        const u64 linear = (based ? state.seg[seg].base : 0) + offset;
        exit.guest_linear = state.code64() ? linear : linear & 0xffffffff;
        constexpr u64 kReportsInsOuts = u64{1} << 54;  // IA32_VMX_BASIC (SDM A.1)
        const bool report = core.capabilities().get(arch::msr::IA32_VMX_BASIC) & kReportsInsOuts;
        const u32 size_code = insn.z.address_width == 16 ? 0u : insn.z.address_width == 32 ? 1u : 2u;
        return exit_with(core, insn, exit, report ? size_code << 7 | (in ? 0u : u32{seg} << 15) : 0u);
    }
    GuestVirtual at;
    VMXSIM_TRY(core.linear(seg, offset, bytes, in ? MemoryKind::Write : MemoryKind::Read, at));
    u32 data = 0;
    if (in) {
        VMXSIM_TRY(core.probe_write(at, bytes));  // no input is lost to a fault
        data = core.io().in(port, bytes);
        VMXSIM_TRY(core.write(at, &data, bytes));
    } else {
        VMXSIM_TRY(core.read(at, &data, bytes));
        core.io().out(port, bytes, data);
    }
    core.spend(core.params().io);
    note_breakpoints(state, io_breakpoints(state, port, bytes));
    set_counter(core, insn, pointer, state.rflags & rflags::DF ? offset - bytes : offset + bytes);
    if (!rep) return jump_next(core, insn);
    const u64 left = (state.r[RCX] - 1) & mask;
    set_counter(core, insn, RCX, left);
    return left ? Outcome::Repeat : jump_next(core, insn);
}

}  // namespace vmxsim::core
