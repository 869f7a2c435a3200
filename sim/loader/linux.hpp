// SPDX-License-Identifier: Apache-2.0
// The Linux loader: a kernel by the 64-bit boot protocol (Linux: Documentation/x86/boot.rst, "64-bit Boot Protocol"),
// entered in long mode with identity page tables. No firmware tables, no EFI, no screen.
#pragma once
#include "sim/loader/loader.hpp"

namespace vmxsim::sim {

/// A kernel, as its file describes it.
struct LinuxImage {
    std::vector<ImageSegment> segments;  ///< sorted, from 1 MiB on
    u64 entry = 0;                       ///< of the 64-bit entry point, physical
    u64 end = 0;                         ///< first byte that the kernel does not need before it has read the memory map
    std::vector<u8> setup_header;        ///< bytes of the file from 0x1f1 on; empty: vmlinux has none
    u64 initrd_max = 0x7fffffff;         ///< highest address that the initramfs may have
    u64 command_line_max = 2047;         ///< characters without the final zero
};

/// What the first bytes of a file say that it is. Everything else is taken for multiboot, whose errors then tell.
enum class ImageKind : u8 { Multiboot, BzImage, Vmlinux, Pvh };
ImageKind image_kind(std::span<const u8> bytes);

/// Parses a bzImage ("HdrS" at 0x202, protocol 2.12 or later with a 64-bit entry point) or an ELF64 vmlinux.
/// Throws LoadError.
LinuxImage parse_linux(const std::string& file, std::span<const u8> bytes);

/// Loads `image` (its arguments are the kernel's command line) and the parts of the initramfs, which the kernel sees as
/// one. Returns the state at the 64-bit entry: RSI names boot_params, CS 10H, DS, ES and SS 18H, no interrupts, the
/// first 4 GiB mapped to themselves. Throws LoadError; std::invalid_argument where `where` does not lie in `memory`.
vmx::CpuState load_linux(memory::PhysicalMemory& memory, const GuestMemory& where, const BootFile& image,
                         const std::vector<BootFile>& initramfs = {});

}  // namespace vmxsim::sim
