// SPDX-License-Identifier: Apache-2.0
#include "model/core/x87/environment.hpp"

#include "model/core/operand.hpp"
#include "model/core/vector/table.hpp"
#include "model/core/x87/image.hpp"

namespace vmxsim::core::x87 {

namespace {

constexpr unsigned kRegisterBytes = 80;

struct Format {
    bool wide;  ///< 28 bytes, else 14
    bool real;  ///< real-address and virtual-8086 mode: linear addresses in pieces
    unsigned bytes() const { return wide ? 28 : 14; }
};

Format format_of(const Core& core, const Insn& insn) {
    // 64-bit mode has the formats of 32-bit protected mode; REX.W changes nothing.
    return {insn.z.operand_width != 16, !selectors_mode(core)};
}

/// The seven fields in the order of memory, 16 or 32 bits each.
std::array<u32, 7> fields(FpuState& fpu, Format f) {
    const u32 ip = static_cast<u32>(fpu.ip), dp = static_cast<u32>(fpu.dp);
    std::array<u32, 7> v{fpu.control, fpu.status, full_tags(fpu), ip, fpu.cs, dp, fpu.ds};
    if (f.real) {
        const u32 code = ip + (u32{fpu.cs} << 4), data = dp + (u32{fpu.ds} << 4);
        if (f.wide) {
            v[3] = code & 0xffff, v[4] = (code >> 16 << 12) | (fpu.opcode & 0x7ff);
            v[5] = data & 0xffff, v[6] = data >> 16 << 12;
        } else {
            v[3] = code, v[4] = (code >> 4 & 0xf000) | (fpu.opcode & 0x7ff);
            v[5] = data, v[6] = data >> 4 & 0xf000;
        }
    } else if (f.wide) {
        v[4] |= u32{fpu.opcode & 0x7ffu} << 16;
    }
    if (f.wide)  // reserved halves of words read as ones
        for (const unsigned i : {0u, 1u, 2u, 6u})
            if (!(f.real && i == 6)) v[i] |= 0xffff0000;
    return v;
}

void set_fields(FpuState& fpu, Format f, const std::array<u32, 7>& v) {
    fpu.control = static_cast<u16>((v[0] & kControlDefined) | kControlOnes);
    fpu.status = static_cast<u16>(v[1]);
    fpu.tags = short_tags(v[2]);
    fpu.cs = fpu.ds = 0;
    if (f.real) {
        const u32 high = f.wide ? v[4] >> 12 << 16 : (v[4] & 0xf000) << 4;
        const u32 data_high = f.wide ? v[6] >> 12 << 16 : (v[6] & 0xf000) << 4;
        fpu.ip = high | (v[3] & 0xffff), fpu.dp = data_high | (v[5] & 0xffff);
        fpu.opcode = v[4] & 0x7ff;
    } else {
        fpu.ip = v[3], fpu.dp = v[5];
        fpu.cs = static_cast<u16>(v[4]), fpu.ds = static_cast<u16>(v[6]);
        if (f.wide) fpu.opcode = v[4] >> 16 & 0x7ff;
    }
    fpu.summarise();
}

}  // namespace

void initialise(FpuState& fpu) {
    fpu.control = kControlAfterInit;
    // Registers keep their contents; TOP becomes 0, so stack order is physical order.
    std::array<Extended, 8> moved;
    for (unsigned i = 0; i < 8; ++i) moved[i] = fpu.physical(i);
    fpu.st = moved;
    fpu.status = 0;
    fpu.tags = 0;
    fpu.opcode = 0;
    fpu.ip = fpu.dp = 0;
    fpu.cs = fpu.ds = 0;
}

Outcome store_environment(Core& core, const Insn& insn, bool registers) {
    FpuState& fpu = core.fpu;
    const Format f = format_of(core, insn);
    const std::array<u32, 7> v = fields(fpu, f);
    std::array<u8, 28 + kRegisterBytes> image{};
    const unsigned each = f.wide ? 4 : 2;
    for (unsigned i = 0; i < v.size(); ++i) std::memcpy(&image[i * each], &v[i], each);
    std::memcpy(&image[f.bytes()], fpu.st.data(), kRegisterBytes);
    VMXSIM_TRY(write_memory(core, insn, insn.op[0], image.data(), f.bytes() + (registers ? kRegisterBytes : 0)));
    if (registers) {
        initialise(fpu);
    } else {
        fpu.control |= kExceptions;
        fpu.summarise();
    }
    return Outcome::Next;
}

Outcome load_environment(Core& core, const Insn& insn, bool registers) {
    FpuState& fpu = core.fpu;
    const Format f = format_of(core, insn);
    std::array<u8, 28 + kRegisterBytes> image{};
    VMXSIM_TRY(read_memory(core, insn, insn.op[0], image.data(), f.bytes() + (registers ? kRegisterBytes : 0)));
    std::array<u32, 7> v{};
    const unsigned each = f.wide ? 4 : 2;
    for (unsigned i = 0; i < v.size(); ++i) std::memcpy(&v[i], &image[i * each], each);
    // The registers stay where they are physically; TOP moves.
    std::array<Extended, 8> physical;
    for (unsigned i = 0; i < 8; ++i) physical[i] = fpu.physical(i);
    set_fields(fpu, f, v);
    for (unsigned i = 0; i < 8; ++i) fpu.physical(i) = physical[i];
    if (registers) std::memcpy(fpu.st.data(), &image[f.bytes()], kRegisterBytes);
    return Outcome::Next;
}

}  // namespace vmxsim::core::x87
