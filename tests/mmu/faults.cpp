// SPDX-License-Identifier: Apache-2.0
// Faults by rule: page-fault error codes (SDM 4.7), EPT violations and misconfigurations (SDM 31.3.3, table 30-7).
#include <boost/test/unit_test.hpp>

#include "machine.hpp"

using namespace vmxsim;
using namespace vmxsim::mmu;
using namespace vmxsim::test;

namespace {

constexpr u64 kLinear = 0x2000;
constexpr u64 kRead = 1, kWrite = 2, kFetch = 4, kLinearValid = 1 << 7, kFinal = 1 << 8;
constexpr u64 kSupervisor = kAll & ~kUser, kReadOnly = kAll & ~kWritable;  // flags of a leaf
constexpr u64 rights(u64 rwx) { return rwx << 3; }

struct Faults : Machine {
    const u64 root = table();
    u64 leaf = map(root, kLinear, 0x6000);

    /// Error code of an access to a page whose leaf is `entry`; ~0 where it succeeds.
    u32 error(u64 entry, AccessType type, bool user, PagingContext c, bool ac = false) {
        ram.write({leaf}, 8, entry);
        mmu.flush_everything();
        mmu.set_context(c);
        const Translation t = mmu.translate({kLinear}, type, user, ac);
        return t.status == WalkStatus::PageFault ? t.error_code : ~u32{0};
    }
    u32 error(u64 entry, AccessType type, bool user) { return error(entry, type, user, native(root)); }
};

constexpr u32 kNone = ~u32{0};

/// EPT of 4-KiB pages in which single pages can be changed: the guest's tables at 0x10000, its page at 0x6000.
struct Nested : Machine {
    Nested() {
        next_table = 0x10000;
        leaf_table = root = next_table;
        leaf = map(root, kLinear, 0x6000);
        leaf_table = leaf & ~u64{0xfff};
        next_table = u64{40} << 20;
        for (u64 page = 0; page < 0x40000; page += 4096) map_ept(ept, page, page);
    }
    Translation access(AccessType type, bool ad) {
        mmu.flush_everything();
        mmu.set_context(nested(root, ept, 1, ad));
        return mmu.translate({kLinear + 0x123}, type, false);
    }
    /// The qualification of an EPT violation; other outcomes as their negative status.
    s64 violation(AccessType type, bool ad) {
        const Translation t = access(type, ad);
        return t.status == WalkStatus::EptViolation ? static_cast<s64>(t.qualification) : -static_cast<s64>(t.status);
    }
    void guest_flags(u64 flags) { ram.write({leaf}, 8, 0x6000 | kPresent | kWritable | kUser | flags); }

    u64 root, leaf, leaf_table;
    const u64 ept = u64{20} << 20;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(faults)

BOOST_FIXTURE_TEST_CASE(error_codes_tell_presence_access_mode_and_fetch, Faults) {
    BOOST_TEST(error(0, AccessType::Read, false) == 0u);
    BOOST_TEST(error(0, AccessType::Write, true) == 6u);
    BOOST_TEST(error(0, AccessType::Execute, true) == 0x14u);
    BOOST_TEST(error(0x6000 | kSupervisor, AccessType::Read, true) == 5u);
    BOOST_TEST(error(0x6000 | kReadOnly, AccessType::Write, false) == 3u);
    BOOST_TEST(error(u64{1} << 63 | 0x6000 | kAll, AccessType::Execute, false) == 0x11u);
    BOOST_TEST(error(u64{1} << 51 | 0x6000 | kAll, AccessType::Write, true) == 0xfu);
    BOOST_TEST(error(0x6000 | kAll, AccessType::Write, true) == kNone);
}

BOOST_FIXTURE_TEST_CASE(an_entry_that_is_not_present_has_no_reserved_bits, Faults) {
    BOOST_TEST(error(u64{1} << 51, AccessType::Read, false) == 0u);
}

BOOST_FIXTURE_TEST_CASE(write_protection_of_supervisor_writes_is_cr0_wps, Faults) {
    PagingContext c = native(root);
    c.cr0 &= ~(u64{1} << 16);
    BOOST_TEST(error(0x6000 | kReadOnly, AccessType::Write, false, c) == kNone);
    BOOST_TEST(error(0x6000 | kReadOnly, AccessType::Write, true, c) == 7u);
}

BOOST_FIXTURE_TEST_CASE(smep_forbids_supervisor_fetches_of_user_pages, Faults) {
    PagingContext c = native(root);
    BOOST_TEST(error(0x6000 | kAll, AccessType::Execute, false, c) == kNone);
    c.cr4 |= 1 << 20;
    BOOST_TEST(error(0x6000 | kAll, AccessType::Execute, false, c) == 0x11u);
    BOOST_TEST(error(0x6000 | kAll, AccessType::Execute, true, c) == kNone);
    BOOST_TEST(error(0x6000 | kSupervisor, AccessType::Execute, false, c) == kNone);
}

BOOST_FIXTURE_TEST_CASE(smap_forbids_supervisor_data_accesses_to_user_pages_unless_overridden, Faults) {
    PagingContext c = native(root);
    c.cr4 |= 1 << 21;
    BOOST_TEST(error(0x6000 | kAll, AccessType::Read, false, c) == 1u);
    BOOST_TEST(error(0x6000 | kAll, AccessType::Write, false, c) == 3u);
    BOOST_TEST(error(0x6000 | kAll, AccessType::Write, false, c, true) == kNone);
    BOOST_TEST(error(0x6000 | kAll, AccessType::Execute, false, c) == kNone);
    BOOST_TEST(error(0x6000 | kSupervisor, AccessType::Read, false, c) == kNone);
}

BOOST_FIXTURE_TEST_CASE(without_nxe_bit_63_is_reserved_and_fetches_do_not_show, Faults) {
    PagingContext c = native(root);
    c.efer &= ~(u64{1} << 11);
    BOOST_TEST(error(u64{1} << 63 | 0x6000 | kAll, AccessType::Read, false, c) == 9u);
    BOOST_TEST(error(0, AccessType::Execute, false, c) == 0u);
    c.cr4 |= 1 << 20;  // SMEP alone makes fetches show
    BOOST_TEST(error(0, AccessType::Execute, false, c) == 0x10u);
}

BOOST_FIXTURE_TEST_CASE(a_fault_sets_no_flags, Faults) {
    BOOST_TEST(error(0x6000 | kPresent, AccessType::Write, false) == 3u);
    BOOST_TEST(ram.read({leaf}, 8) == (0x6000u | kPresent));
}

BOOST_FIXTURE_TEST_CASE(the_final_address_reports_access_and_rights, Nested) {
    map_ept(ept, 0x6000, 0x6000, 1);
    BOOST_TEST(violation(AccessType::Write, false) == s64(kWrite | rights(1) | kLinearValid | kFinal));
    BOOST_TEST(violation(AccessType::Execute, false) == s64(kFetch | rights(1) | kLinearValid | kFinal));
    BOOST_TEST((access(AccessType::Read, false).status == WalkStatus::Ok));
    map_ept(ept, 0x6000, 0x6000, 4);
    BOOST_TEST(violation(AccessType::Read, false) == s64(kRead | rights(4) | kLinearValid | kFinal));
    BOOST_TEST(access(AccessType::Read, false).gpa.raw == 0x6123u);
    map_ept(ept, 0x6000, 0x6000, 0);
    BOOST_TEST(violation(AccessType::Write, false) == s64(kWrite | kLinearValid | kFinal));
}

BOOST_FIXTURE_TEST_CASE(a_read_only_page_table_is_enough_while_no_flag_needs_setting, Nested) {
    map_ept(ept, leaf_table, leaf_table, 1);
    const s64 update = s64(kRead | kWrite | rights(1) | kLinearValid);
    guest_flags(0);
    BOOST_TEST(violation(AccessType::Read, false) == update);
    BOOST_TEST(access(AccessType::Read, false).gpa.raw == leaf);
    guest_flags(kAccessed);
    BOOST_TEST((access(AccessType::Read, false).status == WalkStatus::Ok));
    BOOST_TEST((access(AccessType::Execute, false).status == WalkStatus::Ok));
    BOOST_TEST(violation(AccessType::Write, false) == update);
    guest_flags(kAccessed | kDirty);
    BOOST_TEST((access(AccessType::Write, false).status == WalkStatus::Ok));
}

BOOST_FIXTURE_TEST_CASE(with_epts_own_flags_every_table_access_is_a_write, Nested) {
    map_ept(ept, leaf_table, leaf_table, 1);
    guest_flags(kAccessed | kDirty);
    for (const auto type : {AccessType::Read, AccessType::Write, AccessType::Execute})
        BOOST_TEST(violation(type, true) == s64(kRead | kWrite | rights(1) | kLinearValid));
    map_ept(ept, leaf_table, leaf_table, 4);
    BOOST_TEST(violation(AccessType::Read, true) == s64(kRead | kWrite | rights(4) | kLinearValid));
    const u64 entry = map_ept(ept, leaf_table, leaf_table, kEptRwx, 12, 0);
    BOOST_TEST((access(AccessType::Read, true).status == WalkStatus::Ok));
    BOOST_TEST((ram.read({entry}, 8) & (kEptA | kEptD)) == (kEptA | kEptD));
}

BOOST_FIXTURE_TEST_CASE(a_data_read_sets_epts_accessed_flag_and_a_write_its_dirty_flag, Nested) {
    const u64 entry = map_ept(ept, 0x6000, 0x6000, kEptRwx, 12, 0);
    access(AccessType::Write, false);
    BOOST_TEST((ram.read({entry}, 8) & (kEptA | kEptD)) == 0u);
    access(AccessType::Execute, true);
    BOOST_TEST((ram.read({entry}, 8) & (kEptA | kEptD)) == kEptA);
    access(AccessType::Write, true);
    BOOST_TEST((ram.read({entry}, 8) & (kEptA | kEptD)) == (kEptA | kEptD));
}

BOOST_FIXTURE_TEST_CASE(a_guest_fault_of_rights_comes_before_epts_of_the_final_address, Nested) {
    map_ept(ept, 0x6000, 0x6000, 0);
    ram.write({leaf}, 8, 0x6000 | kPresent | kUser);
    BOOST_TEST((access(AccessType::Write, false).status == WalkStatus::PageFault));
    map_ept(ept, leaf_table, leaf_table, 0);  // but fetching the entry comes first
    BOOST_TEST(violation(AccessType::Write, false) == s64(kRead | kLinearValid));
}

BOOST_FIXTURE_TEST_CASE(misconfigurations_are_found_before_rights_are_judged, Nested) {
    const auto status = [&](u64 entry) {
        ram.write({map_ept(ept, 0x6000, 0x6000)}, 8, entry);
        return access(AccessType::Write, false).status;
    };
    const u64 good = 0x6000 | kEptRwx | kEptWb;
    BOOST_TEST((status(good) == WalkStatus::Ok));
    BOOST_TEST((status(0x6000 | 2 | kEptWb) == WalkStatus::EptMisconfig));             // W without R
    BOOST_TEST((status(0x6000 | 6 | kEptWb) == WalkStatus::EptMisconfig));
    BOOST_TEST((status(good & ~u64{0x38}) == WalkStatus::Ok));                         // UC
    for (const u64 type : {2u, 3u, 7u})
        BOOST_TEST((status((good & ~u64{0x38}) | type << 3) == WalkStatus::EptMisconfig));
    BOOST_TEST((status(good | u64{1} << 40) == WalkStatus::EptMisconfig));             // beyond MAXPHYADDR
    BOOST_TEST((status(good | u64{1} << 52) == WalkStatus::Ok));                       // ignored
    BOOST_TEST((status(0x6000 | 1 | 7 << 3) == WalkStatus::EptMisconfig));             // also lacks W
    BOOST_TEST((status(u64{1} << 40 | 7 << 3) == WalkStatus::EptViolation));           // not present
    BOOST_TEST(mmu.stats().ept_misconfigs == 7u);
}

BOOST_AUTO_TEST_CASE(execute_only_ept_entries_are_a_capability) {
    for (const u64 capable : {0u, 1u}) {
        MmuParams params;
        params.ept_execute_only = capable;
        Machine m(params);
        const u64 ept = m.table();
        m.map_ept(ept, 0x6000, 0x6000, 4);
        PagingContext c;
        c.ept = true;
        c.eptp.raw = ept | 0x1e;
        m.mmu.set_context(c);
        BOOST_TEST((m.fetch(0x6000).status == (capable ? WalkStatus::Ok : WalkStatus::EptMisconfig)));
        const Translation t = m.read(0x6000);
        BOOST_TEST((t.status == (capable ? WalkStatus::EptViolation : WalkStatus::EptMisconfig)));
        if (capable) BOOST_TEST(t.qualification == (kRead | rights(4) | kLinearValid | kFinal));
    }
}

BOOST_AUTO_TEST_SUITE_END()
