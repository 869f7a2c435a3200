// SPDX-License-Identifier: Apache-2.0
// x87 instructions: what is the FPU's own control here, arithmetic on the host (host.cpp).
#include "model/core/vector/table.hpp"
#include "model/core/x87/environment.hpp"
#include "model/core/x87/image.hpp"

namespace vmxsim::core {

namespace {

using namespace x87;

constexpr u16 kPrecision = 0x20;

const ZydisDecodedOperand* memory_operand(const Insn& insn) {
    for (unsigned i = 0; i < insn.z.operand_count_visible; ++i)
        if (is_memory(insn.op[i])) return &insn.op[i];
    return nullptr;
}

/// Instructions that do not wait for a pending exception.
bool waits(ZydisMnemonic m) {
    switch (m) {
        case ZYDIS_MNEMONIC_FNINIT: case ZYDIS_MNEMONIC_FNCLEX: case ZYDIS_MNEMONIC_FNSTSW: case ZYDIS_MNEMONIC_FNSTCW:
        case ZYDIS_MNEMONIC_FNSTENV: case ZYDIS_MNEMONIC_FNSAVE: return false;
        default: return true;
    }
}

/// Arithmetic, loads, stores: the host does it.
Outcome compute(Core& core, const Insn& insn, u64& flags) {
    FpuState& fpu = core.fpu;
    const ZydisDecodedOperand* const memory = memory_operand(insn);
    alignas(16) std::array<u8, 16> buffer{};
    unsigned bytes = 0;
    bool writes = false;
    GuestVirtual at;
    EffectiveAddress ea{vmx::DS, 0};
    if (memory) {
        bytes = memory->size / 8u;
        if (bytes == 0 || bytes > buffer.size()) return core.raise(vector::UD);
        writes = !(memory->actions & ZYDIS_OPERAND_ACTION_MASK_READ);
        ea = effective_address(core, insn, *memory);
        VMXSIM_TRY(simd::locate(core, insn, *memory, bytes, 1, writes ? MemoryKind::Write : MemoryKind::Read, at));
        if (writes) {
            VMXSIM_TRY(core.probe_write(at, bytes));
        } else {
            VMXSIM_TRY(core.read(at, buffer.data(), bytes));
        }
    }
    Image image;
    image.control = fpu.control;
    image.status = fpu.status & ~(kExceptions | ES | B);  // so that what arises now can be told from what was there
    for (unsigned i = 0; i < 8; ++i) image.tags |= (fpu.tags >> i & 1 ? 0u : 3u) << 2 * i;
    std::memcpy(image.st, fpu.st.data(), sizeof image.st);
    u16 ax = static_cast<u16>(((flags & 0xd5) | 2) << 8);
    const u8 modrm = static_cast<u8>(insn.z.raw.modrm.mod << 6 | insn.z.raw.modrm.reg << 3 | insn.z.raw.modrm.rm);
    run_on_host(image, insn.z.opcode, modrm, buffer.data(), ax);

    const u16 raised = static_cast<u16>(image.status & kExceptions);
    // Unmasked, all but precision keep a store from memory (SDM 1, 8.5).
    const bool stored = writes && !(raised & ~fpu.control & kExceptions & ~kPrecision);
    if (stored) { VMXSIM_TRY(core.write(at, buffer.data(), bytes)); }
    fpu.status = static_cast<u16>((image.status & ~(ES | B)) | (fpu.status & kExceptions));
    // A stack fault stays on record as the other flags do.
    fpu.tags = short_tags(image.tags);
    std::memcpy(fpu.st.data(), image.st, sizeof image.st);
    fpu.summarise();
    fpu.ip = core.state.rip;
    fpu.cs = core.state.seg[vmx::CS].selector;
    if (memory) {
        fpu.dp = ea.offset;
        fpu.ds = core.state.seg[ea.seg].selector;
    }
    // The opcode is kept only where an exception is unmasked (SDM 1, 8.1.9.1).
    if (raised & ~fpu.control) fpu.opcode = static_cast<u16>((insn.z.opcode & 7) << 8 | modrm);
    flags = ax >> 8 & (vmx::rflags::ZF | vmx::rflags::PF | vmx::rflags::CF);
    return Outcome::Next;
}

Outcome control(Core& core, const Insn& insn) {
    FpuState& fpu = core.fpu;
    switch (insn.z.mnemonic) {
        case ZYDIS_MNEMONIC_FNINIT:
            initialise(fpu);
            return Outcome::Next;
        case ZYDIS_MNEMONIC_FNCLEX:
            fpu.status = static_cast<u16>(fpu.status & 0x7f00);  // C3 to C0 and TOP stay
            return Outcome::Next;
        case ZYDIS_MNEMONIC_FNSTSW: return write_operand(core, insn, insn.op[0], 2, fpu.status);
        case ZYDIS_MNEMONIC_FNSTCW: return write_operand(core, insn, insn.op[0], 2, fpu.control);
        case ZYDIS_MNEMONIC_FLDCW: {
            u64 value = 0;
            VMXSIM_TRY(read_operand(core, insn, insn.op[0], 2, value));
            fpu.control = static_cast<u16>((value & kControlDefined) | kControlOnes);
            fpu.summarise();
            return Outcome::Next;
        }
        case ZYDIS_MNEMONIC_FNSTENV: return store_environment(core, insn, false);
        case ZYDIS_MNEMONIC_FNSAVE: return store_environment(core, insn, true);
        case ZYDIS_MNEMONIC_FLDENV: return load_environment(core, insn, false);
        case ZYDIS_MNEMONIC_FRSTOR: return load_environment(core, insn, true);
        default: return Outcome::Next;  // FWAIT
    }
}

bool is_control(ZydisMnemonic m) {
    return !waits(m) || m == ZYDIS_MNEMONIC_FLDCW || m == ZYDIS_MNEMONIC_FLDENV || m == ZYDIS_MNEMONIC_FRSTOR ||
           m == ZYDIS_MNEMONIC_FWAIT;
}

Outcome x87_instruction(Core& core, const Insn& insn, u64& flags) {
    const ZydisMnemonic m = insn.z.mnemonic;
    const u64 cr0 = core.state.cr0;
    // FWAIT looks at MP and TS, the others at EM and TS (SDM 3A 2.5).
    if (m == ZYDIS_MNEMONIC_FWAIT ? (cr0 & vmx::cr0::MP && cr0 & vmx::cr0::TS) : (cr0 & (vmx::cr0::EM | vmx::cr0::TS)) != 0)
        return core.raise(vector::NM);
    if (waits(m)) { VMXSIM_TRY(simd::check_pending(core)); }
    return is_control(m) ? control(core, insn) : compute(core, insn, flags);
}

}  // namespace

void simd::add_x87(Table& t) {
    for (unsigned m = ZYDIS_MNEMONIC_F2XM1; m <= ZYDIS_MNEMONIC_FYL2XP1; ++m) {
        switch (m) {
            case ZYDIS_MNEMONIC_FEMMS: case ZYDIS_MNEMONIC_FXRSTOR: case ZYDIS_MNEMONIC_FXRSTOR64:
            case ZYDIS_MNEMONIC_FXSAVE: case ZYDIS_MNEMONIC_FXSAVE64: break;
            case ZYDIS_MNEMONIC_FCOMI: case ZYDIS_MNEMONIC_FCOMIP: case ZYDIS_MNEMONIC_FUCOMI:
            case ZYDIS_MNEMONIC_FUCOMIP: t[m] = {nullptr, nullptr, x87_instruction, traits::X87 | traits::Flags}; break;
            default: t[m] = {nullptr, nullptr, x87_instruction, traits::X87}; break;
        }
    }
}

}  // namespace vmxsim::core
