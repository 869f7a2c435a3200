// SPDX-License-Identifier: Apache-2.0
// Every x87 encoding as a host function: all register forms, and the memory forms with the operand at [RDI].
#include <array>
#include <utility>

#include "model/core/x87/image.hpp"

namespace vmxsim::core::x87 {

namespace {

using Function = void (*)(Image&, void*, u16&);

/// FRSTOR finds nothing pending in the host, and FNSAVE does not wait: an exception that the instruction raises unmasked
/// is seen in the status word and nowhere else. FNSAVE leaves the host's FPU as after FNINIT, as the ABI has it.
template <unsigned Opcode, unsigned ModRm>
void one(Image& image, void* memory, u16& ax) {
    asm volatile(
        "frstor %[image]\n\t"
        "sahf\n\t"
        ".byte %c[opcode], %c[modrm]\n\t"
        "lahf\n\t"
        "fnsave %[image]"
        : [image] "+m"(image), "+a"(ax)
        : "D"(memory), [opcode] "i"(Opcode), [modrm] "i"(ModRm)
        : "memory", "cc", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)");
}

constexpr unsigned kFirst = 0xd8, kOpcodes = 8, kRegisterForms = 64, kMemoryForms = 8, kRdi = 7;

template <std::size_t... I>
constexpr auto register_forms(std::index_sequence<I...>) {
    return std::array<Function, sizeof...(I)>{one<kFirst + I / kRegisterForms, 0xc0 + I % kRegisterForms>...};
}
template <std::size_t... I>
constexpr auto memory_forms(std::index_sequence<I...>) {
    return std::array<Function, sizeof...(I)>{one<kFirst + I / kMemoryForms, I % kMemoryForms << 3 | kRdi>...};
}
constexpr auto kRegister = register_forms(std::make_index_sequence<kOpcodes * kRegisterForms>{});
constexpr auto kMemory = memory_forms(std::make_index_sequence<kOpcodes * kMemoryForms>{});

}  // namespace

void run_on_host(Image& image, u8 opcode, u8 modrm, void* memory, u16& ax) {
    const unsigned row = (opcode - kFirst) & 7;
    if (modrm >= 0xc0) kRegister[row * kRegisterForms + (modrm & 63u)](image, memory, ax);
    else kMemory[row * kMemoryForms + (modrm >> 3 & 7u)](image, memory, ax);
}

u16 full_tags(FpuState& fpu) {
    enum { Valid, Zero, Special, Empty };
    unsigned tags = 0;
    for (unsigned i = 0; i < 8; ++i) {
        unsigned tag = Empty;
        if (fpu.tags >> i & 1) {
            const Extended& r = fpu.physical(i);
            u64 significand;
            std::memcpy(&significand, r.data(), 8);
            const unsigned exponent = r[8] | (r[9] & 0x7fu) << 8;
            if (exponent == 0) tag = significand ? Special : Zero;
            else tag = exponent == 0x7fff || !(significand >> 63) ? Special : Valid;
        }
        tags |= tag << 2 * i;
    }
    return static_cast<u16>(tags);
}

u8 short_tags(u32 full) {
    unsigned tags = 0;
    for (unsigned i = 0; i < 8; ++i) tags |= unsigned{(full >> 2 * i & 3) != 3} << i;
    return static_cast<u8>(tags);
}

}  // namespace vmxsim::core::x87
