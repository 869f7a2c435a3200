// SPDX-License-Identifier: Apache-2.0
#include "model/devices/pci_host.hpp"

#include <boost/test/unit_test.hpp>

using namespace vmxsim;
using devices::PciHost;

namespace {

constexpr u32 kEnable = 0x80000000;

struct Bus {
    bool reset = false;
    PciHost host{[this] { reset = true; }};
    u32 at(u32 address, u16 port = PciHost::kData, unsigned bytes = 4) {
        host.out(PciHost::kFirst, 4, address);
        return host.in(port, bytes);
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(pci_host, Bus)

BOOST_AUTO_TEST_CASE(the_bridge_is_device_0_of_bus_0_and_alone) {
    BOOST_TEST(at(kEnable) == 0x00081b36u);
    BOOST_TEST(at(kEnable | 8) == 0x06000000u);
    BOOST_TEST(at(kEnable | 0xc) == 0u);  // a header of type 0, of one function
    for (const u32 other : {1u << 8, 1u << 11, 31u << 11, 1u << 16}) BOOST_TEST(at(kEnable | other) == ~u32{0}, other);
}

BOOST_AUTO_TEST_CASE(registers_are_read_in_parts) {
    BOOST_TEST(at(kEnable, PciHost::kData, 2) == 0x1b36u);
    BOOST_TEST(at(kEnable, PciHost::kData + 2, 2) == 0x0008u);
    BOOST_TEST(at(kEnable | 8, PciHost::kData + 3, 1) == 0x06u);
}

BOOST_AUTO_TEST_CASE(without_the_enable_bit_no_device_answers) { BOOST_TEST(at(0) == ~u32{0}); }

BOOST_AUTO_TEST_CASE(the_address_is_a_register_of_four_bytes_that_can_be_read_back) {
    host.out(PciHost::kFirst, 4, 0xffffffff);
    BOOST_TEST(host.in(PciHost::kFirst, 4) == 0x80fffffcu);
    host.out(PciHost::kFirst, 1, 0);
    BOOST_TEST(host.in(PciHost::kFirst, 4) == 0x80fffffcu);
}

BOOST_AUTO_TEST_CASE(nothing_of_the_bridge_can_be_written) {
    at(kEnable | 4);
    host.out(PciHost::kData, 4, 0xffffffff);
    BOOST_TEST(host.in(PciHost::kData, 4) == 0u);
}

BOOST_AUTO_TEST_CASE(the_reset_register_resets_as_its_bit_2_rises) {
    host.out(PciHost::kReset, 1, 2);
    BOOST_TEST(!reset);
    host.out(PciHost::kReset, 1, 6);
    BOOST_TEST(reset);
}

BOOST_AUTO_TEST_SUITE_END()
