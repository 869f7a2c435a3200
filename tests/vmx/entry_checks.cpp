// SPDX-License-Identifier: Apache-2.0
#include "model/vmx/entry_checks.hpp"

#include <set>

#include "tests/vmx/entry_cases.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;

namespace {

constexpr u64 kHostRip = 0xffff800000008000;

/// Runs a case with its preparation alone, which must enter, and with the violation.
template <class Check>
void run(const std::vector<EntryCase>& cases, Check&& outcome) {
    for (const EntryCase& c : cases) {
        BOOST_TEST_CONTEXT(c.id) {
            Machine good(c.capabilities());
            c.prepare(good);
            const EntryResult accepted = good.vmx.vmlaunch();
            BOOST_TEST((accepted.kind == EntryResult::Entered),
                       "accepted before: " << (accepted.violated ? accepted.violated : ""));
            Machine m(c.capabilities());
            c.prepare(m);
            c.violate(m);
            const CpuState before = m.cpu;
            const EntryResult r = m.vmx.vmlaunch();
            BOOST_TEST(std::string(r.violated ? r.violated : "none") == c.id);
            BOOST_TEST(!m.cpu.vmx.non_root);
            BOOST_TEST(!r.inject);
            BOOST_TEST(!m.port.launched[Machine::kVmcs]);
            outcome(m, r, before, std::string(c.id));
        }
    }
}

/// Every row is violated by at least one case.
void complete(const std::vector<EntryCase>& cases, std::span<const EntryCheck> rows,
              std::set<std::string> excused = {}) {
    std::set<std::string> covered, ids;
    for (const EntryCase& c : cases) covered.insert(c.id);
    for (const EntryCheck& row : rows) {
        BOOST_TEST(ids.insert(row.id).second, row.id << " stands twice");
        BOOST_TEST((covered.contains(row.id) || excused.contains(row.id)), row.id << " has no case");
    }
}

void vmfail(const Machine& m, const EntryResult& r, const CpuState& before, unsigned error) {
    BOOST_TEST((r.kind == EntryResult::Failed));
    BOOST_TEST((r.result.kind == VmxResult::FailValid));
    BOOST_TEST(unsigned{r.result.error} == error);
    BOOST_TEST(m.cpu.rip == before.rip);
    BOOST_TEST(m.cpu.cr3 == before.cr3);
    BOOST_TEST(m.get(Field::VM_EXIT_REASON) == 0u);
}

void exit33(const Machine& m, const EntryResult& r, const std::string& id) {
    BOOST_TEST((r.kind == EntryResult::FailedExit));
    BOOST_TEST(m.get(Field::VM_EXIT_REASON) == 0x80000021u);
    const u64 qualification = id.starts_with("GUEST-PDPTE")  ? 2
                              : id == "GUEST-INT-NMI-STI"    ? 3
                              : id.starts_with("GUEST-LINK") ? 4
                                                             : 0;
    BOOST_TEST(m.get(Field::EXIT_QUALIFICATION) == qualification);
    BOOST_TEST(m.cpu.rip == kHostRip);
    BOOST_TEST(m.cpu.cr3 == 0x21000u);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vmx_entry_checks)

BOOST_AUTO_TEST_CASE(each_violated_control_gives_error_7_and_nothing_else) {
    for (const auto& cases : {control_cases(), injection_cases()})
        run(cases, [](Machine& m, const EntryResult& r, const CpuState& before, const std::string&) {
            vmfail(m, r, before, 7);
        });
    complete(control_cases(), control_checks());
    complete(injection_cases(), injection_checks());
}

BOOST_AUTO_TEST_CASE(each_violated_host_field_gives_error_8_and_nothing_else) {
    run(host_cases(),
        [](Machine& m, const EntryResult& r, const CpuState& before, const std::string&) { vmfail(m, r, before, 8); });
    // A 32-bit host cannot have a 64-bit guest: the rows on EFER.LMA at entry, before this one, catch every such VMCS.
    complete(host_cases(), host_checks(), {"HOST-AS32-GUEST64"});
}

BOOST_AUTO_TEST_CASE(each_violated_guest_register_gives_exit_33_with_host_state_loaded) {
    run(guest_register_cases(),
        [](Machine& m, const EntryResult& r, const CpuState&, const std::string& id) { exit33(m, r, id); });
    complete(guest_register_cases(), guest_register_checks());
}

BOOST_AUTO_TEST_CASE(each_violated_guest_segment_gives_exit_33_with_host_state_loaded) {
    run(guest_segment_cases(),
        [](Machine& m, const EntryResult& r, const CpuState&, const std::string& id) { exit33(m, r, id); });
    complete(guest_segment_cases(), guest_segment_checks());
}

BOOST_AUTO_TEST_CASE(each_violated_non_register_state_gives_exit_33_with_its_qualification) {
    run(guest_other_cases(),
        [](Machine& m, const EntryResult& r, const CpuState&, const std::string& id) { exit33(m, r, id); });
    complete(guest_other_cases(), guest_other_checks());
}

BOOST_AUTO_TEST_CASE(the_rows_also_judge_a_vmcs_of_software_whose_memory_lies_at_an_offset) {
    Machine m;
    constexpr u64 kOffset = 0x40000;
    m.control(arch::SecondaryControl::VMCSShadowing);
    m.set(Field::VMCS_LINK_POINTER, Machine::kShadow);
    const EntryContext here(m.port.pages[Machine::kVmcs], m.capabilities, m.cpu, m.ram, Machine::kVmcs);
    const EntryContext there(m.port.pages[Machine::kVmcs], m.capabilities, m.cpu, m.ram, Machine::kVmcs, kOffset);
    BOOST_TEST(violated_guest(here) == nullptr);
    BOOST_REQUIRE(violated_guest(there) != nullptr);
    BOOST_TEST(violated_guest(there)->id == "GUEST-LINK-REV");
    m.ram.write({Machine::kShadow + kOffset}, 4, m.capabilities.revision_id() | 0x80000000);
    BOOST_TEST(violated_guest(there) == nullptr);
}

BOOST_AUTO_TEST_SUITE_END()
