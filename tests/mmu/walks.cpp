// SPDX-License-Identifier: Apache-2.0
// How many references a walk makes, and that its cost is theirs.
#include <boost/test/unit_test.hpp>
#include <stdexcept>
#include <string>

#include "machine.hpp"

using namespace vmxsim;
using namespace vmxsim::mmu;
using namespace vmxsim::test;

namespace {

/// Translates in a fresh machine state; returns what the walk was.
struct Walked {
    u64 references, ept_references;
    Cycles cycles;
    u64 at;
};
Walked walk(Machine& m, const PagingContext& c, u64 linear) {
    m.mmu.set_context(c);
    const MmuStats before = m.mmu.stats();
    const Translation t = m.read(linear);
    BOOST_TEST((t.status == WalkStatus::Ok));
    return {m.mmu.stats().walk_references - before.walk_references,
            m.mmu.stats().ept_references - before.ept_references, t.cycles, t.at.raw};
}

// Indices that differ by level, so that no two entries of a walk share a cache line.
constexpr u64 kLinear = u64{8} << 39 | u64{16} << 30 | u64{24} << 21 | u64{32} << 12;

}  // namespace

BOOST_AUTO_TEST_SUITE(walks)

BOOST_AUTO_TEST_CASE(a_native_walk_makes_one_reference_a_level_and_costs_their_sum) {
    for (const auto& [shift, references] : {std::pair{12u, 4u}, {21u, 3u}, {30u, 2u}}) {
        MmuParams params;
        params.walk_overhead = 17;
        Machine m(params);
        const u64 root = m.table();
        m.map(root, kLinear, 0, kAll, shift);
        const Walked cold = walk(m, m.native(root), kLinear + 5);
        BOOST_TEST(cold.references == references);
        BOOST_TEST(cold.ept_references == 0u);
        BOOST_TEST(cold.at == (kLinear & ((u64{1} << shift) - 1)) + 5);
        BOOST_TEST(cold.cycles.raw == params.walk_overhead + references * m.cache_params.dram_latency);
        m.mmu.flush_everything();
        const Walked warm = walk(m, m.native(root), kLinear);
        BOOST_TEST(warm.cycles.raw == params.walk_overhead + references * m.cache_params.l1_latency);
        BOOST_TEST(m.mmu.stats().walk_cycles == cold.cycles.raw + warm.cycles.raw);
    }
}

BOOST_AUTO_TEST_CASE(a_cold_walk_of_four_levels_under_four_levels_makes_24_references) {
    Machine m;
    const u64 root = 0x10000, ept = m.table();
    m.next_table = 0x10000;  // guest tables in the guest's first megabyte
    m.map(root, kLinear, 0x50000);
    const u64 last = m.next_table;
    m.next_table = u64{40} << 20;
    for (u64 page = 0x10000; page <= last; page += 4096) m.map_ept(ept, page, page);
    m.map_ept(ept, 0x50000, 0x7000);
    const Walked w = walk(m, m.nested(root, ept), kLinear + 5);
    BOOST_TEST(w.references == 24u);
    BOOST_TEST(w.ept_references == 20u);
    BOOST_TEST(w.at == 0x7005u);
}

BOOST_AUTO_TEST_CASE(large_pages_on_either_side_shorten_the_walk) {
    // levels of the guest walk g, of EPT e: (g + 1) * e + g references
    for (const auto& [guest_shift, g] : {std::pair{12u, 4u}, {21u, 3u}, {30u, 2u}})
        for (const auto& [ept_shift, e] : {std::pair{21u, 3u}, {30u, 2u}}) {
            Machine m;
            const u64 root = m.table(), ept = m.table();
            m.map(root, kLinear, 0, kAll, guest_shift);
            for (u64 at = 0; at < m.ram.size(); at += u64{1} << ept_shift)
                m.map_ept(ept, at, at, kEptRwx, ept_shift);
            m.map_ept(ept, kLinear & ((u64{1} << guest_shift) - 1) & ~((u64{1} << ept_shift) - 1), 0, kEptRwx, ept_shift);
            const Walked w = walk(m, m.nested(root, ept), kLinear);
            BOOST_TEST(w.references == (g + 1) * e + g);
            BOOST_TEST(w.ept_references == (g + 1) * e);
        }
}

BOOST_AUTO_TEST_CASE(the_older_modes_have_fewer_levels) {
    Machine m;
    m.ram.write({0x1000}, 4, 0x2000 | kAll);           // 32-bit: two levels
    m.ram.write({0x2000}, 4, 0x5000 | kAll);
    m.ram.write({0x1004}, 4, 0x400000 | kAll | kLarge);  // or one, 4 MiB
    PagingContext c = m.native(0x1000);
    c.efer = 0;
    c.cr4 = 1 << 4;
    BOOST_TEST(walk(m, c, 0x123).references == 2u);
    const Walked large = walk(m, c, 0x400123);
    BOOST_TEST(large.references == 1u);
    BOOST_TEST(large.at == 0x400123u);

    m.ram.write({0x3008}, 8, 0x4000 | kAll);  // PAE: two, below the registers
    m.ram.write({0x4000}, 8, 0x6000 | kAll);
    c.cr4 = 1 << 5;
    c.vpid.raw = 1;
    c.pdpte[3] = 0x3001;
    const Walked pae = walk(m, c, 0xc0200456);
    BOOST_TEST(pae.references == 2u);
    BOOST_TEST(pae.at == 0x6456u);
}

BOOST_AUTO_TEST_CASE(without_paging_there_is_nothing_to_walk_but_ept) {
    Machine m;
    const Walked off = walk(m, PagingContext{}, 0x12345);
    BOOST_TEST(off.references == 0u);
    BOOST_TEST(off.cycles.raw == 0u);
    BOOST_TEST(off.at == 0x12345u);
    PagingContext c;
    c.ept = true;
    c.eptp.raw = m.table() | 0x1e;
    m.map_ept(c.eptp.root().raw, 0x12000, 0x99000);
    const Walked ept = walk(m, c, 0x12345);
    BOOST_TEST(ept.references == 4u);
    BOOST_TEST(ept.ept_references == 4u);
    BOOST_TEST(ept.at == 0x99345u);
}

BOOST_AUTO_TEST_CASE(setting_a_flag_costs_one_more_reference) {
    Machine m;
    const u64 root = m.table();
    const u64 leaf = m.map(root, kLinear, 0x5000, kAll & ~kDirty);
    m.mmu.set_context(m.native(root));
    m.read(kLinear);
    m.mmu.flush_everything();
    BOOST_TEST(m.write(kLinear).cycles.raw == 5 * m.cache_params.l1_latency);
    BOOST_TEST(m.mmu.stats().flag_updates == 1u);
    BOOST_TEST((m.ram.read({leaf}, 8) & kDirty) == kDirty);
}

BOOST_AUTO_TEST_CASE(a_second_level_hit_costs_its_latency_and_a_first_level_hit_nothing) {
    MmuParams params;
    params.stlb_latency = 9;
    Machine m(params);
    const u64 root = m.table();
    m.map(root, kLinear, 0x5000);
    m.mmu.set_context(m.native(root));
    m.read(kLinear);
    BOOST_TEST(m.read(kLinear).cycles.raw == 0u);
    BOOST_TEST(m.fetch(kLinear).cycles.raw == params.stlb_latency);  // the other first-level TLB
    BOOST_TEST(m.fetch(kLinear).cycles.raw == 0u);
    BOOST_TEST(m.mmu.stats().stlb_hits == 1u);
    BOOST_TEST(m.mmu.stats().dtlb_misses == 1u);
    BOOST_TEST(m.mmu.stats().itlb_misses == 1u);
    BOOST_TEST(m.mmu.stats().walks == 1u);
}

BOOST_AUTO_TEST_CASE(a_guest_physical_translation_walks_ept_alone) {
    Machine m;
    const u64 ept = m.table();
    m.map_ept(ept, 0x5000, 0x99000, 1 | 4);
    BOOST_TEST(m.mmu.translate_guest_physical({0x5008}, AccessType::Read).at.raw == 0x5008u);
    m.mmu.set_context(m.nested(0, ept));
    const Translation t = m.mmu.translate_guest_physical({0x5008}, AccessType::Read);
    BOOST_TEST(t.at.raw == 0x99008u);
    BOOST_TEST(t.cycles.raw == 4 * m.cache_params.dram_latency);
    BOOST_TEST(m.mmu.stats().ept_references == 4u);
    const Translation w = m.mmu.translate_guest_physical({0x5008}, AccessType::Write);
    BOOST_TEST((w.status == WalkStatus::EptViolation));
    BOOST_TEST(w.qualification == (2u | 5 << 3));  // no linear address: bits 7 and 8 clear
    BOOST_TEST(w.gpa.raw == 0x5008u);
}

BOOST_AUTO_TEST_CASE(a_bad_parameter_is_named_with_its_value) {
    const auto complaint = [](auto change) {
        MmuParams params;
        change(params);
        try {
            Machine m(params);
        } catch (const std::invalid_argument& e) {
            return std::string(e.what());
        }
        return std::string();
    };
    BOOST_TEST(complaint([](MmuParams& p) { p.dtlb_entries = 60; }).find("mmu.dtlb_entries = 60") == 0u);
    BOOST_TEST(complaint([](MmuParams& p) { p.itlb_ways = 0; }).find("mmu.itlb_ways = 0") == 0u);
    BOOST_TEST(complaint([](MmuParams& p) { p.stlb_ways = 3; }).find("mmu.stlb_entries = 512") == 0u);
    BOOST_TEST(complaint([](MmuParams& p) { p.physical_address_bits = 53; }).find("mmu.physical_address_bits = 53") == 0u);
    BOOST_TEST(complaint([](MmuParams& p) { p.stlb_entries = 1536, p.stlb_ways = 12; }).empty());
}

BOOST_AUTO_TEST_CASE(each_member_has_one_row_with_its_key_and_a_default_in_range) {
    const MmuParams defaults;
    BOOST_TEST(mmu_params().size() * sizeof(u64) == sizeof(MmuParams));
    for (const auto& row : mmu_params()) {
        BOOST_TEST(row.key.starts_with("mmu."));
        BOOST_TEST((defaults.*row.member) >= row.min);
        BOOST_TEST((defaults.*row.member) <= row.max);
    }
}

BOOST_AUTO_TEST_SUITE_END()
