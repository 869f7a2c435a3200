// SPDX-License-Identifier: Apache-2.0
// Segment registers as operands: MOV, PUSH, POP, LDS and its kin, RDFSBASE family, SWAPGS.
#include <array>
#include <utility>

#include "model/core/segments.hpp"
#include "model/core/system/handlers.hpp"

namespace vmxsim::core {

using namespace vmx;

namespace {

Seg segment_number(ZydisRegister reg) { return static_cast<Seg>(reg - ZYDIS_REGISTER_ES); }

/// After a load: SS changes the stack's width (and blocks events for one instruction where asked), any load serialises.
Outcome segment_loaded(Core& core, const Insn& insn, Seg seg, bool blocks) {
    core.spend(core.params().serialize);
    if (seg == SS) {
        if (blocks) core.state.blocking |= blocking::MOV_SS;  // SDM 6.8.3
        core.context_changed();
    }
    return jump_next(core, insn);
}

}  // namespace

Outcome mov_to_segment(Core& core, const Insn& insn) {
    const Seg seg = segment_number(insn.op[0].reg.value);
    if (seg == CS) return core.raise(vector::UD);
    u64 selector = 0;
    VMXSIM_TRY(read_operand(core, insn, insn.op[1], 2, selector));
    VMXSIM_TRY(load_segment(core, seg, static_cast<u16>(selector)));
    return segment_loaded(core, insn, seg, true);
}

Outcome mov_from_segment(Core& core, const Insn& insn) {
    const u16 selector = core.state.seg[segment_number(insn.op[1].reg.value)].selector;
    // A register is written in operand size, memory always 16 bits wide (SDM 2A, MOV).
    return write_operand(core, insn, insn.op[0], 2, selector);
}

Outcome load_far_pointer(Core& core, const Insn& insn) {
    Seg seg = DS;
    switch (insn.z.mnemonic) {
        case ZYDIS_MNEMONIC_LES:
            seg = ES;
            break;
        case ZYDIS_MNEMONIC_LFS:
            seg = FS;
            break;
        case ZYDIS_MNEMONIC_LGS:
            seg = GS;
            break;
        case ZYDIS_MNEMONIC_LSS:
            seg = SS;
            break;
        default:
            break;
    }
    const unsigned width = insn.z.operand_width / 8u;
    std::array<u8, 10> pointer{};
    VMXSIM_TRY(read_memory(core, insn, insn.op[1], pointer.data(), width + 2));
    u64 offset = 0;
    for (unsigned i = 0; i < width; ++i) offset |= u64{pointer[i]} << (8 * i);
    const u16 selector = static_cast<u16>(pointer[width] | pointer[width + 1] << 8);
    VMXSIM_TRY(load_segment(core, seg, selector));
    write_gpr(core, insn.op[0].reg.value, offset);
    return segment_loaded(core, insn, seg, false);
}

Outcome push_segment(Core& core, const Insn& insn) {
    const Seg seg = segment_number(insn.op[0].reg.value);
    const unsigned width = insn.z.operand_width / 8u;
    Stack stack = current_stack(core);
    const std::array<u64, 1> value{core.state.seg[seg].selector};
    VMXSIM_TRY(push_frame(core, stack, value, width, core.state.cpl() == 3, 0));
    set_stack_pointer(core, stack);
    return Outcome::Next;
}

Outcome pop_segment(Core& core, const Insn& insn) {
    const Seg seg = segment_number(insn.op[0].reg.value);
    const unsigned width = insn.z.operand_width / 8u;
    std::array<u64, 1> value{};
    VMXSIM_TRY(peek_stack(core, 0, width, value));
    Stack stack = current_stack(core);  // the pointer moves by the old stack's width, also for POP SS
    VMXSIM_TRY(load_segment(core, seg, static_cast<u16>(value[0])));
    stack.pointer += width;
    set_stack_pointer(core, stack);
    return segment_loaded(core, insn, seg, true);
}

Outcome fs_gs_base(Core& core, const Insn& insn) {
    if (!core.state.code64() || !(core.state.cr4 & cr4::FSGSBASE)) return core.raise(vector::UD);
    const auto mnemonic = insn.z.mnemonic;
    const bool fs = mnemonic == ZYDIS_MNEMONIC_RDFSBASE || mnemonic == ZYDIS_MNEMONIC_WRFSBASE;
    const bool read = mnemonic == ZYDIS_MNEMONIC_RDFSBASE || mnemonic == ZYDIS_MNEMONIC_RDGSBASE;
    u64& base = core.state.seg[fs ? FS : GS].base;
    const ZydisRegister gpr = insn.op[0].reg.value;
    if (read) {
        write_gpr(core, gpr, base);
        return Outcome::Next;
    }
    const u64 value = read_gpr(core, gpr);
    if (!canonical_base(core, value)) return core.raise(vector::GP, 0);
    base = value;
    return jump_next(core, insn);
}

Outcome swapgs(Core& core, const Insn& insn) {
    if (!core.state.code64()) return core.raise(vector::UD);
    VMXSIM_TRY(require_cpl0(core));
    std::swap(core.state.seg[GS].base, core.state.kernel_gs_base);
    return jump_next(core, insn);
}

}  // namespace vmxsim::core
