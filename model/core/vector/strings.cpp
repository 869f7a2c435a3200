// SPDX-License-Identifier: Apache-2.0
// PCMPESTRI and its kin (SDM 2B 4.1), CRC32.
#include <algorithm>
#include <bit>

#include "model/core/vector/host.hpp"

namespace vmxsim::core::simd {

namespace {

/// The immediate of PCMPxSTRx.
struct Control {
    unsigned raw;
    bool words() const { return raw & 1; }
    bool is_signed() const { return raw & 2; }
    unsigned aggregation() const { return raw >> 2 & 3; }
    bool negative() const { return raw & 16; }
    bool only_valid() const { return raw & 32; }
    bool most_significant() const { return raw & 64; }
    unsigned count() const { return words() ? 8 : 16; }
};

int element(const Vector& v, Control c, unsigned i) {
    if (c.words()) return c.is_signed() ? static_cast<s16>(v.w[i]) : v.w[i];
    return c.is_signed() ? static_cast<signed char>(v.b[i]) : v.b[i];
}

unsigned implicit_length(const Vector& v, Control c) {
    unsigned n = 0;
    while (n < c.count() && element(v, c, n) != 0) ++n;
    return n;
}

unsigned explicit_length(u64 reg, bool wide, Control c) {
    const s64 value = wide ? static_cast<s64>(reg) : static_cast<int>(reg);
    const u64 size = value < 0 ? u64{0} - static_cast<u64>(value) : static_cast<u64>(value);
    return static_cast<unsigned>(std::min<u64>(size, c.count()));
}

/// Bit j of the result: element j of the second operand, before polarity. n1, n2: valid elements.
unsigned aggregate(const Vector& a, const Vector& b, unsigned n1, unsigned n2, Control c) {
    enum { EqualAny, Ranges, EqualEach, EqualOrdered };
    const unsigned count = c.count();
    unsigned result = 0;
    for (unsigned j = 0; j < count; ++j) {
        bool bit = false;
        switch (c.aggregation()) {
            case EqualAny:
                for (unsigned i = 0; i < n1 && j < n2; ++i) bit = bit || element(a, c, i) == element(b, c, j);
                break;
            case Ranges:
                for (unsigned i = 0; i + 1 < n1 && j < n2; i += 2)
                    bit = bit || (element(b, c, j) >= element(a, c, i) && element(b, c, j) <= element(a, c, i + 1));
                break;
            case EqualEach:
                bit = j < n1 && j < n2 ? element(a, c, j) == element(b, c, j) : j >= n1 && j >= n2;
                break;
            default:
                bit = true;  // the first operand's valid elements, from here on, as far as the register reaches
                for (unsigned i = 0; i < n1 && i + j < count; ++i)
                    bit = bit && i + j < n2 && element(a, c, i) == element(b, c, i + j);
                break;
        }
        result |= unsigned{bit} << j;
    }
    return result;
}

Outcome compare_strings(Core& core, const Insn& insn, u64& flags) {
    VMXSIM_TRY(check_vector(core, insn));
    const ZydisMnemonic m = insn.z.mnemonic;
    const auto is = [&](ZydisMnemonic legacy, ZydisMnemonic vex) { return m == legacy || m == vex; };
    const bool lengths_given = is(ZYDIS_MNEMONIC_PCMPESTRI, ZYDIS_MNEMONIC_VPCMPESTRI) ||
                               is(ZYDIS_MNEMONIC_PCMPESTRM, ZYDIS_MNEMONIC_VPCMPESTRM);
    const bool to_index = is(ZYDIS_MNEMONIC_PCMPESTRI, ZYDIS_MNEMONIC_VPCMPESTRI) ||
                          is(ZYDIS_MNEMONIC_PCMPISTRI, ZYDIS_MNEMONIC_VPCMPISTRI);
    const Vector a = core.fpu.xmm[static_cast<unsigned>(insn.op[0].reg.value - ZYDIS_REGISTER_XMM0)];
    Vector b;
    if (is_memory(insn.op[1])) {
        VMXSIM_TRY(read_memory(core, insn, insn.op[1], b.b.data(), 16));
    } else {
        b = core.fpu.xmm[static_cast<unsigned>(insn.op[1].reg.value - ZYDIS_REGISTER_XMM0)];
    }
    const Control c{static_cast<unsigned>(insn.op[2].imm.value.u & 0x7f)};
    const bool wide = is_vex(insn) ? core.state.code64() && insn.z.raw.vex.W
                                   : insn.z.attributes & ZYDIS_ATTRIB_HAS_REX && insn.z.raw.rex.W;
    const unsigned n1 = lengths_given ? explicit_length(core.state.r[vmx::RAX], wide, c) : implicit_length(a, c);
    const unsigned n2 = lengths_given ? explicit_length(core.state.r[vmx::RDX], wide, c) : implicit_length(b, c);
    const unsigned all = (1u << c.count()) - 1;
    unsigned result = aggregate(a, b, n1, n2, c);
    if (c.negative()) result ^= c.only_valid() ? (1u << n2) - 1 : all;
    using namespace vmx::rflags;
    flags = (result ? CF : 0) | (n2 < c.count() ? ZF : 0) | (n1 < c.count() ? SF : 0) | (result & 1 ? OF : 0);
    if (to_index) {
        unsigned index = c.count();
        if (result)
            index = static_cast<unsigned>(c.most_significant() ? 31 - std::countl_zero(result)
                                                               : std::countr_zero(result));
        core.state.r[vmx::RCX] = index;
        return Outcome::Next;
    }
    Vector mask;
    if (!c.most_significant()) {
        mask.q[0] = result;
    } else {
        for (unsigned i = 0; i < c.count(); ++i) {
            if (!(result >> i & 1)) continue;
            if (c.words()) mask.w[i] = 0xffff;
            else mask.b[i] = 0xff;
        }
    }
    core.fpu.xmm[0] = mask;
    if (is_vex(insn)) core.fpu.ymm_high[0] = {};
    return Outcome::Next;
}

/// The Castagnoli polynomial, reflected (SDM 2A, CRC32).
void CRC32(Args& a) {
    u32 crc = a.d.d[0];
    for (unsigned i = 0; i < a.s_bits / 8u; ++i) {
        crc ^= a.s.b[i];
        for (unsigned bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0u);
    }
    a.d.q[0] = crc;
}

}  // namespace

void add_strings(Table& t) {
    for (const ZydisMnemonic m : {ZYDIS_MNEMONIC_PCMPESTRI, ZYDIS_MNEMONIC_PCMPESTRM, ZYDIS_MNEMONIC_PCMPISTRI,
                                  ZYDIS_MNEMONIC_PCMPISTRM})
        t[m] = {nullptr, nullptr, compare_strings, traits::Flags | traits::Slow};
    t[ZYDIS_MNEMONIC_CRC32] = {CRC32, nullptr, nullptr, traits::Slow};
}

}  // namespace vmxsim::core::simd
