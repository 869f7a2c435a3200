// SPDX-License-Identifier: Apache-2.0
// The ACPI tables that firmware leaves in memory (ACPI 6.4): RSDP, RSDT, XSDT, FADT, FACS, DSDT, MADT, HPET.
#pragma once
#include "model/memory/physical_memory.hpp"

namespace vmxsim::sim {

struct AcpiSettings {
    unsigned cpus = 1;  ///< local APICs, IDs from 0
};

/// Where the tables lie: within the area that the memory map of the loaders calls reserved, and that is searched for
/// the RSDP.
inline constexpr u64 kAcpiFirst = 0xf0000, kAcpiEnd = 0xf4000;

/// Writes the tables into RAM whose physical address 0, as the guest sees it, is at `base`.
void write_acpi_tables(memory::PhysicalMemory& ram, HostPhysical base, const AcpiSettings& settings);

}  // namespace vmxsim::sim
