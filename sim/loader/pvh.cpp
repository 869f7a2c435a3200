// SPDX-License-Identifier: Apache-2.0
#include "sim/loader/pvh.hpp"

#include <stdexcept>
#include <string_view>

#include "sim/loader/elf.hpp"
#include "sim/loader/placement.hpp"

namespace vmxsim::sim {
namespace {

constexpr u32 kNoteSegment = 4;                        // PT_NOTE
constexpr u32 kPhys32Entry = 18, kGuestOs = 6;         // XEN_ELFNOTE_...
constexpr u64 kLowEnd = 0x9fc00, kHigh = 0x100000;     // as the multiboot loader reports them
constexpr u64 kFirstPage = 0x1000;                     // nothing may lie at 0: that is "not present"

/// Offsets in hvm_start_info, version 1, in its lists of modules and of the memory map (xen.git:
/// xen/include/public/arch-x86/hvm/start_info.h).
namespace info {
constexpr u64 magic = 0, version = 4, nr_modules = 12, modlist = 16, cmdline = 24, memmap = 40, memmap_entries = 48,
              bytes = 56;
constexpr u64 kModuleBytes = 32, kMapBytes = 24;
constexpr u32 kMagic = 0x336ec578;
}  // namespace info

struct Note {
    u32 type = 0;
    std::string_view owner, text;
    u64 value = 0;  ///< the first 4 or 8 bytes of the description
};

/// Calls `visit` with each note of the file's PT_NOTE segments (System V ABI: three words, owner, description, both
/// padded to 4 bytes).
template <class Visit>
void for_each_note(const FileReader& file, std::span<const u8> bytes, Visit visit) {
    const bool wide = file.get(4, 1, "") == 2;
    const u64 phoff = file.get(wide ? 32 : 28, wide ? 8 : 4, ""), size = file.get(wide ? 54 : 42, 2, "");
    const u64 count = file.get(wide ? 56 : 44, 2, "");
    const auto view = [&](u64 at, u64 n) { return std::string_view(reinterpret_cast<const char*>(&bytes[at]), n); };
    for (u64 i = 0; i < count; ++i) {
        const u64 at = phoff + i * size;
        if (file.u32_at(at, "") != kNoteSegment) continue;
        u64 p = file.get(at + (wide ? 8 : 4), wide ? 8 : 4, "");
        const u64 end = p + file.get(at + (wide ? 32 : 16), wide ? 8 : 4, "");
        while (p < end && end - p >= 12) {
            const u64 owner_bytes = file.u32_at(p, ""), value_bytes = file.u32_at(p + 4, "");
            const u64 owner = p + 12, value = owner + ((owner_bytes + 3) & ~u64{3});
            Note note{file.u32_at(p + 8, ""), {}, {}, 0};
            if (!file.contains(owner, owner_bytes) || !file.contains(value, value_bytes)) return;
            if (owner_bytes) note.owner = view(owner, owner_bytes - 1);
            if (value_bytes) note.text = view(value, value_bytes);
            if (value_bytes == 4 || value_bytes == 8)
                note.value = file.get(value, static_cast<unsigned>(value_bytes), "");
            visit(note);
            p = value + ((value_bytes + 3) & ~u64{3});
        }
    }
}

void put(std::vector<u8>& to, u64 at, u64 value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) to[at + i] = static_cast<u8>(value >> (8 * i));
}

u64 append(std::vector<u8>& to, std::string_view text) {
    const u64 at = to.size();
    to.insert(to.end(), text.begin(), text.end());
    to.resize((to.size() + 8) & ~std::size_t{7});
    return at;
}

std::vector<u8> start_info(u64 address, u64 memory_bytes, const BootFile& image, const std::vector<BootFile>& modules,
                           const std::vector<u64>& module_addresses) {
    std::vector<Range> map{{0, kLowEnd}, {kHigh, std::min(memory_bytes, kDevices)}};
    if (memory_bytes > kFourGiB) map.push_back({kFourGiB, memory_bytes});
    const u64 module_list = info::bytes, memory_map = module_list + info::kModuleBytes * modules.size();
    std::vector<u8> out(memory_map + info::kMapBytes * map.size());
    put(out, info::magic, info::kMagic, 4);
    put(out, info::version, 1, 4);
    put(out, info::nr_modules, modules.size(), 4);
    if (!modules.empty()) put(out, info::modlist, address + module_list, 8);
    for (std::size_t i = 0; i < modules.size(); ++i) {
        const u64 entry = module_list + info::kModuleBytes * i, text = append(out, modules[i].arguments);
        put(out, entry, module_addresses[i], 8);
        put(out, entry + 8, modules[i].bytes.size(), 8);
        put(out, entry + 16, address + text, 8);
    }
    put(out, info::memmap, address + memory_map, 8);
    put(out, info::memmap_entries, map.size(), 4);
    for (std::size_t i = 0; i < map.size(); ++i) {
        const u64 entry = memory_map + info::kMapBytes * i;
        put(out, entry, map[i].begin, 8);
        put(out, entry + 8, map[i].end - map[i].begin, 8);
        put(out, entry + 16, 1, 4);  // RAM
    }
    put(out, info::cmdline, address + append(out, image.arguments), 8);
    return out;
}

/// pvh.pandoc: CR0.PE alone, CR4 zero, flat CS, DS, ES and SS, an active 32-bit TSS of 68H bytes, no VM, IF, TF.
vmx::CpuState start_state(u32 entry, u64 information) {
    vmx::CpuState cpu;
    cpu.r[vmx::RBX] = information;
    cpu.rip = entry;
    cpu.cr0 = vmx::cr0::PE | vmx::cr0::ET;
    constexpr u32 flat = 0xffffffff;
    for (auto& s : cpu.seg) s = {0x10, {0xc093}, flat, 0};
    cpu.seg[vmx::CS] = {0x08, {0xc09b}, flat, 0};
    cpu.seg[vmx::LDTR] = {0, {0x82}, 0xffff, 0};
    cpu.seg[vmx::TR] = {0, {0x8b}, 0x67, 0};
    return cpu;
}

}  // namespace

std::optional<u32> pvh_entry(std::span<const u8> bytes) {
    const FileReader file("", bytes);
    std::optional<u32> entry;
    bool linux = false;
    try {
        if (!is_elf(file)) return std::nullopt;
        for_each_note(file, bytes, [&](const Note& note) {
            linux |= note.owner == "Linux";
            if (note.owner != "Xen") return;
            if (note.type == kPhys32Entry) entry = static_cast<u32>(note.value);
            linux |= note.type == kGuestOs && note.text.substr(0, 5) == "linux";
        });
    } catch (const LoadError&) {
        return std::nullopt;
    }
    return linux ? std::nullopt : entry;
}

vmx::CpuState load_pvh(memory::PhysicalMemory& memory, const GuestMemory& where, const BootFile& image,
                       const std::vector<BootFile>& modules) {
    if (!memory.contains(where.base, where.bytes))
        throw std::invalid_argument("loader: guest memory of " + std::to_string(where.bytes) + " bytes at " +
                                    std::to_string(where.base.raw) + " lies outside RAM");
    const FileReader file(image.name, image.bytes);
    const std::optional<u32> entry = pvh_entry(image.bytes);
    if (!entry) file.fail("no note XEN_ELFNOTE_PHYS32_ENTRY", "one");
    const ElfImage elf = parse_elf(file, EntryAddress::Ignored);
    const std::string size = std::to_string(where.bytes >> 20) + " MiB of guest memory";
    Placement placement(std::min(where.bytes, kDevices));
    bool inside = false;
    for (const ImageSegment& s : elf.segments) {
        if (s.end() > placement.limit())
            throw LoadError(image.name, "the image does not fit into " + size, "more memory");
        inside |= s.address <= *entry && *entry < s.end();
        placement.take(s.address, s.end());
    }
    if (!inside)
        file.fail("the note's entry point " + hex(*entry) + " lies in no segment", "an address in a PT_LOAD segment");

    std::vector<u64> addresses;
    for (const BootFile& module : modules) {
        const u64 bytes = std::max<u64>(module.bytes.size(), 1);
        const u64 at = placement.find(bytes, std::max(elf.segments.back().end(), kHigh), placement.limit());
        if (at == 0) throw LoadError(module.name, "the module does not fit into " + size, "more memory");
        placement.take(at, at + bytes);
        addresses.push_back(at);
    }
    const u64 bytes = start_info(0, where.bytes, image, modules, addresses).size();
    u64 at = placement.find(bytes, kFirstPage, kLowEnd);
    if (at == 0) at = placement.find(bytes, kHigh, placement.limit());
    if (at == 0) throw LoadError(image.name, "no room for command line and memory map in " + size, "more memory");

    for (const ImageSegment& s : elf.segments) {
        memory.write_block(where.base + s.address, std::span(image.bytes).subspan(s.offset, s.file_bytes));
        zero(memory, where.base + s.address + s.file_bytes, s.memory_bytes - s.file_bytes);
    }
    for (std::size_t i = 0; i < modules.size(); ++i) memory.write_block(where.base + addresses[i], modules[i].bytes);
    memory.write_block(where.base + at, start_info(at, where.bytes, image, modules, addresses));
    return start_state(*entry, at);
}

}  // namespace vmxsim::sim
