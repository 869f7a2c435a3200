// SPDX-License-Identifier: Apache-2.0
// Addition to division, logic, shifts.
#include "model/core/engine/interpret.hpp"

namespace vmxsim::core::engine {

namespace {

template <Alu Op>
Outcome two_operands(const Interpreter& x) {
    const unsigned bits = x.op(0).size, bytes = bits / 8;
    u64 a = 0, b = 0;
    Place p;
    if constexpr (writes(Op)) {
        VMXSIM_TRY(x.value(1, bytes, b));
        VMXSIM_TRY(x.read_for_update(0, bytes, p, a));
    } else {
        VMXSIM_TRY(x.value(0, bytes, a));
        VMXSIM_TRY(x.value(1, bytes, b));
    }
    const u64 r = by_size(bits, [&](auto zero) -> u64 {
        using T = decltype(zero);
        return alu<Op, T>(x.f, static_cast<T>(a), static_cast<T>(b));
    });
    return writes(Op) ? x.set(p, bytes, r) : Outcome::Next;
}

/// One operand read, changed by `f` and written.
template <class F>
Outcome update(const Interpreter& x, F&& f) {
    const unsigned bits = x.op(0).size, bytes = bits / 8;
    u64 a = 0;
    Place p;
    VMXSIM_TRY(x.read_for_update(0, bytes, p, a));
    return x.set(p, bytes, by_size(bits, [&](auto zero) -> u64 { return f(static_cast<decltype(zero)>(a)); }));
}

template <Shift Op>
Outcome shifts(const Interpreter& x) {
    u64 count = 0;
    VMXSIM_TRY(x.value(1, 1, count));
    return update(x, [&](auto a) { return shift<Op>(x.f, a, static_cast<unsigned>(count & 0xff)); });
}

template <bool Left>
Outcome double_shifts(const Interpreter& x) {
    u64 b = 0, count = 0;
    VMXSIM_TRY(x.value(1, x.op(0).size / 8, b));
    VMXSIM_TRY(x.value(2, 1, count));
    return update(x, [&](auto a) {
        return double_shift<Left>(x.f, a, static_cast<decltype(a)>(b), static_cast<unsigned>(count & 0xff));
    });
}

/// MUL, DIV and kin: the double-wide register is DX:AX, or AX for bytes.
template <class T> u8 high_slot() { return sizeof(T) == 1 ? u8{1} : u8{vmx::RDX * 8}; }

template <bool Signed>
Outcome wide_multiply(const Interpreter& x) {
    const unsigned bits = x.op(0).size;
    u64 b = 0;
    VMXSIM_TRY(x.value(0, bits / 8, b));
    by_size(bits, [&](auto zero) {
        using T = decltype(zero);
        T low{}, high{};
        multiply_wide<Signed, T>(x.f, get<T>(&x.s, 0), static_cast<T>(b), low, high);
        put<T>(&x.s, 0, low);
        put<T>(&x.s, high_slot<T>(), high);
    });
    return Outcome::Next;
}

template <bool Signed>
Outcome wide_divide(const Interpreter& x) {
    const unsigned bits = x.op(0).size;
    u64 b = 0;
    VMXSIM_TRY(x.value(0, bits / 8, b));
    return by_size(bits, [&](auto zero) {
        using T = decltype(zero);
        T quotient{}, remainder{};
        if (!divide<Signed, T>(get<T>(&x.s, 0), get<T>(&x.s, high_slot<T>()), static_cast<T>(b), quotient, remainder))
            return x.core.raise(vector::DE);
        put<T>(&x.s, 0, quotient);
        put<T>(&x.s, high_slot<T>(), remainder);
        return Outcome::Next;
    });
}

Outcome imul(const Interpreter& x) {
    if (x.insn.z.operand_count_visible == 1) return wide_multiply<true>(x);
    const unsigned bits = x.op(0).size;
    const bool three = x.insn.z.operand_count_visible == 3;
    u64 a = 0, b = 0;
    VMXSIM_TRY(x.value(three ? 1 : 0, bits / 8, a));
    VMXSIM_TRY(x.value(three ? 2 : 1, bits / 8, b));
    const u64 r = by_size(bits, [&](auto zero) -> u64 {
        using T = decltype(zero);
        return multiply<T>(x.f, static_cast<T>(a), static_cast<T>(b));
    });
    return x.store(0, bits / 8, r);
}

/// Decimal adjustments, 16- and 32-bit code only (SDM 2A, AAA to DAS).
Outcome decimal(const Interpreter& x) {
    Flags& f = x.f;
    u8 al = get<u8>(&x.s, 0), ah = get<u8>(&x.s, 1);
    const bool low = (al & 15) > 9 || f.af();
    const auto finish = [&](u8 result, bool af, bool cf) {
        f.res = extend(result);
        f.aux = 0;
        f.set_cf_of(cf, false);
        f.aux |= u64{af} << Flags::kAdjust;
    };
    switch (x.insn.z.mnemonic) {
        case ZYDIS_MNEMONIC_AAA: case ZYDIS_MNEMONIC_AAS: {
            u16 ax = get<u16>(&x.s, 0);
            if (low) ax = static_cast<u16>(x.insn.z.mnemonic == ZYDIS_MNEMONIC_AAA ? ax + 0x106 : ax - 0x106);
            ax &= 0xff0f;
            put<u16>(&x.s, 0, ax);
            finish(static_cast<u8>(ax), low, low);
            return Outcome::Next;
        }
        case ZYDIS_MNEMONIC_DAA: case ZYDIS_MNEMONIC_DAS: {
            const bool add = x.insn.z.mnemonic == ZYDIS_MNEMONIC_DAA;
            const bool high = al > 0x99 || f.cf();
            bool carry = high;
            if (low) {
                if (!add && al < 6) carry = true;
                al = static_cast<u8>(add ? al + 6 : al - 6);
            }
            if (high) al = static_cast<u8>(add ? al + 0x60 : al - 0x60);
            put<u8>(&x.s, 0, al);
            finish(al, low, carry);
            return Outcome::Next;
        }
        case ZYDIS_MNEMONIC_AAM: {
            const u8 base = static_cast<u8>(x.op(0).imm.value.u);
            if (base == 0) return x.core.raise(vector::DE);
            put<u8>(&x.s, 1, static_cast<u8>(al / base));
            put<u8>(&x.s, 0, static_cast<u8>(al % base));
            finish(static_cast<u8>(al % base), false, false);
            return Outcome::Next;
        }
        default: {  // AAD
            al = static_cast<u8>(al + ah * x.op(0).imm.value.u);
            put<u16>(&x.s, 0, al);
            finish(al, false, false);
            return Outcome::Next;
        }
    }
}

}  // namespace

Outcome Interpreter::arithmetic(bool& known) const {
    const Interpreter& x = *this;
    switch (insn.z.mnemonic) {
        case ZYDIS_MNEMONIC_ADD: return two_operands<Alu::Add>(x);
        case ZYDIS_MNEMONIC_OR: return two_operands<Alu::Or>(x);
        case ZYDIS_MNEMONIC_ADC: return two_operands<Alu::Adc>(x);
        case ZYDIS_MNEMONIC_SBB: return two_operands<Alu::Sbb>(x);
        case ZYDIS_MNEMONIC_AND: return two_operands<Alu::And>(x);
        case ZYDIS_MNEMONIC_SUB: return two_operands<Alu::Sub>(x);
        case ZYDIS_MNEMONIC_XOR: return two_operands<Alu::Xor>(x);
        case ZYDIS_MNEMONIC_CMP: return two_operands<Alu::Cmp>(x);
        case ZYDIS_MNEMONIC_TEST: return two_operands<Alu::Test>(x);
        case ZYDIS_MNEMONIC_INC: return update(x, [&](auto a) { return increment(f, a); });
        case ZYDIS_MNEMONIC_DEC: return update(x, [&](auto a) { return decrement(f, a); });
        case ZYDIS_MNEMONIC_NEG: return update(x, [&](auto a) { return subtract_with<decltype(a)>(f, 0, a, false); });
        case ZYDIS_MNEMONIC_NOT: return update(x, [&](auto a) { return static_cast<decltype(a)>(~a); });
        case ZYDIS_MNEMONIC_ROL: return shifts<Shift::Rol>(x);
        case ZYDIS_MNEMONIC_ROR: return shifts<Shift::Ror>(x);
        case ZYDIS_MNEMONIC_RCL: return shifts<Shift::Rcl>(x);
        case ZYDIS_MNEMONIC_RCR: return shifts<Shift::Rcr>(x);
        case ZYDIS_MNEMONIC_SALC: put<u8>(&s, 0, f.cf() ? 0xff : 0); return Outcome::Next;
        case ZYDIS_MNEMONIC_SHL: return shifts<Shift::Shl>(x);
        case ZYDIS_MNEMONIC_SHR: return shifts<Shift::Shr>(x);
        case ZYDIS_MNEMONIC_SAR: return shifts<Shift::Sar>(x);
        case ZYDIS_MNEMONIC_SHLD: return double_shifts<true>(x);
        case ZYDIS_MNEMONIC_SHRD: return double_shifts<false>(x);
        case ZYDIS_MNEMONIC_MUL: return wide_multiply<false>(x);
        case ZYDIS_MNEMONIC_IMUL: return imul(x);
        case ZYDIS_MNEMONIC_DIV: return wide_divide<false>(x);
        case ZYDIS_MNEMONIC_IDIV: return wide_divide<true>(x);
        case ZYDIS_MNEMONIC_AAA: case ZYDIS_MNEMONIC_AAS: case ZYDIS_MNEMONIC_AAM: case ZYDIS_MNEMONIC_AAD:
        case ZYDIS_MNEMONIC_DAA: case ZYDIS_MNEMONIC_DAS: return decimal(x);
        default: known = false; return Outcome::Next;
    }
}

}  // namespace vmxsim::core::engine
