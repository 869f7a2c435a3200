// SPDX-License-Identifier: Apache-2.0
// Encodings as ACPI 6.4, 6.4 and 20.2 define them.
#include "sim/firmware/aml.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

using namespace vmxsim;
using namespace vmxsim::sim;

namespace {

using Bytes = std::vector<u8>;

Bytes text(std::string_view t) { return {t.begin(), t.end()}; }
Bytes operator+(Bytes a, const Bytes& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

}  // namespace

#define CHECK_BYTES(a, b) \
    do { \
        const Bytes got = (a), wanted = (b); \
        BOOST_CHECK_EQUAL_COLLECTIONS(got.begin(), got.end(), wanted.begin(), wanted.end()); \
    } while (false)

BOOST_AUTO_TEST_SUITE(aml)

BOOST_AUTO_TEST_CASE(integers_take_the_shortest_form) {
    CHECK_BYTES(Aml{}.name_integer("_UID", 1).bytes(), Bytes{8} + text("_UID") + Bytes{1});
    CHECK_BYTES(Aml{}.name_integer("_UID", 2).bytes(), Bytes{8} + text("_UID") + (Bytes{0x0a, 2}));
    CHECK_BYTES(Aml{}.name_integer("_UID", 0x1234).bytes(), Bytes{8} + text("_UID") + (Bytes{0x0b, 0x34, 0x12}));
    CHECK_BYTES(Aml{}.name_integer("X", 0x12345678).bytes(),
                Bytes{8} + text("X___") + (Bytes{0x0c, 0x78, 0x56, 0x34, 0x12}));
}

BOOST_AUTO_TEST_CASE(an_eisa_id_is_three_letters_of_five_bits_and_four_digits) {
    CHECK_BYTES(Aml{}.name_eisa_id("_HID", "PNP0A03").bytes(),
                Bytes{8} + text("_HID") + (Bytes{0x0c, 0x41, 0xd0, 0x0a, 0x03}));
}

BOOST_AUTO_TEST_CASE(a_package_counts_its_elements_and_its_bytes) {
    CHECK_BYTES(Aml{}.name_package("_S5_", {5, 5, 0, 0}).bytes(),
                Bytes{8} + text("_S5_") + (Bytes{0x12, 8, 4, 0x0a, 5, 0x0a, 5, 0, 0}));
}

BOOST_AUTO_TEST_CASE(a_length_of_64_takes_two_bytes_of_which_the_first_has_the_low_four_bits) {
    const Bytes short_one(60, 7), long_one(61, 7);  // with the size's two bytes: 62 and 63
    CHECK_BYTES(Aml{}.name_buffer("B", short_one).bytes(), Bytes{8} + text("B___") + (Bytes{0x11, 63, 0x0a, 60}) + short_one);
    CHECK_BYTES(Aml{}.name_buffer("B", long_one).bytes(),
                Bytes{8} + text("B___") + (Bytes{0x11, 0x41, 0x04, 0x0a, 61}) + long_one);
}

BOOST_AUTO_TEST_CASE(a_scope_is_named_from_the_root_and_a_device_from_where_it_stands) {
    Aml inner;
    inner.name_integer("_UID", 0);
    CHECK_BYTES(Aml{}.device("COM1", inner).bytes(), (Bytes{0x5b, 0x82, 11}) + text("COM1") + inner.bytes());
    CHECK_BYTES(Aml{}.scope("_SB_", inner).bytes(), (Bytes{0x10, 12}) + text("\\_SB_") + inner.bytes());
}

BOOST_AUTO_TEST_CASE(resources_end_with_a_tag) {
    CHECK_BYTES(Resources{}.ports(0x3f8, 8).irq(4).finish(),
                (Bytes{0x47, 1, 0xf8, 3, 0xf8, 3, 1, 8, 0x22, 0x10, 0, 0x79, 0}));
}

BOOST_AUTO_TEST_SUITE_END()
