// SPDX-License-Identifier: Apache-2.0
#include "model/devices/mmio_bus.hpp"

#include <boost/test/unit_test.hpp>
#include <stdexcept>

using namespace vmxsim;
using namespace vmxsim::devices;

namespace {

struct Recorder : MmioDevice {
    std::vector<std::pair<u64, unsigned>> seen;
    u64 read(u64 offset, unsigned bytes) override {
        seen.push_back({offset, bytes});
        return 0x1122334455667788;
    }
    void write(u64 offset, unsigned bytes, u64) override { seen.push_back({offset, bytes}); }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(mmio_bus)

BOOST_AUTO_TEST_CASE(a_device_gets_offsets_in_its_range_alone) {
    MmioBus bus;
    Recorder device;
    BOOST_TEST(bus.lowest() == ~u64{0});
    bus.attach({0xfed00000}, 0x2000, device);
    BOOST_TEST(bus.lowest() == 0xfed00000u);
    BOOST_TEST(!bus.claims({0xfecfffff}));
    BOOST_TEST(bus.claims({0xfed01fff}));
    BOOST_TEST(!bus.claims({0xfed02000}));
    u32 value = 0;
    bus.read({0xfed01010}, reinterpret_cast<u8*>(&value), 4);
    BOOST_TEST(value == 0x55667788u);
    BOOST_TEST((device.seen.back() == std::pair{u64{0x1010}, 4u}));
}

BOOST_AUTO_TEST_CASE(odd_lengths_come_in_powers_of_two) {
    MmioBus bus;
    Recorder device;
    bus.attach({0x1000}, 0x1000, device);
    u8 bytes[13] = {};
    bus.write({0x1000}, bytes, 13);
    BOOST_TEST((device.seen == std::vector<std::pair<u64, unsigned>>{{0, 8}, {8, 4}, {12, 1}}));
}

BOOST_AUTO_TEST_CASE(overlaps_and_parts_of_pages_are_the_modellers_mistake) {
    MmioBus bus;
    Recorder a, b;
    bus.attach({0x1000}, 0x1000, a);
    BOOST_CHECK_THROW(bus.attach({0x1000}, 0x1000, b), std::logic_error);
    BOOST_CHECK_THROW(bus.attach({0x2000}, 0x800, b), std::logic_error);
}

BOOST_AUTO_TEST_CASE(a_device_can_move_and_vanish) {
    MmioBus bus;
    Recorder device;
    bus.attach({0x1000}, 0x1000, device);
    bus.move(device, {0x5000}, 0x1000);
    BOOST_TEST(!bus.claims({0x1000}));
    BOOST_TEST(bus.claims({0x5000}));
    bus.move(device, {0x5000}, 0);
    BOOST_TEST(!bus.claims({0x5000}));
    BOOST_TEST(bus.lowest() == ~u64{0});
}

BOOST_AUTO_TEST_SUITE_END()
