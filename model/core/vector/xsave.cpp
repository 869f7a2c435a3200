// SPDX-License-Identifier: Apache-2.0
// XSAVE, XSAVEOPT, XRSTOR of x87 and SSE state, in the standard format (SDM 1, chapter 13). AVX state does not exist here,
// nor does the compacted format.
#include "model/core/vector/fxsave_image.hpp"

namespace vmxsim::core::simd {

namespace {

constexpr u64 kX87 = 1, kSse = 2;
constexpr unsigned kHeaderBytes = 64, kAlignment = 64;
using Header = std::array<u64, kHeaderBytes / 8>;  ///< XSTATE_BV, XCOMP_BV, reserved

bool wide(ZydisMnemonic m) {
    return m == ZYDIS_MNEMONIC_XSAVE64 || m == ZYDIS_MNEMONIC_XSAVEOPT64 || m == ZYDIS_MNEMONIC_XRSTOR64;
}

Outcome check(Core& core) {
    if (!(core.state.cr4 & vmx::cr4::OSXSAVE)) return core.raise(vector::UD);
    return core.state.cr0 & vmx::cr0::TS ? core.raise(vector::NM) : Outcome::Next;
}

/// Components that are asked for and enabled (SDM 1, 13.3).
u64 requested(const Core& core) {
    const u64 mask = core.state.r[vmx::RDX] << 32 | static_cast<u32>(core.state.r[vmx::RAX]);
    return mask & core.state.xcr0 & (kX87 | kSse);
}

/// Components that are not in their initial configuration (SDM 1, 13.6).
u64 in_use(const Core& core) {
    const FpuState& f = core.fpu;
    bool x87_used = f.control != x87::kControlAfterInit || f.status || f.tags || f.opcode || f.ip || f.dp || f.cs || f.ds;
    for (const Extended& r : f.st)
        for (const u8 b : r) x87_used = x87_used || b;
    bool sse_used = false;
    for (unsigned i = 0; i < xmm_count(core); ++i) sse_used = sse_used || f.xmm[i].q[0] || f.xmm[i].q[1];
    return (x87_used ? kX87 : 0) | (sse_used ? kSse : 0);
}

Outcome xsave(Core& core, const Insn& insn, u64&) {
    VMXSIM_TRY(check(core));
    const ZydisMnemonic m = insn.z.mnemonic;
    constexpr unsigned kAll = fxsave::kBytes + kHeaderBytes;
    GuestVirtual at;
    VMXSIM_TRY(locate(core, insn, insn.op[0], kAll, kAlignment, MemoryKind::ReadModifyWrite, at));
    VMXSIM_TRY(core.probe_write(at, kAll));
    // What is not asked for stays as it is in memory.
    FxsaveImage image{};
    u64 state_bv = 0;
    VMXSIM_TRY(core.read(at, image.data(), fxsave::kBytes));
    VMXSIM_TRY(core.read({at.raw + fxsave::kBytes}, &state_bv, sizeof state_bv));
    const u64 wanted = requested(core), used = in_use(core);
    // XSAVEOPT leaves out what is in its initial configuration.
    const bool optimise = m == ZYDIS_MNEMONIC_XSAVEOPT || m == ZYDIS_MNEMONIC_XSAVEOPT64;
    const u64 saved = optimise ? wanted & used : wanted;
    if (saved & kX87) save_x87(core.fpu, wide(m), image);
    if (wanted & kSse) save_mxcsr(core.fpu, image);
    if (saved & kSse) save_xmm(core.fpu, xmm_count(core), image);
    state_bv = (state_bv & ~wanted) | (wanted & used);
    VMXSIM_TRY(core.write(at, image.data(), fxsave::kBytes));
    return core.write({at.raw + fxsave::kBytes}, &state_bv, sizeof state_bv);
}

Outcome xrstor(Core& core, const Insn& insn, u64&) {
    VMXSIM_TRY(check(core));
    constexpr unsigned kAll = fxsave::kBytes + kHeaderBytes;
    GuestVirtual at;
    VMXSIM_TRY(locate(core, insn, insn.op[0], kAll, kAlignment, MemoryKind::Read, at));
    FxsaveImage image{};
    Header header{};
    VMXSIM_TRY(core.read(at, image.data(), fxsave::kBytes));
    VMXSIM_TRY(core.read({at.raw + fxsave::kBytes}, header.data(), kHeaderBytes));
    // SDM 1, 13.8.1: nothing that XCR0 lacks, and the rest of the header's first 24 bytes zero.
    const u64 wanted = requested(core), state_bv = header[0];
    if (state_bv & ~core.state.xcr0 || header[1] || header[2]) return core.raise(vector::GP, 0);
    const u32 csr = get<u32>(image, fxsave::kMxcsr);
    if (wanted & kSse && csr & ~mxcsr::kDefined) return core.raise(vector::GP, 0);
    FpuState& f = core.fpu;
    if (wanted & kX87) {
        if (!(state_bv & kX87)) {  // the initial configuration: as after FNINIT, registers zero
            FxsaveImage initial{};
            put(initial, fxsave::kControl, x87::kControlAfterInit);
            load_x87(f, true, initial);
        } else {
            load_x87(f, wide(insn.z.mnemonic), image);
        }
    }
    if (wanted & kSse) {
        f.mxcsr = csr;  // whatever XSTATE_BV says
        load_xmm(f, xmm_count(core), state_bv & kSse ? image : FxsaveImage{});
    }
    return Outcome::Next;
}

}  // namespace

void add_xsave(Table& t) {
    for (const ZydisMnemonic m : {ZYDIS_MNEMONIC_XSAVE, ZYDIS_MNEMONIC_XSAVE64, ZYDIS_MNEMONIC_XSAVEOPT,
                                  ZYDIS_MNEMONIC_XSAVEOPT64})
        t[m].special = xsave;
    for (const ZydisMnemonic m : {ZYDIS_MNEMONIC_XRSTOR, ZYDIS_MNEMONIC_XRSTOR64}) t[m].special = xrstor;
}

}  // namespace vmxsim::core::simd
