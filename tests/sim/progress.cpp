// SPDX-License-Identifier: Apache-2.0
#include "sim/progress.hpp"

#include <boost/test/unit_test.hpp>

using namespace vmxsim::sim;

BOOST_AUTO_TEST_SUITE(progress)

BOOST_AUTO_TEST_CASE(the_speed_is_of_the_last_part_and_all_else_of_the_whole_run) {
    const Advance before{1'000'000'000, 2'000'000'000}, now{1'100'000'000, 2'600'000'000};
    BOOST_TEST(progress_line(4.25, now, before, 0.5, 2600) ==
               "   4.2 s  1,100 M instructions  200 MIPS  1.000 s simulated");
}

BOOST_AUTO_TEST_CASE(no_time_passed_is_no_speed) {
    BOOST_TEST(progress_line(0, {5, 5}, {}, 0, 1000) == "   0.0 s  0 M instructions  0 MIPS  0.000 s simulated");
}

BOOST_AUTO_TEST_SUITE_END()
