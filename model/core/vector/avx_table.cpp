// SPDX-License-Identifier: Apache-2.0
// VEX forms of SSE instructions: the row of the SSE form under the name with a V, and how its lanes differ.
#include <string_view>
#include <unordered_map>

#include "model/core/vector/table.hpp"

namespace vmxsim::core::simd {

namespace {

/// The 32 predicates of VCMPPS and its kin from the eight of CMPPS (SDM 2A, CMPPD, table 3-1). `legacy`: CMPPS and its kin.
void compare(Args& a, Operation legacy) {
    const unsigned predicate = a.imm & 31, relation = predicate & 15;
    constexpr unsigned kSignals = 0x6666;  // of the first 16; the other 16 signal where those do not
    const bool signals = (kSignals >> relation & 1) != predicate >> 4;
    const auto result = [&](u8 imm, bool swapped) {
        Args b = a;
        if (swapped) std::swap(b.d, b.s);
        b.imm = imm;
        legacy(b);
        return b.d;
    };
    const auto combine = [](Vector x, const Vector& y, bool both) {
        for (unsigned i = 0; i < 2; ++i) x.q[i] = both ? x.q[i] & y.q[i] : x.q[i] | y.q[i];
        return x;
    };
    enum : u8 { Eq, Lt, Le, Unord, Neq, Nlt, Nle, Ord };
    Vector v;
    switch (relation) {
        case 8: v = combine(result(Eq, false), result(Unord, false), false); break;
        case 9: v = result(Nle, true); break;    // NGE
        case 10: v = result(Nlt, true); break;   // NGT
        case 11: break;                          // FALSE
        case 12: v = combine(result(Neq, false), result(Ord, false), true); break;
        case 13: v = result(Le, true); break;    // GE
        case 14: v = result(Lt, true); break;    // GT
        case 15: v.q = {~u64{0}, ~u64{0}}; break;  // TRUE
        default: v = result(static_cast<u8>(relation), false); break;
    }
    Args flags = a;
    flags.imm = signals ? Lt : Eq;
    legacy(flags);
    a.mxcsr = flags.mxcsr;
    a.s = v;
}
void VCMPPS(Args& a) { compare(a, table()[ZYDIS_MNEMONIC_CMPPS].xmm), a.d = a.s; }
void VCMPPD(Args& a) { compare(a, table()[ZYDIS_MNEMONIC_CMPPD].xmm), a.d = a.s; }
void VCMPSS(Args& a) { compare(a, table()[ZYDIS_MNEMONIC_CMPSS].xmm), a.d.d[0] = a.s.d[0]; }
void VCMPSD(Args& a) { compare(a, table()[ZYDIS_MNEMONIC_CMPSD].xmm), a.d.q[0] = a.s.q[0]; }

void signs(WholeArgs& a, unsigned step) {
    for (unsigned i = 0; i < 32 / step; ++i)
        a.number |= static_cast<u64>(a.s[i * step / 16].b[i * step % 16 + step - 1] >> 7) << i;
}
void byte_signs(WholeArgs& a) { signs(a, 1); }
void single_signs(WholeArgs& a) { signs(a, 4); }
void double_signs(WholeArgs& a) { signs(a, 8); }

}  // namespace

void add_avx(Table& t) {
    std::unordered_map<std::string_view, ZydisMnemonic> names;
    const auto name = [](unsigned m) {
        return std::string_view(ZydisMnemonicGetString(static_cast<ZydisMnemonic>(m)));
    };
    for (unsigned m = 1; m <= ZYDIS_MNEMONIC_MAX_VALUE; ++m) names[name(m)] = static_cast<ZydisMnemonic>(m);
    for (unsigned m = 1; m <= ZYDIS_MNEMONIC_MAX_VALUE; ++m) {
        if (name(m)[0] != 'v' || t[m].known()) continue;
        const auto legacy = names.find(name(m).substr(1));
        if (legacy == names.end()) continue;
        const Row& row = t[legacy->second];
        if (!row.xmm && !row.special) continue;
        t[m] = row;
        t[m].mmx = nullptr;
        t[m].vex = Vex::Lanes;
    }
    for (const ZydisMnemonic m :
         {ZYDIS_MNEMONIC_VMOVAPS, ZYDIS_MNEMONIC_VMOVAPD, ZYDIS_MNEMONIC_VMOVDQA, ZYDIS_MNEMONIC_VMOVNTPS,
          ZYDIS_MNEMONIC_VMOVNTPD, ZYDIS_MNEMONIC_VMOVNTDQ, ZYDIS_MNEMONIC_VMOVNTDQA})
        t[m].traits |= traits::Aligned;
    for (const ZydisMnemonic m : {ZYDIS_MNEMONIC_VPSLLW, ZYDIS_MNEMONIC_VPSLLD, ZYDIS_MNEMONIC_VPSLLQ,
                                  ZYDIS_MNEMONIC_VPSRLW, ZYDIS_MNEMONIC_VPSRLD, ZYDIS_MNEMONIC_VPSRLQ,
                                  ZYDIS_MNEMONIC_VPSRAW, ZYDIS_MNEMONIC_VPSRAD, ZYDIS_MNEMONIC_VPSLLDQ,
                                  ZYDIS_MNEMONIC_VPSRLDQ})
        t[m].vex = Vex::Same;
    const auto kind = [&](Vex vex, unsigned step, std::initializer_list<ZydisMnemonic> list) {
        for (const ZydisMnemonic m : list) t[m].vex = vex, t[m].step = static_cast<u8>(step);
    };
    kind(Vex::Widen, 2, {ZYDIS_MNEMONIC_VPMOVSXBW, ZYDIS_MNEMONIC_VPMOVSXWD, ZYDIS_MNEMONIC_VPMOVSXDQ,
                         ZYDIS_MNEMONIC_VPMOVZXBW, ZYDIS_MNEMONIC_VPMOVZXWD, ZYDIS_MNEMONIC_VPMOVZXDQ,
                         ZYDIS_MNEMONIC_VCVTPS2PD, ZYDIS_MNEMONIC_VCVTDQ2PD});
    kind(Vex::Widen, 4, {ZYDIS_MNEMONIC_VPMOVSXBD, ZYDIS_MNEMONIC_VPMOVSXWQ, ZYDIS_MNEMONIC_VPMOVZXBD,
                         ZYDIS_MNEMONIC_VPMOVZXWQ});
    kind(Vex::Widen, 8, {ZYDIS_MNEMONIC_VPMOVSXBQ, ZYDIS_MNEMONIC_VPMOVZXBQ});
    kind(Vex::Narrow, 0, {ZYDIS_MNEMONIC_VCVTPD2PS, ZYDIS_MNEMONIC_VCVTPD2DQ, ZYDIS_MNEMONIC_VCVTTPD2DQ});
    kind(Vex::Lanes, 2, {ZYDIS_MNEMONIC_VBLENDPD, ZYDIS_MNEMONIC_VSHUFPD});
    kind(Vex::Lanes, 3, {ZYDIS_MNEMONIC_VMPSADBW});
    kind(Vex::Lanes, 4, {ZYDIS_MNEMONIC_VBLENDPS});
    t[ZYDIS_MNEMONIC_VCMPPS].xmm = VCMPPS, t[ZYDIS_MNEMONIC_VCMPPD].xmm = VCMPPD;
    t[ZYDIS_MNEMONIC_VCMPSS].xmm = VCMPSS, t[ZYDIS_MNEMONIC_VCMPSD].xmm = VCMPSD;
    const auto whole = [&](ZydisMnemonic m, WholeOperation op) {
        t[m] = {};
        t[m].vex = Vex::Whole, t[m].whole = op;
    };
    whole(ZYDIS_MNEMONIC_VPMOVMSKB, byte_signs), whole(ZYDIS_MNEMONIC_VMOVMSKPS, single_signs);
    whole(ZYDIS_MNEMONIC_VMOVMSKPD, double_signs);
}

}  // namespace vmxsim::core::simd
