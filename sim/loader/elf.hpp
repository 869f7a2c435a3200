// SPDX-License-Identifier: Apache-2.0
// What an ELF32 or ELF64 executable wants loaded where.
#pragma once
#include "sim/loader/file_reader.hpp"

namespace vmxsim::sim {

/// What e_entry is: multiboot images are linked to run where their virtual addresses say, vmlinux names the physical
/// address of its 64-bit entry. PVH kernels name their entry in a note, and e_entry may be anything.
enum class EntryAddress : u8 { Virtual, Physical, Ignored };

/// Segments are sorted by address, do not overlap, lie within the file and below 4 GiB; `entry` is physical.
struct ElfImage {
    std::vector<ImageSegment> segments;
    u64 entry = 0;
};

bool is_elf(const FileReader& file);
/// Throws LoadError.
ElfImage parse_elf(const FileReader& file, EntryAddress kind);

}  // namespace vmxsim::sim
