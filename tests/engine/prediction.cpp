// SPDX-License-Identifier: Apache-2.0
// The branch predictor by itself, and through the engine.
#include <boost/test/unit_test.hpp>

#include "model/core/engine/predictor.hpp"

using vmxsim::u64;
using vmxsim::core::engine::Predictor;

namespace {

Predictor small() {
    Predictor p;
    p.penalty = 10;
    p.history_mask = 0xf;
    p.counter_mask = 0xff;
    p.target_mask = 0xf;
    p.return_mask = 3;
    return p;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(prediction)

BOOST_AUTO_TEST_CASE(a_branch_that_is_always_taken_is_learned) {
    Predictor p = small();
    u64 late = 0;
    for (int i = 0; i < 100; ++i) {
        const u64 cycles = p.conditional(0x1000, true);
        if (i >= 10) late += cycles;
    }
    BOOST_TEST(late == 0u);
    BOOST_TEST(p.mispredicts > 0u);  // as the history filled
    BOOST_TEST(p.branches == 100u);
    BOOST_TEST(p.conditional(0x1000, false) == 10u);
}

BOOST_AUTO_TEST_CASE(a_short_pattern_is_learned_by_history) {
    Predictor p = small();
    u64 late = 0;
    for (int i = 0; i < 200; ++i) {
        const u64 cycles = p.conditional(0x1000, i % 3 == 0);
        if (i >= 100) late += cycles;
    }
    BOOST_TEST(late == 0u);
}

BOOST_AUTO_TEST_CASE(without_history_a_pattern_is_missed) {
    Predictor p = small();
    p.history_mask = 0;
    u64 late = 0;
    for (int i = 0; i < 200; ++i) {
        const u64 cycles = p.conditional(0x1000, i % 3 == 0);
        if (i >= 101) late += cycles;
    }
    BOOST_TEST(late == 330u);  // every third
}

BOOST_AUTO_TEST_CASE(returns_are_predicted_as_deep_as_the_stack_is) {
    Predictor p = small();
    for (u64 i = 1; i <= 4; ++i) p.call(i);
    for (u64 i = 4; i >= 1; --i) BOOST_TEST(p.ret(i) == 0u);
    for (u64 i = 1; i <= 5; ++i) p.call(i);
    for (u64 i = 5; i >= 2; --i) BOOST_TEST(p.ret(i) == 0u);
    BOOST_TEST(p.ret(1) == 10u);  // overwritten
}

BOOST_AUTO_TEST_CASE(an_indirect_jump_is_predicted_to_where_it_went_last) {
    Predictor p = small();
    BOOST_TEST(p.indirect(0x1000, 0x2000) == 10u);
    BOOST_TEST(p.indirect(0x1000, 0x2000) == 0u);
    BOOST_TEST(p.indirect(0x1000, 0x3000) == 10u);
    BOOST_TEST(p.indirect(0x1000, 0x3000) == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
