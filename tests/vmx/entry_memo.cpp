// SPDX-License-Identifier: Apache-2.0
#include "model/vmx/entry_memo.hpp"

#include "tests/vmx/machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;

namespace {

/// The checks on `page`, as VM entry makes them. Their first violation, and how many were made.
struct Checked {
    std::string violated = "none";
    unsigned made = 0;
};
Checked check(EntryChecker& checker, const Machine& m, const arch::VmcsPage& page, u64 vmcs = Machine::kVmcs) {
    EntryContext context(page, checker.begin(page, vmcs), m.capabilities, m.cpu, m.ram, vmcs);
    bool host = false;
    const EntryCheck* v = checker.early_violated(context, host);
    if (!v) v = checker.guest_violated(context);
    return {v ? v->id : "none", checker.made()};
}

struct Started {
    Machine m;
    arch::VmcsPage page;
    EntryChecker checker;
    unsigned all = 0;
    Started() {
        page = m.port.pages.at(Machine::kVmcs);
        all = check(checker, m, page).made;
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(entry_memo)

BOOST_FIXTURE_TEST_CASE(a_second_entry_makes_few_checks, Started) {
    BOOST_TEST(all > 200u);
    const Checked again = check(checker, m, page);
    BOOST_TEST(again.violated == "none");
    BOOST_TEST(again.made < 20u);
    page.set(Field::GUEST_RIP, page.get(Field::GUEST_RIP) + 2);
    BOOST_TEST(check(checker, m, page).made < 30u);
}

BOOST_FIXTURE_TEST_CASE(whatever_is_written_is_checked_again, Started) {
    // Every field in turn, with a value that most checks refuse: the memo's verdict is that of all checks anew.
    for (std::size_t i = 0; i < arch::kFieldCount; ++i) {
        const auto f = static_cast<Field>(i);
        for (const u64 value : {~u64{0}, u64{0}, u64{0x8000000000000001}, page.get(f) ^ 1}) {
            BOOST_TEST_CONTEXT(arch::info(f).name << " = " << value) {
                const u64 before = page.get(f);
                page.set(f, value);
                EntryChecker fresh;
                BOOST_TEST(check(checker, m, page).violated == check(fresh, m, page).violated);
                page.set(f, before);
                BOOST_TEST(check(checker, m, page).violated == "none");
            }
        }
    }
}

BOOST_FIXTURE_TEST_CASE(what_is_not_in_the_vmcs_is_looked_at_each_time, Started) {
    m.cpu.efer &= ~efer::LMA;
    EntryChecker fresh;
    const Checked now = check(checker, m, page);
    BOOST_TEST(now.violated != "none");
    BOOST_TEST(now.violated == check(fresh, m, page).violated);
}

BOOST_FIXTURE_TEST_CASE(a_vmcs_that_failed_is_checked_in_full, Started) {
    const u64 good = page.get(Field::GUEST_RFLAGS);
    page.set(Field::GUEST_RFLAGS, 0);
    BOOST_TEST(check(checker, m, page).violated != "none");
    page.set(Field::GUEST_RFLAGS, good);
    BOOST_TEST(check(checker, m, page).made == all);
}

BOOST_FIXTURE_TEST_CASE(several_vmcss_have_their_own_memo, Started) {
    BOOST_TEST(check(checker, m, page, Machine::kOther).made == all);
    BOOST_TEST(check(checker, m, page).made < 20u);
    BOOST_TEST(check(checker, m, page, Machine::kOther).made < 20u);
}

BOOST_AUTO_TEST_SUITE_END()
