// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>
#include <set>

#include "model/arch/exits.hpp"
#include "model/arch/msrs.hpp"

using namespace vmxsim;
using namespace vmxsim::arch;

BOOST_AUTO_TEST_SUITE(instruction_errors_and_msrs)

BOOST_AUTO_TEST_CASE(errors_run_from_1_to_28_and_each_says_its_condition) {
    u8 next = 1;
    for (const auto& e : kInstructionErrors) {
        BOOST_TEST(unsigned{e.number} == unsigned{next++});
        BOOST_TEST(!e.condition.empty());
        const bool undefined = e.number == 14 || e.number == 21 || e.number == 27;  // SDM table 33-1
        BOOST_TEST((e.condition == "not defined") == undefined);
    }
    BOOST_TEST(std::size(kInstructionErrors) == 28u);
}

BOOST_AUTO_TEST_CASE(capability_msrs_fill_their_range_and_are_set_and_read_by_index) {
    std::set<u32> seen;
    for (const auto& c : msr::kCapabilities) BOOST_TEST(seen.insert(c.index).second, c.name);
    BOOST_TEST(*seen.begin() == msr::VMX_FIRST);
    BOOST_TEST(*seen.rbegin() == msr::VMX_LAST);
    BOOST_TEST(seen.size() == msr::VMX_LAST - msr::VMX_FIRST + 1);
    Capabilities c;
    BOOST_TEST(!c.has_true_controls());
    c.set(msr::IA32_VMX_BASIC, 0x00da040080000012);
    BOOST_TEST(c.has_true_controls());
    BOOST_TEST(c.revision_id() == 0x12u);  // bit 31 is always 0
    c.set(msr::IA32_VMX_EXIT_CTLS2, 5);
    BOOST_TEST(c.get(msr::IA32_VMX_EXIT_CTLS2) == 5u);
}

BOOST_AUTO_TEST_SUITE_END()
