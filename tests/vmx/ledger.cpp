// SPDX-License-Identifier: Apache-2.0
#include "model/vmx/ledger.hpp"

#include <numeric>

#include "tests/vmx/machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;

namespace {

u64 sum(const std::vector<u64>& v) { return std::accumulate(v.begin(), v.end(), u64{0}); }
u64 at(const Episode& e, BucketId b) { return b < e.cycles.size() ? e.cycles[b] : 0; }

}  // namespace

BOOST_AUTO_TEST_SUITE(vmx_ledger)

BOOST_AUTO_TEST_CASE(the_buckets_sum_is_the_runs_length_to_the_cycle) {
    Ledger l;
    const BucketId mine = l.bucket("prepare_vmcs02: guest segments");
    BOOST_TEST(mine == kStandardBuckets);
    BOOST_TEST(l.bucket("prepare_vmcs02: guest segments") == mine);
    u64 now = 3;
    for (u64 i = 0; i < 1000; ++i) {
        l.charge(static_cast<BucketId>(i * 7 % (mine + 1u)), now);
        now += i % 13;
    }
    l.settle(now);
    BOOST_TEST(sum(l.totals()) == now);
}

BOOST_AUTO_TEST_CASE(charge_returns_the_former_bucket_and_the_scope_gives_it_back) {
    Ledger l;
    u64 now = 0;
    BOOST_TEST(l.charge(kGuestCode, now) == kRootCode);
    {
        now = 10;
        const Charge scope(l, kVmExit, now);
        now = 25;
    }
    BOOST_TEST(l.current() == kGuestCode);
    l.settle(30);
    BOOST_TEST(l.totals()[kGuestCode] == 15u);
    BOOST_TEST(l.totals()[kVmExit] == 15u);
}

BOOST_AUTO_TEST_CASE(an_episode_of_level_2_goes_on_over_those_of_level_1_inside_it) {
    Ledger l;
    l.open({2, 10}, 100);
    l.charge(kVmExit, 110);
    l.open({1, 23}, 120);  // a VMREAD of L1 within the handling of L2's CPUID
    l.charge(kRootCode, 130);
    l.close(1, 150);
    BOOST_TEST(!l.is_open(1));
    BOOST_TEST(l.is_open(2));
    l.open({1, 24}, 160);
    l.close(2, 200);
    BOOST_TEST(!l.is_open(1));
    BOOST_TEST(!l.is_open(2));
    l.settle(300);
    const auto& e = l.episodes();
    BOOST_TEST(e.at({2, 10}).count == 1u);
    BOOST_TEST(sum(e.at({2, 10}).cycles) == 100u);
    BOOST_TEST(at(e.at({2, 10}), kVmExit) == 20u);
    BOOST_TEST(sum(e.at({1, 23}).cycles) == 30u);
    BOOST_TEST(at(e.at({1, 23}), kVmExit) == 10u);
    BOOST_TEST(sum(e.at({1, 24}).cycles) == 40u);
    BOOST_TEST(sum(l.totals()) == 300u);
}

BOOST_AUTO_TEST_CASE(an_episode_that_does_not_come_to_its_end_does_not_count) {
    Ledger l;
    l.open({1, 10}, 0);
    l.open({2, 12}, 5);  // the guest of level 1 never ran again
    l.settle(8);
    BOOST_TEST(!l.is_open(1));
    BOOST_TEST(l.episodes().empty());
    l.open({2, 12}, 10);  // nor that of level 2
    l.close(2, 14);
    BOOST_TEST(l.episodes().size() == 1u);
    BOOST_TEST(l.episodes().at({2, 12}).count == 1u);
    BOOST_TEST(sum(l.episodes().at({2, 12}).cycles) == 4u);
}

BOOST_AUTO_TEST_CASE(exit_and_entry_charge_their_hardware_part_and_bound_an_episode_of_level_1) {
    Machine m;
    m.timing.exit_base = 1000;
    m.timing.entry_base = 2000;
    m.enter();
    BOOST_TEST(m.ledger.current() == kGuestCode);
    BOOST_TEST(!m.ledger.is_open(1));
    m.cpu.cycles += 50;  // the guest runs
    const u64 exit_at = m.cpu.cycles;
    ExitInfo i;
    i.reason = arch::ExitReason::CPUID;
    m.vmx.exit(i);
    BOOST_TEST(m.ledger.current() == kRootCode);
    const u64 exit_cost = m.cpu.cycles - exit_at;
    m.cpu.cycles += 70;  // the hypervisor runs
    const u64 entry_at = m.cpu.cycles;
    BOOST_TEST((m.vmx.vmresume().kind == EntryResult::Entered));
    const u64 entry_cost = m.cpu.cycles - entry_at;
    BOOST_TEST(!m.ledger.is_open(1));
    m.cpu.cycles += 40;  // the guest runs again, outside the episode
    m.ledger.settle(m.cpu.cycles);
    const Episode& e = m.ledger.episodes().at({1, 10});
    BOOST_TEST(e.count == 1u);
    BOOST_TEST(at(e, kVmExit) == exit_cost);
    BOOST_TEST(at(e, kRootCode) == 70u);
    BOOST_TEST(at(e, kVmEntry) == entry_cost);
    BOOST_TEST(at(e, kGuestCode) == 0u);
    BOOST_TEST(m.ledger.totals()[kGuestCode] == 90u);
    BOOST_TEST(sum(m.ledger.totals()) == m.cpu.cycles);
}

BOOST_AUTO_TEST_CASE(an_episode_of_level_2_spans_the_exits_of_level_1_within_it_and_ends_with_the_entry_of_level_2) {
    Machine m;
    m.vmx.set_guest_level(2);
    m.enter();
    BOOST_TEST(m.ledger.current() == kNestedCode);
    ExitInfo i;
    i.reason = arch::ExitReason::CPUID;
    m.vmx.exit(i);
    m.vmx.set_guest_level(1);
    BOOST_TEST((m.vmx.vmresume().kind == EntryResult::Entered));
    BOOST_TEST(m.ledger.current() == kGuestCode);
    BOOST_TEST(m.ledger.is_open(2));
    i.reason = arch::ExitReason::VMRESUME;
    m.vmx.exit(i);
    BOOST_TEST(m.ledger.is_open(1));
    m.vmx.set_guest_level(2);
    BOOST_TEST((m.vmx.vmresume().kind == EntryResult::Entered));
    BOOST_TEST(!m.ledger.is_open(1));
    BOOST_TEST(!m.ledger.is_open(2));
    m.ledger.settle(m.cpu.cycles);
    const u64 nested = sum(m.ledger.episodes().at({2, 10}).cycles), single = sum(m.ledger.episodes().at({1, 24}).cycles);
    BOOST_TEST(nested > single);
    BOOST_TEST(single > 0u);
}

BOOST_AUTO_TEST_CASE(a_failed_entry_gives_the_charge_back_and_leaves_the_episode_open) {
    Machine m;
    m.enter();
    ExitInfo i;
    i.reason = arch::ExitReason::CPUID;
    m.vmx.exit(i);
    const BucketId unit = m.ledger.bucket("a unit's step");
    m.ledger.charge(unit, m.cpu.cycles);
    m.set(Field::HOST_CS_SELECTOR, 0);
    BOOST_TEST((m.vmx.vmresume().kind == EntryResult::Failed));
    BOOST_TEST(m.ledger.current() == unit);
    BOOST_TEST(m.ledger.is_open(1));
    m.set(Field::HOST_CS_SELECTOR, 0x10);
    m.set(Field::GUEST_RFLAGS, 0);
    BOOST_TEST((m.vmx.vmresume().kind == EntryResult::FailedExit));
    BOOST_TEST(m.ledger.current() == unit);
    BOOST_TEST(m.ledger.is_open(1));
    m.set(Field::GUEST_RFLAGS, 2);
    BOOST_TEST((m.vmx.vmresume().kind == EntryResult::Entered));
    BOOST_TEST(m.ledger.episodes().at({1, 10}).count == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
