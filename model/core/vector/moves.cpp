// SPDX-License-Identifier: Apache-2.0
// Moves between registers and memory, sign masks, and the masked stores.
#include "model/core/vector/host.hpp"

namespace vmxsim::core::simd {

namespace {

void copy(Args& a) { a.d = a.s; }
void low_quadword(Args& a) { a.d.q = {a.s.q[0], 0}; }
/// MOVSS, MOVSD: a load clears the rest, a move between registers keeps it.
void low_single(Args& a) {
    if (a.from_memory) a.d = a.s;
    else a.d.d[0] = a.s.d[0];
}
void low_double(Args& a) {
    if (a.from_memory) a.d = a.s;
    else a.d.q[0] = a.s.q[0];
}
void low_half(Args& a) { a.d.q[0] = a.s.q[0]; }
void high_half(Args& a) {
    if (a.to_memory) a.d.q[0] = a.s.q[1];
    else a.d.q[1] = a.s.q[0];
}
void high_to_low(Args& a) { a.d.q[0] = a.s.q[1]; }
void low_to_high(Args& a) { a.d.q[1] = a.s.q[0]; }
void duplicate_double(Args& a) { a.d.q = {a.s.q[0], a.s.q[0]}; }
void duplicate_even(Args& a) { a.d.d = {a.s.d[0], a.s.d[0], a.s.d[2], a.s.d[2]}; }
void duplicate_odd(Args& a) { a.d.d = {a.s.d[1], a.s.d[1], a.s.d[3], a.s.d[3]}; }

void signs(Args& a, unsigned count, unsigned step) {
    u64 mask = 0;
    for (unsigned i = 0; i < count; ++i) mask |= static_cast<u64>(a.s.b[i * step + step - 1] >> 7) << i;
    a.d.q[0] = mask;
}
void byte_signs(Args& a) { signs(a, 16, 1); }
void byte_signs_mmx(Args& a) { signs(a, 8, 1); }
void single_signs(Args& a) { signs(a, 4, 4); }
void double_signs(Args& a) { signs(a, 2, 8); }

/// MASKMOVQ, MASKMOVDQU: bytes of the first operand whose mask has its sign set, to DS:(E/R)DI.
Outcome masked_store(Core& core, const Insn& insn, u64&) {
    const bool mmx = insn.z.mnemonic == ZYDIS_MNEMONIC_MASKMOVQ;
    if (mmx) {
        VMXSIM_TRY(check_mmx(core));
    } else {
        VMXSIM_TRY(check_vector(core, insn));
    }
    FpuState& fpu = core.fpu;
    Vector data, mask;
    const ZydisDecodedOperand* memory = nullptr;
    const ZydisDecodedOperand* regs[2] = {};
    unsigned found = 0;
    for (unsigned i = 0; i < insn.z.operand_count; ++i) {
        if (is_memory(insn.op[i])) memory = &insn.op[i];
        else if (is_register(insn.op[i]) && found < 2) regs[found++] = &insn.op[i];
    }
    if (!memory || found < 2) return core.raise(vector::UD);
    if (mmx) {
        data.q[0] = fpu.mm(static_cast<unsigned>(regs[0]->reg.value - ZYDIS_REGISTER_MM0));
        mask.q[0] = fpu.mm(static_cast<unsigned>(regs[1]->reg.value - ZYDIS_REGISTER_MM0));
    } else {
        data = fpu.xmm[static_cast<unsigned>(regs[0]->reg.value - ZYDIS_REGISTER_XMM0)];
        mask = fpu.xmm[static_cast<unsigned>(regs[1]->reg.value - ZYDIS_REGISTER_XMM0)];
    }
    const unsigned bytes = mmx ? 8 : 16;
    bool any = false;
    for (unsigned i = 0; i < bytes; ++i) any = any || mask.b[i] >> 7;
    if (any) {  // "a mask of all zeros": faults are the implementation's choice (SDM 2B, MASKMOVDQU)
        GuestVirtual at;
        VMXSIM_TRY(locate(core, insn, *memory, bytes, 1, MemoryKind::Write, at));
        VMXSIM_TRY(core.probe_write(at, bytes));
        for (unsigned i = 0; i < bytes; ++i) {
            if (!(mask.b[i] >> 7)) continue;
            VMXSIM_TRY(core.write({at.raw + i}, &data.b[i], 1));
        }
    }
    if (mmx) fpu.enter_mmx();
    return Outcome::Next;
}

}  // namespace

void add_moves(Table& t) {
    using namespace traits;
    const auto row = [&](ZydisMnemonic m, Operation op, unsigned extra = 0) {
        t[m] = {op, op, nullptr, static_cast<u16>(extra | WriteOnly)};
    };
    for (const ZydisMnemonic m : {ZYDIS_MNEMONIC_MOVAPS, ZYDIS_MNEMONIC_MOVAPD, ZYDIS_MNEMONIC_MOVDQA,
                                  ZYDIS_MNEMONIC_MOVNTPS, ZYDIS_MNEMONIC_MOVNTPD, ZYDIS_MNEMONIC_MOVNTDQ,
                                  ZYDIS_MNEMONIC_MOVNTDQA, ZYDIS_MNEMONIC_MOVD, ZYDIS_MNEMONIC_MOVNTQ})
        row(m, copy);
    for (const ZydisMnemonic m :
         {ZYDIS_MNEMONIC_MOVUPS, ZYDIS_MNEMONIC_MOVUPD, ZYDIS_MNEMONIC_MOVDQU, ZYDIS_MNEMONIC_LDDQU})
        row(m, copy, Unaligned);
    for (const ZydisMnemonic m : {ZYDIS_MNEMONIC_MOVQ, ZYDIS_MNEMONIC_MOVQ2DQ, ZYDIS_MNEMONIC_MOVDQ2Q})
        row(m, low_quadword);
    row(ZYDIS_MNEMONIC_MOVSS, low_single), row(ZYDIS_MNEMONIC_MOVSD, low_double);
    row(ZYDIS_MNEMONIC_MOVLPS, low_half), row(ZYDIS_MNEMONIC_MOVLPD, low_half);
    row(ZYDIS_MNEMONIC_MOVHPS, high_half), row(ZYDIS_MNEMONIC_MOVHPD, high_half);
    row(ZYDIS_MNEMONIC_MOVHLPS, high_to_low), row(ZYDIS_MNEMONIC_MOVLHPS, low_to_high);
    row(ZYDIS_MNEMONIC_MOVDDUP, duplicate_double);
    row(ZYDIS_MNEMONIC_MOVSLDUP, duplicate_even), row(ZYDIS_MNEMONIC_MOVSHDUP, duplicate_odd);
    t[ZYDIS_MNEMONIC_PMOVMSKB] = {byte_signs, byte_signs_mmx, nullptr, 0};
    row(ZYDIS_MNEMONIC_MOVMSKPS, single_signs), row(ZYDIS_MNEMONIC_MOVMSKPD, double_signs);
    t[ZYDIS_MNEMONIC_MASKMOVQ].special = masked_store;
    t[ZYDIS_MNEMONIC_MASKMOVDQU].special = masked_store;
}

}  // namespace vmxsim::core::simd
