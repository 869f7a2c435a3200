// SPDX-License-Identifier: Apache-2.0
// What the MTRRs say of each address, by the rules of SDM 3A, 12.11.4, worked out here anew.
#include <boost/test/unit_test.hpp>

#include "sim/firmware/memory_types.hpp"

using namespace vmxsim;

namespace {

u64 type_of(const core::SystemState& s, u64 at, u64 address_bits) {
    if (at < 0x100000) {
        const std::size_t word = at < 0x80000 ? 0 : at < 0xc0000 ? 1 + (at - 0x80000) / 0x20000 : 3 + (at - 0xc0000) / 0x8000;
        const u64 piece = at < 0x80000 ? at / 0x10000 : at < 0xc0000 ? at % 0x20000 / 0x4000 : at % 0x8000 / 0x1000;
        return s.mtrr_fixed[word] >> 8 * piece & 0xff;
    }
    const u64 address = (u64{1} << address_bits) - 0x1000;
    for (std::size_t i = 0; i < s.mtrr_variable.size(); i += 2) {
        const u64 base = s.mtrr_variable[i], mask = s.mtrr_variable[i + 1];
        if (mask >> 11 & 1 && ((at ^ base) & mask & address) == 0) return base & 0xff;
    }
    return s.mtrr_default & 0xff;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(memory_types)

BOOST_AUTO_TEST_CASE(memory_is_write_back_and_devices_are_uncacheable) {
    for (const u64 bits : {36, 40, 46}) {
        core::SystemState s;
        sim::set_memory_types(s, bits);
        BOOST_TEST((s.mtrr_default & 0xc00) == 0xc00u);  // in force, the fixed ranges too
        for (const u64 ram : {0x0ull, 0x9f000ull, 0x100000ull, 0xbffff000ull, 0x100000000ull, 0x7fffff000ull})
            BOOST_TEST(type_of(s, ram, bits) == 6u, ram);
        for (const u64 device : {0xa0000ull, 0xbf000ull, 0xc0000000ull, 0xfec00000ull, 0xfee00000ull, 0xff000000ull})
            BOOST_TEST(type_of(s, device, bits) == 0u, device);
        BOOST_TEST(type_of(s, 0xf0000, bits) == 5u);  // the firmware's own
        BOOST_TEST(type_of(s, 0xc0000, bits) == 5u);
    }
}

BOOST_AUTO_TEST_SUITE_END()
