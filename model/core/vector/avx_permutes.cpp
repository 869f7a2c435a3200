// SPDX-License-Identifier: Apache-2.0
// Instructions that AVX and AVX2 brought: broadcasts, permutes, variable shifts, sign tests.
#include "model/core/vector/table.hpp"

namespace vmxsim::core::simd {

namespace {

void copy(Args& a) { a.d = a.s; }
void bytes(Args& a) { a.d.b.fill(a.s.b[0]); }
void words(Args& a) { a.d.w.fill(a.s.w[0]); }
void doublewords(Args& a) { a.d.d.fill(a.s.d[0]); }
void quadwords(Args& a) { a.d.q.fill(a.s.q[0]); }

/// VPERMILPS: the control is an immediate, or the second source.
void permute_singles(Args& a) {
    const Vector from = a.immediate ? a.s : a.d;
    for (unsigned i = 0; i < 4; ++i) a.d.d[i] = from.d[(a.immediate ? a.imm >> 2 * i : a.s.d[i]) & 3];
}
void permute_doubles(Args& a) {
    const Vector from = a.immediate ? a.s : a.d;
    for (unsigned i = 0; i < 2; ++i) a.d.q[i] = from.q[(a.immediate ? a.imm >> i & 1u : a.s.q[i] >> 1 & 1)];
}
void blend_doublewords(Args& a) {
    for (unsigned i = 0; i < 4; ++i)
        if (a.imm >> i & 1) a.d.d[i] = a.s.d[i];
}

void shift_left_32(Args& a) {
    for (unsigned i = 0; i < 4; ++i) a.d.d[i] = a.s.d[i] < 32 ? a.d.d[i] << a.s.d[i] : 0;
}
void shift_left_64(Args& a) {
    for (unsigned i = 0; i < 2; ++i) a.d.q[i] = a.s.q[i] < 64 ? a.d.q[i] << a.s.q[i] : 0;
}
void shift_right_32(Args& a) {
    for (unsigned i = 0; i < 4; ++i) a.d.d[i] = a.s.d[i] < 32 ? a.d.d[i] >> a.s.d[i] : 0;
}
void shift_right_64(Args& a) {
    for (unsigned i = 0; i < 2; ++i) a.d.q[i] = a.s.q[i] < 64 ? a.d.q[i] >> a.s.q[i] : 0;
}
void shift_signed_32(Args& a) {
    for (unsigned i = 0; i < 4; ++i)
        a.d.d[i] = static_cast<u32>(static_cast<s32>(a.d.d[i]) >> (a.s.d[i] < 32 ? a.s.d[i] : 31));
}

/// VTESTPS, VTESTPD: as PTEST, of the sign bits alone.
void test_signs(Args& a, u64 sign) {
    const u64 both = (a.s.q[0] & a.d.q[0]) | (a.s.q[1] & a.d.q[1]);
    const u64 rest = (a.s.q[0] & ~a.d.q[0]) | (a.s.q[1] & ~a.d.q[1]);
    a.flags = (both & sign ? 0 : vmx::rflags::ZF) | (rest & sign ? 0 : vmx::rflags::CF);
}
void test_singles(Args& a) { test_signs(a, 0x8000000080000000); }
void test_doubles(Args& a) { test_signs(a, u64{1} << 63); }

u32 doubleword(const Ymm& v, unsigned i) { return v[i >> 2 & 1].d[i & 3]; }
u64 quadword(const Ymm& v, unsigned i) { return v[i >> 1 & 1].q[i & 1]; }

void permute_quadwords(WholeArgs& a) {
    for (unsigned i = 0; i < 4; ++i) a.d[i >> 1].q[i & 1] = quadword(a.s, a.imm >> 2 * i & 3);
}
void permute_doublewords(WholeArgs& a) {
    const Ymm index = a.d;
    for (unsigned i = 0; i < 8; ++i) a.d[i >> 2].d[i & 3] = doubleword(a.s, doubleword(index, i) & 7);
}
void permute_lanes(WholeArgs& a) {
    const Ymm first = a.d;
    for (unsigned i = 0; i < 2; ++i) {
        const unsigned control = a.imm >> 4 * i;
        a.d[i] = control & 8 ? Vector{} : (control & 2 ? a.s : first)[control & 1];
    }
}
void insert_lane(WholeArgs& a) { a.d[a.imm & 1] = a.s[0]; }
void extract_lane(WholeArgs& a) { a.d[0] = a.s[a.imm & 1]; }

/// VZEROUPPER, VZEROALL: the registers that the mode has (SDM 2C).
Outcome zero(Core& core, const Insn& insn, u64&) {
    VMXSIM_TRY(check_vex(core));
    for (unsigned i = 0; i < (core.state.code64() ? 16u : 8u); ++i) {
        core.fpu.ymm_high[i] = {};
        if (insn.z.mnemonic == ZYDIS_MNEMONIC_VZEROALL) core.fpu.xmm[i] = {};
    }
    return Outcome::Next;
}

}  // namespace

void add_avx_only(Table& t) {
    const auto row = [&](ZydisMnemonic m, Operation op, Vex vex, unsigned step = 0, unsigned traits = 0) {
        t[m] = {op, nullptr, nullptr, static_cast<u16>(traits), vex, static_cast<u8>(step)};
    };
    const auto whole = [&](ZydisMnemonic m, WholeOperation op) { t[m] = {nullptr, nullptr, nullptr, 0, Vex::Whole, 0, op}; };
    row(ZYDIS_MNEMONIC_VBROADCASTSS, doublewords, Vex::Same), row(ZYDIS_MNEMONIC_VBROADCASTSD, quadwords, Vex::Same);
    row(ZYDIS_MNEMONIC_VBROADCASTF128, copy, Vex::Same), row(ZYDIS_MNEMONIC_VBROADCASTI128, copy, Vex::Same);
    row(ZYDIS_MNEMONIC_VPBROADCASTB, bytes, Vex::Same), row(ZYDIS_MNEMONIC_VPBROADCASTW, words, Vex::Same);
    row(ZYDIS_MNEMONIC_VPBROADCASTD, doublewords, Vex::Same), row(ZYDIS_MNEMONIC_VPBROADCASTQ, quadwords, Vex::Same);
    row(ZYDIS_MNEMONIC_VPERMILPS, permute_singles, Vex::Lanes), row(ZYDIS_MNEMONIC_VPERMILPD, permute_doubles, Vex::Lanes, 2);
    row(ZYDIS_MNEMONIC_VPBLENDD, blend_doublewords, Vex::Lanes, 4);
    row(ZYDIS_MNEMONIC_VPSLLVD, shift_left_32, Vex::Lanes), row(ZYDIS_MNEMONIC_VPSLLVQ, shift_left_64, Vex::Lanes);
    row(ZYDIS_MNEMONIC_VPSRLVD, shift_right_32, Vex::Lanes), row(ZYDIS_MNEMONIC_VPSRLVQ, shift_right_64, Vex::Lanes);
    row(ZYDIS_MNEMONIC_VPSRAVD, shift_signed_32, Vex::Lanes);
    row(ZYDIS_MNEMONIC_VTESTPS, test_singles, Vex::Lanes, 0, traits::Flags | traits::Compare);
    row(ZYDIS_MNEMONIC_VTESTPD, test_doubles, Vex::Lanes, 0, traits::Flags | traits::Compare);
    whole(ZYDIS_MNEMONIC_VPERMQ, permute_quadwords), whole(ZYDIS_MNEMONIC_VPERMPD, permute_quadwords);
    whole(ZYDIS_MNEMONIC_VPERMD, permute_doublewords), whole(ZYDIS_MNEMONIC_VPERMPS, permute_doublewords);
    whole(ZYDIS_MNEMONIC_VPERM2F128, permute_lanes), whole(ZYDIS_MNEMONIC_VPERM2I128, permute_lanes);
    whole(ZYDIS_MNEMONIC_VINSERTF128, insert_lane), whole(ZYDIS_MNEMONIC_VINSERTI128, insert_lane);
    whole(ZYDIS_MNEMONIC_VEXTRACTF128, extract_lane), whole(ZYDIS_MNEMONIC_VEXTRACTI128, extract_lane);
    t[ZYDIS_MNEMONIC_VZEROUPPER] = {nullptr, nullptr, zero, 0, Vex::Whole};
    t[ZYDIS_MNEMONIC_VZEROALL] = {nullptr, nullptr, zero, 0, Vex::Whole};
}

}  // namespace vmxsim::core::simd
