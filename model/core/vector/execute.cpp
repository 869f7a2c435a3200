// SPDX-License-Identifier: Apache-2.0
// The common path of vector instructions: checks, operands, operation, exceptions, result.
#include "model/core/vector/table.hpp"

namespace vmxsim::core {

std::array<arch::xsave::Place, 2> xsave_places(const CpuidTable& cpuid) {
    std::array<arch::xsave::Place, 2> places;
    if (cpuid.max_basic() < 0xd) return places;
    constexpr u32 kNumbers[] = {arch::xsave::kAvxNumber, arch::xsave::kPkruNumber};
    for (unsigned i = 0; i < 2; ++i) {
        const CpuidLeaf l = cpuid.find(0xd, kNumbers[i]);
        places[i] = arch::xsave::place_of(l.eax, l.ebx, l.ecx);
    }
    return places;
}

void FpuState::enter_mmx() {
    std::array<Extended, 8> moved;
    for (unsigned i = 0; i < 8; ++i) moved[i] = physical(i);
    st = moved;
    status = static_cast<u16>(status & ~x87::kTop);
    tags = 0xff;
}

namespace {

u32 bit(u32 reg, unsigned n, u32 set) { return reg >> n & 1 ? set : 0; }

u32 xsave_offers(const CpuidTable& cpuid) {
    if (cpuid.max_basic() < 0xd) return 0;
    const u32 eax = cpuid.find(0xd, 1).eax;
    using namespace offers;
    return bit(eax, 0, XSAVEOPT) | bit(eax, 1, XSAVEC) | bit(eax, 2, XGETBV1) | bit(eax, 3, XSAVES);
}

}  // namespace

u32 fpu_offers(const CpuidTable& cpuid) {
    if (cpuid.max_basic() < 1) return 0;
    const CpuidLeaf one = cpuid.find(1, 0);
    using namespace offers;
    return bit(one.edx, 0, X87) | bit(one.edx, 23, MMX) | bit(one.edx, 24, FXSR) | bit(one.edx, 25, SSE) |
           bit(one.edx, 26, SSE2) | bit(one.ecx, 0, SSE3) | bit(one.ecx, 9, SSSE3) | bit(one.ecx, 19, SSE41) |
           bit(one.ecx, 20, SSE42) | bit(one.ecx, 26, XSAVE) | bit(one.ecx, 28, AVX) |
           (cpuid.max_basic() >= 7 ? bit(cpuid.find(7, 0).ebx, 5, AVX2) : 0) | xsave_offers(cpuid);
}

namespace simd {

const Table& table() {
    static const Table rows = [] {
        Table t{};
        add_integer(t), add_float(t), add_conversions(t), add_moves(t), add_shuffles(t), add_strings(t), add_state(t);
        add_x87(t);
        add_avx(t), add_avx_only(t), add_avx_memory(t);
        return t;
    }();
    return rows;
}

bool offered(const Core& core, const Insn& insn) { return fpu_offers_instruction(core.fpu.offered, insn); }

Outcome check_sse(Core& core) {
    const vmx::CpuState& s = core.state;
    if ((s.cr0 & vmx::cr0::EM) || !(s.cr4 & vmx::cr4::OSFXSR)) return core.raise(vector::UD);
    return s.cr0 & vmx::cr0::TS ? core.raise(vector::NM) : Outcome::Next;
}

Outcome check_vex(Core& core) {
    const vmx::CpuState& s = core.state;
    constexpr u64 kSseAndAvx = 6;
    // Neither in real-address nor in virtual-8086 mode (SDM 2A 2.3.1).
    if (!selectors_mode(core) || !(s.cr4 & vmx::cr4::OSXSAVE) || (s.xcr0 & kSseAndAvx) != kSseAndAvx)
        return core.raise(vector::UD);
    return s.cr0 & vmx::cr0::TS ? core.raise(vector::NM) : Outcome::Next;
}

Outcome check_vector(Core& core, const Insn& insn) { return is_vex(insn) ? check_vex(core) : check_sse(core); }

Outcome check_pending(Core& core) {
    // Without CR0.NE the error goes out on FERR#, to an interrupt controller that is not there; the processor goes on, as
    // with IGNNE# asserted (SDM 1, 8.7).
    return core.fpu.status & x87::ES && core.state.cr0 & vmx::cr0::NE ? core.raise(vector::MF) : Outcome::Next;
}

Outcome check_mmx(Core& core) {
    if (core.state.cr0 & vmx::cr0::EM) return core.raise(vector::UD);
    if (core.state.cr0 & vmx::cr0::TS) return core.raise(vector::NM);
    return check_pending(core);
}

Outcome locate(Core& core, const Insn& insn, const ZydisDecodedOperand& op, unsigned bytes, unsigned alignment,
               MemoryKind kind, GuestVirtual& at) {
    const EffectiveAddress ea = effective_address(core, insn, op);
    VMXSIM_TRY(core.linear(ea.seg, ea.offset, bytes, kind, at));
    return at.raw & (alignment - 1) ? core.raise(vector::GP, 0) : Outcome::Next;
}

u32 computing_mxcsr(const Core& core) {
    u32 csr = (core.fpu.mxcsr & ~mxcsr::kFlags) | mxcsr::kMasks;
    if (!(core.fpu.mxcsr & mxcsr::UM)) csr &= ~mxcsr::FTZ;  // only with underflow masked (SDM 1, 10.2.3.3)
    return csr;
}

namespace {

template <class T>
bool tiny(T size, T smallest_normal) { return size != 0 && size < smallest_normal; }

}  // namespace

/// A result below the normal range. Unmasked underflow is reported even where it is exact (SDM 1, 4.9.1.5), which the
/// host, whose exceptions are masked, does not say.
bool any_tiny(const Vector& v, u16 t) {
    bool found = false;
    if (t & traits::Single)
        for (unsigned i = 0; i < (t & traits::Packed ? 4 : 1); ++i) found = found || tiny(v.d[i] & 0x7fffffff, 0x800000u);
    if (t & traits::Double)
        for (unsigned i = 0; i < (t & traits::Packed ? 2 : 1); ++i)
            found = found || tiny(v.q[i] & ~(u64{1} << 63), u64{1} << 52);
    return found;
}

/// Flags and exceptions of a floating-point operation that ran with all exceptions masked (SDM 1, 11.5). Not done: beside an
/// unmasked overflow or underflow, PE says whether the result is inexact even with an unbounded exponent; here it is as when
/// masked.
Outcome finish_float(Core& core, u32 raised, bool tiny) {
    u32& csr = core.fpu.mxcsr;
    const u32 masks = csr >> mxcsr::kMaskShift & mxcsr::kFlags;
    raised &= mxcsr::kFlags;
    if (!(csr & mxcsr::UM) && tiny) raised |= mxcsr::UE;
    constexpr u32 kBefore = mxcsr::IE | mxcsr::DE | mxcsr::ZE;
    // Those found before the computation keep it from happening, and its own from being reported.
    if (raised & kBefore & ~masks) raised &= kBefore;
    csr |= raised;
    if (!(raised & ~masks)) return Outcome::Next;
    return core.raise(core.state.cr4 & vmx::cr4::OSXMMEXCPT ? vector::XM : vector::UD);
}

namespace {

bool is_xmm(const ZydisDecodedOperand& o) {
    return is_register(o) && o.reg.value >= ZYDIS_REGISTER_XMM0 && o.reg.value <= ZYDIS_REGISTER_XMM15;
}
bool is_mm(const ZydisDecodedOperand& o) {
    return is_register(o) && o.reg.value >= ZYDIS_REGISTER_MM0 && o.reg.value <= ZYDIS_REGISTER_MM7;
}
unsigned xmm_number(const ZydisDecodedOperand& o) { return static_cast<unsigned>(o.reg.value - ZYDIS_REGISTER_XMM0); }
unsigned mm_number(const ZydisDecodedOperand& o) { return static_cast<unsigned>(o.reg.value - ZYDIS_REGISTER_MM0); }

void read_register(Core& core, const ZydisDecodedOperand& o, Vector& v) {
    if (is_xmm(o)) v = core.fpu.xmm[xmm_number(o)];
    else if (is_mm(o)) v.q = {core.fpu.mm(mm_number(o)), 0};
    else v.q = {read_gpr(core, o.reg.value), 0};
}

Outcome execute(Core& core, const Insn& insn, const Row& row, u64& flags, bool& changes_flags) {
    const ZydisDecodedOperand& first = insn.op[0];
    const ZydisDecodedOperand& second = insn.op[1];
    const unsigned visible = insn.z.operand_count_visible;
    bool xmm = false, mm = false;
    for (unsigned i = 0; i < visible; ++i) xmm = xmm || is_xmm(insn.op[i]), mm = mm || is_mm(insn.op[i]);
    if (xmm) { VMXSIM_TRY(check_sse(core)); }
    if (mm) { VMXSIM_TRY(check_mmx(core)); }

    Args a;
    a.d_bits = first.size, a.s_bits = second.size;
    a.from_memory = is_memory(second), a.to_memory = is_memory(first);
    const unsigned alignment = row.traits & traits::Unaligned ? 1 : 16;
    if (is_memory(second)) {
        GuestVirtual at;
        const unsigned bytes = second.size / 8u;
        VMXSIM_TRY(locate(core, insn, second, bytes, bytes == 16 ? alignment : 1, MemoryKind::Read, at));
        VMXSIM_TRY(core.read(at, a.s.b.data(), bytes));
    } else if (is_register(second)) {
        read_register(core, second, a.s);
    } else {
        a.s.q[0] = second.imm.value.u & 0xff;
        a.imm = static_cast<u8>(second.imm.value.u);
    }
    if (is_register(first)) read_register(core, first, a.d);
    if (visible > 2 && insn.op[2].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) a.imm = static_cast<u8>(insn.op[2].imm.value.u);
    a.mask = core.fpu.xmm[0];
    if (row.traits & traits::Float) a.mxcsr = computing_mxcsr(core);
    const Operation operation = mm && row.mmx ? row.mmx : row.xmm;
    if (!operation) return core.raise(vector::UD);
    operation(a);
    if (row.traits & traits::Float) { VMXSIM_TRY(finish_float(core, a.mxcsr, any_tiny(a.d, row.traits))); }

    if (row.traits & traits::Flags) flags = a.flags, changes_flags = true;
    if (is_memory(first)) {
        const unsigned bytes = first.size / 8u;
        GuestVirtual at;
        VMXSIM_TRY(locate(core, insn, first, bytes, bytes == 16 ? alignment : 1, MemoryKind::Write, at));
        VMXSIM_TRY(core.write(at, a.d.b.data(), bytes));
    }
    if (mm) core.fpu.enter_mmx();
    if (row.traits & traits::Compare || is_memory(first)) return Outcome::Next;
    if (is_xmm(first)) core.fpu.xmm[xmm_number(first)] = a.d;
    else if (is_mm(first)) core.fpu.set_mm(mm_number(first), a.d.q[0]);
    else write_gpr(core, first.reg.value, a.d.q[0]);
    return Outcome::Next;
}

}  // namespace
}  // namespace simd

bool fpu_offers_instruction(u32 offered, const Insn& insn) {
    u32 needed = 0;
    switch (insn.z.meta.isa_set) {
        case ZYDIS_ISA_SET_X87: case ZYDIS_ISA_SET_FCMOV: needed = offers::X87; break;
        case ZYDIS_ISA_SET_PENTIUMMMX: needed = offers::MMX; break;
        case ZYDIS_ISA_SET_FXSAVE: case ZYDIS_ISA_SET_FXSAVE64: needed = offers::FXSR; break;
        case ZYDIS_ISA_SET_SSE: case ZYDIS_ISA_SET_SSEMXCSR: needed = offers::SSE; break;
        case ZYDIS_ISA_SET_SSE2: case ZYDIS_ISA_SET_SSE2MMX: needed = offers::SSE2; break;
        case ZYDIS_ISA_SET_SSE3: case ZYDIS_ISA_SET_SSE3X87: needed = offers::SSE3; break;
        case ZYDIS_ISA_SET_SSSE3: case ZYDIS_ISA_SET_SSSE3MMX: needed = offers::SSSE3; break;
        case ZYDIS_ISA_SET_SSE4: needed = offers::SSE41; break;
        case ZYDIS_ISA_SET_SSE42: needed = offers::SSE42; break;
        case ZYDIS_ISA_SET_XSAVE: needed = offers::XSAVE; break;
        case ZYDIS_ISA_SET_XSAVEOPT: needed = offers::XSAVEOPT; break;
        case ZYDIS_ISA_SET_XSAVEC: needed = offers::XSAVEC; break;
        case ZYDIS_ISA_SET_XSAVES: needed = offers::XSAVES; break;
        case ZYDIS_ISA_SET_AVX: needed = offers::AVX; break;
        case ZYDIS_ISA_SET_AVX2: case ZYDIS_ISA_SET_AVX2GATHER: needed = offers::AVX2; break;
        default: needed = simd::is_vex(insn) ? 0 : offers::X87; break;
    }
    return offered & needed;
}

bool is_fpu(const Insn& insn) {
    // MOVSD and CMPSD are string instructions' names as well.
    if (insn.z.meta.category == ZYDIS_CATEGORY_STRINGOP) return false;
    const simd::Row& row = simd::table()[insn.z.mnemonic];
    switch (insn.z.encoding) {
        case ZYDIS_INSTRUCTION_ENCODING_LEGACY: return row.known() && row.vex == simd::Vex::None;
        case ZYDIS_INSTRUCTION_ENCODING_VEX: return row.vex != simd::Vex::None;
        default: return false;
    }
}

u64 fpu_latency(const Insn& insn, const CoreParams& params) {
    if (!is_fpu(insn)) return 0;
    const u16 t = simd::table()[insn.z.mnemonic].traits;
    return t & simd::traits::X87 ? params.x87 : t & simd::traits::Slow ? params.vector : 0;
}

Outcome execute_fpu(Core& core, const Insn& insn, u64& flags, bool& changes_flags) {
    if (!simd::offered(core, insn)) return core.raise(vector::UD);
    const simd::Row& row = simd::table()[insn.z.mnemonic];
    if (!row.special)
        return simd::is_vex(insn) ? simd::execute_vex(core, insn, row, flags, changes_flags)
                                  : simd::execute(core, insn, row, flags, changes_flags);
    changes_flags = row.traits & simd::traits::Flags;
    return row.special(core, insn, flags);
}

}  // namespace vmxsim::core
