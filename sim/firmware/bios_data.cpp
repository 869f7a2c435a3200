// SPDX-License-Identifier: Apache-2.0
#include "sim/firmware/bios_data.hpp"

#include <array>

namespace vmxsim::sim {

void write_bios_data(memory::PhysicalMemory& ram, HostPhysical base) {
    struct Word {
        u64 at;
        u16 value;
    };
    constexpr u16 kCoprocessor = 1u << 1, kOneSerialPort = 1u << 9;
    for (const Word w : {Word{0x400, 0x3f8},                                         // COM1
                         Word{0x40e, kExtendedBiosData >> 4},                        // segment of the extended area
                         Word{0x410, kCoprocessor | kOneSerialPort},                 // equipment
                         Word{0x413, kExtendedBiosData / 1024},                      // KiB of low memory
                         Word{kExtendedBiosData, 640 - kExtendedBiosData / 1024}})   // its size in KiB
        ram.write(base + w.at, 2, w.value);

    // As BIOSes answer a function that they do not have: carry in the caller's flags, AH = 86H.
    constexpr std::array<u8, 11> kRefuse{0x55,                    // push bp
                                         0x89, 0xe5,              // mov bp, sp
                                         0x83, 0x4e, 0x06, 0x01,  // or word [bp + 6], 1
                                         0xb4, 0x86,              // mov ah, 86h
                                         0x5d, 0xcf};             // pop bp; iret
    ram.write_block(base + kNoService, kRefuse);
    ram.write(base + kReturn, 1, 0xcf);
    for (unsigned vector = 0; vector < 256; ++vector) {
        const u64 handler = vector >= 0x10 && vector < 0x70 ? kNoService : kReturn;
        ram.write(base + 4 * vector, 4, (handler & 0xf0000) << 12 | (handler & 0xffff));
    }
}

}  // namespace vmxsim::sim
