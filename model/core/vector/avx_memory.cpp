// SPDX-License-Identifier: Apache-2.0
// Masked moves and gathers: memory by element.
#include "model/core/vector/table.hpp"

namespace vmxsim::core::simd {

namespace {

unsigned number(const ZydisDecodedOperand& o) {
    const ZydisRegister r = o.reg.value;
    return static_cast<unsigned>(r >= ZYDIS_REGISTER_YMM0 ? r - ZYDIS_REGISTER_YMM0 : r - ZYDIS_REGISTER_XMM0);
}
Ymm read_register(const Core& core, unsigned n) { return {core.fpu.xmm[n], core.fpu.ymm_high[n]}; }
void write_register(Core& core, unsigned n, const Ymm& v) { core.fpu.xmm[n] = v[0], core.fpu.ymm_high[n] = v[1]; }

u8* element(Ymm& v, unsigned i, unsigned bytes) { return v[i * bytes / 16].b.data() + i * bytes % 16; }
bool selected(Ymm& mask, unsigned i, unsigned bytes) { return element(mask, i, bytes)[bytes - 1] >> 7; }

/// Bytes of an element: VMASKMOVPS and VPMASKMOVD 4, VMASKMOVPD and VPMASKMOVQ 8.
unsigned masked_bytes(ZydisMnemonic m) {
    return m == ZYDIS_MNEMONIC_VMASKMOVPS || m == ZYDIS_MNEMONIC_VPMASKMOVD ? 4 : 8;
}

/// Elements whose mask has its sign clear are neither read nor written, and do not fault (SDM 2C, VMASKMOV).
Outcome masked_move(Core& core, const Insn& insn, u64&) {
    VMXSIM_TRY(check_vex(core));
    const bool store = is_memory(insn.op[0]);
    const ZydisDecodedOperand& memory = insn.op[store ? 0 : 2];
    const unsigned bytes = masked_bytes(insn.z.mnemonic), count = insn.z.avx.vector_length / 8u / bytes;
    Ymm mask = read_register(core, number(insn.op[1]));
    Ymm data = store ? read_register(core, number(insn.op[2])) : Ymm{};
    EffectiveAddress ea = effective_address(core, insn, memory);
    const u64 address_mask = insn.z.address_width == 64 ? ~u64{0} : (u64{1} << insn.z.address_width) - 1;
    std::array<GuestVirtual, 8> at{};
    // All of a store's elements are checked before the first is written.
    for (unsigned i = 0; i < count; ++i) {
        if (!selected(mask, i, bytes)) continue;
        const u64 offset = (ea.offset + i * bytes) & address_mask;
        VMXSIM_TRY(core.linear(ea.seg, offset, bytes, store ? MemoryKind::Write : MemoryKind::Read, at[i]));
        if (store) { VMXSIM_TRY(core.probe_write(at[i], bytes)); }
        else { VMXSIM_TRY(core.read(at[i], element(data, i, bytes), bytes)); }
    }
    if (!store) {
        write_register(core, number(insn.op[0]), data);
        return Outcome::Next;
    }
    for (unsigned i = 0; i < count; ++i)
        if (selected(mask, i, bytes)) { VMXSIM_TRY(core.write(at[i], element(data, i, bytes), bytes)); }
    return Outcome::Next;
}

struct GatherShape {
    unsigned index_bytes, bytes;
};
GatherShape shape_of(ZydisMnemonic m) {
    switch (m) {
        case ZYDIS_MNEMONIC_VGATHERDPS: case ZYDIS_MNEMONIC_VPGATHERDD: return {4, 4};
        case ZYDIS_MNEMONIC_VGATHERDPD: case ZYDIS_MNEMONIC_VPGATHERDQ: return {4, 8};
        case ZYDIS_MNEMONIC_VGATHERQPS: case ZYDIS_MNEMONIC_VPGATHERQD: return {8, 4};
        default: return {8, 8};
    }
}

/// An element that was read is in the destination and its mask is clear, so that after a fault the instruction goes on
/// where it stood (SDM 2C, VGATHERDPD).
Outcome gather(Core& core, const Insn& insn, u64&) {
    VMXSIM_TRY(check_vex(core));
    const ZydisDecodedOperand& memory = insn.op[1];
    const unsigned to = number(insn.op[0]), by = number(insn.op[2]);
    const ZydisRegister r = memory.mem.index;
    const unsigned from = static_cast<unsigned>(r >= ZYDIS_REGISTER_YMM0 ? r - ZYDIS_REGISTER_YMM0 : r - ZYDIS_REGISTER_XMM0);
    if (to == by || to == from || by == from) return core.raise(vector::UD);
    const GatherShape shape = shape_of(insn.z.mnemonic);
    const unsigned bytes = shape.bytes, wider = std::max(shape.bytes, shape.index_bytes);
    const unsigned count = insn.z.avx.vector_length / 8u / wider;
    Ymm data = read_register(core, to), mask = read_register(core, by), index = read_register(core, from);
    ZydisDecodedOperand base = memory;
    base.mem.index = ZYDIS_REGISTER_NONE;
    const EffectiveAddress ea = effective_address(core, insn, base);
    const u64 address_mask = insn.z.address_width == 64 ? ~u64{0} : (u64{1} << insn.z.address_width) - 1;
    // The mask is widened first, so that a fault leaves whole elements.
    for (unsigned i = 0; i < count; ++i) std::memset(element(mask, i, bytes), selected(mask, i, bytes) ? 0xff : 0, bytes);
    const auto clear_behind = [&](Ymm& v) {
        for (unsigned i = count * bytes; i < 32; ++i) *element(v, i, 1) = 0;
    };
    clear_behind(mask);
    for (unsigned i = 0; i < count; ++i) {
        if (!selected(mask, i, bytes)) continue;
        u64 offset = 0;
        std::memcpy(&offset, element(index, i, shape.index_bytes), shape.index_bytes);
        if (shape.index_bytes == 4) offset = static_cast<u64>(static_cast<s64>(static_cast<s32>(offset)));
        GuestVirtual at;
        Outcome o = core.linear(ea.seg, (ea.offset + offset * memory.mem.scale) & address_mask, bytes, MemoryKind::Read, at);
        if (o == Outcome::Next) o = core.read(at, element(data, i, bytes), bytes);
        if (o != Outcome::Next) {
            write_register(core, to, data), write_register(core, by, mask);
            return o;
        }
        std::memset(element(mask, i, bytes), 0, bytes);
    }
    clear_behind(data);
    write_register(core, to, data), write_register(core, by, mask);
    return Outcome::Next;
}

}  // namespace

void add_avx_memory(Table& t) {
    for (const ZydisMnemonic m : {ZYDIS_MNEMONIC_VMASKMOVPS, ZYDIS_MNEMONIC_VMASKMOVPD, ZYDIS_MNEMONIC_VPMASKMOVD,
                                  ZYDIS_MNEMONIC_VPMASKMOVQ})
        t[m] = {nullptr, nullptr, masked_move, 0, Vex::Whole};
    for (const ZydisMnemonic m : {ZYDIS_MNEMONIC_VGATHERDPS, ZYDIS_MNEMONIC_VGATHERDPD, ZYDIS_MNEMONIC_VGATHERQPS,
                                  ZYDIS_MNEMONIC_VGATHERQPD, ZYDIS_MNEMONIC_VPGATHERDD, ZYDIS_MNEMONIC_VPGATHERDQ,
                                  ZYDIS_MNEMONIC_VPGATHERQD, ZYDIS_MNEMONIC_VPGATHERQQ})
        t[m] = {nullptr, nullptr, gather, traits::Slow, Vex::Whole};
}

}  // namespace vmxsim::core::simd
