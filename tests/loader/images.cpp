// SPDX-License-Identifier: Apache-2.0
// Good images: what is in memory and in the processor after loading.
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>

#include "sim/loader.hpp"
#include "tests/loader/elf_file.hpp"

using namespace vmxsim;
using namespace vmxsim::sim;
using namespace vmxsim::test;

namespace {

constexpr u64 kMiB = 1 << 20;

struct Loaded {
    memory::PhysicalMemory memory{64 * kMiB};
    GuestMemory where{HostPhysical{16 * kMiB}, 32 * kMiB};
    vmx::CpuState cpu{};

    /// RAM is not zero before: what must be zero afterwards was made so.
    Loaded() {
        const std::vector<u8> junk(kMiB, 0xee);
        for (u64 at = 0; at < memory.size(); at += kMiB) memory.write_block(HostPhysical{at}, junk);
    }
    void load(const std::vector<u8>& bytes, const std::string& arguments = "",
              const std::vector<BootFile>& modules = {}) {
        cpu = load_multiboot(memory, where, {"image.elf", bytes, arguments}, modules);
    }
    u64 at(u64 address, unsigned bytes = 4) const { return memory.read(where.base + address, bytes); }
    u64 information(u64 offset) const { return at(cpu.r[vmx::RBX] + offset); }
    std::string text(u64 address) const {
        std::string s;
        while (const u64 c = at(address++, 1)) s += static_cast<char>(c);
        return s;
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(images)

BOOST_AUTO_TEST_CASE(an_elf32_image_lies_at_its_physical_address_behind_the_base) {
    Loaded l;
    l.load(good_elf().bytes());
    BOOST_TEST(l.at(0x100000) == 0x1badb002u);
    BOOST_TEST(l.at(0x1000ff, 1) == 0x90u);
    BOOST_TEST(l.memory.read(HostPhysical{16 * kMiB + 0x100000}, 4) == 0x1badb002u, "host-physical: base + 1 MiB");
    BOOST_TEST(l.cpu.rip == 0x100020u);
}

BOOST_AUTO_TEST_CASE(what_the_file_does_not_fill_is_zero_and_nothing_behind_it_changes) {
    Loaded l;
    l.load(good_elf().bytes());
    for (u64 at = 0x100100; at < 0x102000; ++at) BOOST_REQUIRE_EQUAL(l.at(at, 1), 0u);
    BOOST_TEST(l.at(0x102000, 1) == 0xeeu);
    BOOST_TEST(l.at(0x0fffff, 1) == 0xeeu);
}

BOOST_AUTO_TEST_CASE(nothing_outside_the_guests_memory_changes) {
    Loaded l;
    l.load(good_elf().bytes(), "arguments", {{"module", std::vector<u8>(70000, 5), ""}});
    for (u64 at = 0; at < l.memory.size(); at += 8)
        if (at < 16 * kMiB || at >= 48 * kMiB)
            BOOST_REQUIRE_EQUAL(l.memory.read(HostPhysical{at}, 8), 0xeeeeeeeeeeeeeeeeu);
}

BOOST_AUTO_TEST_CASE(an_elf64_image_with_virtual_addresses_starts_where_its_entry_is_loaded) {
    ElfSpec elf = good_elf(true);
    elf.segments[0].virtual_address = 0xffffffff80100000;
    elf.segments[0].physical = 0x200000;
    elf.entry = 0xffffffff80100040;
    Loaded l;
    l.load(elf.bytes());
    BOOST_TEST(l.cpu.rip == 0x200040u);
    BOOST_TEST(l.at(0x200000) == 0x1badb002u);
}

BOOST_AUTO_TEST_CASE(all_segments_are_loaded_and_others_are_left_out) {
    ElfSpec elf = good_elf();
    SegmentSpec second;
    second.physical = 0x300000;
    second.bytes = {1, 2, 3, 4};
    second.memory_bytes = 4;
    elf.segments.push_back(second);
    second.physical = 0x400000;
    second.type = 4;  // PT_NOTE
    elf.segments.push_back(second);
    Loaded l;
    l.load(elf.bytes());
    BOOST_TEST(l.at(0x300000) == 0x04030201u);
    BOOST_TEST(l.at(0x400000) == 0xeeeeeeeeu);
}

BOOST_AUTO_TEST_CASE(address_fields_of_the_header_count_more_than_the_file_format) {
    HeaderSpec header;
    header.flags = 0x10003;
    const u32 fields[5] = {0x180010, 0x180000, 0x180100, 0x181000, 0x180050};
    std::copy(fields, fields + 5, header.address_fields);
    std::vector<u8> bytes(0x10, 0x11);  // 16 bytes before the header
    const std::vector<u8> h = header.bytes();
    bytes.insert(bytes.end(), h.begin(), h.end());
    bytes.resize(0x120, 0x22);
    Loaded l;
    l.load(bytes);
    BOOST_TEST(l.at(0x180000) == 0x11111111u);
    BOOST_TEST(l.at(0x180010) == 0x1badb002u);
    BOOST_TEST(l.at(0x1800ff, 1) == 0x22u);
    BOOST_TEST(l.at(0x180100, 8) == 0u, "bss");
    BOOST_TEST(l.at(0x181000, 1) == 0xeeu);
    BOOST_TEST(l.cpu.rip == 0x180050u);
}

BOOST_AUTO_TEST_CASE(load_end_and_bss_end_of_zero_mean_the_whole_file_and_no_bss) {
    HeaderSpec header;
    header.flags = 0x10000;
    const u32 fields[5] = {0x100000, 0x100000, 0, 0, 0x100000};
    std::copy(fields, fields + 5, header.address_fields);
    std::vector<u8> bytes = header.bytes();
    bytes.resize(100, 0x33);
    Loaded l;
    l.load(bytes);
    BOOST_TEST(l.at(0x100000 + 99, 1) == 0x33u);
    BOOST_TEST(l.at(0x100000 + 100, 1) == 0xeeu);
}

BOOST_AUTO_TEST_CASE(the_header_may_be_anywhere_in_the_first_8_kib_at_a_multiple_of_4) {
    for (const u64 gap : {u64{0}, u64{4}, u64{4096}, u64{8192 - 52 - 32 - 12}}) {
        ElfSpec elf = good_elf();
        elf.segments[0].bytes.insert(elf.segments[0].bytes.begin(), gap, 0);
        elf.segments[0].memory_bytes = 0x4000;
        Loaded l;
        BOOST_CHECK_NO_THROW(l.load(elf.bytes()));
    }
}

BOOST_AUTO_TEST_CASE(the_processor_starts_as_the_specification_says) {
    Loaded l;
    l.load(good_elf().bytes());
    BOOST_TEST(l.cpu.r[vmx::RAX] == 0x2badb002u);
    BOOST_TEST((l.cpu.cr0 & vmx::cr0::PE) != 0u);
    BOOST_TEST((l.cpu.cr0 & vmx::cr0::PG) == 0u);
    BOOST_TEST((l.cpu.rflags & (vmx::rflags::IF | vmx::rflags::VM)) == 0u);
    BOOST_TEST(l.cpu.efer == 0u);
    for (const vmx::Seg s : {vmx::CS, vmx::DS, vmx::ES, vmx::FS, vmx::GS, vmx::SS}) {
        const vmx::Segment& seg = l.cpu.seg[s];
        BOOST_TEST(seg.base == 0u);
        BOOST_TEST(seg.limit == 0xffffffffu);
        BOOST_TEST(seg.ar.present());
        BOOST_TEST(seg.ar.big());
        BOOST_TEST((seg.ar.type() & 0xa) == (s == vmx::CS ? 0xa : 2), "read/execute or read/write");
    }
    BOOST_TEST(l.cpu.cpl() == 0u);
    BOOST_TEST(!l.cpu.code64());
}

BOOST_AUTO_TEST_CASE(the_command_line_begins_with_the_images_name) {
    Loaded l;
    l.load(good_elf().bytes(), "n=100 two");
    BOOST_TEST((l.information(0) & 4) != 0u);
    BOOST_TEST(l.text(l.information(16)) == "image.elf n=100 two");
    l.load(good_elf().bytes());
    BOOST_TEST(l.text(l.information(16)) == "image.elf");
    BOOST_TEST(l.text(l.information(64)) == "vmxsim");
}

BOOST_AUTO_TEST_CASE(memory_sizes_and_map_agree) {
    Loaded l;
    l.load(good_elf().bytes());
    BOOST_TEST(l.information(0) == 0x24du);
    BOOST_TEST(l.information(4) == 639u);
    BOOST_TEST(l.information(8) == 31u * 1024);
    const u64 map = l.information(48), length = l.information(44);
    u64 ram = 0, end = 0;
    for (u64 at = map; at < map + length; at += l.at(at) + 4) {
        BOOST_TEST(l.at(at + 4, 8) >= end, "sorted, without overlap");
        end = l.at(at + 4, 8) + l.at(at + 12, 8);
        if (l.at(at + 20) == 1) ram += l.at(at + 12, 8);
    }
    BOOST_TEST(end == 32 * kMiB);
    BOOST_TEST(ram == 31 * kMiB + 0x9fc00);
}

BOOST_AUTO_TEST_CASE(memory_above_the_device_hole_is_in_the_map_only) {
    memory::PhysicalMemory memory(u64{6} << 30);
    const vmx::CpuState cpu = load_multiboot(memory, {HostPhysical{0}, u64{6} << 30}, {"i", good_elf().bytes(), ""});
    const u64 information = cpu.r[vmx::RBX];
    const auto at = [&](u64 address, unsigned bytes) { return memory.read(HostPhysical{address}, bytes); };
    BOOST_TEST(at(information + 8, 4) == (0xfec00000u - 0x100000u) / 1024);
    const u64 last = at(information + 48, 4) + at(information + 44, 4) - 24;
    BOOST_TEST(at(last + 4, 8) == u64{1} << 32);
    BOOST_TEST(at(last + 12, 8) == u64{2} << 30);
}

BOOST_AUTO_TEST_CASE(modules_lie_on_pages_behind_the_image_with_their_command_lines) {
    Loaded l;
    const BootFile a{"a.img", std::vector<u8>(5000, 0xaa), "x y"}, b{"b.img", {1, 2, 3}, ""}, empty{"empty", {}, ""};
    l.load(good_elf().bytes(), "", {a, b, empty});
    BOOST_REQUIRE_EQUAL(l.information(20), 3u);
    const u64 list = l.information(24);
    const u64 first = l.at(list), second = l.at(list + 16);
    BOOST_TEST(first % 4096 == 0u);
    BOOST_TEST(first >= 0x102000u);
    BOOST_TEST(l.at(list + 4) == first + 5000);
    BOOST_TEST(l.at(first, 1) == 0xaau);
    BOOST_TEST(l.at(first + 4999, 1) == 0xaau);
    BOOST_TEST(l.text(l.at(list + 8)) == "a.img x y");
    BOOST_TEST(second >= first + 5000);
    BOOST_TEST(second % 4096 == 0u);
    BOOST_TEST(l.at(second, 2) == 0x0201u);
    BOOST_TEST(l.text(l.at(list + 24)) == "b.img");
    BOOST_TEST(l.at(list + 32) == l.at(list + 36), "empty: it ends where it starts");
}

BOOST_AUTO_TEST_CASE(modules_lie_behind_an_image_that_leaves_room_before_it) {
    ElfSpec elf = good_elf();
    elf.segments[0].physical = 0x800000;
    elf.entry = 0x800020;
    Loaded l;
    l.load(elf.bytes(), "", {{"m", {1}, ""}});
    BOOST_TEST(l.at(l.information(24)) >= 0x802000u);
}

BOOST_AUTO_TEST_CASE(a_segment_without_bytes_is_left_out_wherever_it_is) {
    ElfSpec elf = good_elf(true);
    SegmentSpec empty;
    empty.memory_bytes = 0;
    empty.physical = 0x100800;
    elf.segments.push_back(empty);
    empty.physical = u64{1} << 50;
    elf.segments.push_back(empty);
    Loaded l;
    BOOST_CHECK_NO_THROW(l.load(elf.bytes()));
}

BOOST_AUTO_TEST_CASE(the_information_keeps_clear_of_an_image_in_low_memory) {
    ElfSpec elf = good_elf();
    elf.segments[0].physical = 0x1000;
    elf.segments[0].memory_bytes = 0x9e000;
    elf.entry = 0x1020;
    Loaded l;
    l.load(elf.bytes(), std::string(10000, 'x'));
    BOOST_TEST(l.cpu.r[vmx::RBX] >= 0x100000u);
    BOOST_TEST(l.text(l.information(16)).size() == 10010u);
    BOOST_TEST(l.at(0x1000) == 0x1badb002u);
}

BOOST_AUTO_TEST_CASE(our_own_image_is_loaded_from_its_file) {
    const std::string path = VMXSIM_BINARY_DIR "/guests/hypervisor.elf";
    if (!std::filesystem::exists(path)) {
        BOOST_TEST_MESSAGE("not built: " << path);
        return;
    }
    Loaded l;
    l.cpu = load_multiboot({path, "n=1", {{path, "as a module"}}}, l.memory, l.where.base, l.where.bytes);
    BOOST_TEST(l.at(0x100000) == 0x1badb002u);
    BOOST_TEST(l.at(l.cpu.rip, 1) == 0xfcu, "CLD");
    BOOST_TEST(l.text(l.information(16)) == "hypervisor.elf n=1");
    BOOST_TEST(l.text(l.at(l.information(24) + 8)) == "hypervisor.elf as a module");
}

BOOST_AUTO_TEST_SUITE_END()
