// SPDX-License-Identifier: Apache-2.0
// Moves, conversions, the stack, flag operations, hints.
#include "model/core/engine/interpret.hpp"

namespace vmxsim::core::engine {

u64 Interpreter::stack_mask() const {
    if (engine.in_64bit()) return ~u64{0};
    return s.seg[vmx::SS].ar.big() ? 0xffffffff : 0xffff;
}

void Interpreter::set_rsp(u64 v) const {
    const u64 mask = stack_mask();
    s.r[vmx::RSP] = mask == 0xffff ? (s.r[vmx::RSP] & ~mask) | (v & mask) : v & mask;
}

Outcome Interpreter::read_stack(u64 offset, unsigned bytes, u64& v) const {
    v = 0;
    GuestVirtual at;
    VMXSIM_TRY(core.linear(vmx::SS, offset & stack_mask(), bytes, MemoryKind::Read, at));
    return core.read(at, &v, bytes);
}

Outcome Interpreter::write_stack(u64 offset, unsigned bytes, u64 v) const {
    GuestVirtual at;
    VMXSIM_TRY(core.linear(vmx::SS, offset & stack_mask(), bytes, MemoryKind::Write, at));
    return core.write(at, &v, bytes);
}

Outcome Interpreter::push(u64 v, unsigned bytes) const {
    const u64 rsp = s.r[vmx::RSP] - bytes;
    VMXSIM_TRY(write_stack(rsp, bytes, v));
    set_rsp(rsp);
    return Outcome::Next;
}

Outcome Interpreter::pop(u64& v, unsigned bytes) const {
    VMXSIM_TRY(read_stack(s.r[vmx::RSP], bytes, v));
    set_rsp(s.r[vmx::RSP] + bytes);
    return Outcome::Next;
}

namespace {

/// Bytes that PUSH, POP, PUSHF and the like move.
unsigned stack_bytes(const Interpreter& x) {
    if (x.engine.in_64bit()) return x.insn.z.operand_width == 16 ? 2 : 8;
    return x.insn.z.operand_width / 8u;
}

Outcome pop_operand(const Interpreter& x) {
    const unsigned bytes = stack_bytes(x);
    const u64 before = x.s.r[vmx::RSP];
    u64 v = 0;
    VMXSIM_TRY(x.pop(v, bytes));
    // An address with RSP as base is computed with RSP already incremented (SDM 2B, POP).
    const Outcome o = x.store(0, bytes, v);
    if (o != Outcome::Next) x.s.r[vmx::RSP] = before;
    return o;
}

Outcome push_all(const Interpreter& x) {
    const unsigned bytes = x.insn.z.operand_width / 8u;
    const u64 rsp = x.s.r[vmx::RSP];
    for (unsigned i = 0; i < 8; ++i) {  // all checked before one is written
        GuestVirtual at;
        VMXSIM_TRY(x.core.linear(vmx::SS, (rsp - bytes * (i + 1u)) & x.stack_mask(), bytes, MemoryKind::Write, at));
        VMXSIM_TRY(x.core.probe_write(at, bytes));
    }
    for (unsigned i = 0; i < 8; ++i) VMXSIM_TRY(x.write_stack(rsp - bytes * (i + 1u), bytes, x.s.r[i]));
    x.set_rsp(rsp - 8u * bytes);
    return Outcome::Next;
}

Outcome pop_all(const Interpreter& x) {
    const unsigned bytes = x.insn.z.operand_width / 8u;
    u64 values[8];
    for (unsigned i = 0; i < 8; ++i) VMXSIM_TRY(x.read_stack(x.s.r[vmx::RSP] + bytes * i, bytes, values[i]));
    for (unsigned i = 0; i < 8; ++i)
        if (7 - i != vmx::RSP) x.set_register(static_cast<u8>((7 - i) * 8), bytes, values[i]);
    x.set_rsp(x.s.r[vmx::RSP] + 8u * bytes);
    return Outcome::Next;
}

/// ENTER (SDM 2A): frames nest up to level 31.
Outcome enter_frame(const Interpreter& x) {
    const unsigned bytes = stack_bytes(x);
    const u64 size = x.op(0).imm.value.u & 0xffff;
    const unsigned level = x.op(1).imm.value.u & 31;
    u64 rsp = x.s.r[vmx::RSP] - bytes;
    const u64 frame = rsp & x.stack_mask();
    VMXSIM_TRY(x.write_stack(rsp, bytes, x.s.r[vmx::RBP]));
    for (unsigned i = 1; i < level; ++i) {
        u64 link = 0;
        VMXSIM_TRY(x.read_stack(x.s.r[vmx::RBP] - bytes * i, bytes, link));
        rsp -= bytes;
        VMXSIM_TRY(x.write_stack(rsp, bytes, link));
    }
    if (level) {
        rsp -= bytes;
        VMXSIM_TRY(x.write_stack(rsp, bytes, frame));
    }
    rsp -= size;
    GuestVirtual at;  // the new top of the stack must be writable
    VMXSIM_TRY(x.core.linear(vmx::SS, rsp & x.stack_mask(), bytes, MemoryKind::Write, at));
    VMXSIM_TRY(x.core.probe_write(at, bytes));
    x.set_register(vmx::RBP * 8, bytes, frame);
    x.set_rsp(rsp);
    return Outcome::Next;
}

Outcome leave_frame(const Interpreter& x) {
    const unsigned bytes = stack_bytes(x);
    const u64 rbp = x.s.r[vmx::RBP];
    u64 v = 0;
    VMXSIM_TRY(x.read_stack(rbp, bytes, v));
    x.set_rsp((rbp & x.stack_mask()) + bytes);
    x.set_register(vmx::RBP * 8, bytes, v);
    return Outcome::Next;
}

u64 full_flags(const Interpreter& x) { return (x.s.rflags & ~vmx::rflags::kArithmetic) | x.f.get(); }

/// Virtual-8086 mode without IOPL 3: with CR4.VME the virtual interrupt flag stands in for IF (SDM 21.4), in 16-bit
/// forms.
bool virtual_flags(const Interpreter& x) {
    return x.s.v8086() && (x.s.rflags & vmx::rflags::IOPL) != vmx::rflags::IOPL;
}
bool flags_forbidden(const Interpreter& x, unsigned bytes) {
    return virtual_flags(x) && (!(x.s.cr4 & vmx::cr4::VME) || bytes != 2);
}

Outcome push_flags(const Interpreter& x) {
    using namespace vmx::rflags;
    const unsigned bytes = stack_bytes(x);
    if (flags_forbidden(x, bytes)) return x.core.raise(vector::GP, 0);
    u64 flags = full_flags(x) & ~(VM | RF);
    if (virtual_flags(x)) flags = (flags & ~IF) | IOPL | (flags & VIF ? IF : 0);
    return x.push(flags, bytes);
}

/// POPF: IOPL at CPL 0 only, IF at CPL <= IOPL only; VM, VIF, VIP stay, RF is cleared (SDM 2B, POPF, table 4-21).
Outcome pop_flags(const Interpreter& x) {
    using namespace vmx::rflags;
    const unsigned bytes = stack_bytes(x);
    if (flags_forbidden(x, bytes)) return x.core.raise(vector::GP, 0);
    const bool is_virtual = virtual_flags(x);
    const u64 before = x.s.r[vmx::RSP];
    u64 v = 0;
    VMXSIM_TRY(x.pop(v, bytes));
    if (is_virtual && ((v & TF) || ((v & IF) && (x.s.rflags & VIP)))) {
        x.s.r[vmx::RSP] = before;
        return x.core.raise(vector::GP, 0);
    }
    const auto iopl = static_cast<unsigned>((x.s.rflags & IOPL) >> 12);
    u64 mask = kArithmetic | TF | DF | NT | AC | ID;
    if (!x.s.protected_mode() || (x.s.cpl() == 0 && !x.s.v8086())) mask |= IOPL | IF;
    else if (x.s.v8086() || x.s.cpl() <= iopl) mask |= IF;
    if (bytes == 2) mask &= 0xffff;
    if (is_virtual) mask &= ~IF;
    const u64 old = full_flags(x);
    x.s.rflags = ((old & ~mask) | (v & mask)) & ~(bytes == 2 ? 0 : RF);
    if (is_virtual) x.s.rflags = (x.s.rflags & ~VIF) | (v & IF ? VIF : 0);
    x.f.set(x.s.rflags);
    return jump_next(x.core, x.insn);  // TF, AC, IF matter to the run loop
}

Outcome load_address(const Interpreter& x) {
    if (!is_memory(x.op(1))) return x.core.raise(vector::UD);
    return x.store(0, x.op(0).size / 8, x.address(x.op(1)).offset);
}

Outcome sign_extend(const Interpreter& x) {
    switch (x.insn.z.mnemonic) {
        case ZYDIS_MNEMONIC_CBW: put<u16>(&x.s, 0, static_cast<u16>(extend(get<u8>(&x.s, 0)))); break;
        case ZYDIS_MNEMONIC_CWDE: put<u32>(&x.s, 0, static_cast<u32>(extend(get<u16>(&x.s, 0)))); break;
        case ZYDIS_MNEMONIC_CDQE: put<u64>(&x.s, 0, extend(get<u32>(&x.s, 0))); break;
        case ZYDIS_MNEMONIC_CWD: put<u16>(&x.s, vmx::RDX * 8, top(get<u16>(&x.s, 0)) ? 0xffff : 0); break;
        case ZYDIS_MNEMONIC_CDQ: put<u32>(&x.s, vmx::RDX * 8, top(get<u32>(&x.s, 0)) ? 0xffffffff : 0); break;
        default: put<u64>(&x.s, vmx::RDX * 8, top(get<u64>(&x.s, 0)) ? ~u64{0} : 0); break;
    }
    return Outcome::Next;
}

Outcome move(const Interpreter& x) {
    u64 v = 0;
    VMXSIM_TRY(x.value(1, x.op(0).size / 8, v));
    return x.store(0, x.op(0).size / 8, v);
}

Outcome move_extended(const Interpreter& x) {
    u64 v = 0;
    const unsigned bits = x.op(1).size;
    VMXSIM_TRY(x.value(1, bits / 8, v));
    if (x.insn.z.mnemonic != ZYDIS_MNEMONIC_MOVZX)
        v = by_size(bits, [&](auto zero) { return extend(static_cast<decltype(zero)>(v)); });
    return x.store(0, x.op(0).size / 8, v);
}

/// A false condition still reads memory, and still clears the upper half of a 32-bit destination (SDM 2A, CMOVcc).
Outcome move_if(const Interpreter& x) {
    const unsigned bytes = x.op(0).size / 8;
    u64 v = 0, old = 0;
    VMXSIM_TRY(x.value(1, bytes, v));
    VMXSIM_TRY(x.value(0, bytes, old));
    return x.store(0, bytes, condition(x.f, condition_code(x.insn)) ? v : old);
}

Outcome xlat(const Interpreter& x) {
    const u64 offset = (x.s.r[vmx::RBX] + (x.s.r[vmx::RAX] & 0xff)) &
                       (x.insn.z.address_width == 64 ? ~u64{0} : (u64{1} << x.insn.z.address_width) - 1);
    vmx::Seg seg = vmx::DS;
    for (unsigned i = 0; i < x.insn.z.operand_count; ++i)
        if (is_memory(x.op(i)) && x.op(i).mem.segment != ZYDIS_REGISTER_NONE)
            seg = static_cast<vmx::Seg>(x.op(i).mem.segment - ZYDIS_REGISTER_ES);
    GuestVirtual at;
    VMXSIM_TRY(x.core.linear(seg, offset, 1, MemoryKind::Read, at));
    u8 v = 0;
    VMXSIM_TRY(x.core.read(at, &v, 1));
    put<u8>(&x.s, 0, v);
    return Outcome::Next;
}

}  // namespace

Outcome Interpreter::data(bool& known) const {
    using namespace vmx::rflags;
    switch (insn.z.mnemonic) {
        case ZYDIS_MNEMONIC_MOV: case ZYDIS_MNEMONIC_MOVNTI: return move(*this);
        case ZYDIS_MNEMONIC_MOVZX: case ZYDIS_MNEMONIC_MOVSX: case ZYDIS_MNEMONIC_MOVSXD: return move_extended(*this);
        case ZYDIS_MNEMONIC_LEA: return load_address(*this);
        case ZYDIS_MNEMONIC_CBW: case ZYDIS_MNEMONIC_CWDE: case ZYDIS_MNEMONIC_CDQE: case ZYDIS_MNEMONIC_CWD:
        case ZYDIS_MNEMONIC_CDQ: case ZYDIS_MNEMONIC_CQO: return sign_extend(*this);
        case ZYDIS_MNEMONIC_CMOVO: case ZYDIS_MNEMONIC_CMOVNO: case ZYDIS_MNEMONIC_CMOVB: case ZYDIS_MNEMONIC_CMOVNB:
        case ZYDIS_MNEMONIC_CMOVZ: case ZYDIS_MNEMONIC_CMOVNZ: case ZYDIS_MNEMONIC_CMOVBE: case ZYDIS_MNEMONIC_CMOVNBE:
        case ZYDIS_MNEMONIC_CMOVS: case ZYDIS_MNEMONIC_CMOVNS: case ZYDIS_MNEMONIC_CMOVP: case ZYDIS_MNEMONIC_CMOVNP:
        case ZYDIS_MNEMONIC_CMOVL: case ZYDIS_MNEMONIC_CMOVNL: case ZYDIS_MNEMONIC_CMOVLE: case ZYDIS_MNEMONIC_CMOVNLE:
            return move_if(*this);
        case ZYDIS_MNEMONIC_SETO: case ZYDIS_MNEMONIC_SETNO: case ZYDIS_MNEMONIC_SETB: case ZYDIS_MNEMONIC_SETNB:
        case ZYDIS_MNEMONIC_SETZ: case ZYDIS_MNEMONIC_SETNZ: case ZYDIS_MNEMONIC_SETBE: case ZYDIS_MNEMONIC_SETNBE:
        case ZYDIS_MNEMONIC_SETS: case ZYDIS_MNEMONIC_SETNS: case ZYDIS_MNEMONIC_SETP: case ZYDIS_MNEMONIC_SETNP:
        case ZYDIS_MNEMONIC_SETL: case ZYDIS_MNEMONIC_SETNL: case ZYDIS_MNEMONIC_SETLE: case ZYDIS_MNEMONIC_SETNLE:
            return store(0, 1, condition(f, condition_code(insn)));
        case ZYDIS_MNEMONIC_PUSH: {
            const unsigned bytes = stack_bytes(*this);
            u64 v = 0;
            VMXSIM_TRY(value(0, bytes, v));
            return push(v, bytes);
        }
        case ZYDIS_MNEMONIC_POP: return pop_operand(*this);
        case ZYDIS_MNEMONIC_PUSHA: case ZYDIS_MNEMONIC_PUSHAD: return push_all(*this);
        case ZYDIS_MNEMONIC_POPA: case ZYDIS_MNEMONIC_POPAD: return pop_all(*this);
        case ZYDIS_MNEMONIC_ENTER: return enter_frame(*this);
        case ZYDIS_MNEMONIC_LEAVE: return leave_frame(*this);
        case ZYDIS_MNEMONIC_PUSHF: case ZYDIS_MNEMONIC_PUSHFD: case ZYDIS_MNEMONIC_PUSHFQ: return push_flags(*this);
        case ZYDIS_MNEMONIC_POPF: case ZYDIS_MNEMONIC_POPFD: case ZYDIS_MNEMONIC_POPFQ: return pop_flags(*this);
        case ZYDIS_MNEMONIC_LAHF: put<u8>(&s, 1, static_cast<u8>((f.get() & 0xd5) | 2)); return Outcome::Next;
        case ZYDIS_MNEMONIC_SAHF: f.set((f.get() & OF) | (engine::get<u8>(&s, 1) & 0xd5)); return Outcome::Next;
        case ZYDIS_MNEMONIC_CLC: f.set_cf(false); return Outcome::Next;
        case ZYDIS_MNEMONIC_STC: f.set_cf(true); return Outcome::Next;
        case ZYDIS_MNEMONIC_CMC: f.set_cf(!f.cf()); return Outcome::Next;
        case ZYDIS_MNEMONIC_CLD: s.rflags &= ~DF; return Outcome::Next;
        case ZYDIS_MNEMONIC_STD: s.rflags |= DF; return Outcome::Next;
        case ZYDIS_MNEMONIC_XLAT: return xlat(*this);
        case ZYDIS_MNEMONIC_MOVBE: {
            const unsigned bits = op(0).size;
            u64 v = 0;
            VMXSIM_TRY(value(1, bits / 8, v));
            return store(0, bits / 8, __builtin_bswap64(v) >> (64 - bits));
        }
        // Order is program order here, and caches are coherent: nothing to do.
        case ZYDIS_MNEMONIC_LFENCE: case ZYDIS_MNEMONIC_SFENCE: case ZYDIS_MNEMONIC_MFENCE:
        case ZYDIS_MNEMONIC_NOP: case ZYDIS_MNEMONIC_ENDBR32: case ZYDIS_MNEMONIC_ENDBR64:
        case ZYDIS_MNEMONIC_PREFETCH: case ZYDIS_MNEMONIC_PREFETCHW: case ZYDIS_MNEMONIC_PREFETCHWT1:
        case ZYDIS_MNEMONIC_PREFETCHNTA: case ZYDIS_MNEMONIC_PREFETCHT0: case ZYDIS_MNEMONIC_PREFETCHT1:
        case ZYDIS_MNEMONIC_PREFETCHT2: return Outcome::Next;
        case ZYDIS_MNEMONIC_CLFLUSH: case ZYDIS_MNEMONIC_CLFLUSHOPT: case ZYDIS_MNEMONIC_CLWB: {
            u64 v = 0;
            Place p;
            VMXSIM_TRY(place(op(0), 1, MemoryKind::Read, p));
            return get(p, 1, v);
        }
        default: known = false; return Outcome::Next;
    }
}

}  // namespace vmxsim::core::engine
