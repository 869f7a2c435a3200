// SPDX-License-Identifier: Apache-2.0
// The BIOS data area: what images that look for low memory find.
#include <boost/test/unit_test.hpp>

#include "sim/firmware/bios_data.hpp"

using namespace vmxsim;
using namespace vmxsim::sim;

BOOST_AUTO_TEST_SUITE(bios_data)

BOOST_AUTO_TEST_CASE(low_memory_ends_where_the_extended_area_begins) {
    memory::PhysicalMemory ram(4 << 20);
    const HostPhysical base{1 << 20};
    write_bios_data(ram, base);
    const u64 segment = ram.read(base + 0x40e, 2), kib = ram.read(base + 0x413, 2);
    BOOST_TEST(segment * 16 == 0x9fc00u);
    BOOST_TEST(kib == 639u);
    BOOST_TEST(segment * 16 == kib * 1024);
    BOOST_TEST(kib + ram.read(base + segment * 16, 1) == 640u, "and reaches 640 KiB");
}

BOOST_AUTO_TEST_CASE(one_serial_port_is_told) {
    memory::PhysicalMemory ram(4 << 20);
    write_bios_data(ram, HostPhysical{0});
    BOOST_TEST(ram.read(HostPhysical{0x400}, 2) == 0x3f8u);
    BOOST_TEST((ram.read(HostPhysical{0x410}, 2) >> 9 & 7) == 1u);
    BOOST_TEST(ram.read(HostPhysical{0x402}, 2) == 0u, "no second one");
}

BOOST_AUTO_TEST_SUITE_END()
