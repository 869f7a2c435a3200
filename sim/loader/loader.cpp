// SPDX-License-Identifier: Apache-2.0
#include "sim/loader/loader.hpp"

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "sim/loader/placement.hpp"

namespace vmxsim::sim {
namespace {

// Layout of a PC below 1 MiB, as firmware reports it.
constexpr u64 kLowEnd = 0x9fc00, kVideo = 0xa0000, kFirmware = 0xf0000, kHigh = 0x100000;
constexpr u64 kFirstInformationPage = 0x1000;  // page 0 holds what real-mode software expects there
constexpr std::string_view kLoaderName = "vmxsim";

/// Offsets in the information structure (3.3).
namespace info {
constexpr u64 flags = 0, mem_lower = 4, mem_upper = 8, cmdline = 16, mods_count = 20, mods_addr = 24, mmap_length = 44,
              mmap_addr = 48, boot_loader_name = 64, bytes = 88;
constexpr u32 kFlags = 1u << 0 | 1u << 2 | 1u << 3 | 1u << 6 | 1u << 9;
}  // namespace info

/// The block of the information structure, filled from the front; knows where it will lie.
class Information {
public:
    explicit Information(u64 address) : address_(address), bytes_(info::bytes) {}
    void set(u64 offset, u64 value, unsigned bytes = 4) {
        for (unsigned i = 0; i < bytes; ++i) bytes_[offset + i] = static_cast<u8>(value >> (8 * i));
    }
    u64 room(u64 bytes) {
        const u64 offset = (bytes_.size() + 3) & ~u64{3};
        bytes_.resize(offset + bytes);
        return offset;
    }
    u64 string(std::string_view text) {
        const u64 offset = room(text.size() + 1);
        std::copy(text.begin(), text.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
        return address_ + offset;
    }
    u64 address(u64 offset) const { return address_ + offset; }
    const std::vector<u8>& bytes() const { return bytes_; }

private:
    u64 address_;
    std::vector<u8> bytes_;
};

struct MapEntry {
    u64 begin, end;
    u32 type;  ///< 1: RAM, 2: reserved
};

std::vector<MapEntry> memory_map(u64 bytes) {
    std::vector<MapEntry> map{{0, std::min(bytes, kLowEnd), 1}};
    if (bytes <= kHigh) return map;
    map.push_back({kLowEnd, kVideo, 2});
    map.push_back({kFirmware, kHigh, 2});
    map.push_back({kHigh, std::min(bytes, kDevices), 1});
    if (bytes > kFourGiB) map.push_back({kFourGiB, bytes, 1});
    return map;
}

/// The first word is the file's name without its folders: where somebody keeps an image must not change its cycles.
std::string command_line(const BootFile& file) {
    const std::string name = std::filesystem::path(file.name).filename().string();
    return file.arguments.empty() ? name : name + " " + file.arguments;
}

/// Builds the information for an information block at `address`; its size does not depend on the address.
Information make_information(u64 address, u64 memory_bytes, const BootFile& image, const std::vector<BootFile>& modules,
                             const std::vector<u64>& module_addresses) {
    Information out(address);
    out.set(info::flags, info::kFlags);
    out.set(info::mem_lower, std::min(memory_bytes, kLowEnd) / 1024);
    out.set(info::mem_upper, memory_bytes > kHigh ? (std::min(memory_bytes, kDevices) - kHigh) / 1024 : 0);

    const u64 module_list = out.room(16 * modules.size());
    out.set(info::mods_count, modules.size());
    out.set(info::mods_addr, out.address(module_list));
    for (std::size_t i = 0; i < modules.size(); ++i) {
        const u64 entry = module_list + 16 * i;
        out.set(entry, module_addresses[i]);
        out.set(entry + 4, module_addresses[i] + modules[i].bytes.size());
        out.set(entry + 8, out.string(command_line(modules[i])));
        out.set(entry + 12, 0);
    }

    const std::vector<MapEntry> map = memory_map(memory_bytes);
    const u64 first = out.room(24 * map.size());
    out.set(info::mmap_length, 24 * map.size());
    out.set(info::mmap_addr, out.address(first));
    for (std::size_t i = 0; i < map.size(); ++i) {
        const u64 entry = first + 24 * i;
        out.set(entry, 20);  // bytes of the entry behind this word
        out.set(entry + 4, map[i].begin, 8);
        out.set(entry + 12, map[i].end - map[i].begin, 8);
        out.set(entry + 20, map[i].type);
    }
    out.set(info::cmdline, out.string(command_line(image)));
    out.set(info::boot_loader_name, out.string(kLoaderName));
    return out;
}

vmx::CpuState start_state(u32 entry, u64 information) {
    vmx::CpuState cpu;
    cpu.r[vmx::RAX] = 0x2badb002;
    cpu.r[vmx::RBX] = information;
    cpu.rip = entry;
    cpu.cr0 = vmx::cr0::PE | vmx::cr0::ET;
    // Flat segments. Their selectors are undefined to the image (3.2); these are what most loaders leave.
    constexpr u32 flat = 0xffffffff;
    for (auto& s : cpu.seg) s = {0x10, {0xc093}, flat, 0};
    cpu.seg[vmx::CS] = {0x08, {0xc09b}, flat, 0};
    // As after reset (SDM table 11-1): usable, so that a VM entry with this state as a guest's is possible.
    cpu.seg[vmx::LDTR] = {0, {0x82}, 0xffff, 0};
    cpu.seg[vmx::TR] = {0, {0x8b}, 0xffff, 0};
    return cpu;
}

}  // namespace

vmx::CpuState load_multiboot(memory::PhysicalMemory& memory, const GuestMemory& where, const BootFile& image,
                             const std::vector<BootFile>& modules) {
    if (!memory.contains(where.base, where.bytes))
        throw std::invalid_argument("loader: guest memory of " + std::to_string(where.bytes) + " bytes at " +
                                    std::to_string(where.base.raw) + " lies outside RAM");
    const MultibootImage parsed = parse_multiboot(image.name, image.bytes);
    const std::string size = std::to_string(where.bytes >> 20) + " MiB of guest memory";
    Placement placement(std::min(where.bytes, kDevices));
    for (const ImageSegment& s : parsed.segments) {
        if (s.end() > placement.limit())
            throw LoadError(image.name, "the image does not fit into " + size, "more memory");
        placement.take(s.address, s.end());
    }

    std::vector<u64> addresses;
    for (const BootFile& module : modules) {
        const u64 bytes = std::max<u64>(module.bytes.size(), 1);
        const u64 at = placement.find(bytes, std::max(parsed.end(), kHigh), placement.limit());
        if (at == 0) throw LoadError(module.name, "the module does not fit into " + size, "more memory");
        placement.take(at, at + bytes);
        addresses.push_back(at);
    }

    const u64 bytes = make_information(0, where.bytes, image, modules, addresses).bytes().size();
    // Not into the PC's hole between the two: it is RAM here, but not reported as such.
    u64 at = placement.find(bytes, kFirstInformationPage, kLowEnd);
    if (at == 0) at = placement.find(bytes, kHigh, placement.limit());
    if (at == 0) throw LoadError(image.name, "no room for command line and memory map in " + size, "more memory");
    const Information information = make_information(at, where.bytes, image, modules, addresses);

    for (const ImageSegment& s : parsed.segments) {
        memory.write_block(where.base + s.address, std::span(image.bytes).subspan(s.offset, s.file_bytes));
        zero(memory, where.base + s.address + s.file_bytes, s.memory_bytes - s.file_bytes);
    }
    for (std::size_t i = 0; i < modules.size(); ++i) memory.write_block(where.base + addresses[i], modules[i].bytes);
    memory.write_block(where.base + at, information.bytes());
    return start_state(parsed.entry, at);
}

}  // namespace vmxsim::sim
