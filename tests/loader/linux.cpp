// SPDX-License-Identifier: Apache-2.0
// Linux kernels: what is in memory and in the processor, and every way in which a file can be wrong.
#include <boost/test/unit_test.hpp>
#include <functional>
#include <random>

#include "sim/loader/linux.hpp"
#include "tests/loader/elf_file.hpp"

using namespace vmxsim;
using namespace vmxsim::sim;
using namespace vmxsim::test;

namespace {

constexpr u64 kMiB = 1 << 20, kLoad = 16 * kMiB;

/// A bzImage of 3 setup sectors and 4 KiB of kernel, each byte of which is 0x90; the setup header is 0x1f1 to 0x26b.
std::vector<u8> good_bzimage() {
    std::vector<u8> f(4 * 512 + 4096, 0x90);
    std::fill(f.begin(), f.begin() + 4 * 512, u8{0});
    f[0x1f1] = 3;
    put(f, 0x1fe, 0xaa55, 2);
    f[0x201] = 0x6a;
    put(f, 0x202, 0x53726448, 4);
    put(f, 0x206, 0x20f, 2);
    f[0x211] = 1;
    put(f, 0x22c, 0x7fffffff, 4);
    put(f, 0x236, 0x7f, 2);
    put(f, 0x238, 2047, 4);
    put(f, 0x258, kLoad, 8);
    put(f, 0x260, 2 * kMiB, 4);
    put(f, 0x268, 0x11223344, 4);
    return f;
}

/// A vmlinux: high virtual addresses, the entry a physical one, and no multiboot header.
ElfSpec good_vmlinux() {
    ElfSpec elf;
    elf.wide = true;
    elf.machine = 62;
    elf.entry = kLoad + 0x40;
    SegmentSpec s;
    s.physical = kLoad;
    s.virtual_address = 0xffffffff81000000;
    s.memory_bytes = 0x3000;
    s.bytes.assign(0x800, 0x90);
    elf.segments.push_back(s);
    return elf;
}

struct Loaded {
    memory::PhysicalMemory memory{96 * kMiB};
    GuestMemory where{HostPhysical{16 * kMiB}, 64 * kMiB};
    vmx::CpuState cpu{};
    void load(const std::vector<u8>& bytes, const std::string& arguments = "",
              const std::vector<BootFile>& initramfs = {}) {
        const std::vector<u8> junk(kMiB, 0xee);
        for (u64 at = 0; at < memory.size(); at += kMiB) memory.write_block(HostPhysical{at}, junk);
        cpu = load_linux(memory, where, {"vmlinuz", bytes, arguments}, initramfs);
    }
    u64 at(u64 address, unsigned bytes = 4) const { return memory.read(where.base + address, bytes); }
    u64 params(u64 offset, unsigned bytes = 4) const { return at(cpu.r[vmx::RSI] + offset, bytes); }
    std::string text(u64 address) const {
        std::string s;
        while (const u64 c = at(address++, 1)) s += static_cast<char>(c);
        return s;
    }
};

std::string error_of(const std::vector<u8>& bytes, const std::string& arguments = "",
                     const std::vector<BootFile>& initramfs = {}, u64 memory_bytes = 64 * kMiB) {
    memory::PhysicalMemory memory{96 * kMiB};
    try {
        load_linux(memory, {HostPhysical{0}, memory_bytes}, {"vmlinuz", bytes, arguments}, initramfs);
    } catch (const LoadError& e) {
        return e.what();
    }
    return "no error";
}

void check_error(const std::string& error, const std::string& part, const std::string& file = "vmlinuz") {
    BOOST_TEST(error.find(part) != std::string::npos, "\"" << error << "\" should say \"" << part << "\"");
    BOOST_TEST(error.starts_with(file + ": "));
    BOOST_TEST(error.find(", expected ") != std::string::npos);
    BOOST_TEST(error.find('\n') == std::string::npos, "one line");
}

void check_changed(const std::function<void(std::vector<u8>&)>& change, const std::string& part) {
    auto bytes = good_bzimage();
    change(bytes);
    check_error(error_of(bytes), part);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(linux_kernels)

BOOST_AUTO_TEST_CASE(a_file_is_known_by_its_first_bytes) {
    BOOST_TEST((image_kind(good_bzimage()) == ImageKind::BzImage));
    BOOST_TEST((image_kind(good_vmlinux().bytes()) == ImageKind::Vmlinux));
    BOOST_TEST((image_kind(good_elf(true).bytes()) == ImageKind::Multiboot), "an ELF64 with a multiboot header");
    BOOST_TEST((image_kind(good_elf().bytes()) == ImageKind::Multiboot));
    BOOST_TEST((image_kind(std::vector<u8>{}) == ImageKind::Multiboot));
    auto bytes = good_bzimage();
    bytes[0x1fe] = 0;
    BOOST_TEST((image_kind(bytes) == ImageKind::Multiboot), "HdrS without the boot flag");
}

BOOST_AUTO_TEST_CASE(the_protected_mode_part_of_a_bzimage_lies_at_its_preferred_address) {
    Loaded l;
    l.load(good_bzimage());
    BOOST_TEST(l.cpu.rip == kLoad + 0x200);
    BOOST_TEST(l.at(kLoad) == 0x90909090u);
    BOOST_TEST(l.at(kLoad + 4095, 1) == 0x90u);
    BOOST_TEST(l.at(kLoad + 4096, 1) == 0xeeu);
    BOOST_TEST(l.at(kLoad - 1, 1) == 0xeeu);
}

BOOST_AUTO_TEST_CASE(zero_setup_sectors_mean_four) {
    auto bytes = good_bzimage();
    bytes[0x1f1] = 0;
    bytes[5 * 512] = 0x55;
    Loaded l;
    l.load(bytes);
    BOOST_TEST(l.at(kLoad, 1) == 0x55u);
}

BOOST_AUTO_TEST_CASE(boot_params_hold_the_setup_header_and_are_zero_besides) {
    Loaded l;
    l.load(good_bzimage());
    BOOST_TEST(l.params(0x202) == 0x53726448u);
    BOOST_TEST(l.params(0x206, 2) == 0x20fu);
    BOOST_TEST(l.params(0x268) == 0x11223344u, "the last field that the jump's length covers");
    BOOST_TEST(l.params(0x210, 1) == 0xffu);
    BOOST_TEST(l.params(0x211, 1) == 1u);
    BOOST_TEST(l.params(0x218) == 0u);
    for (u64 at = 0; at < 0x1e8; ++at) BOOST_REQUIRE_EQUAL(l.params(at, 1), 0u);
    for (u64 at = 0x26c; at < 0x2d0; ++at) BOOST_REQUIRE_EQUAL(l.params(at, 1), 0u);
}

BOOST_AUTO_TEST_CASE(the_setup_header_ends_where_its_jump_leads) {
    auto bytes = good_bzimage();
    bytes[0x201] = 0x66;  // up to 0x268
    Loaded l;
    l.load(bytes);
    BOOST_TEST(l.params(0x268) == 0u);
    bytes[0x201] = 0xff;  // beyond the room in boot_params
    put(bytes, 0x290, 0xdeadbeef, 4);
    l.load(bytes);
    BOOST_TEST(l.params(0x290) == 0u);
}

BOOST_AUTO_TEST_CASE(the_e820_map_has_low_and_high_memory) {
    Loaded l;
    l.load(good_bzimage());
    BOOST_TEST(l.params(0x1e8, 1) == 2u);
    BOOST_TEST(l.params(0x2d0, 8) == 0u);
    BOOST_TEST(l.params(0x2d8, 8) == 0x9f000u);
    BOOST_TEST(l.params(0x2e0) == 1u);
    BOOST_TEST(l.params(0x2e4, 8) == kMiB);
    BOOST_TEST(l.params(0x2ec, 8) == 63 * kMiB);
    BOOST_TEST(l.params(0x2f4) == 1u);
}

BOOST_AUTO_TEST_CASE(the_command_line_is_what_was_appended) {
    Loaded l;
    l.load(good_bzimage(), "console=ttyS0 quiet");
    BOOST_TEST(l.text(l.params(0x228)) == "console=ttyS0 quiet");
}

BOOST_AUTO_TEST_CASE(the_initramfs_lies_as_high_as_it_may) {
    Loaded l;
    l.load(good_bzimage(), "", {{"initrd", std::vector<u8>(5000, 7), ""}});
    BOOST_TEST(l.params(0x218) == 64 * kMiB - 8192);
    BOOST_TEST(l.params(0x21c) == 5000u);
    BOOST_TEST(l.at(l.params(0x218) + 4999, 1) == 7u);
    auto bytes = good_bzimage();
    put(bytes, 0x22c, 32 * kMiB - 1, 4);
    l.load(bytes, "", {{"initrd", std::vector<u8>(5000, 7), ""}});
    BOOST_TEST(l.params(0x218) == 32 * kMiB - 8192, "initrd_addr_max is its last byte's limit");
}

BOOST_AUTO_TEST_CASE(parts_of_the_initramfs_follow_each_other_at_multiples_of_four) {
    Loaded l;
    l.load(good_bzimage(), "", {{"a", {1, 1, 1, 1, 1}, ""}, {"b", {2, 2}, ""}});
    const u64 at = l.params(0x218);
    BOOST_TEST(l.params(0x21c) == 10u);
    BOOST_TEST(l.at(at + 4) == 1u);
    BOOST_TEST(l.at(at + 8, 2) == 0x0202u);
}

BOOST_AUTO_TEST_CASE(the_processor_is_in_64_bit_mode_with_the_selectors_of_the_protocol) {
    Loaded l;
    l.load(good_bzimage());
    BOOST_TEST(l.cpu.code64());
    BOOST_TEST((l.cpu.cr0 & vmx::cr0::PG) != 0u);
    BOOST_TEST(l.cpu.cr4 == vmx::cr4::PAE);
    BOOST_TEST((l.cpu.rflags & vmx::rflags::IF) == 0u);
    BOOST_TEST(l.cpu.seg[vmx::CS].selector == 0x10);
    for (const auto s : {vmx::DS, vmx::ES, vmx::SS}) BOOST_TEST(l.cpu.seg[s].selector == 0x18);
    // The table in memory describes what is in the registers.
    BOOST_TEST(l.at(l.cpu.gdtr.base + 0x10, 8) == 0x00af9b000000ffffu);
    BOOST_TEST(l.at(l.cpu.gdtr.base + 0x18, 8) == 0x00cf93000000ffffu);
    BOOST_TEST(l.cpu.gdtr.limit == 0x1fu);
}

BOOST_AUTO_TEST_CASE(a_kernel_without_a_64_bit_entry_point_is_entered_by_the_32_bit_protocol) {
    std::vector<u8> old = good_bzimage(), narrow = good_bzimage();
    put(old, 0x206, 0x20b, 2);  // xloadflags came with 2.12
    narrow[0x236] = 0x7e;
    for (const auto& file : {old, narrow}) {
        Loaded l;
        l.load(file, "quiet");
        BOOST_TEST(l.cpu.rip == kLoad);
        BOOST_TEST(l.cpu.cr0 == (vmx::cr0::PE | vmx::cr0::ET));
        BOOST_TEST((l.cpu.cr4 | l.cpu.efer) == 0u);
        BOOST_TEST((l.cpu.rflags & vmx::rflags::IF) == 0u);
        for (const auto r : {vmx::RBP, vmx::RDI, vmx::RBX}) BOOST_TEST(l.cpu.r[r] == 0u);
        BOOST_TEST(l.text(l.params(0x228)) == "quiet");
        BOOST_TEST(l.cpu.seg[vmx::CS].selector == 0x10);
        BOOST_TEST(l.cpu.seg[vmx::CS].ar.raw == 0xc09bu);
        BOOST_TEST(l.at(l.cpu.gdtr.base + 0x10, 8) == 0x00cf9b000000ffffu);
    }
}

BOOST_AUTO_TEST_CASE(the_first_4_gib_are_mapped_to_themselves) {
    Loaded l;
    l.load(good_bzimage());
    for (u64 va : {u64{0}, u64{0x1234567}, u64{0xfee00abc}, u64{0xffffffff}}) {
        const u64 pdpt = l.at(l.cpu.cr3 + 8 * (va >> 39), 8), directory = l.at((pdpt & ~u64{0xfff}) + 8 * (va >> 30), 8);
        const u64 pde = l.at((directory & ~u64{0xfff}) + 8 * (va >> 21 & 511), 8);
        BOOST_TEST((pdpt & directory & pde & 3) == 3u);
        BOOST_TEST((pde & ~u64{0x1fffff}) == (va & ~u64{0x1fffff}));
        BOOST_TEST((pde & 0x80) == 0x80u);
    }
    BOOST_TEST(l.at(l.cpu.cr3 + 8, 8) == 0u, "nothing else is mapped");
}

BOOST_AUTO_TEST_CASE(a_vmlinux_starts_at_its_physical_entry) {
    Loaded l;
    l.load(good_vmlinux().bytes(), "quiet");
    BOOST_TEST(l.cpu.rip == kLoad + 0x40);
    BOOST_TEST(l.at(kLoad) == 0x90909090u);
    BOOST_TEST(l.at(kLoad + 0x800) == 0u, "bss");
    BOOST_TEST(l.at(kLoad + 0x3000, 1) == 0xeeu);
    BOOST_TEST(l.params(0x1fe, 2) == 0xaa55u);
    BOOST_TEST(l.params(0x202) == 0x53726448u);
    BOOST_TEST(l.params(0x206, 2) == 0x20fu);
    BOOST_TEST(l.text(l.params(0x228)) == "quiet");
}

BOOST_AUTO_TEST_CASE(a_bad_setup_header_is_refused) {
    check_changed([](auto& f) { put(f, 0x206, 0x209, 2); }, "boot protocol 0x209");
    check_changed([](auto& f) { f[0x211] = 0; }, "zImage");
    check_changed([](auto& f) { f[0x1f1] = 200; }, "200 setup sectors");
    check_changed([](auto& f) { f.resize(4 * 512 + 512); }, "ends before its 64-bit entry");
    check_changed([](auto& f) { put(f, 0x258, 0x1000, 8); }, "preferred load address 0x1000");
    check_changed([](auto& f) { put(f, 0x258, kLoad + 1, 8); }, "preferred load address");
    check_changed([](auto& f) { put(f, 0x258, ~u64{0xfff}, 8); }, "preferred load address");
    check_changed([](auto& f) { put(f, 0x260, 0xffffffff, 4); }, "needs memory up to 0x100ffffff");
    check_changed([](auto& f) { f.resize(0x230); }, "beyond the end of the file");
}

BOOST_AUTO_TEST_CASE(a_bad_vmlinux_is_refused) {
    ElfSpec elf = good_vmlinux();
    elf.segments[0].physical = elf.entry = 0x1000;
    check_error(error_of(elf.bytes()), "segment at physical address 0x1000");
    elf = good_vmlinux();
    elf.entry = 0xffffffff81000000;
    check_error(error_of(elf.bytes()), "lies in no segment");
    elf = good_vmlinux();
    elf.segments[0].memory_bytes = 64 * kMiB;
    check_error(error_of(elf.bytes()), "needs memory up to");
    elf = good_vmlinux();
    elf.type = 3;
    check_error(error_of(elf.bytes()), "ELF type 3");
    check_error(error_of(good_elf().bytes()), "not a Linux kernel");
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused) {
    check_error(error_of(good_bzimage(), "", {}, 17 * kMiB), "needs memory up to 0x1200000");
    check_error(error_of(good_bzimage(), std::string(2048, 'x')), "a command line of 2048 characters");
    BOOST_TEST(error_of(good_bzimage(), std::string(2047, 'x')) == "no error");
    check_error(error_of(good_bzimage(), "", {{"initrd", std::vector<u8>(46 * kMiB + 1), ""}}), "does not fit", "initrd");
    BOOST_TEST(error_of(good_bzimage(), "", {{"initrd", std::vector<u8>(46 * kMiB), ""}}) == "no error");
    auto low = good_bzimage();
    put(low, 0x22c, 0, 4);
    check_error(error_of(low, "", {{"initrd", {1}, ""}}), "does not fit", "initrd");
}

BOOST_AUTO_TEST_CASE(random_damage_gives_an_error_or_an_image) {
    std::mt19937 random(7);
    for (int round = 0; round < 4000; ++round) {
        std::vector<u8> bytes = round % 2 ? good_bzimage() : good_vmlinux().bytes();
        const std::size_t header = round % 2 ? 0x1f1 : 0, size = round % 2 ? 0x80 : 0x78;
        for (int n = 1 + round % 3; n--;) bytes[header + random() % size] = static_cast<u8>(random());
        if (round % 5 == 0) bytes.resize(random() % bytes.size());
        try {
            const LinuxImage image = parse_linux("f", bytes);
            BOOST_TEST(!image.segments.empty());
            BOOST_TEST(image.setup_header.size() <= 0x290u - 0x1f1u);
            for (const auto& s : image.segments) BOOST_TEST((s.offset + s.file_bytes <= bytes.size()));
        } catch (const LoadError& e) {
            BOOST_TEST(std::string(e.what()).find('\n') == std::string::npos);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
