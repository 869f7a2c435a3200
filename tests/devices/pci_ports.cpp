// SPDX-License-Identifier: Apache-2.0
#include "model/devices/pci_ports.hpp"

#include <boost/test/unit_test.hpp>

using namespace vmxsim;
using devices::PciPorts;

namespace {

constexpr u32 kEnable = 0x80000000;

struct Bus {
    bool reset = false;
    PciPorts ports{[this] { reset = true; }};
    u32 at(u32 address, u16 port = PciPorts::kData, unsigned bytes = 4) {
        ports.out(PciPorts::kFirst, 4, address);
        return ports.in(port, bytes);
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(pci_ports, Bus)

BOOST_AUTO_TEST_CASE(no_device_answers) {
    for (const u32 at_ : {0u, kEnable, kEnable | 8, kEnable | 1u << 8, kEnable | 1u << 11, kEnable | 31u << 11, kEnable | 1u << 16})
        BOOST_TEST(at(at_) == ~u32{0}, at_);
    BOOST_TEST(at(kEnable, PciPorts::kData + 2, 2) == 0xffffu);
    BOOST_TEST(at(kEnable, PciPorts::kData + 3, 1) == 0xffu);
}

BOOST_AUTO_TEST_CASE(the_address_is_a_register_of_four_bytes_that_can_be_read_back) {
    ports.out(PciPorts::kFirst, 4, 0xffffffff);
    BOOST_TEST(ports.in(PciPorts::kFirst, 4) == 0x80fffffcu);
    ports.out(PciPorts::kFirst, 1, 0);
    BOOST_TEST(ports.in(PciPorts::kFirst, 4) == 0x80fffffcu);
}

BOOST_AUTO_TEST_CASE(the_reset_register_resets_as_its_bit_2_rises) {
    ports.out(PciPorts::kReset, 1, 2);
    BOOST_TEST(!reset);
    ports.out(PciPorts::kReset, 1, 6);
    BOOST_TEST(reset);
}

BOOST_AUTO_TEST_SUITE_END()
