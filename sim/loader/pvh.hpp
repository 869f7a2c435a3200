// SPDX-License-Identifier: Apache-2.0
// The PVH loader: an ELF kernel with the note XEN_ELFNOTE_PHYS32_ENTRY, entered by Xen's "x86/HVM direct boot ABI"
// (xen.git: docs/misc/pvh.pandoc), which QEMU's -kernel follows too.
#pragma once
#include <optional>

#include "sim/loader/loader.hpp"

namespace vmxsim::sim {

/// The 32-bit entry point that the file's notes name. None: the file has no such note, or is a Linux kernel, for which
/// load_linux() has the 64-bit boot protocol. Never throws: a file that contradicts itself has no note.
std::optional<u32> pvh_entry(std::span<const u8> bytes);

/// Loads `image` and `modules`. Returns the processor's state: EBX names the start information (version 1: command line,
/// modules, memory map; no RSDP, which lies where firmware leaves it), 32-bit protected mode, flat segments, no paging,
/// no interrupts. Throws LoadError; std::invalid_argument where `where` does not lie in `memory`.
vmx::CpuState load_pvh(memory::PhysicalMemory& memory, const GuestMemory& where, const BootFile& image,
                       const std::vector<BootFile>& modules = {});

}  // namespace vmxsim::sim
