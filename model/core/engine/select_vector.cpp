// SPDX-License-Identifier: Apache-2.0
// Choice of a handler for SSE and AVX instructions.
#include "model/core/engine/select.hpp"

namespace vmxsim::core::engine {

namespace {

/// XMMn and YMMn: n; -1 for all else.
int number(const ZydisDecodedOperand& o) {
    if (o.type != ZYDIS_OPERAND_TYPE_REGISTER) return -1;
    const ZydisRegister r = o.reg.value;
    if (r >= ZYDIS_REGISTER_XMM0 && r <= ZYDIS_REGISTER_XMM15) return r - ZYDIS_REGISTER_XMM0;
    if (r >= ZYDIS_REGISTER_YMM0 && r <= ZYDIS_REGISTER_YMM15) return r - ZYDIS_REGISTER_YMM0;
    return -1;
}

struct Move {
    bool aligned;
};
std::optional<Move> move_of(ZydisMnemonic m) {
    switch (m) {
        case ZYDIS_MNEMONIC_MOVAPS: case ZYDIS_MNEMONIC_MOVAPD: case ZYDIS_MNEMONIC_MOVDQA:
        case ZYDIS_MNEMONIC_VMOVAPS: case ZYDIS_MNEMONIC_VMOVAPD: case ZYDIS_MNEMONIC_VMOVDQA: return Move{true};
        case ZYDIS_MNEMONIC_MOVUPS: case ZYDIS_MNEMONIC_MOVUPD: case ZYDIS_MNEMONIC_MOVDQU:
        case ZYDIS_MNEMONIC_VMOVUPS: case ZYDIS_MNEMONIC_VMOVUPD: case ZYDIS_MNEMONIC_VMOVDQU: return Move{false};
        default: return {};
    }
}
std::optional<VectorOp> operation_of(ZydisMnemonic m) {
    switch (m) {
        case ZYDIS_MNEMONIC_PAND: case ZYDIS_MNEMONIC_ANDPS: case ZYDIS_MNEMONIC_ANDPD: case ZYDIS_MNEMONIC_VPAND:
        case ZYDIS_MNEMONIC_VANDPS: case ZYDIS_MNEMONIC_VANDPD: return VectorOp::And;
        case ZYDIS_MNEMONIC_PANDN: case ZYDIS_MNEMONIC_ANDNPS: case ZYDIS_MNEMONIC_ANDNPD: case ZYDIS_MNEMONIC_VPANDN:
        case ZYDIS_MNEMONIC_VANDNPS: case ZYDIS_MNEMONIC_VANDNPD: return VectorOp::AndNot;
        case ZYDIS_MNEMONIC_POR: case ZYDIS_MNEMONIC_ORPS: case ZYDIS_MNEMONIC_ORPD: case ZYDIS_MNEMONIC_VPOR:
        case ZYDIS_MNEMONIC_VORPS: case ZYDIS_MNEMONIC_VORPD: return VectorOp::Or;
        case ZYDIS_MNEMONIC_PXOR: case ZYDIS_MNEMONIC_XORPS: case ZYDIS_MNEMONIC_XORPD: case ZYDIS_MNEMONIC_VPXOR:
        case ZYDIS_MNEMONIC_VXORPS: case ZYDIS_MNEMONIC_VXORPD: return VectorOp::Xor;
        case ZYDIS_MNEMONIC_PADDB: case ZYDIS_MNEMONIC_VPADDB: return VectorOp::AddB;
        case ZYDIS_MNEMONIC_PADDD: case ZYDIS_MNEMONIC_VPADDD: return VectorOp::AddD;
        case ZYDIS_MNEMONIC_PADDQ: case ZYDIS_MNEMONIC_VPADDQ: return VectorOp::AddQ;
        case ZYDIS_MNEMONIC_PSUBB: case ZYDIS_MNEMONIC_VPSUBB: return VectorOp::SubB;
        case ZYDIS_MNEMONIC_PSUBD: case ZYDIS_MNEMONIC_VPSUBD: return VectorOp::SubD;
        case ZYDIS_MNEMONIC_PCMPEQB: case ZYDIS_MNEMONIC_VPCMPEQB: return VectorOp::EqualB;
        case ZYDIS_MNEMONIC_PCMPEQD: case ZYDIS_MNEMONIC_VPCMPEQD: return VectorOp::EqualD;
        default: return {};
    }
}

}  // namespace

bool specialise_vector(const Selection& x, Op& op) {
    const auto move = move_of(x.insn.z.mnemonic);
    const auto operation = operation_of(x.insn.z.mnemonic);
    if ((!move && !operation) || !fpu_offers_instruction(x.offered, x.insn)) return false;
    const bool vex = x.insn.z.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
    const bool wide = x.insn.z.avx.vector_length == 256;
    const VectorForm form = !vex ? VectorForm::Sse : wide ? VectorForm::Vex256 : VectorForm::Vex128;
    if (!vex && x.insn.z.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY) return false;
    const unsigned visible = x.insn.z.operand_count_visible;
    const ZydisDecodedOperand &d = x.insn.op[0], &last = x.insn.op[visible - 1];
    const bool to_memory = is_memory(d), from_memory = is_memory(last);
    if (visible != (operation && vex ? 3u : 2u)) return false;
    unsigned a = 0;
    if (to_memory || from_memory) {
        const auto found = address_form(x, to_memory ? d : last, op);
        if (!found) return false;
        a = *found;
    }
    // MM registers have no number here: they are the slow path's.
    if ((!to_memory && number(d) < 0) || (!from_memory && number(last) < 0)) return false;
    if (!to_memory) op.dst = static_cast<u8>(number(d));
    if (!from_memory) op.src = static_cast<u8>(number(last));
    if (move) {
        op.fn = to_memory || from_memory ? vector_memory_handler(form, to_memory, move->aligned, a, x.timed)
                                         : vector_copy_handler(form);
        return true;
    }
    if (vex && number(x.insn.op[1]) < 0) return false;
    op.imm = static_cast<u64>(number(x.insn.op[vex ? 1 : 0]));
    op.fn = vector_handler(*operation, form, from_memory, a, x.timed);
    return true;
}

}  // namespace vmxsim::core::engine
