// SPDX-License-Identifier: Apache-2.0
// BMI1, BMI2 and ADX (SDM 2A to 2D). VEX-encoded ones, which real-address and virtual-8086 mode do not have.
#include <array>

#include "model/core/engine/interpret.hpp"

namespace vmxsim::core::engine {

namespace {

constexpr unsigned kBmi1 = 3, kBmi2 = 8, kAdx = 19;  // bits of CPUID.7:EBX

u64 deposit(u64 source, u64 mask) {
    u64 result = 0;
    for (; mask; mask &= mask - 1, source >>= 1)
        if (source & 1) result |= mask & (~mask + 1);
    return result;
}

u64 extract(u64 source, u64 mask) {
    u64 result = 0;
    for (unsigned at = 0; mask; mask &= mask - 1, ++at)
        if (source & mask & (~mask + 1)) result |= u64{1} << at;
    return result;
}

/// Operands of one size: 0 is the destination, `a` and `b` are read.
struct Values {
    unsigned bits;
    u64 a = 0, b = 0;
    u64 mask() const { return bits == 64 ? ~u64{0} : 0xffffffff; }
    bool sign(u64 v) const { return v >> (bits - 1) & 1; }
};

/// SF, ZF and CF by the result; OF is cleared, AF and PF are undefined and cleared.
void set_flags(const Interpreter& x, const Values& v, u64 result, bool carry) {
    using namespace vmx::rflags;
    x.f.set((carry ? CF : 0) | (result ? 0 : ZF) | (v.sign(result) ? SF : 0));
}

Outcome lowest_bit(const Interpreter& x, const Values& v, ZydisMnemonic which) {
    const u64 less = (v.a - 1) & v.mask();
    u64 result = 0;
    bool carry = v.a == 0;
    switch (which) {
        case ZYDIS_MNEMONIC_BLSI: result = v.a & (~v.a + 1), carry = v.a != 0; break;
        case ZYDIS_MNEMONIC_BLSR: result = v.a & less; break;
        default: result = v.a ^ less; break;
    }
    VMXSIM_TRY(x.store(0, v.bits / 8, result));
    set_flags(x, v, result, carry);
    return Outcome::Next;
}

Outcome bit_field(const Interpreter& x, const Values& v, bool zero_high) {
    u64 result = v.a;
    bool carry = false;
    const unsigned first = v.b & 0xff, length = v.b >> 8 & 0xff;
    if (zero_high) {
        carry = first >= v.bits;
        if (!carry) result &= (u64{1} << first) - 1;
    } else {
        result = first < v.bits ? v.a >> first : 0;
        if (length < v.bits) result &= (u64{1} << length) - 1;
    }
    VMXSIM_TRY(x.store(0, v.bits / 8, result));
    set_flags(x, v, result, carry);
    return Outcome::Next;
}

/// SARX, SHLX, SHRX, RORX: no flags.
Outcome shift_without_flags(const Interpreter& x, const Values& v, ZydisMnemonic which) {
    const unsigned count = static_cast<unsigned>(v.b) & (v.bits - 1);
    u64 result = 0;
    switch (which) {
        case ZYDIS_MNEMONIC_SHLX: result = v.a << count; break;
        case ZYDIS_MNEMONIC_SHRX: result = v.a >> count; break;
        case ZYDIS_MNEMONIC_SARX: {
            const s64 wide = v.bits == 64 ? static_cast<s64>(v.a) : static_cast<s32>(v.a);
            result = static_cast<u64>(wide >> count);
            break;
        }
        default: result = count ? v.a >> count | v.a << (v.bits - count) : v.a; break;
    }
    return x.store(0, v.bits / 8, result & v.mask());
}

/// MULX: EDX or RDX by operand 2; the high half wins where both destinations are one register.
Outcome multiply(const Interpreter& x, unsigned bits) {
    const unsigned bytes = bits / 8;
    u64 b = 0;
    VMXSIM_TRY(x.value(2, bytes, b));
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(x.register_value(vmx::RDX * 8, bytes)) * b;
    VMXSIM_TRY(x.store(1, bytes, static_cast<u64>(product)));
    return x.store(0, bytes, static_cast<u64>(product >> bits));
}

/// ADCX and ADOX: one flag in and out, the others stay.
Outcome add_with_one_flag(const Interpreter& x, const Values& v, u64 flag) {
    const u64 flags = x.f.get();
    const bool in = flags & flag;
    const u64 sum = (v.a + v.b + in) & v.mask();
    const bool out = in ? sum <= v.a : sum < v.a;
    VMXSIM_TRY(x.store(0, v.bits / 8, sum));
    x.f.set((flags & ~flag) | (out ? flag : 0));
    return Outcome::Next;
}

/// The extension that an instruction belongs to; 0: none of these.
unsigned extension_of(ZydisMnemonic m) {
    switch (m) {
        case ZYDIS_MNEMONIC_ANDN: case ZYDIS_MNEMONIC_BEXTR: case ZYDIS_MNEMONIC_BLSI: case ZYDIS_MNEMONIC_BLSMSK:
        case ZYDIS_MNEMONIC_BLSR: return kBmi1;
        case ZYDIS_MNEMONIC_BZHI: case ZYDIS_MNEMONIC_MULX: case ZYDIS_MNEMONIC_PDEP: case ZYDIS_MNEMONIC_PEXT:
        case ZYDIS_MNEMONIC_RORX: case ZYDIS_MNEMONIC_SARX: case ZYDIS_MNEMONIC_SHLX: case ZYDIS_MNEMONIC_SHRX:
            return kBmi2;
        case ZYDIS_MNEMONIC_ADCX: case ZYDIS_MNEMONIC_ADOX: return kAdx;
        default: return 0;
    }
}

}  // namespace

Outcome Interpreter::bit_manipulation(bool& known) const {
    const ZydisMnemonic m = insn.z.mnemonic;
    const unsigned extension = extension_of(m);
    if (!extension) {
        known = false;
        return Outcome::Next;
    }
    constexpr u32 kFeatures = 7;
    constexpr unsigned kEbx = 1;
    if (!cpuid_has(core, kFeatures, 0, kEbx, extension)) return core.raise(vector::UD);
    if (extension != kAdx && (!s.protected_mode() || s.v8086())) return core.raise(vector::UD);

    Values v{op(0).size};
    const unsigned bytes = v.bits / 8;
    if (m == ZYDIS_MNEMONIC_MULX) return multiply(*this, v.bits);
    const bool two = m == ZYDIS_MNEMONIC_BLSI || m == ZYDIS_MNEMONIC_BLSR || m == ZYDIS_MNEMONIC_BLSMSK;
    const unsigned first = extension == kAdx ? 0 : 1;
    VMXSIM_TRY(value(first, bytes, v.a));
    if (m == ZYDIS_MNEMONIC_RORX) v.b = op(2).imm.value.u;
    else if (!two) VMXSIM_TRY(value(first + 1, bytes, v.b));
    switch (m) {
        case ZYDIS_MNEMONIC_ANDN: {
            const u64 result = ~v.a & v.b;
            VMXSIM_TRY(store(0, bytes, result));
            set_flags(*this, v, result, false);
            return Outcome::Next;
        }
        case ZYDIS_MNEMONIC_BEXTR: return bit_field(*this, v, false);
        case ZYDIS_MNEMONIC_BZHI: return bit_field(*this, v, true);
        case ZYDIS_MNEMONIC_PDEP: return store(0, bytes, deposit(v.a, v.b));
        case ZYDIS_MNEMONIC_PEXT: return store(0, bytes, extract(v.a, v.b));
        case ZYDIS_MNEMONIC_ADCX: return add_with_one_flag(*this, v, vmx::rflags::CF);
        case ZYDIS_MNEMONIC_ADOX: return add_with_one_flag(*this, v, vmx::rflags::OF);
        default: return two ? lowest_bit(*this, v, m) : shift_without_flags(*this, v, m);
    }
}

}  // namespace vmxsim::core::engine
