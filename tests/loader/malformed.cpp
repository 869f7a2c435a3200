// SPDX-License-Identifier: Apache-2.0
// Every way in which a file can be wrong has its line; nothing crashes.
#include <boost/test/unit_test.hpp>
#include <functional>
#include <random>

#include "sim/loader/loader.hpp"
#include "tests/loader/elf_file.hpp"

using namespace vmxsim;
using namespace vmxsim::sim;
using namespace vmxsim::test;

namespace {

std::string error_of(const std::vector<u8>& bytes) {
    try {
        parse_multiboot("f.elf", bytes);
    } catch (const LoadError& e) {
        return e.what();
    }
    return "no error";
}

void check_error(const std::vector<u8>& bytes, const std::string& part) {
    const std::string e = error_of(bytes);
    BOOST_TEST(e.find(part) != std::string::npos, "\"" << e << "\" should say \"" << part << "\"");
    BOOST_TEST(e.starts_with("f.elf: "));
    BOOST_TEST(e.find(", expected ") != std::string::npos);
    BOOST_TEST(e.find('\n') == std::string::npos, "one line");
}

void check_elf(const std::function<void(ElfSpec&)>& change, const std::string& part, bool both = true) {
    for (const bool wide : {false, true}) {
        if (wide && !both) continue;
        ElfSpec elf = good_elf(wide);
        change(elf);
        check_error(elf.bytes(), part);
    }
}

std::vector<u8> with_fields(u32 header, u32 load, u32 load_end, u32 bss_end, u32 entry, std::size_t file_bytes = 256) {
    HeaderSpec spec;
    spec.flags = 0x10000;
    const u32 fields[5] = {header, load, load_end, bss_end, entry};
    std::copy(fields, fields + 5, spec.address_fields);
    std::vector<u8> bytes = spec.bytes();
    bytes.resize(file_bytes, 0x90);
    return bytes;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(malformed)

BOOST_AUTO_TEST_CASE(a_file_without_a_header_is_refused) {
    check_error({}, "no multiboot header");
    check_error(std::vector<u8>(11, 0), "no multiboot header");
    check_error(std::vector<u8>(20000, 0x55), "no multiboot header");
    check_error(good_elf(false, {.magic = 0x1badb003}).bytes(), "no multiboot header");
    check_error(good_elf(false, {.checksum_error = 1}).bytes(), "no multiboot header");
}

BOOST_AUTO_TEST_CASE(a_header_behind_the_first_8_kib_or_at_an_odd_place_is_none) {
    for (const u64 gap : {u64{8192 - 52 - 32 - 8}, u64{20000}, u64{2}}) {
        ElfSpec elf = good_elf();
        elf.segments[0].bytes.insert(elf.segments[0].bytes.begin(), gap, 0);
        elf.segments[0].memory_bytes = 0x10000;
        check_error(elf.bytes(), "no multiboot header");
    }
}

BOOST_AUTO_TEST_CASE(features_that_must_be_understood_and_are_not_are_refused) {
    check_error(good_elf(false, {.flags = 7}).bytes(), "requires features 0x4");
    check_error(good_elf(false, {.flags = 0x8003}).bytes(), "requires features 0x8000");
    BOOST_TEST(error_of(good_elf(false, {.flags = 0xfffe0003}).bytes()) == "no error", "flags 17 to 31 are optional");
}

BOOST_AUTO_TEST_CASE(a_file_of_another_format_is_refused) {
    check_error(HeaderSpec{}.bytes(), "neither an ELF file nor");
    check_elf([](ElfSpec& e) { e.elf_class = 3; }, "ELF class 3");
    check_elf([](ElfSpec& e) { e.order = 2; }, "byte order 2");
    check_elf([](ElfSpec& e) { e.type = 3; }, "ELF type 3");
    check_elf([](ElfSpec& e) { e.machine = 183; }, "ELF machine 183");
}

BOOST_AUTO_TEST_CASE(a_file_that_is_cut_short_is_refused_at_any_length) {
    for (const bool wide : {false, true}) {
        const std::vector<u8> whole = good_elf(wide).bytes();
        for (std::size_t n = 0; n < whole.size(); ++n) {
            const std::vector<u8> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
            BOOST_REQUIRE_NE(error_of(part), "no error");
        }
    }
}

BOOST_AUTO_TEST_CASE(program_headers_beyond_the_file_are_refused) {
    check_elf([](ElfSpec& e) { e.phoff = 0x10000; }, "beyond the end of the file");
    check_elf([](ElfSpec& e) { e.phoff = 0xffffffff; }, "beyond the end of the file");
    check_elf([](ElfSpec& e) { e.phnum = 0xffff; }, "beyond the end of the file");
    check_elf([](ElfSpec& e) { e.phentsize = 8; }, "program headers of 8 bytes");
    ElfSpec elf = good_elf(true);
    elf.phoff = ~u64{0} - 20;
    check_error(elf.bytes(), "beyond the end of the file");
}

BOOST_AUTO_TEST_CASE(segments_beyond_the_file_are_refused) {
    check_elf([](ElfSpec& e) { e.segments[0].offset = 0x10000; }, "beyond the end of the file");
    check_elf([](ElfSpec& e) { e.segments[0].file_bytes = 0x1000; }, "beyond the end of the file");
    ElfSpec elf = good_elf(true);
    elf.segments[0].offset = ~u64{0} - 10;
    check_error(elf.bytes(), "beyond the end of the file");
    elf = good_elf(true);
    elf.segments[0].file_bytes = ~u64{0} - 1;
    elf.segments[0].memory_bytes = ~u64{0};
    check_error(elf.bytes(), "beyond the end of the file");
}

BOOST_AUTO_TEST_CASE(sizes_and_addresses_that_cannot_be_are_refused) {
    check_elf([](ElfSpec& e) { e.segments[0].memory_bytes = 255; }, "no more in the file than in memory");
    check_elf([](ElfSpec& e) { e.segments[0].physical = 0xfffff000; }, "an end below 4 GiB");
    ElfSpec elf = good_elf(true);
    elf.segments[0].physical = u64{1} << 40;
    check_error(elf.bytes(), "an end below 4 GiB");
    elf = good_elf(true);
    elf.segments[0].memory_bytes = ~u64{0} - 0x1000;
    check_error(elf.bytes(), "an end below 4 GiB");
}

BOOST_AUTO_TEST_CASE(segments_that_overlap_are_refused_whatever_their_order) {
    for (const u64 address : {u64{0x101fff}, u64{0x100000}, u64{0xff001}})
        check_elf(
            [=](ElfSpec& e) {
                SegmentSpec s;
                s.physical = address;
                s.memory_bytes = 0x1000;
                s.bytes = {1};
                e.segments.push_back(s);
            },
            "overlap");
    ElfSpec elf = good_elf();
    SegmentSpec s;
    s.physical = 0x102000;
    elf.segments.push_back(s);
    BOOST_TEST(error_of(elf.bytes()) == "no error", "side by side");
}

BOOST_AUTO_TEST_CASE(an_image_without_segments_or_with_its_entry_outside_is_refused) {
    check_elf([](ElfSpec& e) { e.segments[0].type = 2; }, "nothing to load");
    check_elf([](ElfSpec& e) { e.entry = 0x102000; }, "lies in no segment");
    check_elf([](ElfSpec& e) { e.entry = 0xfffff; }, "lies in no segment");
}

BOOST_AUTO_TEST_CASE(address_fields_that_contradict_each_other_are_refused) {
    BOOST_TEST(error_of(with_fields(0x100000, 0x100000, 0x100100, 0x101000, 0x100020)) == "no error");
    check_error(with_fields(0x100000, 0x100010, 0, 0, 0x100020), "load_addr <= header_addr");
    check_error(with_fields(0x100010, 0x100000, 0, 0, 0x100020), "before the beginning of the file");
    check_error(with_fields(0x100000, 0x100000, 0xfffff, 0, 0x100020), "load_end_addr >= load_addr");
    check_error(with_fields(0x100000, 0x100000, 0x100101, 0, 0x100020), "beyond the end of the file");
    check_error(with_fields(0x100000, 0x100000, 0xffffffff, 0, 0x100020), "beyond the end of the file");
    check_error(with_fields(0x100000, 0x100000, 0x100100, 0x1000ff, 0x100020), "bss_end_addr");
    check_error(with_fields(0x100000, 0x100000, 0x100000, 0, 0x100000), "nothing to load");
    check_error(with_fields(0x100000, 0x100000, 0x100100, 0, 0x100100), "outside the image");
    check_error(with_fields(0x100000, 0x100000, 0x100100, 0, 0xfffff), "outside the image");
    check_error(with_fields(0xffffff80, 0xffffff80, 0, 0, 0xffffff80), "below 4 GiB");
    check_error(with_fields(0x100000, 0x100000, 0, 0, 0x100000, 31), "beyond the end of the file");
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_into_memory_is_refused) {
    memory::PhysicalMemory memory(8 << 20);
    const auto error = [&](u64 bytes, const BootFile& image, const std::vector<BootFile>& modules) -> std::string {
        try {
            load_multiboot(memory, {HostPhysical{0x1000}, bytes}, image, modules);
        } catch (const LoadError& e) {
            return e.what();
        }
        return "no error";
    };
    const BootFile image{"i.elf", good_elf().bytes(), ""};
    BOOST_TEST(error(0x102000, image, {}) == "no error");
    BOOST_TEST(error(0x101fff, image, {}).starts_with("i.elf: the image does not fit into 1 MiB"));
    BOOST_TEST(error(0, image, {}).starts_with("i.elf: the image does not fit"));
    BOOST_TEST(error(0x110000, image, {{"m", std::vector<u8>(0xe000), ""}}) == "no error");
    BOOST_TEST(error(0x110000, image, {{"m", std::vector<u8>(0xe001), ""}}).starts_with("m: the module does not fit"));
    BOOST_TEST(error(0x102000, {"i.elf", good_elf().bytes(), std::string(1 << 20, 'x')}, {})
                   .starts_with("i.elf: no room for"));
    BOOST_CHECK_THROW(load_multiboot(memory, {HostPhysical{0x1000}, 8 << 20}, image), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(a_path_that_is_no_readable_file_is_refused) {
    BOOST_CHECK_THROW(read_boot_file("/nonexistent/image"), LoadError);
    BOOST_CHECK_THROW(read_boot_file("/"), LoadError);
    BOOST_CHECK_THROW(read_boot_file("/dev/zero"), LoadError);
}

BOOST_AUTO_TEST_CASE(twenty_thousand_mutations_of_good_images_end_with_a_state_or_one_error_line) {
    std::mt19937_64 random(20261122);
    memory::PhysicalMemory memory(8 << 20);
    const GuestMemory where{HostPhysical{0x300000}, 0x200000};
    const std::vector<u8> marks(4096, 0x77);
    memory.write_block(where.base - 4096, marks);
    memory.write_block(where.base + where.bytes, marks);
    const std::vector<u8> good[] = {good_elf(false).bytes(), good_elf(true).bytes(),
                                    with_fields(0x100000, 0x100000, 0x100100, 0x101000, 0x100020)};
    constexpr u64 interesting[] = {0,
                                   1,
                                   2,
                                   0x7f,
                                   0x80,
                                   0xff,
                                   0xfff,
                                   0x1000,
                                   0x7fffffff,
                                   0x80000000,
                                   0xfffff000,
                                   0xffffffff,
                                   0x7fffffffffffffff,
                                   0x8000000000000000,
                                   0xfffffffffffff000,
                                   0xffffffffffffffff};
    unsigned loaded = 0;
    for (unsigned i = 0; i < 20000; ++i) {
        std::vector<u8> bytes = good[i % 3];
        for (u64 changes = 1 + random() % 3; changes; --changes) {
            const u64 at = random() % std::min<u64>(bytes.size(), 160);
            const unsigned width = 1u << random() % 4;
            if (random() % 2) {
                bytes[at] = static_cast<u8>(random());
            } else if (at + width <= bytes.size()) {
                put(bytes, at, interesting[random() % std::size(interesting)], width);
            }
        }
        if (random() % 8 == 0) bytes.resize(random() % (bytes.size() + 1));
        bytes.shrink_to_fit();
        try {
            const vmx::CpuState cpu = load_multiboot(memory, where, {"f", bytes, "a"});
            BOOST_REQUIRE(cpu.rip < where.bytes);
            BOOST_REQUIRE(cpu.r[vmx::RBX] < where.bytes);
            ++loaded;
        } catch (const LoadError& e) {
            BOOST_REQUIRE(std::string(e.what()).find(", expected ") != std::string::npos);
        }
    }
    BOOST_TEST(loaded > 1000u, "many mutations are harmless: " << loaded);
    std::vector<u8> after(4096);
    memory.read_block(where.base - 4096, after);
    BOOST_TEST((after == marks), "memory below the guest's is untouched");
    memory.read_block(where.base + where.bytes, after);
    BOOST_TEST((after == marks), "memory above the guest's is untouched");
}

BOOST_AUTO_TEST_SUITE_END()
