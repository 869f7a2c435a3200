// SPDX-License-Identifier: Apache-2.0
// The common path of VEX-encoded instructions: two or three sources, one or two lanes of 128 bits, each computed by the
// operation of the SSE form. A destination of 128 bits clears bits 255:128 (SDM 2A 2.3.10.1).
#include "model/core/vector/table.hpp"

namespace vmxsim::core::simd {

namespace {

bool is_immediate(const ZydisDecodedOperand& o) { return o.type == ZYDIS_OPERAND_TYPE_IMMEDIATE; }

/// XMMn and YMMn: n; else -1.
int vector_number(const ZydisDecodedOperand& o) {
    if (!is_register(o)) return -1;
    const ZydisRegister r = o.reg.value;
    if (r >= ZYDIS_REGISTER_XMM0 && r <= ZYDIS_REGISTER_XMM15) return r - ZYDIS_REGISTER_XMM0;
    if (r >= ZYDIS_REGISTER_YMM0 && r <= ZYDIS_REGISTER_YMM15) return r - ZYDIS_REGISTER_YMM0;
    return -1;
}

/// By the register: Zydis says 128 bits of the source of a VEXTRACTF128 to memory.
bool is_ymm(const ZydisDecodedOperand& o) {
    return is_register(o) && o.reg.value >= ZYDIS_REGISTER_YMM0 && o.reg.value <= ZYDIS_REGISTER_YMM15;
}

Outcome read_source(Core& core, const Insn& insn, const ZydisDecodedOperand& o, u16 row_traits, Ymm& to) {
    to = {};
    if (is_memory(o)) {
        const unsigned bytes = o.size / 8u;
        GuestVirtual at;
        VMXSIM_TRY(locate(core, insn, o, bytes, row_traits & traits::Aligned ? bytes : 1, MemoryKind::Read, at));
        return core.read(at, to[0].b.data(), bytes);
    }
    const int n = vector_number(o);
    if (n < 0) {
        to[0].q[0] = read_gpr(core, o.reg.value);
        return Outcome::Next;
    }
    to[0] = core.fpu.xmm[static_cast<unsigned>(n)];
    if (is_ymm(o)) to[1] = core.fpu.ymm_high[static_cast<unsigned>(n)];
    return Outcome::Next;
}

/// Bytes of `from` that lane 1 of a widening operation takes.
Vector upper_part(const Ymm& from, unsigned ratio) {
    Vector v;
    const unsigned bytes = 16 / ratio;
    std::memcpy(v.b.data(), from[0].b.data() + bytes, bytes);
    return v;
}

Outcome write_result(Core& core, const Insn& insn, const ZydisDecodedOperand& to, const Row& row, const Ymm& result,
                     u64 number) {
    if (is_memory(to)) {
        const unsigned bytes = to.size / 8u;
        GuestVirtual at;
        VMXSIM_TRY(locate(core, insn, to, bytes, row.traits & traits::Aligned ? bytes : 1, MemoryKind::Write, at));
        return core.write(at, result[0].b.data(), bytes);
    }
    const int n = vector_number(to);
    if (n < 0) {
        write_gpr(core, to.reg.value, number);
        return Outcome::Next;
    }
    core.fpu.xmm[static_cast<unsigned>(n)] = result[0];
    core.fpu.ymm_high[static_cast<unsigned>(n)] = is_ymm(to) ? result[1] : Vector{};
    return Outcome::Next;
}

}  // namespace

Outcome execute_vex(Core& core, const Insn& insn, const Row& row, u64& flags, bool& changes_flags) {
    VMXSIM_TRY(check_vex(core));
    unsigned visible = insn.z.operand_count_visible;
    Args a;
    u8 immediate = 0;
    if (is_immediate(insn.op[visible - 1])) {
        immediate = static_cast<u8>(insn.op[--visible].imm.value.u);
        a.immediate = true;
    }
    const bool compare = row.traits & traits::Compare;
    // Instructions with one source have it in the place of the second; shifts by an immediate have the first only.
    const bool counted = row.vex == Vex::Same && a.immediate;
    const unsigned second_at = compare || visible == 2 ? 1 : 2;
    const ZydisDecodedOperand& second_operand = insn.op[second_at];
    Ymm first{}, second{}, mask{};
    if (visible == 4) { VMXSIM_TRY(read_source(core, insn, insn.op[3], row.traits, mask)); }
    if (counted) {
        VMXSIM_TRY(read_source(core, insn, insn.op[1], row.traits, first));
        second[0].q[0] = immediate;
    } else {
        VMXSIM_TRY(read_source(core, insn, second_operand, row.traits, second));
        if (compare) { VMXSIM_TRY(read_source(core, insn, insn.op[0], row.traits, first)); }
        else if (second_at == 2) { VMXSIM_TRY(read_source(core, insn, insn.op[1], row.traits, first)); }
    }

    Ymm result{};
    u64 number = 0;
    if (row.whole) {
        WholeArgs w{first, second, immediate};
        row.whole(w);
        result = w.d, number = w.number;
    } else {
        a.d_bits = insn.op[0].size, a.s_bits = second_operand.size;
        a.from_memory = is_memory(second_operand), a.to_memory = is_memory(insn.op[0]);
        if (row.traits & traits::Float) a.mxcsr = computing_mxcsr(core);
        unsigned lanes = 1;  // scalar instructions ignore VEX.L, so the operands tell
        for (unsigned i = 0; i < visible; ++i) lanes = is_ymm(insn.op[i]) || insn.op[i].size == 256 ? 2 : lanes;
        bool tiny = false;
        for (unsigned i = 0; i < lanes; ++i) {
            a.d = first[i], a.s = second[row.vex == Vex::Same ? 0 : i], a.mask = mask[i];
            a.imm = static_cast<u8>(row.vex == Vex::Lanes && i ? immediate >> row.step : immediate);
            if (row.vex == Vex::Widen && i) a.s = upper_part(second, row.step);
            row.xmm(a);
            tiny = tiny || any_tiny(a.d, row.traits);
            if (row.vex == Vex::Narrow) result[0].q[i] = a.d.q[0];
            else result[i] = a.d;
            flags = i ? flags & a.flags : a.flags;
        }
        if (row.traits & traits::Float) { VMXSIM_TRY(finish_float(core, a.mxcsr, tiny)); }
        number = result[0].q[0];
    }
    changes_flags = row.traits & traits::Flags;
    return compare ? Outcome::Next : write_result(core, insn, insn.op[0], row, result, number);
}

}  // namespace vmxsim::core::simd
