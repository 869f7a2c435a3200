// SPDX-License-Identifier: Apache-2.0
#include "model/devices/cmos.hpp"

#include <boost/test/unit_test.hpp>

#include "model/devices/keyboard.hpp"

using namespace vmxsim;
using namespace vmxsim::devices;

namespace {

constexpr u64 kHz = 1'000'000'000;

struct Machine {
    u64 cycles = 0, next = Timers::kNever;
    Timers timers{cycles, kHz, next};
    unsigned interrupts = 0;
    Cmos cmos{timers, [this](bool high) { interrupts += high; }, u64{512} << 20};
    IoBus bus;
    Machine() { bus.attach(0x70, 0x71, cmos); }
    unsigned get(unsigned index) {
        bus.out(0x70, 1, index);
        return bus.in(0x71, 1);
    }
    void set(unsigned index, unsigned value) {
        bus.out(0x70, 1, index);
        bus.out(0x71, 1, value);
    }
    void go(u64 end) {
        while (next <= end) cycles = next, timers.advance();
        cycles = end;
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(cmos, Machine)

BOOST_AUTO_TEST_CASE(the_clock_starts_at_a_fixed_date_and_runs) {
    BOOST_TEST(get(9) == 0x00u);
    BOOST_TEST(get(8) == 1u);
    BOOST_TEST(get(7) == 1u);
    BOOST_TEST(get(6) == 7u);  // Saturday
    BOOST_TEST(get(0x32) == 0x20u);
    cycles = 60 * 86400 * kHz + 3723 * kHz;  // March 1st of a leap year
    BOOST_TEST(get(8) == 3u);
    BOOST_TEST(get(7) == 1u);
    BOOST_TEST(get(4) == 1u);
    BOOST_TEST(get(2) == 2u);
    BOOST_TEST(get(0) == 3u);
}

BOOST_AUTO_TEST_CASE(fields_are_bcd_or_binary_and_hours_of_12_or_24) {
    cycles = (13 * 3600 + 45) * kHz;
    BOOST_TEST(get(0) == 0x45u);
    BOOST_TEST(get(4) == 0x13u);
    set(0xb, 6);
    BOOST_TEST(get(0) == 45u);
    set(0xb, 4);
    BOOST_TEST(get(4) == (0x80u | 1));
}

BOOST_AUTO_TEST_CASE(a_date_can_be_set) {
    set(0xb, 0x82);
    set(9, 0x26);
    set(8, 0x11);
    set(7, 0x22);
    set(4, 0x17);
    set(0xb, 2);
    BOOST_TEST(get(9) == 0x26u);
    BOOST_TEST(get(8) == 0x11u);
    BOOST_TEST(get(7) == 0x22u);
    BOOST_TEST(get(4) == 0x17u);
    cycles += kHz;
    BOOST_TEST(get(0) == 1u);
}

BOOST_AUTO_TEST_CASE(the_update_is_announced_before_the_second) {
    cycles = kHz / 2;
    BOOST_TEST(get(0xa) == 0x26u);
    cycles = kHz - 1'000'000;
    BOOST_TEST(get(0xa) == 0xa6u);
}

BOOST_AUTO_TEST_CASE(the_periodic_interrupt_comes_at_its_rate_once_acknowledged) {
    set(0xb, 0x42);
    for (unsigned i = 1; i <= 10; ++i) {
        go(i * kHz / 1024 + 1);
        BOOST_TEST(get(0xc) == 0xc0u);
    }
    BOOST_TEST(interrupts >= 10u);
}

BOOST_AUTO_TEST_CASE(the_alarm_matches_its_fields) {
    set(1, 5);
    set(3, 0xff);
    set(5, 0xff);
    set(0xb, 0x22);
    go(4 * kHz + kHz / 2);
    BOOST_TEST(interrupts == 0u);
    go(5 * kHz + 1);
    BOOST_TEST(interrupts == 1u);
    BOOST_TEST((get(0xc) & 0xa0) == 0xa0u);
}

BOOST_AUTO_TEST_CASE(memory_sizes_are_where_firmware_puts_them) {
    BOOST_TEST(get(0x14) == 2u, "equipment: a coprocessor");
    BOOST_TEST((get(0x34) | get(0x35) << 8) == (512u - 16) * 16);
    BOOST_TEST((get(0x15) | get(0x16) << 8) == 640u);
}

BOOST_AUTO_TEST_CASE(the_keyboard_controller_answers_its_tests) {
    unsigned resets = 0;
    KeyboardController k{[&] { ++resets; }};
    BOOST_TEST((k.in(0x64, 1) & 1) == 0u);
    k.out(0x64, 1, 0xaa);
    BOOST_TEST((k.in(0x64, 1) & 1) == 1u);
    BOOST_TEST(k.in(0x60, 1) == 0x55u);
    BOOST_TEST((k.in(0x64, 1) & 1) == 0u);
    k.out(0x64, 1, 0x60);
    k.out(0x60, 1, 0x65);
    k.out(0x64, 1, 0x20);
    BOOST_TEST(k.in(0x60, 1) == 0x65u);
    k.out(0x64, 1, 0xfe);
    BOOST_TEST(resets == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
