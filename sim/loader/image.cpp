// SPDX-License-Identifier: Apache-2.0
#include "sim/loader/image.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <optional>

namespace vmxsim::sim {
namespace {

constexpr u32 kHeaderMagic = 0x1badb002;
constexpr u64 kHeaderSearch = 8192;
constexpr u32 kPageAlign = 1, kMemoryInfo = 2, kAddressFields = 1u << 16;
constexpr u64 kFourGiB = u64{1} << 32;

std::string hex(u64 value) {
    char text[24];
    std::snprintf(text, sizeof text, "0x%" PRIx64, value);
    return text;
}

/// The file's bytes, with little-endian reads that cannot leave it.
class File {
public:
    File(const std::string& name, std::span<const u8> bytes) : name_(name), bytes_(bytes) {}
    u64 size() const { return bytes_.size(); }
    bool contains(u64 at, u64 bytes) const { return at <= size() && bytes <= size() - at; }
    u64 get(u64 at, unsigned bytes, const char* what) const {
        if (!contains(at, bytes))
            fail(std::string(what) + " at offset " + hex(at) + " lies beyond the end of the file",
                 "a file of more than " + std::to_string(size()) + " bytes");
        u64 value = 0;
        for (unsigned i = 0; i < bytes; ++i) value |= u64{bytes_[at + i]} << (8 * i);
        return value;
    }
    u32 u32_at(u64 at, const char* what) const { return static_cast<u32>(get(at, 4, what)); }
    [[noreturn]] void fail(const std::string& wrong, const std::string& expected) const {
        throw LoadError(name_, wrong, expected);
    }

private:
    const std::string& name_;
    std::span<const u8> bytes_;
};

u64 find_header(const File& file) {
    const u64 end = std::min(file.size(), kHeaderSearch);
    for (u64 at = 0; at + 12 <= end; at += 4) {
        if (file.u32_at(at, "header") != kHeaderMagic) continue;
        if (kHeaderMagic + file.u32_at(at + 4, "header") + file.u32_at(at + 8, "header") == 0) return at;
    }
    file.fail("no multiboot header", "magic 0x1badb002, flags and checksum at a multiple of 4 in the first 8192 bytes");
}

/// Flag 16 (3.1.3): the image is one block of the file, whatever the file's format.
MultibootImage from_address_fields(const File& file, u64 header, u32 flags) {
    const char* what = "address field of the multiboot header";
    const u64 header_address = file.u32_at(header + 12, what), load_address = file.u32_at(header + 16, what);
    const u64 load_end = file.u32_at(header + 20, what), bss_end = file.u32_at(header + 24, what);
    const u32 entry = file.u32_at(header + 28, what);
    if (load_address > header_address)
        file.fail("load_addr " + hex(load_address) + " lies above header_addr " + hex(header_address),
                  "load_addr <= header_addr");
    if (header_address - load_address > header)
        file.fail("load_addr " + hex(load_address) + " lies before the beginning of the file",
                  "at most " + hex(header) + " bytes before header_addr " + hex(header_address));
    ImageSegment s;
    s.address = load_address;
    s.offset = header - (header_address - load_address);
    // 0: the whole rest of the file.
    s.file_bytes = load_end ? load_end - load_address : file.size() - s.offset;
    if (load_end && load_end < load_address)
        file.fail("load_end_addr " + hex(load_end) + " lies below load_addr " + hex(load_address),
                  "load_end_addr >= load_addr, or 0");
    if (!file.contains(s.offset, s.file_bytes))
        file.fail("load_end_addr " + hex(load_end) + " lies beyond the end of the file",
                  "at most " + std::to_string(file.size() - s.offset) + " bytes to load");
    if (bss_end && bss_end < load_address + s.file_bytes)
        file.fail("bss_end_addr " + hex(bss_end) + " lies below the end of what is loaded",
                  "at least " + hex(load_address + s.file_bytes) + ", or 0");
    s.memory_bytes = bss_end ? bss_end - load_address : s.file_bytes;
    if (s.memory_bytes == 0) file.fail("nothing to load", "load_end_addr or bss_end_addr above load_addr");
    if (s.end() > kFourGiB) file.fail("the image ends at " + hex(s.end()), "an end below 4 GiB");
    if (entry < s.address || entry >= s.end())
        file.fail("entry_addr " + hex(entry) + " lies outside the image", hex(s.address) + " to " + hex(s.end() - 1));
    return {{s}, entry, flags};
}

/// Where the fields of a program header are; ELF32 and ELF64 order them differently.
struct ElfClass {
    unsigned word;  ///< bytes of an address or offset
    u64 header_bytes, program_header_bytes;
    u64 entry, phoff, phentsize, phnum;
    u64 p_offset, p_vaddr, p_paddr, p_filesz, p_memsz;
};
constexpr ElfClass kElf32{4, 52, 32, 24, 28, 42, 44, 4, 8, 12, 16, 20};
constexpr ElfClass kElf64{8, 64, 56, 24, 32, 54, 56, 8, 16, 24, 32, 40};

const ElfClass& elf_class(const File& file) {
    if (!file.contains(0, 20) || file.u32_at(0, "ELF header") != 0x464c457f)
        file.fail("neither an ELF file nor a multiboot header with address fields", "one of them");
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

MultibootImage from_elf(const File& file, u32 flags) {
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

    MultibootImage image;
    image.flags = flags;
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
        if (!where) where = physical_entry(entry, field(elf.p_vaddr), s);
        image.segments.push_back(s);
    }
    if (image.segments.empty()) file.fail("nothing to load", "a program header of type PT_LOAD");
    if (!where) file.fail("entry point " + hex(entry) + " lies in no segment", "an address in a PT_LOAD segment");
    image.entry = static_cast<u32>(*where);

    std::sort(image.segments.begin(), image.segments.end(),
              [](const auto& a, const auto& b) { return a.address < b.address; });
    for (std::size_t i = 1; i < image.segments.size(); ++i)
        if (image.segments[i].address < image.segments[i - 1].end())
            file.fail("two segments overlap at physical address " + hex(image.segments[i].address),
                      "segments apart from each other");
    return image;
}

}  // namespace

MultibootImage parse_multiboot(const std::string& name, std::span<const u8> bytes) {
    const File file(name, bytes);
    const u64 header = find_header(file);
    const u32 flags = file.u32_at(header + 4, "multiboot header");
    // 3.1.2: of flags 0 to 15, a loader must refuse those that it does not know. Flag 2 asks for a video mode.
    if (const u32 unknown = flags & 0xffff & ~(kPageAlign | kMemoryInfo))
        file.fail("multiboot header requires features " + hex(unknown),
                  "flags 0 (page alignment), 1 (memory information) only");
    return flags & kAddressFields ? from_address_fields(file, header, flags) : from_elf(file, flags);
}

}  // namespace vmxsim::sim
