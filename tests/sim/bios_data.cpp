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

BOOST_AUTO_TEST_CASE(functions_are_refused_and_other_vectors_return) {
    memory::PhysicalMemory ram(4 << 20);
    write_bios_data(ram, HostPhysical{0});
    const auto handler = [&](unsigned vector) {
        const u64 pointer = ram.read(HostPhysical{4 * vector}, 4);
        return (pointer >> 16) * 16 + (pointer & 0xffff);
    };
    for (const unsigned vector : {0u, 8u, 0xfu, 0x70u, 0xffu}) BOOST_TEST(ram.read(HostPhysical{handler(vector)}, 1) == 0xcfu);
    for (const unsigned vector : {0x10u, 0x13u, 0x15u, 0x16u}) BOOST_TEST(handler(vector) == kNoService);
    BOOST_TEST(ram.read(HostPhysical{kNoService + 3}, 4) == 0x01064e83u, "or word [bp + 6], 1: carry");
    BOOST_TEST(ram.read(HostPhysical{kNoService + 7}, 2) == 0x86b4u, "mov ah, 86h");
}

BOOST_AUTO_TEST_SUITE_END()
