// SPDX-License-Identifier: Apache-2.0
// What the TLBs keep, and what each invalidation takes and leaves (SDM 4.10.4, 31.4.3).
#include <boost/test/unit_test.hpp>
#include <functional>

#include "machine.hpp"

using namespace vmxsim;
using namespace vmxsim::mmu;
using namespace vmxsim::test;

namespace {

MmuParams fully_associative() {
    MmuParams p;
    p.dtlb_entries = p.dtlb_ways = p.itlb_entries = p.itlb_ways = 64;
    p.stlb_entries = p.stlb_ways = 64;
    return p;
}

/// Six address spaces with a global page, a page, and a page in a 2-MiB page each.
struct Spaces : Machine {
    static constexpr u64 kGlobalPage = 0x1000, kPage = 0x2000, kOther = 0x3000, kLargePage = 0x200000;
    Spaces() : Machine(fully_associative()) {
        for (const u64 ept : {ept_x, ept_y}) map_ept_identity(ept);
        map(root, kGlobalPage, 0x5000, kAll | kGlobal);
        map(root, kPage, 0x6000);
        map(root, kOther, 0x7000);
        map(root, kLargePage, 0x400000, kAll, 21);
    }
    std::vector<PagingContext> contexts() const {
        return {native(root, 0), nested(root, ept_x, 0), native(root, 1), nested(root, ept_x, 1),
                nested(root, ept_y, 1), nested(root, ept_x, 2)};
    }
    enum : unsigned { kLinear0 = 1, kX0 = 2, kLinear1 = 4, kX1 = 8, kY1 = 16, kX2 = 32, kEverySpace = 63 };

    /// Spaces (as bits) where `at` must be walked again after `operation`, which runs in the context `during`.
    unsigned lost(u64 at, const PagingContext& during, const std::function<void()>& operation) {
        mmu.flush_everything();
        for (const auto& c : contexts()) {
            mmu.set_context(c);
            for (const u64 page : {kGlobalPage, kPage, kOther, kLargePage, kLargePage + 0x1000}) {
                read(page);
                fetch(page);
            }
        }
        mmu.set_context(during);
        operation();
        unsigned result = 0, bit = 1;
        for (const auto& c : contexts()) {
            mmu.set_context(c);
            if (walks(at)) result |= bit;
            bit <<= 1;
        }
        return result;
    }
    const u64 root = table(), ept_x = table(), ept_y = table();
};

}  // namespace

BOOST_AUTO_TEST_SUITE(tlb)

BOOST_FIXTURE_TEST_CASE(nothing_is_lost_without_an_invalidation, Spaces) {
    BOOST_TEST(lost(kPage, native(root), [] {}) == 0u);
    BOOST_TEST(lost(kGlobalPage, nested(root, ept_x, 2), [] {}) == 0u);
}

BOOST_FIXTURE_TEST_CASE(an_address_is_invalidated_in_all_spaces_of_its_vpid_and_nowhere_else, Spaces) {
    const auto operation = [&] { mmu.invalidate_address({1}, {kPage}); };
    BOOST_TEST(lost(kPage, native(root), operation) == unsigned{kLinear1 | kX1 | kY1});
    BOOST_TEST(lost(kOther, native(root), operation) == 0u);
    BOOST_TEST(lost(kGlobalPage, native(root), operation) == 0u);
    BOOST_TEST(lost(kGlobalPage, native(root), [&] { mmu.invalidate_address({1}, {kGlobalPage + 5}); }) ==
               unsigned{kLinear1 | kX1 | kY1});
}

BOOST_FIXTURE_TEST_CASE(an_address_in_a_large_page_takes_all_its_granules, Spaces) {
    const auto operation = [&] { mmu.invalidate_address({0}, {kLargePage + 0x100000}); };
    BOOST_TEST(lost(kLargePage, native(root), operation) == unsigned{kLinear0 | kX0});
    BOOST_TEST(lost(kLargePage + 0x1000, native(root), operation) == unsigned{kLinear0 | kX0});
    BOOST_TEST(lost(kPage, native(root), operation) == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_vpid_is_flushed_with_or_without_its_global_pages, Spaces) {
    const auto all = [&] { mmu.flush_vpid({1}, false); };
    const auto but_global = [&] { mmu.flush_vpid({1}, true); };
    BOOST_TEST(lost(kPage, native(root), all) == unsigned{kLinear1 | kX1 | kY1});
    BOOST_TEST(lost(kGlobalPage, native(root), all) == unsigned{kLinear1 | kX1 | kY1});
    BOOST_TEST(lost(kPage, native(root), but_global) == unsigned{kLinear1 | kX1 | kY1});
    BOOST_TEST(lost(kGlobalPage, native(root), but_global) == 0u);
    BOOST_TEST(lost(kPage, native(root, 1), all) == unsigned{kLinear1 | kX1 | kY1});
    BOOST_TEST(lost(kGlobalPage, nested(root, ept_y, 1), but_global) == 0u);
}

BOOST_FIXTURE_TEST_CASE(all_vpids_means_all_but_zero, Spaces) {
    const auto operation = [&] { mmu.flush_all_vpids(); };
    BOOST_TEST(lost(kPage, native(root), operation) == unsigned{kLinear1 | kX1 | kY1 | kX2});
    BOOST_TEST(lost(kGlobalPage, nested(root, ept_x, 2), operation) == unsigned{kLinear1 | kX1 | kY1 | kX2});
}

BOOST_FIXTURE_TEST_CASE(an_ept_root_is_flushed_for_every_vpid_and_linear_mappings_stay, Spaces) {
    const auto operation = [&] { mmu.flush_eptp({ept_x | 0x1e}); };
    BOOST_TEST(lost(kPage, native(root), operation) == unsigned{kX0 | kX1 | kX2});
    BOOST_TEST(lost(kGlobalPage, nested(root, ept_x, 1), operation) == unsigned{kX0 | kX1 | kX2});
}

BOOST_FIXTURE_TEST_CASE(everything_is_everything, Spaces) {
    BOOST_TEST(lost(kPage, native(root), [&] { mmu.flush_everything(); }) == unsigned{kEverySpace});
    BOOST_TEST(lost(kGlobalPage, native(root), [&] { mmu.flush_everything(); }) == unsigned{kEverySpace});
}

BOOST_FIXTURE_TEST_CASE(a_mapping_is_tagged_by_the_root_of_ept_and_not_by_the_pointers_other_bits, Spaces) {
    mmu.set_context(nested(root, ept_x, 1));
    read(kPage);
    PagingContext c = nested(root, ept_x, 1, true);
    mmu.set_context(c);
    BOOST_TEST(walks(kPage) == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_stale_translation_stays_until_it_is_flushed, Spaces) {
    mmu.set_context(native(root));
    read(kPage);
    const u64 leaf = map(root, kPage, 0x8000);
    BOOST_TEST(read(kPage).at.raw == 0x6000u);
    BOOST_TEST(mmu.probe({kPage}, AccessType::Read, false).at.raw == 0x6000u);
    ram.write({leaf}, 8, 0);  // not even present any more
    BOOST_TEST(write(kPage + 8).at.raw == 0x6008u);
    mmu.invalidate_address({0}, {kPage});
    BOOST_TEST((read(kPage).status == WalkStatus::PageFault));
}

BOOST_FIXTURE_TEST_CASE(a_stale_ept_translation_stays_until_invept, Spaces) {
    mmu.set_context(nested(root, ept_x, 1));
    read(kPage);
    ram.write({ept_x}, 8, 0);
    BOOST_TEST((read(kPage).status == WalkStatus::Ok));
    mmu.flush_eptp({ept_y});
    BOOST_TEST((read(kPage).status == WalkStatus::Ok));
    mmu.flush_eptp({ept_x});
    const Translation t = read(kPage);
    BOOST_TEST((t.status == WalkStatus::EptViolation));
    BOOST_TEST(t.qualification == (1u | 1 << 7));  // reading the top table: not the final address
    BOOST_TEST(t.gpa.raw == root);
}

BOOST_FIXTURE_TEST_CASE(what_a_stale_entry_forbids_is_looked_up_anew, Spaces) {
    mmu.set_context(native(root));
    map(root, kPage, 0x6000, kAll & ~kWritable);
    read(kPage);
    map(root, kPage, 0x6000, kAll);
    BOOST_TEST(walks(kPage, AccessType::Write) == 1u);
    BOOST_TEST((write(kPage).status == WalkStatus::Ok));
}

BOOST_FIXTURE_TEST_CASE(a_page_fault_invalidates_its_address, Spaces) {
    mmu.set_context(native(root));
    map(root, kPage, 0x6000, kAll & ~kUser);
    fetch(kPage);
    BOOST_TEST((read(kPage, true).status == WalkStatus::PageFault));
    BOOST_TEST(walks(kPage, AccessType::Execute) == 1u);  // in the other TLB, too
}

BOOST_FIXTURE_TEST_CASE(an_ept_violation_invalidates_its_address_in_the_current_space, Spaces) {
    const u64 ept = table();
    map_ept(ept, 0, 0, kEptRwx & ~2u, 30);
    for (const u16 vpid : {u16{1}, u16{2}}) {
        mmu.set_context(nested(root, ept, vpid));
        BOOST_TEST((fetch(kPage).status == WalkStatus::Ok));
    }
    const Translation t = write(kPage);
    BOOST_TEST((t.status == WalkStatus::EptViolation));
    BOOST_TEST(t.qualification == (2u | 5 << 3 | 1 << 7 | 1 << 8));
    BOOST_TEST(t.gpa.raw == 0x6000u);
    BOOST_TEST(walks(kPage, AccessType::Execute) == 1u);
    mmu.set_context(nested(root, ept, 1));
    BOOST_TEST(walks(kPage, AccessType::Execute) == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_write_is_granted_only_once_its_dirty_flags_are_set, Spaces) {
    const u64 leaf = map(root, kPage, 0x6000, kAll & ~kDirty);
    const u64 ept = table();
    const u64 ept_leaf = map_ept(ept, 0x6000, 0x6000, kEptRwx, 12, kEptA);
    for (u64 at = root; at <= next_table; at += 4096)
        if (at != 0x6000) map_ept(ept, at, at);
    mmu.set_context(nested(root, ept, 1, true));
    BOOST_TEST(!read(kPage).writable);
    BOOST_TEST((ram.read({ept_leaf}, 8) & kEptD) == 0u);
    BOOST_TEST(walks(kPage) == 0u);
    BOOST_TEST(walks(kPage, AccessType::Write) == 1u);  // although the first level has it
    BOOST_TEST((ram.read({leaf}, 8) & kDirty) != 0u);
    BOOST_TEST((ram.read({ept_leaf}, 8) & kEptD) != 0u);
    BOOST_TEST(read(kPage).writable);
    BOOST_TEST(walks(kPage, AccessType::Write) == 0u);
}

BOOST_FIXTURE_TEST_CASE(pcids_have_translations_of_their_own_but_share_global_pages, Spaces) {
    const auto with_pcid = [&](u64 pcid) {
        PagingContext c = native(root | pcid);
        c.cr4 |= 1u << 17;
        return c;
    };
    mmu.flush_everything();
    mmu.set_context(with_pcid(1));
    read(kPage), read(kGlobalPage), read(kOther);
    mmu.set_context(with_pcid(2));
    BOOST_TEST(walks(kPage) == 1u, "not that of PCID 1");
    BOOST_TEST(walks(kGlobalPage) == 0u);
    mmu.set_context(with_pcid(1));
    BOOST_TEST(walks(kPage) == 0u, "kept meanwhile");
    mmu.invalidate_address({0}, {kPage});
    mmu.invalidate_address({0}, {kGlobalPage});
    BOOST_TEST(walks(kPage) == 1u);
    BOOST_TEST(walks(kGlobalPage) == 1u);
    mmu.flush_vpid({0}, true);
    BOOST_TEST(walks(kOther) == 1u);
    BOOST_TEST(walks(kGlobalPage) == 0u);
    mmu.set_context(native(root | 1));
    BOOST_TEST(walks(kPage) == 1u, "without PCIDE bits 11:0 name no PCID");
}

BOOST_AUTO_TEST_CASE(replacement_is_in_order_of_arrival_whatever_is_used_meanwhile) {
    MmuParams params;
    params.dtlb_entries = params.dtlb_ways = 4;
    Machine m(params);
    const u64 root = m.table();
    for (u64 i = 0; i < 8; ++i) m.map(root, i << 12, 0x10000 + (i << 12));
    m.mmu.set_context(m.native(root));
    for (u64 i = 0; i < 4; ++i) m.read(i << 12);
    m.read(0);  // a hit: under LRU it would save page 0
    const u64 misses = m.mmu.stats().dtlb_misses;
    m.read(4 << 12);
    for (u64 i = 1; i < 5; ++i) m.read(i << 12);
    BOOST_TEST(m.mmu.stats().dtlb_misses == misses + 1);
    m.read(0);
    BOOST_TEST(m.mmu.stats().dtlb_misses == misses + 2);
}

BOOST_AUTO_TEST_CASE(the_filter_finds_a_context_again_until_others_have_taken_its_place) {
    Machine m;
    RecordingFilter filter;
    std::vector<mmu::PagingContext> contexts;
    for (unsigned i = 0; i <= mmu::FilterControl::kContexts; ++i) contexts.push_back(m.native(m.table()));
    m.mmu.set_filter(&filter);
    m.mmu.set_context(contexts[0]);
    filter.forget();
    m.mmu.set_context(contexts[0]);
    PagingContext task_switched = contexts[0];
    task_switched.cr0 |= 8;
    m.mmu.set_context(task_switched);
    BOOST_TEST(filter.selected.empty());  // the same translations
    m.mmu.set_context(contexts[1]);
    m.mmu.set_context(contexts[0]);
    BOOST_REQUIRE(filter.selected.size() == 2u);
    BOOST_TEST(filter.selected[0].second);
    BOOST_TEST(!filter.selected[1].second);
    BOOST_TEST(filter.selected[0].first != filter.selected[1].first);
    const unsigned first = filter.selected[1].first;
    for (unsigned i = 1; i < contexts.size(); ++i) {
        filter.forget();
        m.mmu.set_context(contexts[i]);
    }
    BOOST_TEST(filter.selected.back().second);
    BOOST_TEST(filter.selected.back().first == first);  // used longest ago
}

BOOST_AUTO_TEST_CASE(what_leaves_the_first_level_is_dropped_in_other_contexts_too) {
    MmuParams params;
    params.dtlb_entries = params.dtlb_ways = 2;
    Machine m(params);
    RecordingFilter filter;
    const u64 one = m.table(), two = m.table();
    for (u64 i = 0; i < 4; ++i) m.map(one, 0x400000 + (i << 12), 0x10000 + (i << 12));
    for (u64 i = 0; i < 4; ++i) m.map(two, 0x800000 + (i << 12), 0x10000 + (i << 12));
    mmu::PagingContext other = m.native(two);
    other.cr3 = two;
    m.mmu.set_filter(&filter);
    m.mmu.set_context(m.native(one));
    m.read(0x400000);
    m.mmu.set_context(other);
    for (u64 i = 0; i < 2; ++i) m.read(0x800000 + (i << 12));
    BOOST_TEST(filter.pages == std::vector<u64>{0x400000}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_filter_hears_what_leaves_the_first_level) {
    MmuParams params;
    params.dtlb_entries = params.dtlb_ways = 2;
    Machine m(params);
    RecordingFilter filter;
    const u64 root = m.table();
    constexpr u64 kHigh = 0xffff800000000000;
    for (u64 i = 0; i < 4; ++i) m.map(root, kHigh + (i << 12), 0x10000 + (i << 12));
    m.mmu.set_filter(&filter);
    m.mmu.set_context(m.native(root));
    m.read(kHigh);
    m.read(kHigh + 0x1000);
    BOOST_TEST(filter.pages.empty());
    m.read(kHigh + 0x2000);
    BOOST_TEST(filter.pages == std::vector<u64>{kHigh}, boost::test_tools::per_element());
    filter.forget();
    m.mmu.invalidate_address({0}, {kHigh + 0x1000});
    BOOST_TEST(filter.pages == std::vector<u64>{kHigh + 0x1000}, boost::test_tools::per_element());
    m.mmu.invalidate_address({1}, {kHigh + 0x2000});
    BOOST_TEST(filter.pages.size() == 1u);
    BOOST_TEST(filter.all == 0u);
    m.mmu.flush_vpid({0}, true);
    BOOST_TEST(filter.all == 1u);
    // Another VPID's translations may lie in the filter, too.
    m.mmu.flush_vpid({1}, false);
    m.mmu.flush_all_vpids();
    m.mmu.flush_eptp({0x1000});
    BOOST_TEST(filter.all == 4u);
    m.mmu.flush_everything();
    BOOST_TEST(filter.all == 5u);
}

BOOST_AUTO_TEST_CASE(more_address_spaces_than_are_remembered_at_once_lose_no_translation) {
    Machine m(fully_associative());
    const u64 root = m.table();
    m.map(root, 0x1000, 0x5000, kAll | kGlobal);
    m.map(root, 0x2000, 0x6000);
    for (u16 vpid = 1; vpid <= 5; ++vpid) {
        m.mmu.set_context(m.native(root, vpid));
        m.read(0x1000);
        m.read(0x2000);
    }
    for (u16 vpid = 100; vpid < 8000; ++vpid) {
        m.mmu.set_context(m.native(root, vpid));
        if (vpid % 100 == 0) m.mmu.flush_vpid({3}, false);
        if (vpid % 100 == 1) m.mmu.flush_vpid({4}, true);
    }
    for (const auto& [vpid, global, own] : {std::tuple{1, 0, 0}, {2, 0, 0}, {3, 1, 1}, {4, 0, 1}, {5, 0, 0}}) {
        m.mmu.set_context(m.native(root, static_cast<u16>(vpid)));
        BOOST_TEST(m.walks(0x1000) == static_cast<u64>(global), vpid);
        BOOST_TEST(m.walks(0x2000) == static_cast<u64>(own), vpid);
    }
}

BOOST_AUTO_TEST_SUITE_END()
