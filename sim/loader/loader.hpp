// SPDX-License-Identifier: Apache-2.0
// The multiboot 1 loader: puts an image, its command line and its modules into memory, and says how the processor
// starts.
#pragma once
#include "model/memory/physical_memory.hpp"
#include "model/vmx/cpu_state.hpp"
#include "sim/loader/image.hpp"

namespace vmxsim::sim {

/// A file with the command line that belongs to it. The command line's first word is the file's name, without its
/// folders.
struct BootFile {
    std::string name;  ///< the path, as messages show it
    std::vector<u8> bytes;
    std::string arguments;  ///< the words behind the name; may be empty
};

/// Reads a file. Throws LoadError where it is missing, unreadable, or larger than 2 GiB.
BootFile read_boot_file(const std::string& path, const std::string& arguments = {});

/// The machine as the image finds it: physical address 0 of the guest lies at `base` of RAM, `bytes` of it follow.
struct GuestMemory {
    HostPhysical base{0};
    u64 bytes = 0;
};

/// Loads `image` and `modules`; zeroes what the file does not fill. Returns the processor's state (specification 3.2):
/// EAX the magic 0x2badb002, EBX the information's address, 32-bit protected mode, flat segments, no paging, no
/// interrupts. The information holds memory size, memory map, command line, modules and the loader's name. Modules
/// start on pages behind the image. Throws LoadError; std::invalid_argument where `where` does not lie in `memory`.
vmx::CpuState load_multiboot(memory::PhysicalMemory& memory, const GuestMemory& where, const BootFile& image,
                             const std::vector<BootFile>& modules = {});

}  // namespace vmxsim::sim
