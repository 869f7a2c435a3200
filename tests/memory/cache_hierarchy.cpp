// SPDX-License-Identifier: Apache-2.0
#include "model/memory/cache_hierarchy.hpp"

#include <boost/test/unit_test.hpp>
#include <list>
#include <map>
#include <random>
#include <stdexcept>
#include <string>

using namespace vmxsim;
using namespace vmxsim::memory;

namespace {

constexpr u64 kWay = 4096;  // bytes of an L1D way of the default geometry: addresses so far apart share a set

/// A set-associative LRU cache as a list, to compare with.
struct SlowCache {
    u64 sets, ways;
    std::map<u64, std::list<u64>> by_set{};
    bool touch(u64 line) {
        auto& set = by_set[line % sets];
        const std::size_t before = set.size();
        set.remove(line);
        const bool hit = set.size() != before;
        set.push_front(line);
        if (set.size() > ways) set.pop_back();
        return hit;
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(cache_hierarchy)

BOOST_AUTO_TEST_CASE(each_level_answers_with_its_total_latency) {
    const CacheParams params;
    CacheHierarchy caches(params);
    BOOST_TEST(caches.reference({0}, MemoryAccess::Read).raw == params.dram_latency);
    BOOST_TEST(caches.reference({63}, MemoryAccess::Read).raw == params.l1_latency);
    BOOST_TEST(caches.reference({0}, MemoryAccess::Fetch).raw == params.l2_latency);
    for (u64 i = 1; i <= params.l1d_ways; ++i) caches.reference({i * kWay}, MemoryAccess::Read);
    BOOST_TEST(caches.reference({0}, MemoryAccess::Read).raw == params.l2_latency);
    const u64 l2_way = params.l2_bytes / params.l2_ways;
    for (u64 i = 1; i <= 2 * params.l2_ways; ++i) caches.reference({i * l2_way}, MemoryAccess::Read);
    BOOST_TEST(caches.reference({0}, MemoryAccess::Read).raw == params.llc_latency);
}

BOOST_AUTO_TEST_CASE(an_access_of_the_pipeline_costs_what_it_takes_beyond_a_first_level_hit) {
    const CacheParams params;
    CacheHierarchy caches(params);
    BOOST_TEST(caches.access({0}, MemoryAccess::Write).raw == params.dram_latency - params.l1_latency);
    BOOST_TEST(caches.access({0}, MemoryAccess::Read).raw == 0u);
    BOOST_TEST(caches.access({0}, MemoryAccess::Fetch).raw == params.l2_latency - params.l1_latency);
    BOOST_TEST(caches.access({0}, MemoryAccess::Fetch).raw == 0u);
}

BOOST_AUTO_TEST_CASE(the_least_recently_used_line_leaves_first) {
    const CacheParams params;
    CacheHierarchy caches(params);
    for (u64 i = 0; i < params.l1d_ways; ++i) caches.access({i * kWay}, MemoryAccess::Read);
    caches.access({0}, MemoryAccess::Read);                        // line 0 is young again, line 1 the oldest
    caches.access({params.l1d_ways * kWay}, MemoryAccess::Read);   // one too many
    BOOST_TEST(caches.probe({0}, MemoryAccess::Read).raw == params.l1_latency);
    BOOST_TEST(caches.probe({2 * kWay}, MemoryAccess::Read).raw == params.l1_latency);
    BOOST_TEST(caches.probe({kWay}, MemoryAccess::Read).raw == params.l2_latency);
}

BOOST_AUTO_TEST_CASE(a_probe_tells_the_next_references_cost_and_changes_nothing) {
    CacheHierarchy caches(CacheParams{});
    std::mt19937 random(7);
    for (int i = 0; i < 20000; ++i) {
        const HostPhysical at{u64{random() % 4096} * 64 * (1 + random() % 7)};
        const auto kind = static_cast<MemoryAccess>(random() % 3);
        const Cycles told = caches.probe(at, kind);
        const u64 accesses = caches.stats().l1d_accesses + caches.stats().l1i_accesses;
        BOOST_REQUIRE(caches.probe(at, kind) == told);
        BOOST_REQUIRE(caches.stats().l1d_accesses + caches.stats().l1i_accesses == accesses);
        BOOST_REQUIRE(caches.reference(at, kind) == told);
    }
}

BOOST_AUTO_TEST_CASE(random_streams_cost_what_lists_in_order_of_use_say) {
    CacheParams params;
    params.l1d_bytes = 4096, params.l1d_ways = 4, params.l1i_bytes = 2048, params.l1i_ways = 2;
    params.l2_bytes = 3 * 4096, params.l2_ways = 6, params.llc_bytes = 65536, params.llc_ways = 16;
    CacheHierarchy caches(params);
    SlowCache l1d{16, 4}, l1i{16, 2}, l2{32, 6}, llc{64, 16};
    std::mt19937_64 random(1);
    u64 misses = 0;
    for (int i = 0; i < 200000; ++i) {
        const u64 line = random() % (random() % 4 ? 300 : 3000);
        const auto kind = static_cast<MemoryAccess>(random() % 3);
        u64 expected = params.dram_latency;
        if ((kind == MemoryAccess::Fetch ? l1i : l1d).touch(line)) expected = params.l1_latency;
        else if (l2.touch(line)) expected = params.l2_latency;
        else if (llc.touch(line)) expected = params.llc_latency;
        else ++misses;
        BOOST_REQUIRE(caches.reference({line * 64 + random() % 64}, kind).raw == expected);
    }
    BOOST_TEST(caches.stats().llc_misses == misses);
}

BOOST_AUTO_TEST_CASE(a_change_of_a_sets_order_drops_that_sets_line_entry_and_no_other) {
    CacheHierarchy caches(CacheParams{});
    LineTlb filter;
    caches.attach(&filter);
    const auto arm = [&] { for (auto& e : filter) e.vline_r = e.vline_w = 0; };
    const auto dropped = [&] {
        u64 sets = 0;
        for (unsigned i = 0; i < kLineEntries; ++i) {
            BOOST_TEST((filter[i].vline_r == ~u64{0}) == (filter[i].vline_w == ~u64{0}));
            if (filter[i].vline_r) sets |= u64{1} << i;
        }
        return sets;
    };
    arm();
    caches.access({5 * 64}, MemoryAccess::Read);
    BOOST_TEST(dropped() == u64{1} << 5);  // a miss
    arm();
    caches.access({5 * 64 + 8}, MemoryAccess::Write);
    BOOST_TEST(dropped() == 0u);           // a hit in the most recent way
    caches.reference({5 * 64 + kWay}, MemoryAccess::Read);
    BOOST_TEST(dropped() == u64{1} << 5);  // the walker's references count as well
    arm();
    caches.access({5 * 64}, MemoryAccess::Read);
    BOOST_TEST(dropped() == u64{1} << 5);  // a hit in an older way
    arm();
    caches.access({5 * 64 + 2 * kWay}, MemoryAccess::Fetch);
    BOOST_TEST(dropped() == 0u);           // instructions have a cache of their own
    caches.attach(nullptr);
    caches.access({7 * 64}, MemoryAccess::Read);
    BOOST_TEST(dropped() == 0u);
}

BOOST_AUTO_TEST_CASE(skipping_hits_in_the_most_recent_way_changes_no_cost) {
    CacheHierarchy all(CacheParams{}), filtered(CacheParams{});
    LineTlb filter;
    filtered.attach(&filter);
    std::mt19937 random(3);
    u64 skipped = 0;
    for (int i = 0; i < 200000; ++i) {
        const HostPhysical at{u64{random() % 64} * 64 + u64{random() % 12} * kWay};
        const auto expected = all.access(at, MemoryAccess::Read);
        LineEntry& entry = filter[at.raw / 64 % kLineEntries];
        if (entry.vline_r == at.line().raw) {
            BOOST_REQUIRE(expected.raw == 0u);
            ++skipped;
            continue;
        }
        BOOST_REQUIRE(filtered.access(at, MemoryAccess::Read) == expected);
        entry.vline_r = at.line().raw;
    }
    BOOST_TEST(skipped > 1000u);
}

BOOST_AUTO_TEST_CASE(a_bad_size_is_named_with_its_value) {
    const auto complaint = [](auto change) {
        CacheParams params;
        change(params);
        try {
            CacheHierarchy caches(params);
        } catch (const std::invalid_argument& e) {
            return std::string(e.what());
        }
        return std::string();
    };
    BOOST_TEST(complaint([](CacheParams& p) { p.l1d_bytes = 30000; }).find("caches.l1d_bytes = 30000") == 0u);
    BOOST_TEST(complaint([](CacheParams& p) { p.l2_ways = 0; }).find("caches.l2_ways = 0") == 0u);
    BOOST_TEST(complaint([](CacheParams& p) { p.llc_bytes = 3 << 20; }).find("caches.llc_bytes = 3145728") == 0u);
    BOOST_TEST(complaint([](CacheParams& p) { p.llc_latency = 9; }).find("caches.llc_latency = 9") == 0u);
    BOOST_TEST(complaint([](CacheParams& p) { p.l1d_bytes = 49152, p.l1d_ways = 12; }).empty());
}

BOOST_AUTO_TEST_CASE(processors_of_a_package_share_the_last_level_alone) {
    const CacheParams p;
    CacheHierarchy one(p), two(p, &one);
    one.reference({0x8000}, MemoryAccess::Read);
    BOOST_TEST(two.probe({0x8000}, MemoryAccess::Read).raw == p.llc_latency);
    two.reference({0x9000}, MemoryAccess::Read);
    BOOST_TEST(one.probe({0x9000}, MemoryAccess::Read).raw == p.llc_latency);
    BOOST_TEST(two.probe({0x9000}, MemoryAccess::Read).raw == p.l1_latency);
    BOOST_TEST(one.stats().llc_misses == 1u);
    BOOST_TEST(two.stats().llc_misses == 1u);
}

BOOST_AUTO_TEST_CASE(each_member_has_one_row_with_its_key_and_a_default_in_range) {
    const CacheParams defaults;
    BOOST_TEST(cache_params().size() * sizeof(u64) == sizeof(CacheParams));
    for (const auto& row : cache_params()) {
        BOOST_TEST(row.key.starts_with("caches."));
        BOOST_TEST((defaults.*row.member) >= row.min);
        BOOST_TEST((defaults.*row.member) <= row.max);
    }
}

BOOST_AUTO_TEST_SUITE_END()
