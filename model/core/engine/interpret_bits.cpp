// SPDX-License-Identifier: Apache-2.0
// Single bits, bit counts, exchanges.
#include "model/core/engine/interpret.hpp"

namespace vmxsim::core::engine {

namespace {

enum class BitOp : u8 { Test, Set, Reset, Complement };

/// BT, BTS, BTR, BTC. With a register as bit number, memory is a bit string around the operand's address (SDM 2A, BT).
template <BitOp Op>
Outcome bit(const Interpreter& x) {
    const unsigned bits = x.op(0).size, bytes = bits / 8;
    constexpr MemoryKind kKind = Op == BitOp::Test ? MemoryKind::Read : MemoryKind::ReadModifyWrite;
    u64 number = 0, a = 0;
    VMXSIM_TRY(x.value(1, bytes, number));
    Place p;
    if (is_memory(x.op(0))) {
        EffectiveAddress ea = x.address(x.op(0));
        if (is_register(x.op(1))) {
            const s64 wide =
                by_size(bits, [&](auto zero) { return static_cast<s64>(extend(static_cast<decltype(zero)>(number))); });
            const s64 units = wide >> std::countr_zero(bits);
            ea.offset += static_cast<u64>(units * static_cast<s64>(bytes));
            if (x.insn.z.address_width < 64) ea.offset &= (u64{1} << x.insn.z.address_width) - 1;
        }
        p.memory = true;
        VMXSIM_TRY(x.core.linear(ea.seg, ea.offset, bytes, kKind, p.at));
    } else {
        p.slot = register_slot(x.op(0).reg.value);
    }
    VMXSIM_TRY(x.get(p, bytes, a, kKind));
    const u64 mask = u64{1} << (number & (bits - 1));
    const bool was = a & mask;
    if constexpr (Op == BitOp::Set) VMXSIM_TRY(x.set(p, bytes, a | mask));
    if constexpr (Op == BitOp::Reset) VMXSIM_TRY(x.set(p, bytes, a & ~mask));
    if constexpr (Op == BitOp::Complement) VMXSIM_TRY(x.set(p, bytes, a ^ mask));
    x.f.set_cf(was);
    return Outcome::Next;
}

/// BSF, BSR, POPCNT, TZCNT, LZCNT.
Outcome count(const Interpreter& x) {
    const unsigned bits = x.op(0).size, bytes = bits / 8;
    u64 a = 0;
    VMXSIM_TRY(x.value(1, bytes, a));
    Flags& f = x.f;
    const u64 first = a ? static_cast<u64>(std::countr_zero(a)) : bits;
    const u64 last = a ? static_cast<u64>(63 - std::countl_zero(a)) : ~u64{0};
    switch (x.insn.z.mnemonic) {
        case ZYDIS_MNEMONIC_BSF: case ZYDIS_MNEMONIC_BSR:
            f.res = a != 0;
            f.aux = 0;
            // A source of zero leaves the destination as it is: all of it, for 32 bits too, as processors do.
            if (!a) return Outcome::Next;
            return x.store(0, bytes, x.insn.z.mnemonic == ZYDIS_MNEMONIC_BSF ? first : last);
        case ZYDIS_MNEMONIC_POPCNT:
            f.set(a ? 0 : vmx::rflags::ZF);
            return x.store(0, bytes, static_cast<u64>(std::popcount(a)));
        default: {
            const u64 r = x.insn.z.mnemonic == ZYDIS_MNEMONIC_TZCNT ? first : bits - 1 - last;
            f.set((a ? 0 : vmx::rflags::CF) | (r ? 0 : vmx::rflags::ZF));
            return x.store(0, bytes, r);
        }
    }
}

Outcome exchange(const Interpreter& x) {
    const unsigned bytes = x.op(0).size / 8;
    // One of the two may be memory, in either place.
    const unsigned m = is_memory(x.op(1)) ? 1 : 0;
    u64 a = 0, b = 0;
    Place p, q;
    VMXSIM_TRY(x.place(x.op(1 - m), bytes, MemoryKind::Read, q));
    VMXSIM_TRY(x.read_for_update(m, bytes, p, a));
    VMXSIM_TRY(x.get(q, bytes, b));
    VMXSIM_TRY(x.set(p, bytes, b));
    return x.set(q, bytes, a);
}

Outcome exchange_add(const Interpreter& x) {
    const unsigned bits = x.op(0).size, bytes = bits / 8;
    u64 a = 0, b = 0;
    Place p;
    VMXSIM_TRY(x.value(1, bytes, b));
    VMXSIM_TRY(x.read_for_update(0, bytes, p, a));
    const u64 r = by_size(bits, [&](auto zero) -> u64 {
        using T = decltype(zero);
        return add_with<T>(x.f, static_cast<T>(a), static_cast<T>(b), false);
    });
    // XADD of a register with itself leaves the sum: the source is written first.
    if (p.memory) {
        VMXSIM_TRY(x.set(p, bytes, r));
        return x.store(1, bytes, a);
    }
    VMXSIM_TRY(x.store(1, bytes, a));
    return x.set(p, bytes, r);
}

Outcome compare_exchange(const Interpreter& x) {
    const unsigned bits = x.op(0).size, bytes = bits / 8;
    u64 a = 0, b = 0;
    Place p;
    VMXSIM_TRY(x.value(1, bytes, b));
    VMXSIM_TRY(x.read_for_update(0, bytes, p, a));
    by_size(bits, [&](auto zero) {
        using T = decltype(zero);
        alu<Alu::Cmp, T>(x.f, get<T>(&x.s, 0), static_cast<T>(a));
    });
    if (x.f.zf()) return x.set(p, bytes, b);
    if (p.memory) VMXSIM_TRY(x.set(p, bytes, a));  // the cycle of a write happens either way (SDM 2A, CMPXCHG)
    x.set_register(0, bytes, a);
    return Outcome::Next;
}

/// CMPXCHG8B, CMPXCHG16B: ZF only.
Outcome compare_exchange_pair(const Interpreter& x) {
    const bool wide = x.insn.z.mnemonic == ZYDIS_MNEMONIC_CMPXCHG16B;
    const unsigned half = wide ? 8 : 4;
    Place p;
    VMXSIM_TRY(x.place(x.op(0), 2 * half, MemoryKind::ReadModifyWrite, p));
    if (wide && p.at.raw & 15) return x.core.raise(vector::GP, 0);
    u64 words[2] = {};
    u8* const raw = reinterpret_cast<u8*>(words);
    VMXSIM_TRY(x.core.access(p.at, raw, 2 * half, MemoryKind::ReadModifyWrite, x.s.cpl() == 3));
    u64 low = words[0], high = words[1];
    if (!wide) high = low >> 32, low &= 0xffffffff;
    const bool equal = low == x.register_value(vmx::RAX * 8, half) && high == x.register_value(vmx::RDX * 8, half);
    if (equal) {
        const u64 b = x.register_value(vmx::RBX * 8, half), c = x.register_value(vmx::RCX * 8, half);
        words[0] = wide ? b : b | c << 32;
        words[1] = c;
    }
    VMXSIM_TRY(x.core.write(p.at, raw, 2 * half));
    if (!equal) {
        x.set_register(vmx::RAX * 8, half, low);
        x.set_register(vmx::RDX * 8, half, high);
    }
    x.f.set((x.f.get() & ~vmx::rflags::ZF) | (equal ? vmx::rflags::ZF : 0));
    return Outcome::Next;
}

Outcome byte_swap(const Interpreter& x) {
    const unsigned bytes = x.op(0).size / 8;
    u64 a = 0;
    VMXSIM_TRY(x.value(0, bytes, a));
    // 16 bits: undefined; processors clear the register's low half.
    return x.store(0, bytes,
                   bytes == 8   ? __builtin_bswap64(a)
                   : bytes == 4 ? __builtin_bswap32(static_cast<u32>(a))
                                : 0);
}

}  // namespace

Outcome Interpreter::bits(bool& known) const {
    switch (insn.z.mnemonic) {
        case ZYDIS_MNEMONIC_BT: return bit<BitOp::Test>(*this);
        case ZYDIS_MNEMONIC_BTS: return bit<BitOp::Set>(*this);
        case ZYDIS_MNEMONIC_BTR: return bit<BitOp::Reset>(*this);
        case ZYDIS_MNEMONIC_BTC: return bit<BitOp::Complement>(*this);
        case ZYDIS_MNEMONIC_BSF: case ZYDIS_MNEMONIC_BSR: case ZYDIS_MNEMONIC_POPCNT: case ZYDIS_MNEMONIC_TZCNT:
        case ZYDIS_MNEMONIC_LZCNT: return count(*this);
        case ZYDIS_MNEMONIC_XCHG: return exchange(*this);
        case ZYDIS_MNEMONIC_XADD: return exchange_add(*this);
        case ZYDIS_MNEMONIC_CMPXCHG: return compare_exchange(*this);
        case ZYDIS_MNEMONIC_CMPXCHG8B: case ZYDIS_MNEMONIC_CMPXCHG16B: return compare_exchange_pair(*this);
        case ZYDIS_MNEMONIC_BSWAP: return byte_swap(*this);
        default: return bit_manipulation(known);
    }
}

}  // namespace vmxsim::core::engine
