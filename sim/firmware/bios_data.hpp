// SPDX-License-Identifier: Apache-2.0
// What a BIOS leaves below 1 MiB: its data area at 40H:0 and the extended one below 640 KiB, by which Xen and others
// place what must lie low; and interrupt vectors, behind which no service waits.
#pragma once
#include "model/memory/physical_memory.hpp"

namespace vmxsim::sim {

/// Where the extended BIOS data area lies, up to 640 KiB; the loaders' memory maps end low memory there.
inline constexpr u64 kExtendedBiosData = 0x9fc00;
/// The handlers: "no such function" of INT 10H to 6FH, and an IRET of all others.
inline constexpr u64 kNoService = 0xf4000, kReturn = 0xf4010;

/// Writes it into RAM whose physical address 0, as the guest sees it, is at `base`.
void write_bios_data(memory::PhysicalMemory& ram, HostPhysical base);

}  // namespace vmxsim::sim
