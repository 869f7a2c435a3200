// SPDX-License-Identifier: Apache-2.0
#include "model/devices/pit.hpp"

#include <boost/test/unit_test.hpp>

using namespace vmxsim;
using namespace vmxsim::devices;

namespace {

struct Machine {
    u64 cycles = 0, next = Timers::kNever;
    Timers timers{cycles, 1'000'000'000, next};
    Clock clock = timers.clock(Pit::kHz);
    std::vector<std::pair<bool, u64>> edges;  ///< level and tick
    Pit pit{timers, [this](bool high) { edges.push_back({high, clock.ticks(cycles)}); }};
    IoBus bus;
    Machine() { pit.attach_to(bus); }
    void out(u16 port, unsigned value) { bus.out(port, 1, value); }
    unsigned in(u16 port) { return bus.in(port, 1); }
    unsigned count(u16 port) {
        const unsigned low = in(port);
        return low | in(port) << 8;
    }
    /// To the beginning of a tick, event by event.
    void go(u64 tick) {
        const u64 end = clock.cycle_of(tick);
        while (next <= end) cycles = next, timers.advance();
        cycles = end;
    }
    void program(unsigned channel, unsigned mode, unsigned n) {
        out(0x43, channel << 6 | 0x30 | mode << 1);
        out(static_cast<u16>(0x40 + channel), n & 0xff);
        out(static_cast<u16>(0x40 + channel), n >> 8);
    }
};

using Edges = std::vector<std::pair<bool, u64>>;

}  // namespace

BOOST_FIXTURE_TEST_SUITE(pit, Machine)

BOOST_AUTO_TEST_CASE(mode_0_rises_once_at_its_count) {
    program(0, 0, 100);
    go(99);
    BOOST_TEST(count(0x40) == 1u);
    go(5000);
    BOOST_TEST((edges == Edges{{false, 0}, {true, 100}}));
    BOOST_TEST((next == Timers::kNever));
}

BOOST_AUTO_TEST_CASE(mode_2_is_low_for_the_last_tick_of_each_period) {
    program(0, 2, 1000);
    go(2500);
    BOOST_TEST((edges == Edges{{false, 999}, {true, 1000}, {false, 1999}, {true, 2000}}));
    BOOST_TEST(count(0x40) == 500u);
}

BOOST_AUTO_TEST_CASE(mode_3_is_a_square_wave_with_the_longer_half_first) {
    program(0, 3, 101);
    go(210);
    BOOST_TEST((edges == Edges{{false, 51}, {true, 101}, {false, 152}, {true, 202}}));
}

BOOST_AUTO_TEST_CASE(mode_4_strobes_for_one_tick) {
    program(0, 4, 30);
    go(100);
    BOOST_TEST((edges == Edges{{false, 30}, {true, 31}}));
}

BOOST_AUTO_TEST_CASE(an_event_that_is_late_does_not_delay_the_next_one) {
    program(0, 2, 1000);
    cycles = clock.cycle_of(10'500);
    timers.advance();
    BOOST_TEST(edges.size() == 20u);
    BOOST_TEST(next == clock.cycle_of(10'999));
}

BOOST_AUTO_TEST_CASE(a_new_mode_stops_the_old_count) {
    program(0, 2, 1000);
    out(0x43, 0x30);
    go(5000);
    BOOST_TEST((edges == Edges{{false, 0}}));
    out(0x40, 10);
    go(6000);
    BOOST_TEST(edges.size() == 1u);
    out(0x40, 0);
    go(7000);
    BOOST_TEST((edges == Edges{{false, 0}, {true, 6010}}));
}

BOOST_AUTO_TEST_CASE(a_latched_count_stands_until_it_is_read) {
    program(0, 2, 1000);
    go(100);
    out(0x43, 0);
    go(200);
    BOOST_TEST(count(0x40) == 900u);
    BOOST_TEST(count(0x40) == 800u);
}

BOOST_AUTO_TEST_CASE(read_back_gives_status_then_count) {
    program(1, 2, 50);
    out(0x43, 0xc4);
    BOOST_TEST(in(0x41) == 0xb4u);  // output high, two bytes, mode 2
    BOOST_TEST(count(0x41) == 50u);
}

BOOST_AUTO_TEST_CASE(zero_counts_65536_and_bcd_counts_in_tens) {
    program(0, 2, 0);
    go(1);
    BOOST_TEST(count(0x40) == 0xffffu);
    out(0x43, 0x35);
    out(0x40, 0x00);
    out(0x40, 0x10);
    go(2);
    BOOST_TEST(count(0x40) == 0x999u);
}

BOOST_AUTO_TEST_CASE(channel_2_counts_while_its_gate_is_high) {
    program(2, 0, 100);
    go(50);
    BOOST_TEST(count(0x42) == 100u);
    out(0x61, 1);
    go(90);
    BOOST_TEST((in(0x61) & 0x21u) == 0x01u);
    BOOST_TEST(count(0x42) == 60u);
    go(150);
    BOOST_TEST((in(0x61) & 0x20u) == 0x20u);
}

BOOST_AUTO_TEST_SUITE_END()
