// SPDX-License-Identifier: Apache-2.0
// The core of tests/core with the platform around it.
#pragma once
#include "tests/core/machine.hpp"
#include "model/devices/platform.hpp"

namespace vmxsim::test {

inline constexpr u64 kHz = 1'000'000'000, kHandler = 0x24000;

struct Pc : Machine {
    /// `apic`: with local APIC, I/O APIC and all that they can do; a bus of 100 MHz.
    explicit Pc(bool apic = false)
        : Machine(false),
          platform(core.state.cycles, {.cycle_hz = kHz, .bus_hz = kHz / 10, .ram_bytes = kRamBytes, .local_apic = apic,
                                       .apic = {.x2apic = true, .tsc_deadline = true},
                                       .reset = [this] { ++resets; }, .power_off = [this] { ++offs; }}) {
        platform.attach_to(io);
        platform.attach_to(mmio);
        core.attach(platform.processor());
        core.attach(mmio);
        long64();
        // The PIC as kernels set it: vectors 30H to 3FH, all masked.
        for (const auto& [port, value] : {std::pair{0x20, 0x11}, {0x21, 0x30}, {0x21, 4}, {0x21, 1}, {0xa0, 0x11},
                                          {0xa1, 0x38}, {0xa1, 2}, {0xa1, 1}, {0x21, 0xff}, {0xa1, 0xff}})
            out(port, value);
        for (unsigned v = 0x20; v < 0x50; ++v) {
            gate(static_cast<u8>(v), kCode64, kHandler + 16 * (v & 31u), 14);
            handler(static_cast<u8>(v), {0x48, 0xff, 0xc3, 0xb0, 0x20, 0xe6, 0x20, 0x48, 0xcf});
        }
    }
    /// The handler's code; by default inc rbx; mov al, 20h; out 20h, al; iretq. At most 16 bytes.
    void handler(u8 vector, std::initializer_list<u8> bytes) { place(kHandler + 16 * (vector & 31u), bytes); }
    void place(u64 at, std::initializer_list<u8> bytes) {
        for (const u8 b : bytes) poke(at++, b, 1);
    }
    void out(int port, int value) { io.out(static_cast<u16>(port), 1, static_cast<u32>(value)); }
    u32 in(int port) { return io.in(static_cast<u16>(port), 1); }
    core::StopReason run(u64 cycles) { return core.run(core.state.cycles + cycles); }
    u64 cycles() const { return core.state.cycles; }

    int resets = 0, offs = 0;
    devices::MmioBus mmio;
    devices::Platform platform;
};

}  // namespace vmxsim::test
