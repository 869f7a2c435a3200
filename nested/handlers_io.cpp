// SPDX-License-Identifier: Apache-2.0
// I/O instructions: L0 leaves to its device model in user space, which here is the machine's own bus.
#include "nested/l0.hpp"

namespace vmxsim::nested {

using arch::Field;
using namespace vmx;

void L0::handle_io() {
    const Charge charge(d.ledger, buckets.io, cpu.cycles);
    const u64 q = read(Field::EXIT_QUALIFICATION);  // SDM table 30-5
    const auto port = static_cast<u16>(q >> 16);
    const auto bytes = static_cast<unsigned>(q & 7) + 1;
    const bool in = q >> 3 & 1, string = q >> 4 & 1;
    cpu.cycles += d.params.user_exit;
    if (string) return handle_string_io(port, bytes, in, q >> 5 & 1);
    const u64 mask = (u64{1} << bytes * 8) - 1;
    if (in) {
        const u64 value = d.io.in(port, bytes) & mask;
        cpu.r[RAX] = bytes == 4 ? value : (cpu.r[RAX] & ~mask) | value;  // a 32-bit result clears the upper half
    } else {
        d.io.out(port, bytes, static_cast<u32>(cpu.r[RAX] & mask));
    }
    skip_instruction();
}

void L0::handle_string_io(u16 port, unsigned bytes, bool in, bool rep) {
    // Address size and segment: from the information that CPUs with IA32_VMX_BASIC[54] give, else the mode's default.
    const bool informed = d.capabilities.get(arch::msr::IA32_VMX_BASIC) >> 54 & 1;
    const auto info = static_cast<u32>(informed ? read(Field::VMX_INSTRUCTION_INFO) : 0);
    constexpr u64 kMasks[] = {0xffff, 0xffffffff, ~u64{0}, ~u64{0}};
    const u64 mask = informed ? kMasks[info >> 7 & 3] : code64() ? ~u64{0} : 0xffffffff;
    u64 linear = read(Field::GUEST_LINEAR_ADDRESS);
    const u64 step = rflags() & rflags::DF ? ~u64{bytes} + 1 : bytes;
    const unsigned pointer = in ? RDI : RSI;
    const auto put = [&](unsigned reg, u64 value) {
        cpu.r[reg] = mask == 0xffff ? (cpu.r[reg] & ~mask) | (value & mask) : value & mask;
    };
    for (u64 left = rep ? cpu.r[RCX] & mask : 1; left != 0; --left) {
        u32 data = 0;
        if (in) {
            // No input is lost to a fault: what is there is written back first.
            if (!access_guest({linear}, &data, bytes, false) || !access_guest({linear}, &data, bytes, true)) return;
            data = d.io.in(port, bytes);
            if (!access_guest({linear}, &data, bytes, true)) return;
        } else {
            if (!access_guest({linear}, &data, bytes, false)) return;
            d.io.out(port, bytes, data);
        }
        linear += step;
        if (!code64()) linear &= 0xffffffff;
        put(pointer, cpu.r[pointer] + step);
        if (rep) put(RCX, left - 1);
    }
    skip_instruction();
}

}  // namespace vmxsim::nested
