// SPDX-License-Identifier: Apache-2.0
// FXSAVE, FXRSTOR (SDM 1, 10.5), LDMXCSR, STMXCSR, EMMS.
#include "model/core/vector/table.hpp"

namespace vmxsim::core::simd {

namespace {

/// Offsets in the image (SDM 1, table 10-2).
enum : unsigned { kControl = 0, kStatus = 2, kTags = 4, kOpcode = 6, kIp = 8, kCs = 12, kDp = 16, kDs = 20, kMxcsr = 24,
                  kMxcsrMask = 28, kSt = 32, kXmm = 160 };
constexpr unsigned kBytes = 512, kStBytes = 16;

using Image = std::array<u8, kBytes>;

template <class T>
void put(Image& image, unsigned at, T value) { std::memcpy(&image[at], &value, sizeof value); }
template <class T>
T get(const Image& image, unsigned at) {
    T value;
    std::memcpy(&value, &image[at], sizeof value);
    return value;
}

/// XMM8 to XMM15 are there in 64-bit mode only.
unsigned xmm_count(const Core& core) { return core.state.code64() ? 16 : 8; }
bool wide(const Insn& insn) {
    return insn.z.mnemonic == ZYDIS_MNEMONIC_FXSAVE64 || insn.z.mnemonic == ZYDIS_MNEMONIC_FXRSTOR64;
}
Outcome check(Core& core) {
    return core.state.cr0 & (vmx::cr0::EM | vmx::cr0::TS) ? core.raise(vector::NM) : Outcome::Next;
}

Outcome fxsave(Core& core, const Insn& insn, u64&) {
    VMXSIM_TRY(check(core));
    const FpuState& fpu = core.fpu;
    GuestVirtual at;
    VMXSIM_TRY(locate(core, insn, insn.op[0], kBytes, 16, MemoryKind::Write, at));
    VMXSIM_TRY(core.probe_write(at, kBytes));
    Image image{};
    put(image, kControl, fpu.control), put(image, kStatus, fpu.status), put(image, kTags, u16{fpu.tags});
    put(image, kOpcode, fpu.opcode);
    if (wide(insn)) {
        put(image, kIp, fpu.ip), put(image, kDp, fpu.dp);
    } else {
        put(image, kIp, static_cast<u32>(fpu.ip)), put(image, kCs, u32{fpu.cs});
        put(image, kDp, static_cast<u32>(fpu.dp)), put(image, kDs, u32{fpu.ds});
    }
    put(image, kMxcsr, fpu.mxcsr), put(image, kMxcsrMask, mxcsr::kDefined);
    for (unsigned i = 0; i < 8; ++i) std::memcpy(&image[kSt + i * kStBytes], fpu.st[i].data(), fpu.st[i].size());
    const unsigned count = xmm_count(core);
    for (unsigned i = 0; i < count; ++i) put(image, kXmm + i * 16, fpu.xmm[i]);
    // Behind the last register the area is software's, or reserved and left alone.
    return core.write(at, image.data(), kXmm + count * 16);
}

Outcome fxrstor(Core& core, const Insn& insn, u64&) {
    VMXSIM_TRY(check(core));
    FpuState& fpu = core.fpu;
    GuestVirtual at;
    VMXSIM_TRY(locate(core, insn, insn.op[0], kBytes, 16, MemoryKind::Read, at));
    Image image{};
    VMXSIM_TRY(core.read(at, image.data(), kBytes));
    const u32 csr = get<u32>(image, kMxcsr);
    if (csr & ~mxcsr::kDefined) return core.raise(vector::GP, 0);
    fpu.mxcsr = csr;
    fpu.control = static_cast<u16>((get<u16>(image, kControl) & x87::kControlDefined) | x87::kControlOnes);
    fpu.status = get<u16>(image, kStatus);
    fpu.tags = image[kTags];
    fpu.opcode = get<u16>(image, kOpcode) & 0x7ff;
    fpu.cs = fpu.ds = 0;
    if (wide(insn)) {
        fpu.ip = get<u64>(image, kIp), fpu.dp = get<u64>(image, kDp);
    } else {
        fpu.ip = get<u32>(image, kIp), fpu.dp = get<u32>(image, kDp);
        fpu.cs = get<u16>(image, kCs), fpu.ds = get<u16>(image, kDs);
    }
    for (unsigned i = 0; i < 8; ++i) std::memcpy(fpu.st[i].data(), &image[kSt + i * kStBytes], fpu.st[i].size());
    for (unsigned i = 0; i < xmm_count(core); ++i) fpu.xmm[i] = get<Vector>(image, kXmm + i * 16);
    fpu.summarise();
    return Outcome::Next;
}

Outcome ldmxcsr(Core& core, const Insn& insn, u64&) {
    VMXSIM_TRY(check_sse(core));
    u32 value = 0;
    VMXSIM_TRY(read_memory(core, insn, insn.op[0], &value, sizeof value));
    if (value & ~mxcsr::kDefined) return core.raise(vector::GP, 0);
    core.fpu.mxcsr = value;
    return Outcome::Next;
}

Outcome stmxcsr(Core& core, const Insn& insn, u64&) {
    VMXSIM_TRY(check_sse(core));
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
    for (const ZydisMnemonic m : {ZYDIS_MNEMONIC_FXSAVE, ZYDIS_MNEMONIC_FXSAVE64}) t[m].special = fxsave;
    for (const ZydisMnemonic m : {ZYDIS_MNEMONIC_FXRSTOR, ZYDIS_MNEMONIC_FXRSTOR64}) t[m].special = fxrstor;
    t[ZYDIS_MNEMONIC_LDMXCSR].special = ldmxcsr;
    t[ZYDIS_MNEMONIC_STMXCSR].special = stmxcsr;
    t[ZYDIS_MNEMONIC_EMMS].special = emms;
}

}  // namespace vmxsim::core::simd
