// SPDX-License-Identifier: Apache-2.0
#include "sim/loader/image.hpp"

#include <algorithm>
#include <optional>

#include "sim/loader/elf.hpp"

namespace vmxsim::sim {
namespace {

constexpr u32 kHeaderMagic = 0x1badb002;
constexpr u64 kHeaderSearch = 8192;
constexpr u64 kFourGiB = u64{1} << 32;
constexpr u32 kPageAlign = 1, kMemoryInfo = 2, kAddressFields = 1u << 16;

std::optional<u64> header_offset(const FileReader& file) {
    const u64 end = std::min(file.size(), kHeaderSearch);
    for (u64 at = 0; at + 12 <= end; at += 4) {
        if (file.u32_at(at, "header") != kHeaderMagic) continue;
        if (kHeaderMagic + file.u32_at(at + 4, "header") + file.u32_at(at + 8, "header") == 0) return at;
    }
    return std::nullopt;
}

u64 find_header(const FileReader& file) {
    if (const auto at = header_offset(file)) return *at;
    file.fail("no multiboot header", "magic 0x1badb002, flags and checksum at a multiple of 4 in the first 8192 bytes");
}

/// Flag 16 (3.1.3): the image is one block of the file, whatever the file's format.
MultibootImage from_address_fields(const FileReader& file, u64 header, u32 flags) {
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

MultibootImage from_elf(const FileReader& file, u32 flags) {
    if (!is_elf(file)) file.fail("neither an ELF file nor a multiboot header with address fields", "one of them");
    ElfImage elf = parse_elf(file, EntryAddress::Virtual);
    return {std::move(elf.segments), static_cast<u32>(elf.entry), flags};
}

}  // namespace

bool has_multiboot_header(std::span<const u8> bytes) { return header_offset({"", bytes}).has_value(); }

MultibootImage parse_multiboot(const std::string& name, std::span<const u8> bytes) {
    const FileReader file(name, bytes);
    const u64 header = find_header(file);
    const u32 flags = file.u32_at(header + 4, "multiboot header");
    // 3.1.2: of flags 0 to 15, a loader must refuse those that it does not know. Flag 2 asks for a video mode.
    if (const u32 unknown = flags & 0xffff & ~(kPageAlign | kMemoryInfo))
        file.fail("multiboot header requires features " + hex(unknown),
                  "flags 0 (page alignment), 1 (memory information) only");
    return flags & kAddressFields ? from_address_fields(file, header, flags) : from_elf(file, flags);
}

}  // namespace vmxsim::sim
