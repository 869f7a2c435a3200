// SPDX-License-Identifier: Apache-2.0
// Makes small multiboot files for the loader's tests; every field can be given a wrong value.
#pragma once
#include <string>
#include <vector>

#include "model/arch/types.hpp"

namespace vmxsim::test {

struct SegmentSpec {
    u64 physical = 0x100000;
    u64 memory_bytes = 0x2000;
    std::vector<u8> bytes;
    u64 virtual_address = ~u64{0};  ///< ~0: as physical
    u32 type = 1;                   ///< PT_LOAD
    u64 file_bytes = ~u64{0};       ///< ~0: as many as there are
    u64 offset = ~u64{0};           ///< ~0: where the bytes are
};

inline void put(std::vector<u8>& to, std::size_t at, u64 value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) to[at + i] = static_cast<u8>(value >> (8 * i));
}

/// A multiboot header, with the address fields where flag 16 asks for them.
struct HeaderSpec {
    u32 flags = 3;
    u32 magic = 0x1badb002;
    u32 checksum_error = 0;
    u32 address_fields[5] = {};  ///< header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr
    std::vector<u8> bytes() const {
        std::vector<u8> out(32);
        put(out, 0, magic, 4);
        put(out, 4, flags, 4);
        put(out, 8, u32{0} - 0x1badb002 - flags + checksum_error, 4);
        for (unsigned i = 0; i < 5; ++i) put(out, 12 + 4 * i, address_fields[i], 4);
        return out;
    }
};

struct ElfSpec {
    bool wide = false;  ///< ELF64
    u64 entry = 0x100020;
    u16 type = 2, machine = 3, phentsize = 0;  ///< phentsize 0: the right one
    u8 elf_class = 0, order = 1;               ///< class 0: the right one
    u64 phoff = 0;                             ///< 0: right behind the header
    u16 phnum = 0;                             ///< 0: as many as there are
    std::vector<SegmentSpec> segments;

    std::vector<u8> bytes() const {
        const u64 header = wide ? 64 : 52, entry_bytes = wide ? 56 : 32;
        const unsigned word = wide ? 8 : 4;
        std::vector<u8> out(header + entry_bytes * segments.size());
        put(out, 0, 0x464c457f, 4);
        out[4] = elf_class ? elf_class : wide ? 2 : 1;
        out[5] = order;
        out[6] = 1;
        put(out, 16, type, 2);
        put(out, 18, machine, 2);
        put(out, 20, 1, 4);
        put(out, 24, entry, word);
        put(out, wide ? 32 : 28, phoff ? phoff : header, word);
        put(out, wide ? 54 : 42, phentsize ? phentsize : entry_bytes, 2);
        put(out, wide ? 56 : 44, phnum ? phnum : segments.size(), 2);
        for (std::size_t i = 0; i < segments.size(); ++i) {
            const SegmentSpec& s = segments[i];
            const u64 at = header + entry_bytes * i;
            const u64 offset = s.offset != ~u64{0} ? s.offset : out.size();
            const u64 filled = s.file_bytes != ~u64{0} ? s.file_bytes : s.bytes.size();
            const u64 linear = s.virtual_address != ~u64{0} ? s.virtual_address : s.physical;
            put(out, at, s.type, 4);
            put(out, at + (wide ? 8 : 4), offset, word);
            put(out, at + (wide ? 16 : 8), linear, word);
            put(out, at + (wide ? 24 : 12), s.physical, word);
            put(out, at + (wide ? 32 : 16), filled, word);
            put(out, at + (wide ? 40 : 20), s.memory_bytes, word);
            out.insert(out.end(), s.bytes.begin(), s.bytes.end());
        }
        return out;
    }
};

/// One segment at 1 MiB that begins with a multiboot header, then 0x90 bytes.
inline ElfSpec good_elf(bool wide = false, HeaderSpec header = {}) {
    ElfSpec elf;
    elf.wide = wide;
    elf.machine = wide ? 62 : 3;
    SegmentSpec s;
    s.bytes = header.bytes();
    s.bytes.resize(256, 0x90);
    elf.segments.push_back(s);
    return elf;
}

}  // namespace vmxsim::test
