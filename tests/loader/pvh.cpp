// SPDX-License-Identifier: Apache-2.0
// Kernels with Xen's PVH entry: how they are known, what is in memory and in the processor.
#include <boost/test/unit_test.hpp>

#include "sim/loader/linux.hpp"
#include "sim/loader/pvh.hpp"
#include "tests/loader/elf_file.hpp"

using namespace vmxsim;
using namespace vmxsim::sim;
using namespace vmxsim::test;

namespace {

constexpr u64 kMiB = 1 << 20, kEntry = 0x100040;

void add_note(std::vector<u8>& to, const std::string& owner, u32 type, u64 value, unsigned bytes) {
    const std::size_t at = to.size(), owner_room = (owner.size() + 4) & ~std::size_t{3};
    to.resize(at + 12 + owner_room + ((bytes + 3) & ~3u));
    put(to, at, owner.size() + 1, 4);
    put(to, at + 4, bytes, 4);
    put(to, at + 8, type, 4);
    std::copy(owner.begin(), owner.end(), to.begin() + static_cast<std::ptrdiff_t>(at + 12));
    put(to, at + 12 + owner_room, value, bytes);
}

/// One segment at 1 MiB and a note that names `entry`; e_entry means nothing.
ElfSpec pvh_elf(bool wide, u64 entry = kEntry) {
    ElfSpec elf;
    elf.wide = wide;
    elf.machine = wide ? 62 : 3;
    elf.entry = 0;
    SegmentSpec code, notes;
    code.bytes.assign(256, 0x90);
    notes.type = 4;
    add_note(notes.bytes, "GNU", 3, 0x1234, 4);
    add_note(notes.bytes, "Xen", 18, entry, wide ? 8 : 4);
    elf.segments = {code, notes};
    return elf;
}

struct Loaded {
    memory::PhysicalMemory memory{64 * kMiB};
    GuestMemory where{HostPhysical{16 * kMiB}, 32 * kMiB};
    vmx::CpuState cpu{};
    void load(const std::vector<u8>& bytes, const std::string& arguments = "", const std::vector<BootFile>& modules = {}) {
        cpu = load_pvh(memory, where, {"kernel", bytes, arguments}, modules);
    }
    u64 get(u64 at, unsigned bytes) const { return memory.read(where.base + at, bytes); }
    std::string text(u64 at) const {
        std::string out;
        for (; get(at, 1); ++at) out += static_cast<char>(get(at, 1));
        return out;
    }
    u64 info() const { return cpu.r[vmx::RBX]; }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(pvh)

BOOST_AUTO_TEST_CASE(the_note_makes_an_elf_file_a_pvh_kernel) {
    for (const bool wide : {false, true}) {
        BOOST_TEST(pvh_entry(pvh_elf(wide).bytes()).value_or(0) == kEntry);
        BOOST_TEST((image_kind(pvh_elf(wide).bytes()) == ImageKind::Pvh));
    }
    ElfSpec plain = pvh_elf(true);
    plain.segments.pop_back();
    BOOST_TEST((image_kind(plain.bytes()) == ImageKind::Vmlinux));
}

BOOST_AUTO_TEST_CASE(a_multiboot_header_counts_more_than_the_note) {
    ElfSpec elf = pvh_elf(false);
    elf.segments[0].bytes = HeaderSpec{}.bytes();
    BOOST_TEST((image_kind(elf.bytes()) == ImageKind::Multiboot));
}

BOOST_AUTO_TEST_CASE(a_linux_kernel_keeps_its_64_bit_boot_protocol) {
    ElfSpec built = pvh_elf(true), guest = pvh_elf(true);
    add_note(built.segments[1].bytes, "Linux", 0x100, 0, 4);
    add_note(guest.segments[1].bytes, "Xen", 6, 0x78756e696c, 6);  // GUEST_OS "linux"
    BOOST_TEST((image_kind(built.bytes()) == ImageKind::Vmlinux));
    BOOST_TEST((image_kind(guest.bytes()) == ImageKind::Vmlinux));
}

BOOST_AUTO_TEST_CASE(notes_that_leave_the_file_are_none) {
    ElfSpec elf = pvh_elf(true);
    elf.segments[1].file_bytes = elf.segments[1].bytes.size() + 64;
    BOOST_TEST(!pvh_entry(elf.bytes()));
    elf.segments[1].offset = 0x10000;
    BOOST_TEST(!pvh_entry(elf.bytes()));
}

BOOST_AUTO_TEST_CASE(the_processor_is_in_32_bit_mode_and_ebx_names_the_start_information) {
    Loaded m;
    m.load(pvh_elf(true).bytes());
    BOOST_TEST(m.cpu.rip == kEntry);
    BOOST_TEST(m.cpu.cr0 == (vmx::cr0::PE | vmx::cr0::ET));
    BOOST_TEST(m.cpu.cr4 == 0u);
    BOOST_TEST((m.cpu.rflags & (vmx::rflags::IF | vmx::rflags::TF | vmx::rflags::VM)) == 0u);
    for (const auto seg : {vmx::CS, vmx::DS, vmx::ES, vmx::SS}) {
        BOOST_TEST(m.cpu.seg[seg].base == 0u);
        BOOST_TEST(m.cpu.seg[seg].limit == 0xffffffffu);
    }
    BOOST_TEST(m.cpu.seg[vmx::TR].limit == 0x67u);
    BOOST_TEST(m.get(m.info(), 4) == 0x336ec578u);
    BOOST_TEST(m.get(m.info() + 4, 4) == 1u, "version");
    BOOST_TEST(m.get(0x100000, 1) == 0x90u);
}

BOOST_AUTO_TEST_CASE(command_line_modules_and_memory_map_are_in_the_start_information) {
    Loaded m;
    m.load(pvh_elf(false).bytes(), "a=1 b", {{"m0", {1, 2, 3}, "first"}, {"m1", {4}, ""}});
    BOOST_TEST(m.text(m.get(m.info() + 24, 8)) == "a=1 b");
    BOOST_TEST(m.get(m.info() + 12, 4) == 2u);
    const u64 list = m.get(m.info() + 16, 8);
    BOOST_TEST(m.get(m.get(list, 8), 4) == 0x030201u);
    BOOST_TEST(m.get(list + 8, 8) == 3u);
    BOOST_TEST(m.text(m.get(list + 16, 8)) == "first");
    BOOST_TEST(m.get(m.get(list + 32, 8), 1) == 4u);
    BOOST_TEST(m.text(m.get(list + 32 + 16, 8)) == "");
    BOOST_TEST(m.get(list, 8) % 4096 == 0u);
    BOOST_TEST(m.get(m.info() + 48, 4) == 2u);
    const u64 map = m.get(m.info() + 40, 8);
    BOOST_TEST(m.get(map, 8) == 0u);
    BOOST_TEST(m.get(map + 24, 8) == kMiB);
    BOOST_TEST(m.get(map + 24 + 8, 8) == 31 * kMiB);
    BOOST_TEST(m.get(map + 24 + 16, 4) == 1u, "RAM");
}

BOOST_AUTO_TEST_CASE(without_modules_there_is_no_list) {
    Loaded m;
    m.load(pvh_elf(false).bytes());
    BOOST_TEST(m.get(m.info() + 16, 8) == 0u);
}

BOOST_AUTO_TEST_CASE(an_entry_outside_the_image_and_too_little_memory_are_refused) {
    Loaded m;
    BOOST_CHECK_THROW(m.load(pvh_elf(true, 0x200000).bytes()), LoadError);
    ElfSpec large = pvh_elf(true);
    large.segments[0].memory_bytes = 40 * kMiB;
    BOOST_CHECK_THROW(m.load(large.bytes()), LoadError);
}

BOOST_AUTO_TEST_SUITE_END()
