// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>
#include <set>

#include "model/arch/vmcs_layout.hpp"

using namespace vmxsim;
using namespace vmxsim::arch;

BOOST_AUTO_TEST_SUITE(vmcs_fields)

BOOST_AUTO_TEST_CASE(width_and_type_of_a_row_are_those_of_its_encoding) {
    for (const auto& f : kFields) {  // SDM 27.11.2
        BOOST_TEST((f.encoding >> 13 & 3) == static_cast<u32>(f.width), f.name);
        BOOST_TEST((f.encoding >> 10 & 3) == static_cast<u32>(f.type), f.name);
        BOOST_TEST((f.encoding & 1) == 0u, f.name);
        BOOST_TEST((f.encoding >> 12 & 1) == 0u, f.name);
    }
}

BOOST_AUTO_TEST_CASE(names_and_encodings_are_unique) {
    std::set<std::string_view> names;
    std::set<u32> encodings;
    for (const auto& f : kFields) {
        BOOST_TEST(names.insert(f.name).second, f.name);
        BOOST_TEST(encodings.insert(f.encoding).second, f.name);
    }
    BOOST_TEST(kFieldCount == 206u);
}

BOOST_AUTO_TEST_CASE(every_16_bit_word_decodes_to_its_row_or_to_nothing) {
    std::size_t full = 0, high = 0;
    for (u32 e = 0; e < 0x10000; ++e) {
        const auto d = decode_encoding(e);
        if (!d) continue;
        BOOST_TEST((encoding_of(d->field) | (d->high ? 1u : 0u)) == e);
        ++(d->high ? high : full);
    }
    BOOST_TEST(full == kFieldCount);
    BOOST_TEST(high == 78u);  // the 64-bit fields
    BOOST_TEST(!decode_encoding(u64{1} << 32 | encoding_of(Field::GUEST_RIP)));
}

BOOST_AUTO_TEST_CASE(generic_layout_keeps_fields_apart_and_types_on_lines_of_their_own) {
    std::set<u16> used;
    for (const auto& f : kFields) {
        BOOST_TEST(f.generic_offset % 8 == 0u);
        BOOST_TEST(f.generic_offset >= 64u);
        BOOST_TEST(f.generic_offset < 4096u);
        BOOST_TEST(used.insert(f.generic_offset).second, f.name);
    }
    LineMask seen = 1;
    for (const LineMask m : kGenericLayout.lines) {
        BOOST_TEST((seen & m) == 0u);
        seen |= m;
    }
}

BOOST_AUTO_TEST_CASE(page_access_is_as_wide_as_the_field) {
    VmcsPage p;
    p.set(Field::GUEST_CS_SELECTOR, 0x12345678);
    BOOST_TEST(p.get(Field::GUEST_CS_SELECTOR) == 0x5678u);
    p.set(Field::GUEST_RIP, ~u64{0});
    BOOST_TEST(p.get(Field::GUEST_RIP) == ~u64{0});
    BOOST_TEST(p.get(Field::GUEST_CS_SELECTOR) == 0x5678u);
}

BOOST_AUTO_TEST_SUITE_END()
