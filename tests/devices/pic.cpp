// SPDX-License-Identifier: Apache-2.0
#include "model/devices/pic.hpp"

#include <boost/test/unit_test.hpp>

using namespace vmxsim;
using namespace vmxsim::devices;

namespace {

struct Machine {
    bool high = false;
    PicPair pic{[this](bool h) { high = h; }};
    IoBus bus;
    Machine() {
        pic.attach_to(bus);
        initialise(1);
    }
    void out(u16 port, unsigned value) { bus.out(port, 1, value); }
    unsigned in(u16 port) { return bus.in(port, 1); }
    void initialise(unsigned icw4) {
        for (const u16 p : {u16{0x20}, u16{0xa0}}) {
            out(p, 0x11);
            out(p + 1, p == 0x20 ? 0x30 : 0x38);
            out(p + 1, p == 0x20 ? 4 : 2);
            out(p + 1, icw4);
        }
    }
    void pulse(unsigned irq) { pic.set_irq(irq, false), pic.set_irq(irq, true); }
    unsigned isr(u16 port) { return out(port, 0x0b), in(port); }
    unsigned irr(u16 port) { return out(port, 0x0a), in(port); }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(pic, Machine)

BOOST_AUTO_TEST_CASE(an_edge_requests_and_its_acknowledgement_gives_the_vector) {
    pulse(4);
    BOOST_TEST(high);
    BOOST_TEST(irr(0x20) == 0x10u);
    BOOST_TEST(pic.acknowledge() == 0x34);
    BOOST_TEST(!high);
    BOOST_TEST(isr(0x20) == 0x10u);
    BOOST_TEST(irr(0x20) == 0u);
}

BOOST_AUTO_TEST_CASE(a_lower_priority_waits_for_the_end_of_interrupt) {
    pulse(1);
    pic.acknowledge();
    pulse(5);
    BOOST_TEST(!high);
    pulse(0);
    BOOST_TEST(high);
    BOOST_TEST(pic.acknowledge() == 0x30);
    out(0x20, 0x20);
    BOOST_TEST(!high);
    out(0x20, 0x20);
    BOOST_TEST(high);
    BOOST_TEST(pic.acknowledge() == 0x35);
}

BOOST_AUTO_TEST_CASE(the_slave_comes_through_the_cascade_and_needs_two_ends) {
    pulse(8);
    BOOST_TEST(pic.acknowledge() == 0x38);
    BOOST_TEST(isr(0x20) == 4u);
    BOOST_TEST(isr(0xa0) == 1u);
    pulse(14);
    BOOST_TEST(!high);
    out(0xa0, 0x20);
    out(0x20, 0x20);
    BOOST_TEST(high);
    BOOST_TEST(pic.acknowledge() == 0x3e);
}

BOOST_AUTO_TEST_CASE(a_mask_holds_a_request_back_without_losing_it) {
    out(0x21, 0x10);
    pulse(4);
    BOOST_TEST(!high);
    BOOST_TEST(irr(0x20) == 0x10u);
    out(0x21, 0);
    BOOST_TEST(high);
    BOOST_TEST(in(0x21) == 0u);
}

BOOST_AUTO_TEST_CASE(a_request_that_goes_away_leaves_a_spurious_interrupt_7) {
    pulse(4);
    pic.set_irq(4, false);
    BOOST_TEST(pic.acknowledge() == 0x37);
    BOOST_TEST(isr(0x20) == 0u);
}

BOOST_AUTO_TEST_CASE(automatic_end_of_interrupt_leaves_nothing_in_service) {
    initialise(3);
    pulse(3);
    BOOST_TEST(pic.acknowledge() == 0x33);
    BOOST_TEST(isr(0x20) == 0u);
    pulse(6);
    BOOST_TEST(high);
}

BOOST_AUTO_TEST_CASE(special_mask_mode_lets_lower_priorities_through) {
    pulse(2 + 1);
    pic.acknowledge();
    out(0x21, 0x08);
    pulse(6);
    BOOST_TEST(!high);
    out(0x20, 0x68);
    BOOST_TEST(high);
    BOOST_TEST(pic.acknowledge() == 0x36);
    out(0x20, 0x63);  // a specific end for the masked one
    BOOST_TEST(isr(0x20) == 0x40u);
    out(0x20, 0x48);
}

BOOST_AUTO_TEST_CASE(rotation_gives_the_served_input_the_lowest_priority) {
    pulse(0);
    pic.acknowledge();
    out(0x20, 0xa0);
    pulse(0);
    pulse(1);
    BOOST_TEST(pic.acknowledge() == 0x31);
    out(0x20, 0xc3);  // set priority: 3 lowest, 4 highest
    out(0x20, 0x61);
    pulse(4);
    BOOST_TEST(pic.acknowledge() == 0x34);
}

BOOST_AUTO_TEST_CASE(a_level_requests_as_long_as_it_is_high) {
    out(0x4d0, 0xff);
    BOOST_TEST(in(0x4d0) == 0xf8u);
    out(0x4d1, 0xff);
    BOOST_TEST(in(0x4d1) == 0xdeu);
    pic.set_irq(5, true);
    BOOST_TEST(pic.acknowledge() == 0x35);
    out(0x20, 0x20);
    BOOST_TEST(high);
    pic.set_irq(5, false);
    BOOST_TEST(!high);
}

BOOST_AUTO_TEST_CASE(a_poll_is_an_acknowledgement_by_reading) {
    pulse(6);
    out(0x20, 0x0c);
    BOOST_TEST(in(0x20) == 0x86u);
    BOOST_TEST(!high);
    BOOST_TEST(isr(0x20) == 0x40u);
}

BOOST_AUTO_TEST_SUITE_END()
