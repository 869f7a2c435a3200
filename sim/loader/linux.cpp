// SPDX-License-Identifier: Apache-2.0
#include "sim/loader/linux.hpp"

#include <stdexcept>

#include "sim/loader/elf.hpp"
#include "sim/loader/placement.hpp"
#include "sim/loader/pvh.hpp"

namespace vmxsim::sim {
namespace {

/// Offsets in the setup header, the same in the file and in boot_params.
namespace setup {
constexpr u64 sects = 0x1f1, boot_flag = 0x1fe, jump_length = 0x201, magic = 0x202, version = 0x206,
              type_of_loader = 0x210, loadflags = 0x211, ramdisk_image = 0x218, ramdisk_size = 0x21c,
              cmd_line_ptr = 0x228, initrd_addr_max = 0x22c, xloadflags = 0x236, cmdline_size = 0x238,
              pref_address = 0x258, init_size = 0x260, room_end = 0x290;
constexpr u64 e820_entries = 0x1e8, e820_table = 0x2d0;  // of boot_params alone
constexpr u32 kHdrS = 0x53726448;
constexpr u8 kLoadedHigh = 1;
constexpr u64 kKernel64 = 1;      // xloadflags: the 64-bit entry point exists
constexpr u64 kEntry64 = 0x200;   // from the start of the protected-mode part
constexpr u8 kUnknownLoader = 0xff;
}  // namespace setup

// What the loader writes below the kernel. The kernel copies what it needs of it before it gives the memory away.
constexpr u64 kGdt = 0x1000, kBootParams = 0x2000, kPageTables = 0x3000, kCommandLine = 0x20000;
constexpr u64 kCommandLineRoom = 0x10000;
constexpr u64 kLowEnd = 0x9f000, kHigh = 0x100000;
constexpr u16 kCodeSelector = 0x10, kDataSelector = 0x18;

LinuxImage parse_bzimage(const FileReader& file) {
    const char* what = "setup header";
    const u64 version = file.get(setup::version, 2, what);
    if (version < 0x20c) file.fail("boot protocol " + hex(version), "0x20c or later, with a 64-bit entry point");
    if (!(file.get(setup::xloadflags, 2, what) & setup::kKernel64))
        file.fail("no 64-bit entry point (xloadflags bit 0)", "an x86-64 kernel");
    if (!(file.get(setup::loadflags, 1, what) & setup::kLoadedHigh))
        file.fail("a zImage, to be loaded below 1 MiB", "a bzImage (loadflags bit 0)");
    const u64 sectors = file.get(setup::sects, 1, what), begin = ((sectors ? sectors : 4) + 1) * 512;
    if (begin >= file.size())
        file.fail(std::to_string(sectors) + " setup sectors reach the end of the file", "a kernel behind them");
    if (file.size() - begin <= setup::kEntry64)
        file.fail("the protected-mode part ends before its 64-bit entry point", "more than 512 bytes");

    LinuxImage image;
    const u64 load = file.get(setup::pref_address, 8, what), init_size = file.u32_at(setup::init_size, what);
    if (load < kHigh || load % kPage || load >= kFourGiB)
        file.fail("preferred load address " + hex(load), "a page between 1 MiB and 4 GiB");
    const u64 bytes = file.size() - begin;
    image.segments.push_back({load, bytes, begin, bytes});
    image.entry = load + setup::kEntry64;
    image.end = load + std::max(init_size, bytes);
    image.initrd_max = file.u32_at(setup::initrd_addr_max, what);
    image.command_line_max = file.u32_at(setup::cmdline_size, what);
    // The header's end (boot.rst, "Details of Header Fields"): 0x202 and the displacement of the jump before it.
    const u64 end = std::min(setup::magic + file.get(setup::jump_length, 1, what), setup::room_end);
    for (u64 at = setup::sects; at < end; ++at) image.setup_header.push_back(static_cast<u8>(file.get(at, 1, what)));
    return image;
}

LinuxImage parse_vmlinux(const FileReader& file) {
    ElfImage elf = parse_elf(file, EntryAddress::Physical);
    LinuxImage image;
    image.entry = elf.entry;
    image.end = elf.segments.back().end();
    image.segments = std::move(elf.segments);
    if (const u64 at = image.segments.front().address; at < kHigh)
        file.fail("a segment at physical address " + hex(at), "1 MiB or more: below lie the loader's tables");
    return image;
}

void put(std::vector<u8>& to, u64 at, u64 value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) to[at + i] = static_cast<u8>(value >> (8 * i));
}

std::vector<u8> make_boot_params(const LinuxImage& image, u64 memory_bytes, u64 initrd, u64 initrd_bytes) {
    std::vector<u8> out(kPage);
    if (image.setup_header.empty()) {
        put(out, setup::boot_flag, 0xaa55, 2);
        put(out, setup::magic, setup::kHdrS, 4);
        put(out, setup::version, 0x20f, 2);
    }
    std::copy(image.setup_header.begin(), image.setup_header.end(), out.begin() + setup::sects);
    put(out, setup::type_of_loader, setup::kUnknownLoader, 1);
    out[setup::loadflags] |= setup::kLoadedHigh;
    put(out, setup::ramdisk_image, initrd, 4);
    put(out, setup::ramdisk_size, initrd_bytes, 4);
    put(out, setup::cmd_line_ptr, kCommandLine, 4);
    std::vector<Range> map{{0, kLowEnd}, {kHigh, std::min(memory_bytes, kDevices)}};
    if (memory_bytes > kFourGiB) map.push_back({kFourGiB, memory_bytes});
    put(out, setup::e820_entries, map.size(), 1);
    for (std::size_t i = 0; i < map.size(); ++i) {
        const u64 at = setup::e820_table + 20 * i;
        put(out, at, map[i].begin, 8);
        put(out, at + 8, map[i].end - map[i].begin, 8);
        put(out, at + 16, 1, 4);  // RAM
    }
    return out;
}

/// PML4, page-directory-pointer table and four page directories: 4 GiB in pages of 2 MiB (SDM 4.5).
std::vector<u8> make_page_tables() {
    constexpr u64 kTable = 3, kLargePage = 0x83;  // present, writable; and 2 MiB
    std::vector<u8> out(6 * kPage);
    put(out, 0, (kPageTables + kPage) | kTable, 8);
    for (u64 i = 0; i < 4; ++i) put(out, kPage + 8 * i, (kPageTables + (2 + i) * kPage) | kTable, 8);
    for (u64 i = 0; i < 4 * 512; ++i) put(out, 2 * kPage + 8 * i, (i << 21) | kLargePage, 8);
    return out;
}

vmx::CpuState start_state(u64 entry) {
    vmx::CpuState cpu;
    cpu.r[vmx::RSI] = kBootParams;
    cpu.r[vmx::RSP] = kBootParams;  // free memory behind the GDT; the kernel has stacks of its own
    cpu.rip = entry;
    cpu.cr0 = vmx::cr0::PE | vmx::cr0::ET | vmx::cr0::PG;
    cpu.cr3 = kPageTables;
    cpu.cr4 = vmx::cr4::PAE;
    cpu.efer = vmx::efer::LME | vmx::efer::LMA;
    constexpr u32 flat = 0xffffffff;
    for (auto& s : cpu.seg) s = {kDataSelector, {0xc093}, flat, 0};
    cpu.seg[vmx::CS] = {kCodeSelector, {0xa09b}, flat, 0};
    cpu.seg[vmx::LDTR] = {0, {0x82}, 0xffff, 0};
    cpu.seg[vmx::TR] = {0, {0x8b}, 0xffff, 0};
    cpu.gdtr = {kGdt, 0x1f};
    return cpu;
}

std::vector<u8> joined(const std::vector<BootFile>& parts) {
    std::vector<u8> out;
    for (const BootFile& part : parts) {
        out.resize((out.size() + 3) & ~std::size_t{3});  // the kernel looks for the next archive at a multiple of 4
        out.insert(out.end(), part.bytes.begin(), part.bytes.end());
    }
    return out;
}

}  // namespace

ImageKind image_kind(std::span<const u8> bytes) {
    if (has_multiboot_header(bytes)) return ImageKind::Multiboot;
    const FileReader file("", bytes);
    if (file.contains(setup::magic, 4) && file.u32_at(setup::magic, "") == setup::kHdrS &&
        file.get(setup::boot_flag, 2, "") == 0xaa55)
        return ImageKind::BzImage;
    if (pvh_entry(bytes)) return ImageKind::Pvh;
    constexpr u64 kClass64 = 2, kX86_64 = 62;
    if (is_elf(file) && file.get(4, 1, "") == kClass64 && file.get(18, 2, "") == kX86_64) return ImageKind::Vmlinux;
    return ImageKind::Multiboot;
}

LinuxImage parse_linux(const std::string& name, std::span<const u8> bytes) {
    const FileReader file(name, bytes);
    switch (image_kind(bytes)) {
        case ImageKind::BzImage: return parse_bzimage(file);
        case ImageKind::Vmlinux: return parse_vmlinux(file);
        case ImageKind::Multiboot:
        case ImageKind::Pvh: break;
    }
    file.fail("not a Linux kernel", "a bzImage or an ELF64 vmlinux");
}

vmx::CpuState load_linux(memory::PhysicalMemory& memory, const GuestMemory& where, const BootFile& image,
                         const std::vector<BootFile>& initramfs) {
    if (!memory.contains(where.base, where.bytes))
        throw std::invalid_argument("loader: guest memory of " + std::to_string(where.bytes) + " bytes at " +
                                    std::to_string(where.base.raw) + " lies outside RAM");
    const LinuxImage parsed = parse_linux(image.name, image.bytes);
    const std::string size = std::to_string(where.bytes >> 20) + " MiB of guest memory";
    const u64 top = std::min(where.bytes, kDevices);
    if (parsed.end > top)
        throw LoadError(image.name, "the kernel needs memory up to " + hex(parsed.end) + ", which is beyond " + size,
                        "more memory");
    if (image.arguments.size() > std::min(parsed.command_line_max, kCommandLineRoom - 1))
        throw LoadError(image.name, "a command line of " + std::to_string(image.arguments.size()) + " characters",
                        "at most " + std::to_string(parsed.command_line_max));
    // As high as the kernel allows, so that what it unpacks itself into stays free.
    const std::vector<u8> initrd = joined(initramfs);
    const u64 initrd_end = std::min(top, parsed.initrd_max + 1) & ~(kPage - 1);
    u64 initrd_at = 0;
    if (!initrd.empty()) {
        if (initrd_end < parsed.end || initrd.size() > initrd_end - page_up(parsed.end))
            throw LoadError(initramfs.front().name, "the initramfs does not fit behind the kernel into " + size,
                            "more memory");
        initrd_at = (initrd_end - initrd.size()) & ~(kPage - 1);
    }

    for (const ImageSegment& s : parsed.segments) {
        memory.write_block(where.base + s.address, std::span(image.bytes).subspan(s.offset, s.file_bytes));
        zero(memory, where.base + s.address + s.file_bytes, s.memory_bytes - s.file_bytes);
    }
    if (!initrd.empty()) memory.write_block(where.base + initrd_at, initrd);
    std::vector<u8> command_line(image.arguments.begin(), image.arguments.end());
    command_line.push_back(0);
    memory.write_block(where.base + kCommandLine, command_line);
    memory.write_block(where.base + kBootParams,
                       make_boot_params(parsed, where.bytes, initrd_at, initrd.size()));
    memory.write_block(where.base + kPageTables, make_page_tables());
    std::vector<u8> gdt(32);
    put(gdt, kCodeSelector, 0x00af9b000000ffff, 8);
    put(gdt, kDataSelector, 0x00cf93000000ffff, 8);
    memory.write_block(where.base + kGdt, gdt);
    return start_state(parsed.entry);
}

}  // namespace vmxsim::sim
