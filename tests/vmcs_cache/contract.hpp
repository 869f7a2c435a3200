// SPDX-License-Identifier: Apache-2.0
// What every holder of VMCS data owes (docs/vmcs-cache.md), as Boost.Test cases over `Port`, which the includer defines
// together with the suite; it also includes fixture.hpp. Costs come from the params and the memory, never as numbers.

namespace {
using namespace vmxsim;
using namespace vmxsim::arch;
using namespace vmxsim::test;
constexpr std::type_identity<Port> kPort;
constexpr LineMask bit(unsigned line) { return LineMask{1} << line; }
constexpr unsigned line_of(Field f) { return kGenericLayout.offset[index_of(f)] / 64u; }
}  // namespace

BOOST_AUTO_TEST_CASE(first_read_of_a_line_fetches_it_and_the_next_does_not) {
    Bench b(kPort, test_params(2));
    b.activate(kA);
    const auto first = b.read(kA, Field::GUEST_RIP);
    BOOST_TEST(first.data == b.in_memory(kA, Field::GUEST_RIP));
    BOOST_TEST(first.cycles.raw == b.fetch() + b.access());
    const auto second = b.read(kA, Field::GUEST_RFLAGS);
    BOOST_TEST(second.data == b.in_memory(kA, Field::GUEST_RFLAGS));
    BOOST_TEST(second.cycles.raw == b.access());
    BOOST_TEST(b.memory.log.size() == 1u);
}

BOOST_AUTO_TEST_CASE(every_field_reads_back_what_was_written_cut_to_its_width) {
    for (const u64 contexts : {0u, 1u, 16u}) {
        Bench b(kPort, test_params(contexts));
        for (const auto& f : kFields) b.write(kA, f.encoding, ~u64{0x0123456789abcdef} ^ f.encoding);
        for (const auto& f : kFields) {
            const u64 kept = size_of(f.width) == 8 ? ~u64{0} : (u64{1} << (8 * size_of(f.width))) - 1;
            BOOST_TEST(b.read(kA, f.encoding).data == ((~u64{0x0123456789abcdef} ^ f.encoding) & kept), f.name);
        }
    }
}

BOOST_AUTO_TEST_CASE(high_access_reads_and_writes_the_upper_half_alone) {  // SDM 27.11.2
    for (const u64 contexts : {0u, 2u}) {
        Bench b(kPort, test_params(contexts));
        const u32 high = encoding_of(Field::TSC_OFFSET) | 1;
        b.write(kA, Field::TSC_OFFSET, 0x1111222233334444);
        BOOST_TEST(b.read(kA, high).data == 0x11112222u);
        b.write(kA, high, 0xaaaabbbbccccdddd);
        BOOST_TEST(b.read(kA, Field::TSC_OFFSET).data == 0xccccdddd33334444u);
    }
}

BOOST_AUTO_TEST_CASE(unsupported_encoding_costs_an_access_and_changes_nothing) {
    for (const u64 contexts : {0u, 1u}) {
        Bench b(kPort, test_params(contexts));
        for (const u32 e : {0x0801u, 0x4001u, 0x6801u, 0x7ffeu, 0x8000u, 0x1000u, 0x0080u, 0x10000u, 0xffffffffu}) {
            for (const auto& reply : {b.read(kA, e), b.write(kA, e, 1)}) {
                BOOST_TEST((reply.status == VmcsStatus::UnsupportedField), e);
                BOOST_TEST(reply.cycles.raw == b.access());
                BOOST_TEST(reply.data == 0u);
            }
        }
        BOOST_TEST(b.memory.log.empty());
        BOOST_TEST(b.activate(kA).cycles.raw == b.activation());
    }
}

BOOST_AUTO_TEST_CASE(nothing_written_is_visible_in_memory_before_clear) {
    Bench b(kPort, test_params(2));
    const u64 before = b.in_memory(kA, Field::GUEST_RIP);
    b.activate(kA);
    b.write(kA, Field::GUEST_RIP, before + 1);
    b.set_launch_state(kA, 1);
    BOOST_TEST(b.in_memory(kA, Field::GUEST_RIP) == before);
    BOOST_TEST(b.memory.writes() == 0u);
    b.clear(kA);
    BOOST_TEST(b.in_memory(kA, Field::GUEST_RIP) == before + 1);
}

BOOST_AUTO_TEST_CASE(clear_writes_each_dirty_line_and_the_header_exactly_once) {
    Bench b(kPort, test_params(2));
    b.activate(kA);
    b.write(kA, Field::GUEST_RIP, 1);
    b.write(kA, Field::GUEST_RFLAGS, 2);
    b.write(kA, Field::HOST_RIP, 3);
    b.read(kA, Field::TSC_OFFSET);
    b.set_launch_state(kA, 1);
    b.memory.log.clear();
    const auto reply = b.clear(kA);
    const std::vector<RecordingMemory::Transfer> expected{
        {true, kA.raw + 64 * line_of(Field::GUEST_RIP)}, {true, kA.raw + 64 * line_of(Field::HOST_RIP)}, {true, kA.raw}};
    BOOST_TEST((b.memory.log == expected));
    BOOST_TEST(reply.cycles.raw == 3 * b.store() + b.activation());
    b.memory.log.clear();
    b.clear(kA);  // no context now: the header alone
    BOOST_TEST(b.memory.writes() == 1u);
    BOOST_TEST(b.memory.reads() == 1u);
}

BOOST_AUTO_TEST_CASE(clear_of_a_region_that_was_never_active_reads_and_writes_its_header) {
    Bench b(kPort, test_params(4));
    b.memory.set<u32>(kA.raw + kLaunchStateOffset, 0xfffffffd);
    b.memory.set<u32>(kA.raw, 0x80000012);
    const auto reply = b.clear(kA);
    BOOST_TEST(b.header(kA) == 0xfffffffcu);  // bit 0 alone
    BOOST_TEST(b.memory.value<u32>(kA.raw) == 0x80000012u);
    BOOST_TEST(reply.cycles.raw == b.fetch() + b.store() + b.activation());
}

BOOST_AUTO_TEST_CASE(launch_state_survives_eviction_and_ends_with_clear) {
    for (const u64 contexts : {0u, 1u, 2u}) {
        Bench b(kPort, test_params(contexts));
        b.clear(kA);
        b.activate(kA);
        BOOST_TEST(b.launch_state(kA).data == 0u);
        b.set_launch_state(kA, 1);
        BOOST_TEST(b.launch_state(kA).data == 1u);
        b.activate(kB);
        b.activate(kC);
        BOOST_TEST(b.launch_state(kA).data == 1u);
        b.clear(kA);
        BOOST_TEST((b.header(kA) & 1) == 0u);
        BOOST_TEST(b.launch_state(kA).data == 0u);
    }
}

BOOST_AUTO_TEST_CASE(launch_state_costs_an_access_once_its_line_is_on_chip) {
    Bench b(kPort, test_params(1));
    b.activate(kA);
    BOOST_TEST(b.launch_state(kA).cycles.raw == b.fetch() + b.access());
    BOOST_TEST(b.launch_state(kA).cycles.raw == b.access());
    BOOST_TEST(b.set_launch_state(kA, 1).cycles.raw == b.access());
}

BOOST_AUTO_TEST_CASE(a_request_for_an_inactive_region_activates_it_first) {
    Bench b(kPort, test_params(2));
    BOOST_TEST(b.read(kA, Field::GUEST_RIP).cycles.raw == b.activation() + b.fetch() + b.access());
    BOOST_TEST(b.activate(kB).cycles.raw == b.activation());
    BOOST_TEST(b.activate(kB).cycles.raw == b.activation());  // present: the look-up costs the same
    BOOST_TEST(b.read(kB, Field::GUEST_RIP).cycles.raw == b.fetch() + b.access());
}

BOOST_AUTO_TEST_CASE(the_least_recently_used_context_is_evicted_and_its_dirty_lines_written_once) {
    Bench b(kPort, test_params(2));
    b.write(kA, Field::GUEST_RIP, 1);
    b.write(kB, Field::GUEST_RIP, 2);
    b.read(kA, Field::GUEST_RIP);  // B is the oldest now
    b.memory.log.clear();
    BOOST_TEST(b.activate(kC).cycles.raw == b.store() + b.activation());
    BOOST_TEST(b.memory.log.size() == 1u);
    BOOST_TEST((b.memory.log.at(0) == RecordingMemory::Transfer{true, kB.raw + 64 * line_of(Field::GUEST_RIP)}));
    BOOST_TEST(b.read(kA, Field::GUEST_RIP).cycles.raw == b.access());  // A stayed
    BOOST_TEST(b.read(kB, Field::GUEST_RIP).data == 2u);                // evicts C, which is clean
    BOOST_TEST(b.memory.writes() == 1u);
    BOOST_TEST(b.port->stats().evictions == 2u);
}

BOOST_AUTO_TEST_CASE(lru_holds_over_every_number_of_contexts) {
    for (u64 n = 1; n <= 16; ++n) {
        Bench b(kPort, test_params(n));
        const auto region = [](u64 i) { return HostPhysical{0x100000 + i * kRegion}; };
        for (u64 i = 0; i < n; ++i) b.activate(region(i));
        for (u64 i = 0; i < n; ++i) b.read(region(i * 7 % n == 0 ? 0 : i), Field::GUEST_RIP);
        BOOST_TEST(b.port->stats().evictions == 0u);
        for (u64 i = 0; i <= n; ++i) b.activate(region(100 + i));  // one more than fit: all old ones gone
        BOOST_TEST(b.port->stats().evictions == n + 1);
        for (u64 i = n; i >= 1; --i) b.read(region(100 + i), Field::GUEST_RIP);
        BOOST_TEST(b.port->stats().evictions == n + 1);  // the last n are there
    }
}

BOOST_AUTO_TEST_CASE(bulk_read_fetches_what_is_missing_and_fills_those_lines_alone) {
    Bench b(kPort, test_params(1));
    b.write(kA, Field::GUEST_RIP, 0x1234);
    VmcsPage page;
    page.bytes.fill(0xee);
    const LineMask lines = kGenericLayout.lines_of(FieldType::Guest);
    const auto n = static_cast<u64>(std::popcount(lines));
    BOOST_TEST(b.bulk_read(kA, lines, page).cycles.raw == (n - 1) * b.fetch() + n * b.line());
    BOOST_TEST(b.bulk_read(kA, lines, page).cycles.raw == n * b.line());
    BOOST_TEST(page.get(Field::GUEST_RIP) == 0x1234u);
    for (const auto& f : kFields) {
        if (f.name == "GUEST_RIP") continue;
        const auto field = static_cast<Field>(&f - kFields);
        const u64 untouched = 0xeeeeeeeeeeeeeeee >> (64 - 8 * size_of(f.width));
        BOOST_TEST(page.get(field) == (f.type == FieldType::Guest ? b.in_memory(kA, field) : untouched), f.name);
    }
}

BOOST_AUTO_TEST_CASE(bulk_write_makes_whole_lines_dirty_without_fetching_them) {
    Bench b(kPort, test_params(1));
    b.activate(kA);
    VmcsPage page;
    for (std::size_t i = 0; i < page.bytes.size(); ++i) page.bytes[i] = static_cast<u8>(i * 3);
    const LineMask lines = bit(14) | bit(20) | bit(63);
    BOOST_TEST(b.bulk_write(kA, lines, page).cycles.raw == 3 * b.line());
    BOOST_TEST(b.memory.log.empty());
    b.flush();
    BOOST_TEST(b.memory.writes() == 3u);
    for (const unsigned l : {14u, 20u, 63u})
        BOOST_TEST(std::memcmp(b.memory.at(kA.raw + 64 * l).data(), page.bytes.data() + 64 * l, 64) == 0, l);
}

BOOST_AUTO_TEST_CASE(bulk_transfer_of_no_lines_costs_one_step) {
    Bench b(kPort, test_params(2));
    VmcsPage page;
    BOOST_TEST(b.bulk_read(kA, 0, page).cycles.raw == b.activation() + b.line());
    BOOST_TEST(b.bulk_write(kA, 0, page).cycles.raw == b.line());
    BOOST_TEST(b.merge(kA, kA, 0).cycles.raw == b.line());
}

BOOST_AUTO_TEST_CASE(merge_copies_the_named_lines_on_chip) {
    Bench b(kPort, test_params(2));
    b.write(kA, Field::GUEST_RIP, 0xa);
    b.write(kA, Field::HOST_RIP, 0xaa);
    b.write(kB, Field::GUEST_RIP, 0xb);
    b.write(kB, Field::HOST_RIP, 0xbb);
    const LineMask lines = bit(line_of(Field::GUEST_RIP));
    b.memory.log.clear();
    BOOST_TEST(b.merge(kA, kB, lines).cycles.raw == b.line());
    BOOST_TEST(b.memory.log.empty());
    BOOST_TEST(b.read(kB, Field::GUEST_RIP).data == 0xau);
    BOOST_TEST(b.read(kB, Field::HOST_RIP).data == 0xbbu);
    BOOST_TEST(b.read(kA, Field::GUEST_RIP).data == 0xau);
    b.clear(kB);
    BOOST_TEST(b.in_memory(kB, Field::GUEST_RIP) == 0xau);
}

BOOST_AUTO_TEST_CASE(merge_fetches_missing_lines_of_the_source_alone) {
    Bench b(kPort, test_params(2));
    const LineMask lines = bit(3) | bit(9);
    BOOST_TEST(b.merge(kA, kB, lines).cycles.raw == 2 * b.activation() + 2 * (b.fetch() + b.line()));
    BOOST_TEST((b.memory.log == std::vector<RecordingMemory::Transfer>{{false, kA.raw + 192}, {false, kA.raw + 576}}));
}

BOOST_AUTO_TEST_CASE(neither_region_of_a_merge_evicts_the_other) {
    for (const bool source_oldest : {true, false}) {
        Bench b(kPort, test_params(2));
        b.write(source_oldest ? kA : kC, Field::GUEST_RIP, 1);
        b.write(source_oldest ? kC : kA, Field::GUEST_RIP, 2);
        const u64 evictions = b.port->stats().evictions;
        b.merge(kA, kB, bit(line_of(Field::GUEST_RIP)));  // C must go, though A may be the oldest
        BOOST_TEST(b.port->stats().evictions == evictions + 1);
        BOOST_TEST(b.in_memory(kC, Field::GUEST_RIP) == (source_oldest ? 2u : 1u));
        BOOST_TEST(b.read(kB, Field::GUEST_RIP).data == (source_oldest ? 1u : 2u));
        BOOST_TEST(b.memory.reads() == 2u);
    }
}

BOOST_AUTO_TEST_CASE(merge_with_one_context_reads_the_source_from_memory) {
    Bench b(kPort, test_params(1));
    b.write(kA, Field::GUEST_RIP, 0xa);
    const LineMask lines = bit(line_of(Field::GUEST_RIP));
    BOOST_TEST(b.merge(kA, kB, lines).cycles.raw == b.store() + b.activation() + b.fetch() + b.line());
    BOOST_TEST(b.read(kB, Field::GUEST_RIP).data == 0xau);
    BOOST_TEST(b.port->stats().evictions == 1u);
}

BOOST_AUTO_TEST_CASE(flush_all_writes_back_every_context_and_keeps_launch_states) {
    Bench b(kPort, test_params(4));
    for (const auto r : {kA, kB, kC}) {
        b.set_launch_state(r, 1);
        b.write(r, Field::GUEST_RIP, r.raw);
    }
    b.memory.log.clear();
    BOOST_TEST(b.flush().cycles.raw == 6 * b.store() + b.activation());
    for (const auto r : {kA, kB, kC}) {
        BOOST_TEST(b.in_memory(r, Field::GUEST_RIP) == r.raw);
        BOOST_TEST((b.header(r) & 1) == 1u);
    }
    BOOST_TEST(b.flush().cycles.raw == b.activation());
    BOOST_TEST(b.memory.writes() == 6u);
}

BOOST_AUTO_TEST_CASE(without_contexts_every_operation_goes_to_memory) {
    Bench b(kPort, test_params(0));
    VmcsPage page;
    BOOST_TEST(b.activate(kA).cycles.raw == b.activation());
    BOOST_TEST(b.memory.log.empty());
    BOOST_TEST(b.write(kA, Field::GUEST_RIP, 5).cycles.raw == b.fetch() + b.access() + b.store());
    BOOST_TEST(b.in_memory(kA, Field::GUEST_RIP) == 5u);
    BOOST_TEST(b.read(kA, Field::GUEST_RIP).cycles.raw == b.fetch() + b.access());
    BOOST_TEST(b.read(kA, Field::GUEST_RIP).cycles.raw == b.fetch() + b.access());
    BOOST_TEST(b.bulk_read(kA, bit(1) | bit(2), page).cycles.raw == 2 * (b.fetch() + b.line()));
    BOOST_TEST(b.bulk_write(kA, bit(1) | bit(2), page).cycles.raw == 2 * (b.line() + b.store()));
    BOOST_TEST(b.merge(kA, kB, bit(1) | bit(2)).cycles.raw == 2 * (b.fetch() + b.line() + b.store()));
    BOOST_TEST(std::memcmp(b.memory.at(kB.raw + 64).data(), b.memory.at(kA.raw + 64).data(), 64) == 0);
    BOOST_TEST(b.set_launch_state(kA, 1).cycles.raw == b.fetch() + b.access() + b.store());
    BOOST_TEST((b.header(kA) & 1) == 1u);
    BOOST_TEST(b.clear(kA).cycles.raw == b.fetch() + b.store() + b.activation());
    BOOST_TEST((b.header(kA) & 1) == 0u);
    BOOST_TEST(b.flush().cycles.raw == b.activation());
    BOOST_TEST(b.port->stats().hits == 0u);
}

BOOST_AUTO_TEST_CASE(a_transfer_with_memory_takes_at_least_a_cycle) {
    Bench b(kPort, test_params(1));
    b.memory.read_latency = b.memory.write_latency = 0;
    b.activate(kA);
    BOOST_TEST(b.read(kA, Field::GUEST_RIP).cycles.raw == 1 + b.access());
}

BOOST_AUTO_TEST_CASE(each_latency_is_tight) {
    for (u64 latency = 1; latency <= 4; ++latency) {
        Bench b(kPort, {2, latency, latency + 4, latency + 9});
        VmcsPage page;
        BOOST_TEST(b.activate(kA).cycles.raw == latency + 9);
        b.read(kA, Field::GUEST_RIP);
        BOOST_TEST(b.read(kA, Field::GUEST_RIP).cycles.raw == latency);
        BOOST_TEST(b.write(kA, Field::GUEST_RIP, 1).cycles.raw == latency);
        BOOST_TEST(b.bulk_read(kA, bit(line_of(Field::GUEST_RIP)), page).cycles.raw == latency + 4);
        for (u64 memory = 1; memory <= 3; ++memory) {
            b.memory.read_latency = memory;
            b.flush();
            b.activate(kA);
            BOOST_TEST(b.read(kA, Field::GUEST_RIP).cycles.raw == memory + latency);
        }
    }
}

BOOST_AUTO_TEST_CASE(statistics_count_each_event) {
    Bench b(kPort, test_params(1));
    VmcsPage page;
    b.activate(kA);
    b.write(kA, Field::GUEST_RIP, 1);         // miss
    b.read(kA, Field::GUEST_RIP);             // hit
    b.bulk_read(kA, bit(1) | bit(2), page);   // two misses
    b.bulk_write(kA, bit(1), page);           // no look-up
    b.merge(kA, kA, bit(1));                  // hit
    b.clear(kA);                              // miss (header); lines 1, of GUEST_RIP, 0
    b.activate(kA);
    b.activate(kB);                           // eviction
    b.flush();
    const auto s = b.port->stats();
    BOOST_TEST(s.reads == 1u);
    BOOST_TEST(s.writes == 1u);
    BOOST_TEST(s.bulk_reads == 1u);
    BOOST_TEST(s.bulk_writes == 1u);
    BOOST_TEST(s.merges == 1u);
    BOOST_TEST(s.activates == 3u);
    BOOST_TEST(s.clears == 1u);
    BOOST_TEST(s.flushes == 1u);
    BOOST_TEST(s.hits == 2u);
    BOOST_TEST(s.misses == 4u);
    BOOST_TEST(s.evictions == 1u);
    BOOST_TEST(s.line_fetches == b.memory.reads());
    BOOST_TEST(s.line_writebacks == b.memory.writes());
}

BOOST_AUTO_TEST_CASE(a_request_no_instruction_makes_is_refused_by_name) {
    Bench b(kPort, test_params(1));
    BOOST_CHECK_THROW(b.activate({0x10040}), std::invalid_argument);
    BOOST_CHECK_THROW(b.activate({u64{1} << 52}), std::invalid_argument);
    BOOST_CHECK_THROW(b.merge({0x123}, kA, 1), std::invalid_argument);
    BOOST_CHECK_THROW(b.port->transact({.op = VmcsOp::BulkRead, .vmcs = kA, .lines = 1}), std::invalid_argument);
    for (auto row : vmcs_cache::vmcs_cache_params()) {
        vmcs_cache::VmcsCacheParams p = test_params(1);
        p.*row.member = row.max + 1;
        BOOST_CHECK_THROW(Bench(kPort, p), std::invalid_argument);
    }
}
