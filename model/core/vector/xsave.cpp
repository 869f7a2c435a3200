// SPDX-License-Identifier: Apache-2.0
// The XSAVE family (SDM 1, chapter 13): x87, SSE, AVX and PKRU state, in the standard and the compacted format.
// There is no supervisor state: IA32_XSS is zero, so XSAVES and XRSTORS never exit by the XSS-exiting bitmap (SDM 27.1.3).
#include "model/arch/xsave.hpp"
#include "model/core/vector/fxsave_image.hpp"

namespace vmxsim::core::simd {

using namespace arch::xsave;

namespace {

constexpr unsigned kAlignment = 64;
using Header = std::array<u64, kHeaderBytes / 8>;  ///< XSTATE_BV, XCOMP_BV, reserved

enum class Form { Plain, Optimised, Compacted, Supervisor };
struct Name {
    Form form;
    bool wide, restores;
};
Name name_of(ZydisMnemonic m) {
    switch (m) {
        case ZYDIS_MNEMONIC_XSAVE: return {Form::Plain, false, false};
        case ZYDIS_MNEMONIC_XSAVE64: return {Form::Plain, true, false};
        case ZYDIS_MNEMONIC_XSAVEOPT: return {Form::Optimised, false, false};
        case ZYDIS_MNEMONIC_XSAVEOPT64: return {Form::Optimised, true, false};
        case ZYDIS_MNEMONIC_XSAVEC: return {Form::Compacted, false, false};
        case ZYDIS_MNEMONIC_XSAVEC64: return {Form::Compacted, true, false};
        case ZYDIS_MNEMONIC_XSAVES: return {Form::Supervisor, false, false};
        case ZYDIS_MNEMONIC_XSAVES64: return {Form::Supervisor, true, false};
        case ZYDIS_MNEMONIC_XRSTOR: return {Form::Plain, false, true};
        case ZYDIS_MNEMONIC_XRSTOR64: return {Form::Plain, true, true};
        case ZYDIS_MNEMONIC_XRSTORS: return {Form::Supervisor, false, true};
        default: return {Form::Supervisor, true, true};  // XRSTORS64
    }
}

Outcome check(Core& core, Form form) {
    const vmx::CpuState& s = core.state;
    if (!(s.cr4 & vmx::cr4::OSXSAVE)) return core.raise(vector::UD);
    if (form == Form::Supervisor) {
        if (s.vmx.non_root && !core.vmx().controls().has(arch::SecondaryControl::EnableXSAVESXRSTORS))
            return core.raise(vector::UD);  // SDM 28.3
        if (s.cpl() > 0) return core.raise(vector::GP, 0);
    }
    return s.cr0 & vmx::cr0::TS ? core.raise(vector::NM) : Outcome::Next;
}

/// RFBM: components that are asked for and enabled (SDM 1, 13.3).
u64 requested(const Core& core) {
    const u64 mask = core.state.r[vmx::RDX] << 32 | static_cast<u32>(core.state.r[vmx::RAX]);
    return mask & core.state.xcr0;
}

bool any(const std::array<Vector, 16>& registers, unsigned count) {
    bool found = false;
    for (unsigned i = 0; i < count; ++i) found = found || registers[i].q[0] || registers[i].q[1];
    return found;
}

/// A component of the extended region as memory has it.
struct Part {
    u64 bit;
    u32 offset, bytes;
};
/// Those of `wanted`, which lie behind each other by `format` where that says compacted.
unsigned extended(const FpuState& fpu, u64 wanted, u64 format, std::array<Part, 2>& out) {
    unsigned n = 0;
    u32 end = kExtendedRegion;
    constexpr unsigned kNumbers[] = {kAvxNumber, kPkruNumber};
    for (unsigned i = 0; i < 2; ++i) {
        const Place& p = fpu.extended[i];
        const u64 bit = u64{1} << kNumbers[i];
        u32 offset = p.offset;
        if (format & kCompacted) {
            if (!(format & bit)) continue;
            offset = compacted_start(p, end), end = offset + p.bytes;
        }
        if (wanted & bit) out[n++] = {bit, offset, p.bytes};
    }
    return n;
}

using ExtendedBytes = std::array<u8, 256>;
static_assert(sizeof(ExtendedBytes) == sizeof(FpuState::ymm_high));

/// YMM8 to YMM15 are there in 64-bit mode only (SDM 1, 13.5.3).
unsigned ymm_bytes(const Core& core) { return xmm_count(core) * 16; }

Outcome save(Core& core, const Insn& insn, u64&) {
    const Name name = name_of(insn.z.mnemonic);
    VMXSIM_TRY(check(core, name.form));
    FpuState& f = core.fpu;
    const bool compacted = name.form == Form::Compacted || name.form == Form::Supervisor;
    const u64 wanted = requested(core);
    u64 used = xsave_in_use(core);
    // Of MXCSR, the instructions that leave out initial state take note (SDM 1, 13.10).
    if (compacted && f.mxcsr != kInitialMxcsr) used |= kSse;
    const u64 saved = name.form == Form::Plain ? wanted : wanted & used;
    const u64 format = compacted ? kCompacted | wanted : 0;
    std::array<Part, 2> parts;
    const unsigned count = extended(f, saved, format, parts);

    GuestVirtual at;
    constexpr unsigned kAll = kExtendedRegion;
    VMXSIM_TRY(locate(core, insn, insn.op[0], kAll, kAlignment, MemoryKind::ReadModifyWrite, at));
    // All of the area is checked before any of it is written.
    VMXSIM_TRY(core.probe_write(at, kAll));
    std::array<GuestVirtual, 2> part_at;
    for (unsigned i = 0; i < count; ++i) {
        const EffectiveAddress ea = effective_address(core, insn, insn.op[0]);
        VMXSIM_TRY(core.linear(ea.seg, ea.offset + parts[i].offset, parts[i].bytes, MemoryKind::Write, part_at[i]));
        VMXSIM_TRY(core.probe_write(part_at[i], parts[i].bytes));
    }
    // What is not asked for stays as it is in memory.
    FxsaveImage image{};
    std::array<u64, 2> header{};
    VMXSIM_TRY(core.read(at, image.data(), kLegacyBytes));
    VMXSIM_TRY(core.read({at.raw + kLegacyBytes}, header.data(), sizeof header));
    if (saved & kX87) save_x87(f, name.wide, image);
    if (compacted ? saved & kSse : wanted & (kSse | kAvx)) save_mxcsr(f, image);
    if (saved & kSse) save_xmm(f, xmm_count(core), image);
    header[0] = compacted ? saved : (header[0] & ~wanted) | (wanted & used);
    header[1] = compacted ? format : header[1];
    VMXSIM_TRY(core.write(at, image.data(), kLegacyBytes));
    for (unsigned i = 0; i < count; ++i) {
        const bool avx = parts[i].bit == kAvx;
        const u64 pkru = core.state.pkru;
        VMXSIM_TRY(core.write(part_at[i], avx ? static_cast<const void*>(f.ymm_high.data()) : &pkru,
                              avx ? ymm_bytes(core) : std::min<u32>(parts[i].bytes, sizeof pkru)));
    }
    return core.write({at.raw + kLegacyBytes}, header.data(), compacted ? 16 : 8);
}

/// Header of an area to be restored (SDM 1, 13.8.1, 13.8.2, 13.12).
bool header_good(const Core& core, Form form, const Header& h) {
    const u64 state_bv = h[0], format = h[1];
    if (!(format & kCompacted))
        return form != Form::Supervisor && !(state_bv & ~core.state.xcr0) && !h[1] && !h[2];
    if (!(core.fpu.offered & offers::XSAVEC)) return false;
    for (unsigned i = 2; i < h.size(); ++i)
        if (h[i]) return false;
    return !(format & ~kCompacted & ~core.state.xcr0) && !(state_bv & ~format);
}

Outcome restore(Core& core, const Insn& insn, u64&) {
    const Name name = name_of(insn.z.mnemonic);
    VMXSIM_TRY(check(core, name.form));
    GuestVirtual at;
    VMXSIM_TRY(locate(core, insn, insn.op[0], kExtendedRegion, kAlignment, MemoryKind::Read, at));
    FxsaveImage image{};
    Header header{};
    VMXSIM_TRY(core.read(at, image.data(), kLegacyBytes));
    VMXSIM_TRY(core.read({at.raw + kLegacyBytes}, header.data(), kHeaderBytes));
    if (!header_good(core, name.form, header)) return core.raise(vector::GP, 0);
    FpuState& f = core.fpu;
    const u64 format = header[1], wanted = requested(core), present = wanted & header[0];
    const bool compacted = format & kCompacted;
    std::array<Part, 2> parts;
    std::array<ExtendedBytes, 2> bytes{};
    const unsigned count = extended(f, present, format, parts);
    for (unsigned i = 0; i < count; ++i) {
        const EffectiveAddress ea = effective_address(core, insn, insn.op[0]);
        GuestVirtual part;
        VMXSIM_TRY(core.linear(ea.seg, ea.offset + parts[i].offset, parts[i].bytes, MemoryKind::Read, part));
        VMXSIM_TRY(core.read(part, bytes[i].data(), std::min<u32>(parts[i].bytes, sizeof bytes[i])));
    }
    // The standard format has MXCSR whatever XSTATE_BV says, the compacted one as part of SSE state.
    const bool mxcsr_loaded = compacted ? present & kSse : wanted & (kSse | kAvx);
    const u32 csr = get<u32>(image, fxsave::kMxcsr);
    if (mxcsr_loaded && csr & ~mxcsr::kDefined) return core.raise(vector::GP, 0);

    if (wanted & kX87) {
        if (!(present & kX87)) {  // the initial configuration: as after FNINIT, registers zero
            FxsaveImage initial{};
            put(initial, fxsave::kControl, x87::kControlAfterInit);
            load_x87(f, true, initial);
        } else {
            load_x87(f, name.wide, image);
        }
    }
    if (mxcsr_loaded) f.mxcsr = csr;
    else if (compacted && wanted & kSse) f.mxcsr = kInitialMxcsr;
    if (wanted & kSse) load_xmm(f, xmm_count(core), present & kSse ? image : FxsaveImage{});
    ExtendedBytes avx{};
    u32 pkru = 0;
    for (unsigned i = 0; i < count; ++i) {
        if (parts[i].bit == kAvx) avx = bytes[i];
        else std::memcpy(&pkru, bytes[i].data(), sizeof pkru);
    }
    if (wanted & kAvx) std::memcpy(f.ymm_high.data(), avx.data(), ymm_bytes(core));
    if (wanted & kPkru) set_pkru(core, pkru);
    return Outcome::Next;
}

}  // namespace

void add_xsave(Table& t) {
    for (const ZydisMnemonic m : {ZYDIS_MNEMONIC_XSAVE, ZYDIS_MNEMONIC_XSAVE64, ZYDIS_MNEMONIC_XSAVEOPT,
                                  ZYDIS_MNEMONIC_XSAVEOPT64, ZYDIS_MNEMONIC_XSAVEC, ZYDIS_MNEMONIC_XSAVEC64,
                                  ZYDIS_MNEMONIC_XSAVES, ZYDIS_MNEMONIC_XSAVES64})
        t[m].special = save;
    for (const ZydisMnemonic m : {ZYDIS_MNEMONIC_XRSTOR, ZYDIS_MNEMONIC_XRSTOR64, ZYDIS_MNEMONIC_XRSTORS,
                                  ZYDIS_MNEMONIC_XRSTORS64})
        t[m].special = restore;
}

}  // namespace vmxsim::core::simd

namespace vmxsim::core {

u64 xsave_in_use(const Core& core) {
    using namespace simd;
    const FpuState& f = core.fpu;
    bool x87_used = f.control != x87::kControlAfterInit || f.status || f.tags || f.opcode || f.ip || f.dp || f.cs || f.ds;
    for (const core::Extended& r : f.st)
        for (const u8 b : r) x87_used = x87_used || b;
    const unsigned count = xmm_count(core);
    return (x87_used ? kX87 : 0) | (any(f.xmm, count) ? kSse : 0) | (any(f.ymm_high, count) ? kAvx : 0) |
           (core.state.pkru ? kPkru : 0);
}

void set_pkru(Core& core, u32 value) {
    core.state.pkru = value;
    core.context_changed();
}

}  // namespace vmxsim::core
