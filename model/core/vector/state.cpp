// SPDX-License-Identifier: Apache-2.0
// FXSAVE, FXRSTOR (SDM 1, 10.5), LDMXCSR, STMXCSR, EMMS.
#include "model/core/vector/fxsave_image.hpp"

namespace vmxsim::core::simd {

using namespace fxsave;

void save_x87(const FpuState& fpu, bool wide, FxsaveImage& image) {
    put(image, kControl, fpu.control), put(image, kStatus, fpu.status), put(image, kTags, u16{fpu.tags});
    put(image, kOpcode, fpu.opcode);
    if (wide) {
        put(image, kIp, fpu.ip), put(image, kDp, fpu.dp);
    } else {
        put(image, kIp, static_cast<u32>(fpu.ip)), put(image, kCs, u32{fpu.cs});
        put(image, kDp, static_cast<u32>(fpu.dp)), put(image, kDs, u32{fpu.ds});
    }
    for (unsigned i = 0; i < 8; ++i) {
        std::memcpy(&image[kSt + i * kStBytes], fpu.st[i].data(), fpu.st[i].size());
        std::memset(&image[kSt + i * kStBytes + 10], 0, kStBytes - 10);
    }
}

void load_x87(FpuState& fpu, bool wide, const FxsaveImage& image) {
    fpu.control = static_cast<u16>((get<u16>(image, kControl) & x87::kControlDefined) | x87::kControlOnes);
    fpu.status = get<u16>(image, kStatus);
    fpu.tags = image[kTags];
    fpu.opcode = get<u16>(image, kOpcode) & 0x7ff;
    fpu.cs = fpu.ds = 0;
    if (wide) {
        fpu.ip = get<u64>(image, kIp), fpu.dp = get<u64>(image, kDp);
    } else {
        fpu.ip = get<u32>(image, kIp), fpu.dp = get<u32>(image, kDp);
        fpu.cs = get<u16>(image, kCs), fpu.ds = get<u16>(image, kDs);
    }
    for (unsigned i = 0; i < 8; ++i) std::memcpy(fpu.st[i].data(), &image[kSt + i * kStBytes], fpu.st[i].size());
    fpu.summarise();
}

void save_xmm(const FpuState& fpu, unsigned count, FxsaveImage& image) {
    for (unsigned i = 0; i < count; ++i) put(image, kXmm + i * 16, fpu.xmm[i]);
}

void load_xmm(FpuState& fpu, unsigned count, const FxsaveImage& image) {
    for (unsigned i = 0; i < count; ++i) fpu.xmm[i] = get<Vector>(image, kXmm + i * 16);
}

void save_mxcsr(const FpuState& fpu, FxsaveImage& image) {
    put(image, kMxcsr, fpu.mxcsr), put(image, kMxcsrMask, mxcsr::kDefined);
}

namespace {

bool wide(const Insn& insn) {
    return insn.z.mnemonic == ZYDIS_MNEMONIC_FXSAVE64 || insn.z.mnemonic == ZYDIS_MNEMONIC_FXRSTOR64;
}
Outcome check_device(Core& core) {
    return core.state.cr0 & (vmx::cr0::EM | vmx::cr0::TS) ? core.raise(vector::NM) : Outcome::Next;
}

Outcome save(Core& core, const Insn& insn, u64&) {
    VMXSIM_TRY(check_device(core));
    const FpuState& fpu = core.fpu;
    GuestVirtual at;
    VMXSIM_TRY(locate(core, insn, insn.op[0], kBytes, 16, MemoryKind::Write, at));
    VMXSIM_TRY(core.probe_write(at, kBytes));
    FxsaveImage image{};
    save_x87(fpu, wide(insn), image);
    save_mxcsr(fpu, image);
    const unsigned count = xmm_count(core);
    save_xmm(fpu, count, image);
    // Behind the last register the area is software's, or reserved and left alone.
    return core.write(at, image.data(), kXmm + count * 16);
}

Outcome restore(Core& core, const Insn& insn, u64&) {
    VMXSIM_TRY(check_device(core));
    FpuState& fpu = core.fpu;
    GuestVirtual at;
    VMXSIM_TRY(locate(core, insn, insn.op[0], kBytes, 16, MemoryKind::Read, at));
    FxsaveImage image{};
    VMXSIM_TRY(core.read(at, image.data(), kBytes));
    const u32 csr = get<u32>(image, kMxcsr);
    if (csr & ~mxcsr::kDefined) return core.raise(vector::GP, 0);
    fpu.mxcsr = csr;
    load_x87(fpu, wide(insn), image);
    load_xmm(fpu, xmm_count(core), image);
    return Outcome::Next;
}

Outcome ldmxcsr(Core& core, const Insn& insn, u64&) {
    VMXSIM_TRY(check_vector(core, insn));
    u32 value = 0;
    VMXSIM_TRY(read_memory(core, insn, insn.op[0], &value, sizeof value));
    if (value & ~mxcsr::kDefined) return core.raise(vector::GP, 0);
    core.fpu.mxcsr = value;
    return Outcome::Next;
}

Outcome stmxcsr(Core& core, const Insn& insn, u64&) {
    VMXSIM_TRY(check_vector(core, insn));
    return write_memory(core, insn, insn.op[0], &core.fpu.mxcsr, sizeof core.fpu.mxcsr);
}

Outcome emms(Core& core, const Insn&, u64&) {
    VMXSIM_TRY(check_mmx(core));
    core.fpu.enter_mmx();  // TOP becomes 0 as well (SDM 3A, table 13-1)
    core.fpu.tags = 0;
    return Outcome::Next;
}

}  // namespace

void add_state(Table& t) {
    for (const ZydisMnemonic m : {ZYDIS_MNEMONIC_FXSAVE, ZYDIS_MNEMONIC_FXSAVE64}) t[m].special = save;
    for (const ZydisMnemonic m : {ZYDIS_MNEMONIC_FXRSTOR, ZYDIS_MNEMONIC_FXRSTOR64}) t[m].special = restore;
    t[ZYDIS_MNEMONIC_LDMXCSR].special = ldmxcsr;
    t[ZYDIS_MNEMONIC_STMXCSR].special = stmxcsr;
    t[ZYDIS_MNEMONIC_EMMS].special = emms;
    add_xsave(t);
}

}  // namespace vmxsim::core::simd
