// SPDX-License-Identifier: Apache-2.0
// Shuffles, inserts, extracts, blends and byte shifts: those with an immediate, which the host would want at compile
// time.
#include "model/core/vector/host.hpp"

namespace vmxsim::core::simd {

namespace {

constexpr unsigned two_bits(unsigned imm, unsigned i) { return imm >> 2 * i & 3; }

void PSHUFD(Args& a) {
    for (unsigned i = 0; i < 4; ++i) a.d.d[i] = a.s.d[two_bits(a.imm, i)];
}
void shuffle_words(Args& a, unsigned from) {
    const Vector s = a.s;
    a.d = s;
    for (unsigned i = 0; i < 4; ++i) a.d.w[from + i] = s.w[from + two_bits(a.imm, i)];
}
void PSHUFLW(Args& a) { shuffle_words(a, 0); }
void PSHUFHW(Args& a) { shuffle_words(a, 4); }
void SHUFPS(Args& a) {
    const Vector d = a.d;
    a.d.d = {d.d[two_bits(a.imm, 0)], d.d[two_bits(a.imm, 1)], a.s.d[two_bits(a.imm, 2)], a.s.d[two_bits(a.imm, 3)]};
}
void SHUFPD(Args& a) { a.d.q = {a.d.q[a.imm & 1], a.s.q[a.imm >> 1 & 1]}; }

/// `bytes` of the 2 x `bytes` long first:second operand, from byte imm.
void align(Args& a, unsigned bytes) {
    const Vector d = a.d;
    for (unsigned i = 0; i < bytes; ++i) {
        const unsigned n = i + a.imm;
        a.d.b[i] = n < bytes ? a.s.b[n] : n < 2 * bytes ? d.b[n - bytes] : u8{0};
    }
}
void PALIGNR(Args& a) { align(a, 16); }
void PALIGNR_mmx(Args& a) { align(a, 8); }
void PSLLDQ(Args& a) {
    const Vector d = a.d;
    for (unsigned i = 0; i < 16; ++i) a.d.b[i] = i >= a.imm ? d.b[i - a.imm] : u8{0};
}
void PSRLDQ(Args& a) {
    const Vector d = a.d;
    for (unsigned i = 0; i < 16; ++i) a.d.b[i] = i + a.imm < 16 ? d.b[i + a.imm] : u8{0};
}

void PINSRB(Args& a) { a.d.b[a.imm & 15] = a.s.b[0]; }
void PINSRW(Args& a) { a.d.w[a.imm & 7] = a.s.w[0]; }
void PINSRW_mmx(Args& a) { a.d.w[a.imm & 3] = a.s.w[0]; }
void PINSRD(Args& a) { a.d.d[a.imm & 3] = a.s.d[0]; }
void PINSRQ(Args& a) { a.d.q[a.imm & 1] = a.s.q[0]; }
void PEXTRB(Args& a) { a.d.q[0] = a.s.b[a.imm & 15]; }
void PEXTRW(Args& a) { a.d.q[0] = a.s.w[a.imm & 7]; }
void PEXTRW_mmx(Args& a) { a.d.q[0] = a.s.w[a.imm & 3]; }
void PEXTRD(Args& a) { a.d.q[0] = a.s.d[a.imm & 3]; }
void PEXTRQ(Args& a) { a.d.q[0] = a.s.q[a.imm & 1]; }
void INSERTPS(Args& a) {
    a.d.d[two_bits(a.imm, 2)] = a.from_memory ? a.s.d[0] : a.s.d[two_bits(a.imm, 3)];
    for (unsigned i = 0; i < 4; ++i)
        if (a.imm >> i & 1) a.d.d[i] = 0;
}

void PBLENDW(Args& a) {
    for (unsigned i = 0; i < 8; ++i)
        if (a.imm >> i & 1) a.d.w[i] = a.s.w[i];
}
void BLENDPS(Args& a) {
    for (unsigned i = 0; i < 4; ++i)
        if (a.imm >> i & 1) a.d.d[i] = a.s.d[i];
}
void BLENDPD(Args& a) {
    for (unsigned i = 0; i < 2; ++i)
        if (a.imm >> i & 1) a.d.q[i] = a.s.q[i];
}
void PBLENDVB(Args& a) {
    for (unsigned i = 0; i < 16; ++i)
        if (a.mask.b[i] >> 7) a.d.b[i] = a.s.b[i];
}
void BLENDVPS(Args& a) {
    for (unsigned i = 0; i < 4; ++i)
        if (a.mask.d[i] >> 31) a.d.d[i] = a.s.d[i];
}
void BLENDVPD(Args& a) {
    for (unsigned i = 0; i < 2; ++i)
        if (a.mask.q[i] >> 63) a.d.q[i] = a.s.q[i];
}

/// Sums of absolute differences of a group of four bytes with eight groups (SDM 2B, MPSADBW).
void MPSADBW(Args& a) {
    const Vector d = a.d;
    const unsigned first = a.imm >> 2 & 1 ? 4 : 0, group = (a.imm & 3u) * 4;
    for (unsigned i = 0; i < 8; ++i) {
        unsigned sum = 0;
        for (unsigned k = 0; k < 4; ++k) {
            const int difference = int{d.b[first + i + k]} - int{a.s.b[group + k]};
            sum += static_cast<unsigned>(difference < 0 ? -difference : difference);
        }
        a.d.w[i] = static_cast<u16>(sum);
    }
}
/// ZF: no bit in common; CF: no bit of the second operand beyond the first's.
void PTEST(Args& a) {
    const u64 both = (a.s.q[0] & a.d.q[0]) | (a.s.q[1] & a.d.q[1]);
    const u64 rest = (a.s.q[0] & ~a.d.q[0]) | (a.s.q[1] & ~a.d.q[1]);
    a.flags = (both ? 0 : vmx::rflags::ZF) | (rest ? 0 : vmx::rflags::CF);
}

}  // namespace

void add_shuffles(Table& t) {
    using namespace traits;
    const auto row = [&](ZydisMnemonic m, Operation xmm, Operation mmx = nullptr, u16 extra = 0) {
        t[m] = {xmm, mmx, nullptr, extra};
    };
    row(ZYDIS_MNEMONIC_PSHUFD, PSHUFD), row(ZYDIS_MNEMONIC_PSHUFLW, PSHUFLW), row(ZYDIS_MNEMONIC_PSHUFHW, PSHUFHW);
    row(ZYDIS_MNEMONIC_PSHUFW, nullptr, PSHUFLW);
    row(ZYDIS_MNEMONIC_SHUFPS, SHUFPS), row(ZYDIS_MNEMONIC_SHUFPD, SHUFPD);
    row(ZYDIS_MNEMONIC_PALIGNR, PALIGNR, PALIGNR_mmx);
    row(ZYDIS_MNEMONIC_PSLLDQ, PSLLDQ), row(ZYDIS_MNEMONIC_PSRLDQ, PSRLDQ);
    row(ZYDIS_MNEMONIC_PINSRB, PINSRB), row(ZYDIS_MNEMONIC_PINSRW, PINSRW, PINSRW_mmx);
    row(ZYDIS_MNEMONIC_PINSRD, PINSRD), row(ZYDIS_MNEMONIC_PINSRQ, PINSRQ);
    row(ZYDIS_MNEMONIC_PEXTRB, PEXTRB, nullptr, WriteOnly);
    row(ZYDIS_MNEMONIC_PEXTRW, PEXTRW, PEXTRW_mmx, WriteOnly);
    row(ZYDIS_MNEMONIC_PEXTRD, PEXTRD, nullptr, WriteOnly), row(ZYDIS_MNEMONIC_PEXTRQ, PEXTRQ, nullptr, WriteOnly);
    row(ZYDIS_MNEMONIC_EXTRACTPS, PEXTRD, nullptr, WriteOnly), row(ZYDIS_MNEMONIC_INSERTPS, INSERTPS);
    row(ZYDIS_MNEMONIC_PBLENDW, PBLENDW), row(ZYDIS_MNEMONIC_BLENDPS, BLENDPS), row(ZYDIS_MNEMONIC_BLENDPD, BLENDPD);
    row(ZYDIS_MNEMONIC_PBLENDVB, PBLENDVB), row(ZYDIS_MNEMONIC_BLENDVPS, BLENDVPS);
    row(ZYDIS_MNEMONIC_BLENDVPD, BLENDVPD), row(ZYDIS_MNEMONIC_MPSADBW, MPSADBW, nullptr, Slow);
    row(ZYDIS_MNEMONIC_PTEST, PTEST, nullptr, Flags | Compare);
}

}  // namespace vmxsim::core::simd
