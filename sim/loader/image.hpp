// SPDX-License-Identifier: Apache-2.0
// What a multiboot image wants loaded where: found in the file alone, no memory needed.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "model/arch/types.hpp"
#include "sim/error.hpp"

namespace vmxsim::sim {

/// A file that cannot be loaded. what(): `FILE: what is wrong, expected ...`, one line.
struct LoadError : InputError {
    LoadError(const std::string& file, const std::string& wrong, const std::string& expected)
        : InputError(file + ": " + wrong + ", expected " + expected) {}
};

/// A part of the image: `file_bytes` bytes at `offset` of the file, then zeros up to `memory_bytes`.
struct ImageSegment {
    u64 address = 0;  ///< guest-physical
    u64 memory_bytes = 0;
    u64 offset = 0;
    u64 file_bytes = 0;
    u64 end() const { return address + memory_bytes; }
};

/// A multiboot 1 image. Segments are sorted by address, do not overlap, lie within the file and below 4 GiB.
struct MultibootImage {
    std::vector<ImageSegment> segments;
    u32 entry = 0;
    u32 flags = 0;
    u64 end() const { return segments.back().end(); }
};

/// Whether parse_multiboot() would find a header.
bool has_multiboot_header(std::span<const u8> bytes);

/// Finds the multiboot header (Multiboot specification 0.6.96, 3.1: in the first 8 KiB, 4-byte aligned) and what to
/// load: from the header's address fields where its flag 16 is set, else from an ELF32 or ELF64 file's PT_LOAD headers.
/// Throws LoadError.
MultibootImage parse_multiboot(const std::string& file, std::span<const u8> bytes);

}  // namespace vmxsim::sim
