// SPDX-License-Identifier: Apache-2.0
#include "model/core/engine/select.hpp"

#include <optional>

namespace vmxsim::core::engine {

namespace {

constexpr unsigned size_code(unsigned bits) { return bits == 8 ? 0 : bits == 16 ? 1 : bits == 32 ? 2 : 3; }
constexpr bool fits(s64 v) { return v == static_cast<s32>(v); }
bool is_immediate(const ZydisDecodedOperand& o) { return o.type == ZYDIS_OPERAND_TYPE_IMMEDIATE; }

/// Address form of a memory operand: 0 simple, 1 indexed, 2 general. Empty: none fits.
std::optional<unsigned> address(const Selection& x, const ZydisDecodedOperand& o, Op& op) {
    const ZydisDecodedOperandMem& m = o.mem;
    const bool fs_gs = m.segment == ZYDIS_REGISTER_FS || m.segment == ZYDIS_REGISTER_GS;
    if (!x.code64 && (fs_gs || m.segment == ZYDIS_REGISTER_CS)) return {};
    if (x.insn.z.address_width == 16) return {};
    s64 disp = m.disp.has_displacement ? m.disp.value : 0;
    op.base = op.idx = kZeroReg;
    op.scale = 0;
    op.seg = kZeroReg / 8;
    bool general = x.insn.z.address_width == 32;
    if (m.base == ZYDIS_REGISTER_RIP) {
        disp += static_cast<s64>(x.next);
        if (!fits(disp)) {
            // Relative to the running block's address, which is this instruction's less its offset.
            disp -= static_cast<s64>(x.va) - op.offset;
            op.base = kRipReg;
        }
    } else if (m.base == ZYDIS_REGISTER_EIP) {
        return {};
    } else if (m.base != ZYDIS_REGISTER_NONE) {
        op.base = register_slot(m.base);
    }
    if (!fits(disp)) return {};
    op.disp = static_cast<s32>(disp);
    if (m.index != ZYDIS_REGISTER_NONE) {
        op.idx = register_slot(m.index);
        op.scale = static_cast<u8>(m.scale ? std::countr_zero(m.scale) : 0);
    }
    if (x.insn.z.address_width == 32) op.scale |= 0x80;
    if (fs_gs) {
        const std::size_t at = offsetof(CpuState, seg) +
                               (m.segment == ZYDIS_REGISTER_FS ? vmx::FS : vmx::GS) * sizeof(vmx::Segment) +
                               offsetof(vmx::Segment, base);
        static_assert(offsetof(CpuState, seg) % 8 == 0 && sizeof(vmx::Segment) % 8 == 0);
        op.seg = static_cast<u8>(at / 8);
        general = true;
    }
    return general ? 2u : m.index != ZYDIS_REGISTER_NONE ? 1u : 0u;
}

bool take(Op& op, Handler fn) {
    op.fn = fn;
    return fn != nullptr;
}

std::optional<Alu> alu_of(ZydisMnemonic m) {
    switch (m) {
        case ZYDIS_MNEMONIC_ADD: return Alu::Add;
        case ZYDIS_MNEMONIC_OR: return Alu::Or;
        case ZYDIS_MNEMONIC_ADC: return Alu::Adc;
        case ZYDIS_MNEMONIC_SBB: return Alu::Sbb;
        case ZYDIS_MNEMONIC_AND: return Alu::And;
        case ZYDIS_MNEMONIC_SUB: return Alu::Sub;
        case ZYDIS_MNEMONIC_XOR: return Alu::Xor;
        case ZYDIS_MNEMONIC_CMP: return Alu::Cmp;
        case ZYDIS_MNEMONIC_TEST: return Alu::Test;
        default: return {};
    }
}

/// Operand form of two-operand instructions, with the operation's register and immediate fields.
std::optional<AluForm> form_of(const Selection& x, Op& op, unsigned& form_address) {
    const ZydisDecodedOperand &d = x.insn.op[0], &s = x.insn.op[1];
    const auto slot = [](const ZydisDecodedOperand& o) { return register_slot(o.reg.value); };
    if (is_immediate(s)) op.imm = s.imm.value.u;
    if (is_register(d)) {
        op.dst = slot(d);
        if (is_register(s)) { op.src = slot(s); return AluForm::RegReg; }
        if (is_immediate(s)) return AluForm::RegImm;
        if (!is_memory(s)) return {};
        const auto a = address(x, s, op);
        if (!a) return {};
        form_address = *a;
        return AluForm::RegMem;
    }
    if (!is_memory(d)) return {};
    const auto a = address(x, d, op);
    if (!a) return {};
    form_address = *a;
    if (is_immediate(s)) return AluForm::MemImm;
    op.src = slot(s);
    return AluForm::MemReg;
}

bool two_operands(const Selection& x, Alu alu, Op& op) {
    unsigned a = 0;
    const auto form = form_of(x, op, a);
    if (!form) return false;
    const unsigned size = size_code(x.insn.op[0].size);
    if (*form == AluForm::RegReg || *form == AluForm::RegImm) return take(op, alu_register_handler(alu, size, *form));
    return take(op, alu_memory_handler(alu, size, *form, a, x.timed));
}

bool move(const Selection& x, Op& op) {
    unsigned a = 0;
    const auto form = form_of(x, op, a);
    return form && take(op, move_handler(size_code(x.insn.op[0].size), *form, a, x.timed));
}

bool unary(const Selection& x, Unary which, Op& op) {
    const ZydisDecodedOperand& d = x.insn.op[0];
    if (is_register(d)) {
        op.dst = register_slot(d.reg.value);
        return take(op, unary_handler(which, size_code(d.size)));
    }
    const auto a = address(x, d, op);
    return a && take(op, unary_memory_handler(which, size_code(d.size), *a, x.timed));
}

bool shift(const Selection& x, Shift which, Op& op) {
    const ZydisDecodedOperand &d = x.insn.op[0], &c = x.insn.op[1];
    if (!is_register(d)) return false;
    op.dst = register_slot(d.reg.value);
    if (is_immediate(c)) op.imm = c.imm.value.u & 0xff;
    return take(op, shift_handler(which, size_code(d.size), !is_immediate(c)));
}

bool extension(const Selection& x, bool sign, Op& op) {
    const ZydisDecodedOperand &d = x.insn.op[0], &s = x.insn.op[1];
    op.dst = register_slot(d.reg.value);
    unsigned a = 0;
    if (is_memory(s)) {
        const auto found = address(x, s, op);
        if (!found) return false;
        a = *found;
    } else {
        op.src = register_slot(s.reg.value);
    }
    return take(op, extend_handler(sign, size_code(s.size), size_code(d.size), is_memory(s), a, x.timed));
}

bool multiply(const Selection& x, Op& op) {
    const unsigned n = x.insn.z.operand_count_visible;
    if (n < 2 || !is_register(x.insn.op[1])) return false;
    op.dst = register_slot(x.insn.op[0].reg.value);
    op.src = register_slot(x.insn.op[1].reg.value);
    if (n == 3) op.imm = x.insn.op[2].imm.value.u;
    return take(op, multiply_handler(size_code(x.insn.op[0].size), n == 3));
}

/// One operand, a register; the accumulator is implied.
bool accumulator(const Selection& x, Wide2 which, Op& op) {
    const ZydisDecodedOperand& d = x.insn.op[0];
    if (x.insn.z.operand_count_visible != 1 || !is_register(d)) return false;
    op.src = register_slot(d.reg.value);
    return take(op, accumulator_handler(which, size_code(d.size)));
}

bool exchange(const Selection& x, Op& op) {
    const ZydisDecodedOperand &d = x.insn.op[0], &s = x.insn.op[1];
    if (d.size < 32) return false;
    if (is_memory(d) || is_memory(s)) {  // either order: they mean the same
        const ZydisDecodedOperand &m = is_memory(d) ? d : s, &r = is_memory(d) ? s : d;
        const auto a = address(x, m, op);
        op.src = register_slot(r.reg.value);
        return a && take(op, exchange_memory_handler(size_code(d.size), *a, x.timed));
    }
    op.dst = register_slot(d.reg.value);
    op.src = register_slot(s.reg.value);
    return take(op, misc_handler(d.size == 32 ? Misc::Xchg32 : Misc::Xchg64));
}

u64 branch_target(const Selection& x) {
    const u64 target = x.next + x.insn.op[0].imm.value.u;
    return x.code64 ? target : target & 0xffffffff;
}

bool branch(const Selection& x, Handler fn, Op& op, Tail& tail) {
    // 16-bit operand size cuts EIP outside 64-bit mode; targets that are not canonical fault.
    if (!x.code64 && x.insn.z.operand_width != 32) return false;
    tail.va[0] = branch_target(x);
    if (x.code64 && !is_canonical(tail.va[0])) return false;
    return take(op, fn);
}

bool control(const Selection& x, Op& op, Tail& tail) {
    const ZydisDecodedOperand& d = x.insn.op[0];
    const auto pick = [&](Control which, unsigned a = 0) {
        return take(op, control_handler(which, x.code64, a, x.timed));
    };
    const unsigned width = x.code64 ? 64 : 32;
    // Operand-size prefixes on stack operations and branches are rare: the interpreter's.
    const bool plain = x.code64 ? x.insn.z.operand_width != 16 : x.insn.z.operand_width == 32;
    if (!plain) return false;
    switch (x.insn.z.mnemonic) {
        case ZYDIS_MNEMONIC_JMP:
            if (is_immediate(d)) return branch(x, control_handler(Control::Jump, x.code64, 0, x.timed), op, tail);
            if (is_register(d)) {
                op.src = register_slot(d.reg.value);
                return d.size == width && pick(Control::JumpReg);
            }
            if (const auto a = address(x, d, op)) return d.size == width && pick(Control::JumpMem, *a);
            return false;
        case ZYDIS_MNEMONIC_CALL:
            op.imm = x.next;
            if (is_immediate(d)) return branch(x, control_handler(Control::Call, x.code64, 0, x.timed), op, tail);
            if (d.size != width) return false;
            if (is_memory(d)) {
                const auto a = address(x, d, op);
                return a && pick(Control::CallMem, *a);
            }
            op.src = register_slot(d.reg.value);
            return pick(Control::CallReg);
        case ZYDIS_MNEMONIC_RET:
            op.imm = width / 8 + (is_immediate(d) ? d.imm.value.u & 0xffff : 0);
            return pick(Control::Ret);
        case ZYDIS_MNEMONIC_PUSH:
            if (is_immediate(d)) {
                op.imm = d.imm.value.u;
                return pick(Control::PushImm);
            }
            if (d.size != width) return false;
            if (is_memory(d)) {
                const auto a = address(x, d, op);
                return a && pick(Control::PushMem, *a);
            }
            op.src = register_slot(d.reg.value);
            return pick(Control::Push);
        case ZYDIS_MNEMONIC_POP:
            if (d.size != width) return false;
            if (is_memory(d)) {
                const auto a = address(x, d, op);
                return a && op.base != vmx::RSP * 8 && pick(Control::PopMem, *a);
            }
            op.dst = register_slot(d.reg.value);
            return pick(Control::Pop);
        case ZYDIS_MNEMONIC_LEAVE: return pick(Control::Leave);
        default: return false;
    }
}

bool by_category(const Selection& x, Op& op, Tail& tail) {
    const unsigned code = condition_code(x.insn);
    const ZydisDecodedOperand &d = x.insn.op[0], &s = x.insn.op[1];
    switch (x.insn.z.meta.category) {
        case ZYDIS_CATEGORY_COND_BR: {
            const ZydisMnemonic m = x.insn.z.mnemonic;
            if (m == ZYDIS_MNEMONIC_JCXZ || m == ZYDIS_MNEMONIC_JECXZ || m == ZYDIS_MNEMONIC_JRCXZ ||
                m == ZYDIS_MNEMONIC_LOOP || m == ZYDIS_MNEMONIC_LOOPE || m == ZYDIS_MNEMONIC_LOOPNE ||
                x.insn.z.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
                return false;
            return branch(x, jcc_handler(code, x.timed), op, tail);
        }
        case ZYDIS_CATEGORY_SETCC:
            if (!is_register(d)) return false;
            op.dst = register_slot(d.reg.value);
            return take(op, setcc_handler(code));
        case ZYDIS_CATEGORY_CMOV:
            if (!is_register(d) || !is_register(s) || x.insn.z.meta.isa_set != ZYDIS_ISA_SET_CMOV) return false;
            op.dst = register_slot(d.reg.value);
            op.src = register_slot(s.reg.value);
            return take(op, cmov_handler(code, size_code(d.size)));
        case ZYDIS_CATEGORY_WIDENOP: case ZYDIS_CATEGORY_NOP: return take(op, misc_handler(Misc::Nop));
        default: return control(x, op, tail);
    }
}

}  // namespace

std::optional<unsigned> address_form(const Selection& x, const ZydisDecodedOperand& o, Op& op) { return address(x, o, op); }

bool specialise(const Selection& x, Op& op, Tail& tail) {
    if (x.insn.z.attributes & ZYDIS_ATTRIB_HAS_LOCK) return false;
    if (const auto alu = alu_of(x.insn.z.mnemonic)) return two_operands(x, *alu, op);
    const ZydisDecodedOperand &d = x.insn.op[0], &s = x.insn.op[1];
    switch (x.insn.z.mnemonic) {
        case ZYDIS_MNEMONIC_MOV: return move(x, op);
        case ZYDIS_MNEMONIC_MOVZX: return extension(x, false, op);
        case ZYDIS_MNEMONIC_MOVSX: case ZYDIS_MNEMONIC_MOVSXD: return extension(x, true, op);
        case ZYDIS_MNEMONIC_LEA: {
            if (!is_memory(s)) return false;
            // No segment base in LEA.
            ZydisDecodedOperand plain = s;
            plain.mem.segment = ZYDIS_REGISTER_DS;
            const auto a = address(x, plain, op);
            op.dst = register_slot(d.reg.value);
            return a && take(op, lea_handler(size_code(d.size), *a));
        }
        case ZYDIS_MNEMONIC_INC: return unary(x, Unary::Inc, op);
        case ZYDIS_MNEMONIC_DEC: return unary(x, Unary::Dec, op);
        case ZYDIS_MNEMONIC_NEG: return is_register(d) && unary(x, Unary::Neg, op);
        case ZYDIS_MNEMONIC_NOT: return is_register(d) && unary(x, Unary::Not, op);
        case ZYDIS_MNEMONIC_ROL: return shift(x, Shift::Rol, op);
        case ZYDIS_MNEMONIC_ROR: return shift(x, Shift::Ror, op);
        case ZYDIS_MNEMONIC_SHL: return shift(x, Shift::Shl, op);
        case ZYDIS_MNEMONIC_SHR: return shift(x, Shift::Shr, op);
        case ZYDIS_MNEMONIC_SAR: return shift(x, Shift::Sar, op);
        case ZYDIS_MNEMONIC_IMUL:
            return x.insn.z.operand_count_visible == 1 ? accumulator(x, Wide2::Imul, op) : multiply(x, op);
        case ZYDIS_MNEMONIC_MUL: return accumulator(x, Wide2::Mul, op);
        case ZYDIS_MNEMONIC_DIV: return accumulator(x, Wide2::Div, op);
        case ZYDIS_MNEMONIC_IDIV: return accumulator(x, Wide2::Idiv, op);
        case ZYDIS_MNEMONIC_XCHG: return exchange(x, op);
        case ZYDIS_MNEMONIC_CDQE: return take(op, misc_handler(Misc::Cdqe));
        case ZYDIS_MNEMONIC_CWDE: return take(op, misc_handler(Misc::Cwde));
        case ZYDIS_MNEMONIC_CDQ: return take(op, misc_handler(Misc::Cdq));
        case ZYDIS_MNEMONIC_CQO: return take(op, misc_handler(Misc::Cqo));
        case ZYDIS_MNEMONIC_BSWAP:
            op.dst = register_slot(d.reg.value);
            return d.size >= 32 && take(op, misc_handler(d.size == 32 ? Misc::Bswap32 : Misc::Bswap64));
        case ZYDIS_MNEMONIC_BT:
            if (!is_register(d) || !is_immediate(s) || d.size < 32) return false;
            op.dst = register_slot(d.reg.value);
            op.imm = s.imm.value.u;
            return take(op, misc_handler(d.size == 32 ? Misc::BitTest32 : Misc::BitTest64));
        default: return specialise_vector(x, op) || by_category(x, op, tail);
    }
}

}  // namespace vmxsim::core::engine
