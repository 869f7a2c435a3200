// SPDX-License-Identifier: Apache-2.0
// Shadow paging: what the CPU walks agrees with the guest's tables in rights, accessed and dirty flags; guests get
// their own page faults.
#include <boost/test/unit_test.hpp>

#include "tests/nested/bench.hpp"

using namespace nested_bench;

namespace {
struct Entry {
    bool present = false, writable = false, user = false, no_execute = false;
    u64 page = 0;
};
/// The CPU's view of a linear address, through the tables at CR3 (4-level).
Entry look(Bench& b, u64 linear) {
    u64 table = b.cpu.cr3 & ~u64{0xfff};
    for (unsigned shift = 39;; shift -= 9) {
        const u64 e = b.ram.read({table + (linear >> shift & 511) * 8}, 8);
        if (!(e & 1)) return {};
        table = e & 0x000ffffffffff000;
        if (shift == 12) return {true, (e & 2) != 0, (e & 4) != 0, (e >> 63) != 0, table};
    }
}
enum : u32 { kPresent = 1, kWrite = 2, kUser = 4, kFetch = 16 };

struct Fixture {
    Bench b{{.ept = false, .unrestricted = false}};
    static constexpr u64 kTable = 0x80000, kLinear = 0x200000 * 5;  // a page table for the sixth 2 MiB
    Fixture() {
        b.start();
        b.l1_write(Bench::kL1Cr3 + 0x2000 + 8 * 5, kTable | 7);
        for (u64 t : {Bench::kL1Cr3, Bench::kL1Cr3 + 0x1000}) b.l1_write(t, b.l1_read(t) | 4);
    }
    u64 pte() { return b.l1_read(kTable); }
    void set_pte(u64 v) { b.l1_write(kTable, v); }
    void fault(u32 code, u64 at = kLinear) { b.exception(14, code, at); }
};
}  // namespace

BOOST_FIXTURE_TEST_SUITE(shadow_paging, Fixture)

BOOST_AUTO_TEST_CASE(a_missing_entry_is_filled_from_the_guests_tables) {
    set_pte(0x90000 | 7);
    fault(0);
    BOOST_TEST(!b.injected.has_value());
    const Entry e = look(b, kLinear);
    BOOST_TEST(e.present);
    BOOST_TEST(e.page == Bench::kBase + 0x90000);
    BOOST_TEST(e.user);
    BOOST_TEST(!e.writable);  // not dirty yet
    BOOST_TEST((pte() & 0x60) == 0x20u);
    fault(kPresent | kWrite);
    BOOST_TEST(look(b, kLinear).writable);
    BOOST_TEST((pte() & 0x60) == 0x60u);
}

BOOST_AUTO_TEST_CASE(a_fault_of_the_guests_own_is_delivered_with_its_error_code) {
    set_pte(0);
    fault(kUser);
    BOOST_TEST_REQUIRE(b.injected.has_value());
    BOOST_TEST(b.injected->vector == 14);
    BOOST_TEST(b.injected->error_code == 4u);
    BOOST_TEST(b.cpu.cr2 == kLinear);
    set_pte(0x90000 | 1);  // supervisor, read-only
    fault(kUser);
    BOOST_TEST(b.injected->error_code == 5u);
    BOOST_TEST((pte() & 0x60) == 0u);
    fault(kWrite);
    BOOST_TEST(b.injected->error_code == 3u);  // CR0.WP = 1
    set_pte(0x90000 | 7 | u64{1} << 63);
    fault(kFetch);
    BOOST_TEST(b.injected->error_code == 0x11u);
    set_pte(0x90000 | 7 | u64{1} << 45);  // reserved: beyond the physical-address width
    fault(0);
    BOOST_TEST(b.injected->error_code == 9u);
}

BOOST_AUTO_TEST_CASE(without_wp_the_supervisor_writes_read_only_pages) {
    b.cpu.r[vmx::RAX] = b.vmx.visible_cr0() & ~vmx::cr0::WP;
    b.exit(ExitReason::CR_ACCESS, 3, u64{vmx::RAX} << 8);
    set_pte(0x90000 | 5);
    fault(kWrite);
    BOOST_TEST(!b.injected.has_value());
    BOOST_TEST(look(b, kLinear).writable);
    BOOST_TEST(!look(b, kLinear).user);
    fault(kPresent | kUser);  // a user may still read
    BOOST_TEST(!b.injected.has_value());
    BOOST_TEST(look(b, kLinear).user);
    BOOST_TEST(!look(b, kLinear).writable);
}

BOOST_AUTO_TEST_CASE(flushes_of_the_guest_empty_the_shadow) {
    set_pte(0x90000 | 7);
    fault(0);
    b.exit(ExitReason::INVLPG, 3, kLinear);
    BOOST_TEST(!look(b, kLinear).present);
    fault(0);
    BOOST_TEST(look(b, kLinear).present);
    b.cpu.r[vmx::RAX] = Bench::kL1Cr3;
    b.exit(ExitReason::CR_ACCESS, 3, 3 | u64{vmx::RAX} << 8);
    BOOST_TEST(!look(b, kLinear).present);
}

BOOST_AUTO_TEST_CASE(faults_of_l2_go_to_l2_or_to_l1) {
    b.enter_vmx();
    b.fill_vmcs12();
    b.launch();
    BOOST_TEST_REQUIRE(b.l0->nested.guest_mode);
    fault(0, 0x30000);  // mapped by L2's tables: L0's affair
    BOOST_TEST(b.l0->nested.guest_mode);
    BOOST_TEST(!b.injected.has_value());
    BOOST_TEST(look(b, 0x30000).page == Bench::kBase + 0x30000);
    fault(kWrite, 0x40000000);  // not mapped: L2's own
    BOOST_TEST_REQUIRE(b.injected.has_value());
    BOOST_TEST(b.injected->vector == 14);
    BOOST_TEST(b.cpu.cr2 == 0x40000000u);
    b.exit(ExitReason::CPUID, 2);
    b.set12(Field::EXCEPTION_BITMAP, 1u << 14);
    b.resume();
    b.cpu.cr2 = 0;
    fault(kWrite, 0x40000000);
    BOOST_TEST(!b.l0->nested.guest_mode);
    BOOST_TEST(b.get12(Field::VM_EXIT_REASON) == 0u);
    BOOST_TEST(b.get12(Field::VM_EXIT_INTR_INFO) == 0x80000b0eu);
    BOOST_TEST(b.get12(Field::VM_EXIT_INTR_ERROR_CODE) == 2u);
    BOOST_TEST(b.get12(Field::EXIT_QUALIFICATION) == 0x40000000u);
    BOOST_TEST(b.cpu.cr2 == 0u);  // of an exit, CR2 is not L2's to have (SDM 28.2)
    // Mask and match, which hardware cannot apply here, L0 does: error code 2 does not match 4 under mask 4.
    b.set12(Field::PAGE_FAULT_ERROR_CODE_MASK, 4);
    b.set12(Field::PAGE_FAULT_ERROR_CODE_MATCH, 4);
    b.resume();
    fault(kWrite, 0x40000000);
    BOOST_TEST(b.l0->nested.guest_mode);
}

BOOST_AUTO_TEST_CASE(the_pages_of_the_shadow_are_used_again) {
    const u64 available = b.l0->pages.available();
    for (unsigned round = 0; round < 3; ++round)
        for (u64 i = 0; i < 8; ++i) fault(0, i << 21 | 0x1000);
    BOOST_TEST(b.l0->pages.available() + 64 > available);
    for (unsigned round = 0; round < 200; ++round) {
        b.cpu.r[vmx::RAX] = Bench::kL1Cr3;
        b.exit(ExitReason::CR_ACCESS, 3, 3 | u64{vmx::RAX} << 8);
        fault(0, 0x1000);
    }
    BOOST_TEST(b.l0->pages.available() + 64 > available);
    BOOST_TEST(!b.l0->stopped);
}

BOOST_AUTO_TEST_SUITE_END()
