// SPDX-License-Identifier: Apache-2.0
#include "model/arch/exits.hpp"

#include <boost/test/unit_test.hpp>
#include <set>
#include <string>

using namespace vmxsim;
using namespace vmxsim::arch;

BOOST_AUTO_TEST_SUITE(exit_reasons)

BOOST_AUTO_TEST_CASE(numbers_run_from_0_without_a_gap_and_names_are_unique_but_for_reserved_ones) {
    std::set<std::string_view> names;
    u16 next = 0;
    for (const auto& r : kExitReasons) {
        BOOST_TEST(r.number == next++);
        BOOST_TEST(names.insert(r.name).second, r.name);
        BOOST_TEST(!r.cause.empty());
        const bool reserved = r.sdm_name == "reserved";
        BOOST_TEST(reserved == (r.name == "RESERVED_" + std::to_string(r.number)), r.name);
    }
    BOOST_TEST(std::size(kExitReasons) == 86u);  // SDM Appendix C: 0 to 85
}

BOOST_AUTO_TEST_CASE(enumerators_are_the_numbers_of_appendix_c) {
    const auto number = [](ExitReason r) { return static_cast<unsigned>(r); };
    BOOST_TEST(number(ExitReason::EXCEPTION_NMI) == 0u);
    BOOST_TEST(number(ExitReason::INTERRUPT_WINDOW) == 7u);
    BOOST_TEST(number(ExitReason::CPUID) == 10u);
    BOOST_TEST(number(ExitReason::VMCALL) == 18u);
    BOOST_TEST(number(ExitReason::CR_ACCESS) == 28u);
    BOOST_TEST(number(ExitReason::INVALID_STATE) == 33u);
    BOOST_TEST(number(ExitReason::MSR_LOAD_FAIL) == 34u);
    BOOST_TEST(number(ExitReason::EPT_VIOLATION) == 48u);
    BOOST_TEST(number(ExitReason::PREEMPTION_TIMER) == 52u);
    BOOST_TEST(number(ExitReason::XRSTORS) == 64u);
}

BOOST_AUTO_TEST_CASE(a_name_is_found_by_number_and_unknown_numbers_have_none) {
    BOOST_TEST(exit_reason_name(10) == "CPUID");
    BOOST_TEST(exit_reason_name(86) == "?");
    BOOST_TEST(exit_reason_name(0x80000021) == "?");  // basic reasons only
}

BOOST_AUTO_TEST_CASE(event_information_packs_vector_type_error_code_and_valid_bit) {
    constexpr EventInfo pf = EventInfo::make(14, EventType::HardwareException, true);
    BOOST_TEST(pf.raw == 0x80000b0eu);
    BOOST_TEST(pf.valid());
    BOOST_TEST(unsigned{pf.vector()} == 14u);
    BOOST_TEST((pf.type() == EventType::HardwareException));
    BOOST_TEST(pf.has_error_code());
    constexpr EventInfo intn = EventInfo::make(0x80, EventType::SoftwareInterrupt);
    BOOST_TEST(intn.raw == 0x80000480u);
    BOOST_TEST(!intn.has_error_code());
    BOOST_TEST(!EventInfo{}.valid());
}

BOOST_AUTO_TEST_SUITE_END()
