// SPDX-License-Identifier: Apache-2.0
// What one nested exit costs in instructions of L0 (Turtles 4.3; the 2011 series as merged).
#include <boost/test/unit_test.hpp>

#include "tests/nested/bench.hpp"

using namespace nested_bench;

namespace {
nested::UnitStats operator-(const nested::UnitStats& a, const nested::UnitStats& b) {
    nested::UnitStats d = a;
    d.vmread -= b.vmread;
    d.vmwrite -= b.vmwrite;
    d.vmptrld -= b.vmptrld;
    d.vmclear -= b.vmclear;
    d.invvpid -= b.invvpid;
    d.invept -= b.invept;
    d.rdmsr -= b.rdmsr;
    d.wrmsr -= b.wrmsr;
    d.exits_l1 -= b.exits_l1;
    d.exits_l2 -= b.exits_l2;
    d.reflected -= b.reflected;
    d.nested_entries -= b.nested_entries;
    d.l1_vmread -= b.l1_vmread;
    d.l1_vmwrite -= b.l1_vmwrite;
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

BOOST_AUTO_TEST_CASE(each_cost_is_charged_as_often_as_it_occurs) {
    struct Row {
        u64 nested::NestedParams::*member;
        u64 times;
        const char* what;
    };
    using P = nested::NestedParams;
    const Row rows[] = {
        {&P::exit_software, 13, "exit_software"},
        {&P::emulate_access, 11, "emulate_access"},
        {&P::switch_software, 2, "switch_software"},
        {&P::rdmsr, 11, "rdmsr"},
        {&P::wrmsr, 4, "wrmsr"},
        {&P::user_exit, 0, "user_exit"},
        {&P::handle_msr, 0, "handle_msr"},
        {&P::page_fill, 0, "page_fill"},
    };
    const auto cycles = [](const Row* row) {
        Bench b;
        if (row) b.params.*(row->member) = 1000;
        b.run_l2();
        cpuid_exit(b, 7, 4);
        const u64 before = b.cpu.cycles;
        cpuid_exit(b, 7, 4);
        return b.cpu.cycles - before;
    };
    const u64 base = cycles(nullptr);
    for (const Row& row : rows) BOOST_TEST(cycles(&row) - base == 1000 * row.times, row.what);
}

BOOST_AUTO_TEST_CASE(episodes_are_kept_by_level_and_exit_reason) {
    Bench b;
    b.params.exit_software = 100;
    b.run_l2();
    cpuid_exit(b, 7, 4);
    const auto length = [&] {
        b.ledger.settle(b.cpu.cycles);
        u64 sum = 0;
        for (const u64 c : b.ledger.episodes().at({2, 10}).cycles) sum += c;
        return sum;
    };
    const u64 first = length(), before = b.cpu.cycles;
    cpuid_exit(b, 7, 4);
    const u64 passed = b.cpu.cycles - before;
    const auto& episodes = b.ledger.episodes();
    const auto nested_cpuid = episodes.find({2, 10});
    BOOST_TEST(nested_cpuid->second.count == 2u);
    BOOST_TEST(episodes.at({1, 23}).count == 14u);
    // All but L2's own 100 cycles belong to the episode, L1's between its exits as well.
    BOOST_TEST(length() - first == passed - 100);
    for (const char* name :
         {"L2 to L0: exit and routing", "vmcs12 sync", "L0 to L1 switch", "entry path", "L1 VMREAD/VMWRITE emulation",
          "VMRESUME emulation", "L0 to L2 switch", "prepare_vmcs02: guest segments", "prepare_vmcs02: EFER"})
        BOOST_TEST(nested_cpuid->second.cycles.at(b.ledger.bucket(name)) > 0u, name);
}

BOOST_AUTO_TEST_CASE(without_ept_there_is_no_invept_and_without_vpid_no_invvpid) {
    Bench shadow({.ept = false}), plain({.vpid = false});
    BOOST_TEST(steady(shadow, 0, 0).invept == 0u);
    BOOST_TEST(steady(plain, 0, 0).invvpid == 0u);
}

BOOST_AUTO_TEST_CASE(an_apic_page_an_fpu_and_a_missing_nxe_cost_their_accesses) {
    Bench fpu;
    fpu.start();
    fpu.exception(7);
    fpu.enter_vmx();
    fpu.fill_vmcs12();
    fpu.launch();
    cpuid_exit(fpu, 0, 0);
    const auto before = fpu.l0->stats;
    cpuid_exit(fpu, 0, 0);
    BOOST_TEST((fpu.l0->stats - before).vmread == 87u);
    BOOST_TEST((fpu.l0->stats - before).vmwrite == 131u);
    Bench nxe({.l1_efer = 0x501});
    const auto d = steady(nxe, 0, 0);
    BOOST_TEST(d.vmread == 86u + 4);
    BOOST_TEST(d.vmwrite == 131u + 8);
}

BOOST_AUTO_TEST_SUITE_END()
