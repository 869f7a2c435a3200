// SPDX-License-Identifier: Apache-2.0
#include "sim/loader/elf.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <optional>

namespace vmxsim::sim {

std::string hex(u64 value) {
    char text[24];
    std::snprintf(text, sizeof text, "0x%" PRIx64, value);
    return text;
}

namespace {

constexpr u64 kFourGiB = u64{1} << 32;

/// Where the fields of a program header are; ELF32 and ELF64 order them differently.
struct ElfClass {
    unsigned word;  ///< bytes of an address or offset
    u64 header_bytes, program_header_bytes;
    u64 entry, phoff, phentsize, phnum;
    u64 p_offset, p_vaddr, p_paddr, p_filesz, p_memsz;
};
constexpr ElfClass kElf32{4, 52, 32, 24, 28, 42, 44, 4, 8, 12, 16, 20};
constexpr ElfClass kElf64{8, 64, 56, 24, 32, 54, 56, 8, 16, 24, 32, 40};

const ElfClass& elf_class(const FileReader& file) {
    if (!is_elf(file)) file.fail("not an ELF file", "one");
    const u64 kind = file.get(4, 1, "ELF class"), order = file.get(5, 1, "ELF byte order");
    if (kind != 1 && kind != 2) file.fail("ELF class " + std::to_string(kind), "1 (32-bit) or 2 (64-bit)");
    if (order != 1) file.fail("ELF byte order " + std::to_string(order), "1 (little-endian)");
    const u64 type = file.get(16, 2, "ELF type"), machine = file.get(18, 2, "ELF machine");
    if (type != 2) file.fail("ELF type " + std::to_string(type), "2 (executable)");
    if (machine != 3 && machine != 62) file.fail("ELF machine " + std::to_string(machine), "3 (i386) or 62 (x86-64)");
    return kind == 1 ? kElf32 : kElf64;
}

/// The entry point is a virtual address: it lies where its segment is loaded.
std::optional<u64> physical_entry(u64 entry, u64 virtual_address, const ImageSegment& s) {
    if (entry < virtual_address || entry - virtual_address >= s.memory_bytes) return std::nullopt;
    return s.address + (entry - virtual_address);
}

}  // namespace

bool is_elf(const FileReader& file) { return file.contains(0, 20) && file.u32_at(0, "ELF header") == 0x464c457f; }

ElfImage parse_elf(const FileReader& file, EntryAddress kind) {
    const ElfClass& elf = elf_class(file);
    if (!file.contains(0, elf.header_bytes))
        file.fail("the ELF header is cut short", std::to_string(elf.header_bytes) + " bytes");
    const u64 entry = file.get(elf.entry, elf.word, "ELF entry"), phoff = file.get(elf.phoff, elf.word, "ELF header");
    const u64 phentsize = file.get(elf.phentsize, 2, "ELF header"), phnum = file.get(elf.phnum, 2, "ELF header");
    if (phentsize < elf.program_header_bytes)
        file.fail("program headers of " + std::to_string(phentsize) + " bytes",
                  "at least " + std::to_string(elf.program_header_bytes));
    if (!file.contains(phoff, phentsize * phnum))
        file.fail(
            std::to_string(phnum) + " program headers at offset " + hex(phoff) + " lie beyond the end of the file",
            "a file of more than " + std::to_string(file.size()) + " bytes");

    ElfImage image;
    std::optional<u64> where;
    for (u64 i = 0; i < phnum; ++i) {
        const u64 at = phoff + i * phentsize;
        const auto field = [&](u64 offset) { return file.get(at + offset, elf.word, "program header"); };
        if (file.u32_at(at, "program header") != 1) continue;  // PT_LOAD
        const ImageSegment s{field(elf.p_paddr), field(elf.p_memsz), field(elf.p_offset), field(elf.p_filesz)};
        const std::string name = "segment " + std::to_string(i);
        if (s.file_bytes > s.memory_bytes)
            file.fail(
                name + " has " + hex(s.file_bytes) + " bytes in the file and " + hex(s.memory_bytes) + " in memory",
                "no more in the file than in memory");
        if (!file.contains(s.offset, s.file_bytes))
            file.fail(name + " (offset " + hex(s.offset) + ", " + hex(s.file_bytes) +
                          " bytes) lies beyond the end of the file",
                      "a file of more than " + std::to_string(file.size()) + " bytes");
        if (s.memory_bytes == 0) continue;
        if (s.address >= kFourGiB || s.memory_bytes > kFourGiB - s.address)
            file.fail(name + " at physical address " + hex(s.address) + " has " + hex(s.memory_bytes) + " bytes",
                      "an end below 4 GiB");
        if (!where) where = physical_entry(entry, kind == EntryAddress::Virtual ? field(elf.p_vaddr) : s.address, s);
        image.segments.push_back(s);
    }
    if (image.segments.empty()) file.fail("nothing to load", "a program header of type PT_LOAD");
    if (!where && kind == EntryAddress::Ignored) where = 0;
    if (!where) file.fail("entry point " + hex(entry) + " lies in no segment", "an address in a PT_LOAD segment");
    image.entry = *where;

    std::sort(image.segments.begin(), image.segments.end(),
              [](const auto& a, const auto& b) { return a.address < b.address; });
    for (std::size_t i = 1; i < image.segments.size(); ++i)
        if (image.segments[i].address < image.segments[i - 1].end())
            file.fail("two segments overlap at physical address " + hex(image.segments[i].address),
                      "segments apart from each other");
    return image;
}

}  // namespace vmxsim::sim
