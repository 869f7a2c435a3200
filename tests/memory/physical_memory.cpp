// SPDX-License-Identifier: Apache-2.0
#include "model/memory/physical_memory.hpp"

#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <stdexcept>
#include <vector>

using namespace vmxsim;
using namespace vmxsim::memory;

BOOST_AUTO_TEST_SUITE(physical_memory)

BOOST_AUTO_TEST_CASE(fresh_memory_is_zero_and_of_the_size_asked_for) {
    const PhysicalMemory ram(3 * 4096);
    BOOST_TEST(ram.size() == 3 * 4096u);
    BOOST_TEST(ram.read({0}, 8) == 0u);
    BOOST_TEST(ram.read({3 * 4096 - 8}, 8) == 0u);
}

BOOST_AUTO_TEST_CASE(a_huge_memory_costs_nothing_until_it_is_touched) {
    PhysicalMemory ram(u64{1} << 40);
    ram.write({(u64{1} << 40) - 8}, 8, 0x1122334455667788);
    BOOST_TEST(ram.read({(u64{1} << 40) - 8}, 8) == 0x1122334455667788u);
}

BOOST_AUTO_TEST_CASE(numbers_are_little_endian_at_any_alignment_and_size) {
    PhysicalMemory ram(8192);
    ram.write({4093}, 8, 0x8877665544332211);
    BOOST_TEST(ram.read({4093}, 1) == 0x11u);
    BOOST_TEST(ram.read({4094}, 2) == 0x3322u);
    BOOST_TEST(ram.read({4096}, 4) == 0x77665544u);
    ram.write({4094}, 2, 0xffffabcd);
    BOOST_TEST(ram.read({4093}, 8) == 0x88776655'44abcd11u);
    ram.write({4093}, 1, 0x100);
    BOOST_TEST(ram.read({4093}, 4) == 0x44abcd00u);
    ram.write({4093}, 4, 0xffffffff'00000001);
    BOOST_TEST(ram.read({4093}, 8) == 0x88776655'00000001u);
}

BOOST_AUTO_TEST_CASE(outside_reads_are_all_ones_and_writes_are_dropped) {
    PhysicalMemory ram(4096);
    BOOST_TEST(ram.read({4096}, 4) == 0xffffffffu);
    BOOST_TEST(ram.read({~u64{0}}, 8) == ~u64{0});
    ram.write({4096}, 8, 0);
    ram.write({4092}, 8, 0x11111111'22222222);  // half of it inside
    BOOST_TEST(ram.read({4092}, 8) == 0xffffffff'22222222u);
    BOOST_TEST(ram.contains({4088}, 8));
    BOOST_TEST(!ram.contains({4089}, 8));
    BOOST_TEST(!ram.contains({~u64{0}}, 1));
}

BOOST_AUTO_TEST_CASE(blocks_are_cut_at_the_end_of_memory) {
    PhysicalMemory ram(8192);
    std::vector<u8> in(5000, 0x5a);
    ram.write_block({4000}, in);
    std::vector<u8> out(5000, 0);
    ram.read_block({4000}, out);
    BOOST_TEST(out[4191] == 0x5a);
    BOOST_TEST(out[4192] == 0xff);
    BOOST_TEST(out[4999] == 0xff);
    ram.read_block({9000}, out);
    BOOST_TEST(out[0] == 0xff);
}

BOOST_AUTO_TEST_CASE(a_size_that_is_no_multiple_of_a_page_is_a_modellers_mistake) {
    BOOST_CHECK_THROW(PhysicalMemory(4095), std::invalid_argument);
    BOOST_CHECK_THROW(PhysicalMemory(0), std::invalid_argument);
    BOOST_CHECK_THROW(PhysicalMemory(~u64{4095}), std::runtime_error);
}

struct Recorder : CodeWatcher {
    std::vector<std::pair<u64, unsigned>> told;
    unsigned marks = 0;
    void code_written(HostPhysical at, unsigned bytes) override { told.emplace_back(at.raw, bytes); }
    void code_marked() override { ++marks; }
};

BOOST_AUTO_TEST_CASE(the_watcher_hears_of_writes_to_code_pages_only) {
    PhysicalMemory ram(4 * 4096);
    Recorder watcher;
    ram.set_watcher(&watcher);
    ram.mark_code({4096});
    BOOST_TEST(ram.is_code({8191}));
    BOOST_TEST(!ram.is_code({8192}));
    ram.write({0}, 8, 1);
    ram.write({8192}, 8, 1);
    BOOST_TEST(watcher.told.empty());
    ram.write({5000}, 4, 1);
    BOOST_TEST((watcher.told == std::vector<std::pair<u64, unsigned>>{{5000, 4}}));
    ram.unmark_code({4096});
    ram.write({5000}, 4, 1);
    BOOST_TEST(watcher.told.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_write_across_pages_is_told_by_page) {
    PhysicalMemory ram(4 * 4096);
    Recorder watcher;
    ram.set_watcher(&watcher);
    ram.mark_code({4096});
    ram.write({4094}, 8, 0);  // begins before the code page
    ram.write({8190}, 8, 0);  // begins in it
    const std::vector<u8> block(3 * 4096, 0);
    ram.write_block({100}, block);
    BOOST_TEST((watcher.told == std::vector<std::pair<u64, unsigned>>{{4096, 6}, {8190, 2}, {4096, 4096}}));
}

BOOST_AUTO_TEST_CASE(each_watcher_hears_of_the_pages_that_it_has_marked) {
    PhysicalMemory ram(4 * 4096);
    Recorder one, two;
    ram.set_watcher(&one, 0);
    ram.set_watcher(&two, 7);
    ram.mark_code({4096}, 0);
    ram.mark_code({4096}, 7);
    ram.mark_code({8192}, 7);
    ram.write({5000}, 4, 1);
    ram.write({9000}, 4, 1);
    BOOST_TEST((one.told == std::vector<std::pair<u64, unsigned>>{{5000, 4}}));
    BOOST_TEST((two.told == std::vector<std::pair<u64, unsigned>>{{5000, 4}, {9000, 4}}));
    ram.unmark_code({4096}, 7);
    BOOST_TEST(ram.is_code({4096}));
    ram.write({5000}, 4, 1);
    BOOST_TEST(one.told.size() == 2u);
    BOOST_TEST(two.told.size() == 2u);
}

BOOST_AUTO_TEST_CASE(all_hear_of_the_first_code_of_a_page) {
    PhysicalMemory ram(4 * 4096);
    Recorder one, two;
    ram.set_watcher(&one, 0);
    ram.set_watcher(&two, 1);
    ram.mark_code({4096}, 1);
    ram.mark_code({4096}, 0);  // there was some
    BOOST_TEST(one.marks == 1u);
    BOOST_TEST(two.marks == 1u);
    ram.unmark_code({4096}, 0);
    ram.unmark_code({4096}, 1);
    ram.mark_code({4096}, 0);
    BOOST_TEST(two.marks == 2u);
}

BOOST_AUTO_TEST_CASE(addresses_outside_are_never_code) {
    PhysicalMemory ram(4096);
    ram.mark_code({u64{1} << 50});
    BOOST_TEST(!ram.is_code({u64{1} << 50}));
}

BOOST_AUTO_TEST_CASE(a_host_access_beside_memory_reaches_no_other_memory) {
    vmxsim::memory::PhysicalMemory ram(4096);
    for (const long at : {-1L, 4096L, -65536L}) {
        const pid_t child = fork();
        if (child == 0) {
            std::signal(SIGSEGV, SIG_DFL);
            *static_cast<volatile vmxsim::u8*>(ram.host(vmxsim::HostPhysical{0}) + at) = 1;
            _exit(0);
        }
        int status = 0;
        BOOST_REQUIRE(waitpid(child, &status, 0) == child);
        BOOST_TEST(WIFSIGNALED(status), "offset " << at);
    }
}

BOOST_AUTO_TEST_SUITE_END()
