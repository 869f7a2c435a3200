// SPDX-License-Identifier: Apache-2.0
// The MMU against the reference walker, over random page tables, EPTs, control registers and accesses.
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <memory>
#include <random>
#include <sstream>

#include "reference_walker.hpp"

using namespace vmxsim;
using namespace vmxsim::mmu;
using namespace vmxsim::test;

namespace {

// Guest tables lie in pages 0 to 31, EPT tables in 96 to 111: no single wrong bit in an entry leads from one kind to the
// other, so that flags set in one are never rights of the other. Guest-physical page 0, which EPT may map to a table of its
// own (see fill_ept_table), is no guest table.
constexpr u64 kRamPages = 128, kGuestPages = 32, kEptFirst = 96, kEptPages = 16;

class World {
public:
    explicit World(u64 seed) : random_(seed) {
        constexpr u64 kWidths[] = {36, 40, 46, 52};
        cpu.physical_address_bits = kWidths[pick(4)];
        cpu.page_1g = chance(70), cpu.ept_execute_only = chance(70), cpu.ept_1g = chance(70), cpu.ept_2m = chance(80);
        mode = pick(10);  // 0: off, 1-2: 32-bit, 3-4: PAE, else 4-level or 5-level
        ept = chance(65);
        base.cr0 = (mode ? u64{1} << 31 : 0) | 1;
        base.cr4 = (chance(70) ? 1 << 4 : 0) | (mode >= 3 ? 1 << 5 : 0) |
                   (mode >= 8 ? 1 << 12 : 0) | (chance(50) ? 1 << 22 : 0);  // LA57, PKE
        base.efer = (chance(75) ? 1 << 11 : 0) | (mode >= 5 ? 1 << 10 : 0);
        memory.bytes.assign(kRamPages * 4096, 0);
        for (u64 page = 0; page < kGuestPages; ++page) fill_guest_table(page * 4096);
        for (u64 page = kEptFirst; page < kEptFirst + kEptPages; ++page) fill_ept_table(page * 4096);
        ram = std::make_unique<memory::PhysicalMemory>(kRamPages * 4096);
        ram->write_block({0}, memory.bytes);
    }

    u64 pick(u64 n) { return random_() % n; }
    bool chance(u64 percent) { return pick(100) < percent; }
    u64 guest_page() { return (1 + pick(kGuestPages - 1)) << 12; }

    PagingContext context(u16 vpid) {
        PagingContext c = base;
        c.cr3 = guest_page();
        for (u64& pdpte : c.pdpte) pdpte = guest_page() | (chance(90) ? 1 : 0);
        c.ept = ept;
        if (ept) c.eptp.raw = (kEptFirst + pick(kEptPages)) << 12 | 3 << 3 | 6 | (chance(50) ? 1 << 6 : 0);
        c.vpid.raw = vpid;
        return c;
    }
    /// Bits whose change needs no invalidation in this model.
    void vary(PagingContext& c) {
        c.cr0 = (c.cr0 & ~(u64{1} << 16)) | (chance(50) ? 1 << 16 : 0);
        c.cr4 = (c.cr4 & ~(u64{3} << 20)) | pick(4) << 20;
        c.pkru = chance(30) ? 0 : static_cast<u32>(random_() & random_());
    }
    u64 linear() {
        const u64 offset = pick(4096);
        if (mode == 0) return guest_page() | (chance(3) ? pick(1 << 20) << 12 : 0) | offset;
        if (mode <= 2) return index(1024) << 22 | index(1024) << 12 | offset;
        if (mode <= 4) return pick(4) << 30 | index(512) << 21 | index(512) << 12 | offset;
        const u64 at = index(512) << 39 | index(512) << 30 | index(512) << 21 | index(512) << 12 | offset;
        if (mode >= 8) return static_cast<u64>(static_cast<s64>((at | index(512) << 48) << 7) >> 7);
        return static_cast<u64>(static_cast<s64>(at << 16) >> 16);
    }

    MmuParams cpu;
    u64 mode;
    bool ept;
    PagingContext base;
    ReferenceMemory memory;
    std::unique_ptr<memory::PhysicalMemory> ram;

private:
    static constexpr unsigned kIndices = 4;
    u64 index(u64 entries) { return std::array<u64, kIndices>{0, 1, 2, entries - 1}[pick(kIndices)]; }

    void fill_guest_table(u64 at) {
        const unsigned size = mode <= 2 ? 4 : 8;
        const u64 entries = 4096 / size;
        for (const u64 i : {u64{0}, u64{1}, u64{2}, entries - 1}) {
            u64 e = guest_page() | (chance(98) ? 1 : 0) | (chance(88) ? 2 : 0) | (chance(85) ? 4 : 0) |
                    (chance(60) ? 0x20 : 0) | (chance(50) ? 0x40 : 0) | (chance(25) ? 0x100 : 0);
            if (chance(20)) {  // a large page where the level has them, mostly aligned; low pages, so that EPT maps it
                e |= 0x80;
                if (chance(85) && (mode > 2 || base.cr4 & 1 << 4)) e &= 0xfff;
                if (chance(30)) e |= 0x1000;  // PAT
            }
            if (size == 8 && chance(10)) e |= u64{1} << 63;
            if (mode >= 5 && chance(60)) e |= pick(16) << 59;  // a protection key
            if (chance(2)) e |= u64{1} << pick(size * 8);
            memory.store(at + i * size, size, e);
        }
    }
    void fill_ept_table(u64 at) {
        for (u64 i = 0; i < 40; ++i) {
            // Index 0 is what upper levels use: mostly a table. As a leaf it maps an EPT page, harmlessly.
            const bool upper = i == 0 && chance(97);
            u64 e = upper ? (kEptFirst + pick(kEptPages)) << 12 : guest_page() | 6 << 3;
            if (!upper && chance(4)) e = (e & ~u64{7 << 3}) | pick(8) << 3;
            if (upper && chance(2)) e |= 1 << (3 + pick(4));
            e |= (chance(99) ? 1 : 0) | (chance(95) ? 2 : 0) | (chance(93) ? 4 : 0) | (chance(50) ? 0x100 : 0) |
                 (chance(50) ? 0x200 : 0);
            if (chance(i ? 30 : 4)) e |= 0x80;
            if (i == 0 && e & 0x80 && chance(85)) e = (e & 0xfc7) | 6 << 3;  // large and aligned: identity
            if (chance(1)) e &= ~u64{7};
            if (chance(1)) e |= u64{1} << pick(64);
            memory.store(at + i * 8, 8, e);
        }
    }

    std::mt19937_64 random_;
};

struct Tally {
    u64 accesses = 0;
    std::array<u64, 4> by_status{};
    u64 flags = 0;
};

std::string describe(u64 seed, const ReferenceRequest& q, const ReferenceResult& r, const Translation& t) {
    std::ostringstream s;
    s << std::hex << "seed " << seed << " cr0 " << q.context.cr0 << " cr3 " << q.context.cr3 << " cr4 " << q.context.cr4
      << " efer " << q.context.efer << " eptp " << (q.context.ept ? q.context.eptp.raw : 0) << " pkru " << q.context.pkru << " M "
      << q.cpu.physical_address_bits << " linear " << q.linear << " type " << int(q.type) << " user " << q.user << " ac "
      << q.ac << ": status " << int(r.status) << '/' << int(t.status) << " at " << r.at << '/' << t.at.raw << " error "
      << r.error_code << '/' << t.error_code << " qualification " << r.qualification << '/' << t.qualification << " gpa "
      << r.gpa << '/' << t.gpa.raw;
    return s.str();
}

bool same(const ReferenceResult& r, const Translation& t) {
    if (r.status != t.status) return false;
    switch (t.status) {
        case WalkStatus::Ok: return r.at == t.at.raw && r.user_page == t.user_page;
        case WalkStatus::PageFault: return r.error_code == t.error_code;
        case WalkStatus::EptViolation: return r.qualification == t.qualification && r.gpa == t.gpa.raw;
        case WalkStatus::EptMisconfig: return r.gpa == t.gpa.raw && t.qualification == 0;
    }
    return false;
}

bool same_memory(const World& w) {
    const u8* const bytes = std::as_const(*w.ram).host({0});
    const u8* const expected = w.memory.bytes.data();
    return std::memcmp(bytes, expected, kGuestPages * 4096) == 0 &&
           std::memcmp(bytes + kEptFirst * 4096, expected + kEptFirst * 4096, kEptPages * 4096) == 0;
}

ReferenceRequest request(World& w, const PagingContext& c, u64 linear) {
    return {c, w.cpu, linear, static_cast<AccessType>(w.pick(3)), w.chance(50), w.chance(30)};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(random_worlds)

BOOST_AUTO_TEST_CASE(without_cached_translations_result_flags_references_and_cost_are_the_references) {
    memory::CacheParams small;  // quick to make, and its misses vary the cost
    small.l1d_bytes = 1024, small.l1d_ways = 2, small.l2_bytes = 4096, small.llc_bytes = 16384;
    Tally tally;
    for (u64 seed = 1; seed <= 2000; ++seed) {
        World w(seed);
        w.cpu.walk_overhead = seed % 5;
        memory::CacheHierarchy caches(small), expected_caches(small);
        Mmu mmu(w.cpu, *w.ram, caches);
        for (int i = 0; i < 150; ++i) {
            PagingContext c = w.context(static_cast<u16>(w.pick(3)));
            if (w.chance(50)) c.cr4 |= 1 << 7;
            w.vary(c);
            mmu.flush_everything();
            mmu.set_context(c);
            const ReferenceRequest q = request(w, c, w.linear());
            const Translation told = mmu.probe({q.linear}, q.type, q.user, q.ac);
            const MmuStats before = mmu.stats();
            const ReferenceResult r = reference_translate(w.memory, q);
            const Translation t = mmu.translate({q.linear}, q.type, q.user, q.ac);
            BOOST_REQUIRE_MESSAGE(same(r, t), describe(seed, q, r, t));
            BOOST_REQUIRE_MESSAGE(same(r, told), describe(seed, q, r, told));
            BOOST_REQUIRE_MESSAGE(same_memory(w), describe(seed, q, r, t));

            const MmuStats& after = mmu.stats();
            BOOST_REQUIRE_MESSAGE(after.walk_references - before.walk_references == r.reads, describe(seed, q, r, t));
            BOOST_REQUIRE(after.ept_references - before.ept_references == r.ept_reads);
            BOOST_REQUIRE(after.flag_updates - before.flag_updates == r.updates());
            u64 cost = w.mode || w.ept ? w.cpu.walk_overhead : 0;
            for (const Touch& touch : r.touched)
                cost += expected_caches.reference({touch.at}, touch.write ? memory::MemoryAccess::Write
                                                                          : memory::MemoryAccess::Read).raw;
            BOOST_REQUIRE_MESSAGE(t.cycles.raw == cost, describe(seed, q, r, t));

            if (r.status == WalkStatus::Ok) {
                ReferenceRequest again = q;
                again.type = AccessType::Write;
                const ReferenceResult write = reference_translate(w.memory, again, false);
                again.type = AccessType::Execute;
                const ReferenceResult execute = reference_translate(w.memory, again, false);
                BOOST_REQUIRE_MESSAGE(t.writable == (write.status == WalkStatus::Ok && write.updates() == 0),
                                      describe(seed, q, r, t));
                BOOST_REQUIRE_MESSAGE(t.executable == (execute.status == WalkStatus::Ok), describe(seed, q, r, t));
                BOOST_REQUIRE(t.global == r.global);
                // A walk may set dirty flags of the very page that it translates; a probe does not.
                BOOST_REQUIRE(told.writable <= t.writable && told.executable == t.executable);
            }
            ++tally.accesses;
            ++tally.by_status[static_cast<std::size_t>(r.status)];
            tally.flags += r.updates();
        }
    }
    BOOST_TEST_MESSAGE(tally.accesses << " accesses: " << tally.by_status[0] << " succeed, " << tally.by_status[1]
                       << " page faults, " << tally.by_status[2] << " EPT violations, " << tally.by_status[3]
                       << " misconfigurations, " << tally.flags << " flags set");
    BOOST_TEST(tally.accesses >= 300000u);
    for (const u64 n : tally.by_status) BOOST_TEST(n > 3000u);
}

BOOST_AUTO_TEST_CASE(cached_translations_change_no_result_while_tables_stay_as_they_are) {
    memory::CacheHierarchy caches(memory::CacheParams{});
    Tally tally;
    u64 walks = 0;
    for (u64 seed = 10001; seed <= 11200; ++seed) {
        World w(seed);
        w.cpu.dtlb_entries = 8, w.cpu.itlb_entries = 4, w.cpu.stlb_entries = 32;
        Mmu mmu(w.cpu, *w.ram, caches);
        std::array<PagingContext, 4> contexts;
        for (u16 i = 0; i < contexts.size(); ++i) contexts[i] = w.context(i);
        std::array<u64, 6> pages;
        for (u64& page : pages) page = w.linear();
        for (int i = 0; i < 300; ++i) {
            PagingContext& c = contexts[w.pick(contexts.size())];
            w.vary(c);
            mmu.set_context(c);
            const ReferenceRequest q = request(w, c, pages[w.pick(pages.size())] ^ w.pick(4096));
            const Translation told = mmu.probe({q.linear}, q.type, q.user, q.ac);
            const ReferenceResult r = reference_translate(w.memory, q);
            const Translation t = mmu.translate({q.linear}, q.type, q.user, q.ac);
            BOOST_REQUIRE_MESSAGE(same(r, t), describe(seed, q, r, t));
            BOOST_REQUIRE_MESSAGE(same(r, told), describe(seed, q, r, told));
            BOOST_REQUIRE_MESSAGE(same_memory(w), describe(seed, q, r, t));
            BOOST_REQUIRE(told.writable <= t.writable && told.executable == t.executable);
            ++tally.accesses;
            ++tally.by_status[static_cast<std::size_t>(r.status)];
        }
        walks += mmu.stats().walks;
    }
    BOOST_TEST_MESSAGE(tally.accesses << " accesses, " << walks << " walks, " << tally.by_status[0] << " succeed");
    BOOST_TEST(tally.accesses >= 300000u);
    BOOST_TEST(tally.accesses - walks > 50000u);  // came from the TLBs
}

BOOST_AUTO_TEST_SUITE_END()
