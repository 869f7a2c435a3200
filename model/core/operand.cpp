// SPDX-License-Identifier: Apache-2.0
#include "model/core/operand.hpp"

#include <bit>

namespace vmxsim::core {

namespace {

/// Registers of 16, 32 and 64 bits stand in order in Zydis's enumeration: no call is needed for them.
constexpr bool is_r64(ZydisRegister reg) { return reg >= ZYDIS_REGISTER_RAX && reg <= ZYDIS_REGISTER_R15; }
constexpr bool is_r32(ZydisRegister reg) { return reg >= ZYDIS_REGISTER_EAX && reg <= ZYDIS_REGISTER_R15D; }
static_assert(ZYDIS_REGISTER_R15 - ZYDIS_REGISTER_RAX == 15 && ZYDIS_REGISTER_R15D - ZYDIS_REGISTER_EAX == 15);

constexpr u64 low_mask(unsigned bits) { return bits >= 64 ? ~u64{0} : (u64{1} << bits) - 1; }

/// AH, CH, DH, BH: the only registers whose number is not that of the register they are part of.
constexpr bool high_byte(ZydisRegister reg) { return reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH; }

unsigned address_size_code(const Insn& insn) {
    return insn.z.address_width == 16 ? 0u : insn.z.address_width == 32 ? 1u : 2u;
}

}  // namespace

unsigned gpr_number(ZydisRegister reg) {
    if (is_r64(reg)) return static_cast<unsigned>(reg - ZYDIS_REGISTER_RAX);
    if (is_r32(reg)) return static_cast<unsigned>(reg - ZYDIS_REGISTER_EAX);
    if (high_byte(reg)) return static_cast<unsigned>(reg - ZYDIS_REGISTER_AH);
    const ZydisRegister wide = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
    return static_cast<unsigned>(wide - ZYDIS_REGISTER_RAX) & 15;
}

u64 read_gpr(const Core& core, ZydisRegister reg) {
    const u64 full = core.state.r[gpr_number(reg)];
    if (is_r64(reg)) return full;
    if (high_byte(reg)) return full >> 8 & 0xff;
    return full & low_mask(ZydisRegisterGetWidth(ZYDIS_MACHINE_MODE_LONG_64, reg));
}

void write_gpr(Core& core, ZydisRegister reg, u64 value) {
    u64& full = core.state.r[gpr_number(reg)];
    if (is_r64(reg)) {
        full = value;
        return;
    }
    if (high_byte(reg)) {
        full = (full & ~u64{0xff00}) | (value & 0xff) << 8;
        return;
    }
    const unsigned bits = ZydisRegisterGetWidth(ZYDIS_MACHINE_MODE_LONG_64, reg);
    const u64 mask = low_mask(bits);
    full = bits >= 32 ? value & mask : (full & ~mask) | (value & mask);
}

EffectiveAddress effective_address(const Core& core, const Insn& insn, const ZydisDecodedOperand& op) {
    u64 offset = op.mem.disp.has_displacement ? static_cast<u64>(op.mem.disp.value) : 0;
    if (op.mem.base == ZYDIS_REGISTER_RIP || op.mem.base == ZYDIS_REGISTER_EIP)
        offset += core.state.rip + insn.length();
    else if (op.mem.base != ZYDIS_REGISTER_NONE)
        offset += read_gpr(core, op.mem.base);
    if (op.mem.index != ZYDIS_REGISTER_NONE) offset += read_gpr(core, op.mem.index) * op.mem.scale;
    const unsigned seg = op.mem.segment == ZYDIS_REGISTER_NONE
                             ? unsigned{vmx::DS}
                             : static_cast<unsigned>(op.mem.segment - ZYDIS_REGISTER_ES);
    return {static_cast<vmx::Seg>(seg), offset & low_mask(insn.z.address_width)};
}

Outcome read_memory(Core& core, const Insn& insn, const ZydisDecodedOperand& op, void* out, unsigned bytes) {
    const EffectiveAddress ea = effective_address(core, insn, op);
    GuestVirtual at;
    VMXSIM_TRY(core.linear(ea.seg, ea.offset, bytes, MemoryKind::Read, at));
    return core.read(at, out, bytes);
}

Outcome write_memory(Core& core, const Insn& insn, const ZydisDecodedOperand& op, const void* in, unsigned bytes) {
    const EffectiveAddress ea = effective_address(core, insn, op);
    GuestVirtual at;
    VMXSIM_TRY(core.linear(ea.seg, ea.offset, bytes, MemoryKind::Write, at));
    return core.write(at, in, bytes);
}

Outcome read_operand(Core& core, const Insn& insn, const ZydisDecodedOperand& op, unsigned bytes, u64& out) {
    out = 0;
    if (is_memory(op)) return read_memory(core, insn, op, &out, bytes);
    out = read_gpr(core, op.reg.value) & low_mask(bytes * 8);
    return Outcome::Next;
}

Outcome write_operand(Core& core, const Insn& insn, const ZydisDecodedOperand& op, unsigned bytes, u64 value) {
    if (is_memory(op)) return write_memory(core, insn, op, &value, bytes);
    write_gpr(core, op.reg.value, value);
    return Outcome::Next;
}

u32 operand_information(const Insn& insn, const ZydisDecodedOperand& op) {
    u32 info = address_size_code(insn) << 7;
    if (!is_memory(op)) return info | 1u << 10 | (is_register(op) ? gpr_number(op.reg.value) << 3 : 0u);
    if (op.mem.segment != ZYDIS_REGISTER_NONE) info |= static_cast<u32>(op.mem.segment - ZYDIS_REGISTER_ES) << 15;
    if (op.mem.index == ZYDIS_REGISTER_NONE)
        info |= 1u << 22;
    else
        info |= gpr_number(op.mem.index) << 18 | (op.mem.scale ? static_cast<u32>(std::countr_zero(op.mem.scale)) : 0u);
    if (op.mem.base == ZYDIS_REGISTER_NONE || op.mem.base == ZYDIS_REGISTER_RIP || op.mem.base == ZYDIS_REGISTER_EIP)
        info |= 1u << 27;
    else
        info |= gpr_number(op.mem.base) << 23;
    return info;
}

u32 second_register(ZydisRegister reg) { return gpr_number(reg) << 28; }

u64 displacement(const Core& core, const Insn& insn, const ZydisDecodedOperand& op) {
    if (!is_memory(op)) return 0;
    const u64 disp = op.mem.disp.has_displacement ? static_cast<u64>(op.mem.disp.value) : 0;
    if (op.mem.base == ZYDIS_REGISTER_RIP || op.mem.base == ZYDIS_REGISTER_EIP)
        return disp + core.state.rip + insn.length();
    return disp;
}

Outcome exit_with(Core& core, const Insn& insn, const vmx::ExitInfo& info, u32 instruction_info) {
    core.exit_info() = info;
    core.exit_info().instruction_length = insn.length();
    core.exit_info().instruction_info = instruction_info;
    return Outcome::VmExit;
}

u64 next_rip(const Core& core, const Insn& insn) {
    const u64 next = core.state.rip + insn.length();
    return core.state.code64() ? next : next & 0xffffffff;
}

Outcome jump_next(Core& core, const Insn& insn) {
    core.state.rip = next_rip(core, insn);
    return Outcome::Jump;
}

GuestVirtual system_address(const Core& core, u64 address) {
    return {core.state.long_mode() ? address : address & 0xffffffff};
}

bool canonical(const Core& core, u64 address) {
    const int unused = core.state.cr4 & vmx::cr4::LA57 ? 64 - 57 : 64 - 48;
    return static_cast<u64>(static_cast<s64>(address << unused) >> unused) == address;
}

bool canonical_base(const Core& core, u64 address) {
    const auto fits = [&](unsigned bits) {
        return static_cast<u64>(static_cast<s64>(address << (64 - bits)) >> (64 - bits)) == address;
    };
    return fits(48) || (fits(57) && cpuid_has(core, 7, 0, 2, 16));
}

Vpid current_vpid(Core& core) { return core.state.vmx.non_root ? core.vmx().controls().vpid : Vpid{}; }

bool cpuid_has(const Core& core, u32 leaf, u32 subleaf, unsigned reg, unsigned bit) {
    return core.cpuid().has(leaf, subleaf, reg, bit);
}

}  // namespace vmxsim::core
