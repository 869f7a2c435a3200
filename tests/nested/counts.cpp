// SPDX-License-Identifier: Apache-2.0
// What one nested exit costs in instructions of L0 (Turtles 4.3; the 2011 series as merged).
#include <boost/test/unit_test.hpp>

#include "tests/nested/bench.hpp"

using namespace nested_bench;

namespace {
nested::UnitStats operator-(const nested::UnitStats& a, const nested::UnitStats& b) {
    nested::UnitStats d = a;
    d.vmread -= b.vmread; d.vmwrite -= b.vmwrite; d.vmptrld -= b.vmptrld; d.vmclear -= b.vmclear;
    d.invvpid -= b.invvpid; d.invept -= b.invept; d.rdmsr -= b.rdmsr; d.wrmsr -= b.wrmsr;
    d.exits_l1 -= b.exits_l1; d.exits_l2 -= b.exits_l2; d.reflected -= b.reflected;
    d.nested_entries -= b.nested_entries; d.l1_vmread -= b.l1_vmread; d.l1_vmwrite -= b.l1_vmwrite;
    return d;
}
void cpuid_exit(Bench& b, unsigned reads, unsigned writes) {
    b.exit(ExitReason::CPUID, 2);
    for (unsigned i = 0; i < reads; ++i) b.vmread(Field::VM_EXIT_REASON);
    for (unsigned i = 0; i < writes; ++i) b.vmwrite(Field::GUEST_RSP, 0x31000);
    b.resume();
}
/// One nested CPUID exit in steady state: the second one after the launch.
nested::UnitStats steady(Bench& b, unsigned reads, unsigned writes) {
    b.run_l2();
    cpuid_exit(b, reads, writes);
    const auto before = b.l0->stats;
    cpuid_exit(b, reads, writes);
    return b.l0->stats - before;
}
}  // namespace

BOOST_AUTO_TEST_SUITE(counts)

BOOST_AUTO_TEST_CASE(a_nested_exit_without_traps_takes_86_vmreads_and_131_vmwrites) {
    Bench b;
    const auto d = steady(b, 0, 0);
    BOOST_TEST(d.vmread == 86u);
    BOOST_TEST(d.vmwrite == 131u);
    BOOST_TEST(d.vmptrld == 2u);
    BOOST_TEST(d.vmclear == 0u);
    BOOST_TEST(d.invvpid == 6u);
    BOOST_TEST(d.invept == 3u);
    BOOST_TEST(d.rdmsr == 11u);
    BOOST_TEST(d.wrmsr == 4u);
    BOOST_TEST(d.exits_l2 == 1u);
    BOOST_TEST(d.exits_l1 == 1u);
    BOOST_TEST(d.reflected == 1u);
    BOOST_TEST(d.nested_entries == 1u);
}

BOOST_AUTO_TEST_CASE(eleven_trapped_accesses_make_229_vmreads_153_vmwrites_and_13_round_trips) {
    Bench b;
    const auto d = steady(b, 7, 4);
    BOOST_TEST(d.vmread == 229u);
    BOOST_TEST(d.vmwrite == 153u);
    BOOST_TEST(d.l1_vmread == 7u);
    BOOST_TEST(d.l1_vmwrite == 4u);
    BOOST_TEST(d.exits_l1 + d.exits_l2 == 13u);
    BOOST_TEST(d.invvpid == 6u);
    BOOST_TEST(d.invept == 3u);
}

BOOST_AUTO_TEST_SUITE_END()
