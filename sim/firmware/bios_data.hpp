// SPDX-License-Identifier: Apache-2.0
// The BIOS data area that firmware leaves at 40H:0, and the extended one below 640 KiB: Xen and others place what must
// lie below 1 MiB by the words at 40EH and 413H.
#pragma once
#include "model/memory/physical_memory.hpp"

namespace vmxsim::sim {

/// Where the extended BIOS data area lies, up to 640 KiB; the loaders' memory maps end low memory there.
inline constexpr u64 kExtendedBiosData = 0x9fc00;

/// Writes both into RAM whose physical address 0, as the guest sees it, is at `base`. Interrupt vectors stay zero: there
/// is no BIOS to call.
inline void write_bios_data(memory::PhysicalMemory& ram, HostPhysical base) {
    struct Word {
        u64 at;
        u16 value;
    };
    constexpr u16 kCoprocessor = 1u << 1, kOneSerialPort = 1u << 9;
    for (const Word w : {Word{0x400, 0x3f8},                                    // COM1
                         Word{0x40e, kExtendedBiosData >> 4},                   // segment of the extended area
                         Word{0x410, kCoprocessor | kOneSerialPort},            // equipment
                         Word{0x413, kExtendedBiosData / 1024},                 // KiB of low memory
                         Word{kExtendedBiosData, 0xa0 * 4 - kExtendedBiosData / 1024}})  // its size in KiB
        ram.write(base + w.at, 2, w.value);
}

}  // namespace vmxsim::sim
