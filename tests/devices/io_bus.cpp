// SPDX-License-Identifier: Apache-2.0
#include "model/devices/io_bus.hpp"

#include <boost/test/unit_test.hpp>
#include <stdexcept>
#include <vector>

using namespace vmxsim;
using namespace vmxsim::devices;

namespace {

struct Recorder : PortDevice {
    struct Seen {
        u16 port;
        unsigned bytes;
        u32 value;
        bool operator==(const Seen&) const = default;
    };
    std::vector<Seen> seen;
    u32 answer = 0x12345678;
    u32 in(u16 port, unsigned bytes) override {
        seen.push_back({port, bytes, 0});
        return answer;
    }
    void out(u16 port, unsigned bytes, u32 value) override { seen.push_back({port, bytes, value}); }
};

using Log = std::vector<Recorder::Seen>;

}  // namespace

BOOST_AUTO_TEST_SUITE(io_bus)

BOOST_AUTO_TEST_CASE(unclaimed_ports_read_all_ones_of_the_accesss_width_and_swallow_writes) {
    const IoBus bus;
    BOOST_TEST(bus.in(0x80, 1) == 0xffu);
    BOOST_TEST(bus.in(0x80, 2) == 0xffffu);
    BOOST_TEST(bus.in(0xcf8, 4) == 0xffffffffu);
    BOOST_TEST(bus.in(0xffff, 4) == 0xffffffffu);
    bus.out(0xffff, 4, 0);
}

BOOST_AUTO_TEST_CASE(an_access_inside_a_range_reaches_its_device_whole) {
    IoBus bus;
    Recorder device, other;
    bus.attach(0x10, 0x13, device);
    bus.attach(0x14, 0x14, other);
    BOOST_TEST(bus.in(0x10, 4) == 0x12345678u);
    bus.out(0x12, 2, 0xabcd);
    BOOST_TEST((device.seen == Log{{0x10, 4, 0}, {0x12, 2, 0xabcd}}));
    BOOST_TEST(other.seen.empty());
}

BOOST_AUTO_TEST_CASE(an_access_over_a_ranges_edge_is_one_of_bytes) {
    IoBus bus;
    Recorder device;
    bus.attach(0x10, 0x11, device);
    BOOST_TEST(bus.in(0x11, 4) == 0xffffff78u);
    BOOST_TEST(bus.in(0x0f, 2) == 0x78ffu);
    bus.out(0x0e, 4, 0xd4c3b2a1);
    BOOST_TEST((device.seen == Log{{0x11, 1, 0}, {0x10, 1, 0}, {0x10, 1, 0xc3}, {0x11, 1, 0xd4}}));
}

BOOST_AUTO_TEST_CASE(a_port_cannot_be_claimed_twice) {
    IoBus bus;
    Recorder a, b;
    bus.attach(0x10, 0x1f, a);
    BOOST_CHECK_THROW(bus.attach(0x1f, 0x20, b), std::logic_error);
    BOOST_CHECK_THROW(bus.attach(0x08, 0x10, b), std::logic_error);
    BOOST_CHECK_THROW(bus.attach(0x30, 0x2f, b), std::logic_error);
    bus.attach(0x20, 0x20, b);
    bus.attach(0x0f, 0x0f, b);
}

BOOST_AUTO_TEST_SUITE_END()
