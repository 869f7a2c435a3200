// SPDX-License-Identifier: Apache-2.0
// Last branch records and single steps on branches (SDM 19.4.2, 19.4.3, 19.9).
#include <boost/test/unit_test.hpp>

#include "machine.hpp"
#include "model/core/system/handlers.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;

namespace {

constexpr u64 kHandler = 0x24000;

struct Tracing : Machine {
    Tracing() { long64(); }
    void code(std::initializer_list<u8> bytes, u64 at = kCode) {
        for (const u8 b : bytes) poke(at++, b, 1);
    }
    void go() { core.run(core.state.cycles + 100'000); }
    u64 msr(u32 index) {
        u64 value = 0;
        BOOST_REQUIRE(core::read_msr(core, index, value));
        return value;
    }
    u64 from(u64 entry) { return msr(static_cast<u32>(0x680 + entry)); }
    u64 to(u64 entry) { return msr(static_cast<u32>(0x6c0 + entry)); }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(branch_records, Tracing)

BOOST_AUTO_TEST_CASE(taken_branches_and_events_are_recorded_while_lbr_is_set) {
    gate(6, kCode64, kHandler, 14);
    core.state.debugctl = 1;
    code({0xeb, 2, 0x90, 0x90, 0x74, 2, 0xe8, 1, 0, 0, 0, 0x90, 0x0f, 0x0b});  // jmp +2; jz (not taken); call +1; ud2
    core.state.rflags &= ~rflags::ZF;
    code({0xf4}, kHandler);
    go();
    BOOST_TEST(msr(0x1c9) == 3u);
    BOOST_TEST(from(1) == kCode);
    BOOST_TEST(to(1) == kCode + 4);
    BOOST_TEST(from(2) == kCode + 6);
    BOOST_TEST(to(2) == kCode + 12);
    BOOST_TEST(from(3) == kCode + 12);
    BOOST_TEST(to(3) == kHandler);
    BOOST_TEST(msr(0x1dd) == kCode + 6, "the last branch before the exception");
    BOOST_TEST(msr(0x1de) == kCode + 12);
}

BOOST_AUTO_TEST_CASE(without_lbr_nothing_is_recorded_and_select_keeps_kinds_out) {
    code({0xeb, 0, 0xeb, 2, 0x90, 0x90, 0xf4});
    go();
    BOOST_TEST(msr(0x1c9) == 0u);
    core.state.debugctl = 1;
    BOOST_TEST(core::write_msr(core, 0x1c8, 128));  // no near relative jumps
    core.state.rip = kCode;
    core.state.activity = ActivityState::Active;
    go();
    BOOST_TEST(msr(0x1c9) == 0u);
    BOOST_TEST(!core::write_msr(core, 0x1c8, 1u << 9));
    BOOST_TEST(!core::write_msr(core, 0x1c9, 16));
    BOOST_TEST(!core::write_msr(core, 0x680, u64{1} << 47));
    BOOST_TEST(!core::write_msr(core, 0x1dd, 0));
}

BOOST_AUTO_TEST_CASE(a_debug_exception_clears_lbr_and_btf) {
    gate(1, kCode64, kHandler, 14);
    core.state.debugctl = 3;
    core.state.rflags |= rflags::TF;
    code({0x90, 0x90, 0xeb, 1, 0x90, 0x90, 0xf4});
    code({0xf4}, kHandler);
    go();
    BOOST_TEST(core.state.rip == kHandler + 1);
    BOOST_TEST(peek(r(RSP), 8) == kCode + 5, "with BTF the trap waits for the branch");
    BOOST_TEST(core.state.debugctl == 0u);
    BOOST_TEST((core.state.dr6 >> 14 & 1) == 1u);
    BOOST_TEST(msr(0x1c9) == 1u);
}

BOOST_AUTO_TEST_CASE(debugctl_has_the_bits_of_the_processor_only) {
    for (const u64 bit : {0, 1, 6, 11, 12}) BOOST_TEST(core::write_msr(core, 0x1d9, u64{1} << bit));
    for (const u64 bit : {2, 5, 7, 8, 9, 10, 13, 14, 15, 16, 63})
        BOOST_TEST(!core::write_msr(core, 0x1d9, u64{1} << bit));
}

BOOST_AUTO_TEST_SUITE_END()
