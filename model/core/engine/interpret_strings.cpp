// SPDX-License-Identifier: Apache-2.0
// MOVS, STOS, LODS, SCAS, CMPS with their repetitions. Registers are exact after each iteration, so that a fault
// resumes.
#include <algorithm>

#include "model/core/engine/interpret.hpp"

namespace vmxsim::core::engine {

namespace {

/// Iterations of one call: between two of them the run loop looks at its budget.
constexpr u64 kSlice = 4096;

struct StringOp {
    const Interpreter& x;
    unsigned bytes;          ///< of an element
    unsigned address_bytes;  ///< of RSI, RDI, RCX
    vmx::Seg source = vmx::DS;

    u64 pointer(vmx::Reg r) const { return x.register_value(static_cast<u8>(r * 8), address_bytes); }
    void step(vmx::Reg r) const {
        const u64 delta = x.s.rflags & vmx::rflags::DF ? ~u64{bytes} + 1 : u64{bytes};
        x.set_register(static_cast<u8>(r * 8), address_bytes, pointer(r) + delta);
    }
    Outcome read(vmx::Seg seg, vmx::Reg r, u64& v) const {
        v = 0;
        GuestVirtual at;
        VMXSIM_TRY(x.core.linear(seg, pointer(r), bytes, MemoryKind::Read, at));
        return x.core.read(at, &v, bytes);
    }
    Outcome write(u64 v) const {
        GuestVirtual at;
        VMXSIM_TRY(x.core.linear(vmx::ES, pointer(vmx::RDI), bytes, MemoryKind::Write, at));
        return x.core.write(at, &v, bytes);
    }
    void compare(u64 a, u64 b) const {
        by_size(bytes * 8, [&](auto zero) {
            using T = decltype(zero);
            alu<Alu::Cmp, T>(x.f, static_cast<T>(a), static_cast<T>(b));
        });
    }
};

enum class Kind : u8 { Movs, Stos, Lods, Scas, Cmps };

Outcome element(const StringOp& o, Kind kind) {
    u64 a = 0, b = 0;
    switch (kind) {
        case Kind::Movs:
            VMXSIM_TRY(o.read(o.source, vmx::RSI, a));
            VMXSIM_TRY(o.write(a));
            o.step(vmx::RSI);
            o.step(vmx::RDI);
            break;
        case Kind::Stos:
            VMXSIM_TRY(o.write(o.x.s.r[vmx::RAX]));
            o.step(vmx::RDI);
            break;
        case Kind::Lods:
            VMXSIM_TRY(o.read(o.source, vmx::RSI, a));
            o.x.set_register(0, o.bytes, a);
            o.step(vmx::RSI);
            break;
        case Kind::Scas:
            VMXSIM_TRY(o.read(vmx::ES, vmx::RDI, b));
            o.compare(o.x.s.r[vmx::RAX], b);
            o.step(vmx::RDI);
            break;
        case Kind::Cmps:
            VMXSIM_TRY(o.read(o.source, vmx::RSI, a));
            VMXSIM_TRY(o.read(vmx::ES, vmx::RDI, b));
            o.compare(a, b);
            o.step(vmx::RSI);
            o.step(vmx::RDI);
            break;
    }
    o.x.core.spend(o.x.core.params().string_element);
    return Outcome::Next;
}

/// Whole lines of REP MOVS and REP STOS at once, where the fast path reaches both: as many iterations as end before
/// either pointer leaves its line. 0: none, the element-wise path is to do it. Same registers, same cycles, same
/// memory.
template <bool Timed>
u64 bulk(const StringOp& o, Kind kind, u64 count) {
    Hot& h = o.x.engine.hot();
    const u64 to = o.pointer(vmx::RDI), from = o.pointer(vmx::RSI);
    constexpr u64 kUnit = Timed ? 64 : 4096;
    u64 bytes = kUnit - (to & (kUnit - 1));
    if (kind == Kind::Movs) bytes = std::min(bytes, kUnit - (from & (kUnit - 1)));
    const u64 n = std::min(bytes / o.bytes, count);
    if (n < 2 || !reachable<Timed, u8, true>(&h, to)) return 0;
    u8* const destination = reinterpret_cast<u8*>(host<Timed>(&h, to));
    if (kind == Kind::Movs) {
        if (!reachable<Timed, u8, false>(&h, from)) return 0;
        const u8* const source = reinterpret_cast<const u8*>(host<Timed>(&h, from));
        // Where the destination overlaps what is yet to be read, elements must be copied one by one.
        if (destination > source && destination < source + n * o.bytes) return 0;
        std::memmove(destination, source, n * o.bytes);
        o.x.set_register(vmx::RSI * 8, o.address_bytes, from + n * o.bytes);
    } else {
        const u64 v = o.x.s.r[vmx::RAX];
        if (o.bytes == 1) std::memset(destination, static_cast<int>(v & 0xff), n);
        else for (u64 i = 0; i < n; ++i) std::memcpy(destination + i * o.bytes, &v, o.bytes);
    }
    o.x.set_register(vmx::RDI * 8, o.address_bytes, to + n * o.bytes);
    o.x.core.spend(n * o.x.core.params().string_element);
    return n;
}

Outcome string(const Interpreter& x, Kind kind, unsigned bytes) {
    StringOp o{x, bytes, x.insn.z.address_width / 8u};
    for (unsigned i = 0; i < x.insn.z.operand_count; ++i) {
        const ZydisDecodedOperand& m = x.op(i);
        if (is_memory(m) &&
            ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, m.mem.base) == ZYDIS_REGISTER_RSI &&
            m.mem.segment != ZYDIS_REGISTER_NONE)
            o.source = static_cast<vmx::Seg>(m.mem.segment - ZYDIS_REGISTER_ES);
    }
    constexpr ZydisInstructionAttributes kWhileEqual =
        ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPZ;
    constexpr ZydisInstructionAttributes kWhileDifferent = ZYDIS_ATTRIB_HAS_REPNE | ZYDIS_ATTRIB_HAS_REPNZ;
    const bool repne = x.insn.z.attributes & kWhileDifferent;
    if (!repne && !(x.insn.z.attributes & kWhileEqual)) return element(o, kind);

    const u8 rcx = vmx::RCX * 8;
    const bool stops = kind == Kind::Scas || kind == Kind::Cmps;
    const u64 slice = x.engine.single_step() ? 1 : kSlice;
    const bool fast = (kind == Kind::Movs || kind == Kind::Stos) && x.engine.in_64bit() && o.address_bytes == 8 &&
                      o.source != vmx::FS && o.source != vmx::GS && !(x.s.rflags & vmx::rflags::DF) &&
                      !x.engine.single_step();
    for (u64 n = 0; n < slice; ++n) {
        const u64 count = x.register_value(rcx, o.address_bytes);
        if (count == 0) return Outcome::Next;
        if (fast && count > 1) {
            const u64 done = x.engine.timed() ? bulk<true>(o, kind, count) : bulk<false>(o, kind, count);
            if (done) {
                x.set_register(rcx, o.address_bytes, count - done);
                n += done - 1;
                continue;
            }
            // Fills the TLBs for the next lines, in the order of an element's accesses.
            if (kind == Kind::Movs && x.engine.reach(o.pointer(vmx::RSI), 1, false) == Engine::Reach::Event)
                return static_cast<Outcome>(x.engine.hot().outcome);
            if (x.engine.reach(o.pointer(vmx::RDI), 1, true) == Engine::Reach::Event)
                return static_cast<Outcome>(x.engine.hot().outcome);
        }
        VMXSIM_TRY(element(o, kind));
        x.set_register(rcx, o.address_bytes, count - 1);
        if (stops && x.f.zf() == repne) return Outcome::Next;
        if (x.engine.block_died()) break;  // it has overwritten decoded code, perhaps its own
    }
    return x.register_value(rcx, o.address_bytes) ? Outcome::Repeat : Outcome::Next;
}

}  // namespace

Outcome Interpreter::strings(bool& known) const {
    // MOVSD and CMPSD are SSE2's names as well.
    if (insn.z.meta.category != ZYDIS_CATEGORY_STRINGOP) {
        known = false;
        return Outcome::Next;
    }
    switch (insn.z.mnemonic) {
        case ZYDIS_MNEMONIC_MOVSB: return string(*this, Kind::Movs, 1);
        case ZYDIS_MNEMONIC_MOVSW: return string(*this, Kind::Movs, 2);
        case ZYDIS_MNEMONIC_MOVSD: return string(*this, Kind::Movs, 4);
        case ZYDIS_MNEMONIC_MOVSQ: return string(*this, Kind::Movs, 8);
        case ZYDIS_MNEMONIC_STOSB: return string(*this, Kind::Stos, 1);
        case ZYDIS_MNEMONIC_STOSW: return string(*this, Kind::Stos, 2);
        case ZYDIS_MNEMONIC_STOSD: return string(*this, Kind::Stos, 4);
        case ZYDIS_MNEMONIC_STOSQ: return string(*this, Kind::Stos, 8);
        case ZYDIS_MNEMONIC_LODSB: return string(*this, Kind::Lods, 1);
        case ZYDIS_MNEMONIC_LODSW: return string(*this, Kind::Lods, 2);
        case ZYDIS_MNEMONIC_LODSD: return string(*this, Kind::Lods, 4);
        case ZYDIS_MNEMONIC_LODSQ: return string(*this, Kind::Lods, 8);
        case ZYDIS_MNEMONIC_SCASB: return string(*this, Kind::Scas, 1);
        case ZYDIS_MNEMONIC_SCASW: return string(*this, Kind::Scas, 2);
        case ZYDIS_MNEMONIC_SCASD: return string(*this, Kind::Scas, 4);
        case ZYDIS_MNEMONIC_SCASQ: return string(*this, Kind::Scas, 8);
        case ZYDIS_MNEMONIC_CMPSB: return string(*this, Kind::Cmps, 1);
        case ZYDIS_MNEMONIC_CMPSW: return string(*this, Kind::Cmps, 2);
        case ZYDIS_MNEMONIC_CMPSD: return string(*this, Kind::Cmps, 4);
        case ZYDIS_MNEMONIC_CMPSQ: return string(*this, Kind::Cmps, 8);
        default: known = false; return Outcome::Next;
    }
}

}  // namespace vmxsim::core::engine
