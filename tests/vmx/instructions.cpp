// SPDX-License-Identifier: Apache-2.0
#include "tests/vmx/machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;

namespace {

void expect(const VmxResult& r, VmxResult::Kind kind, unsigned error = 0) {
    BOOST_TEST(static_cast<int>(r.kind) == static_cast<int>(kind));
    BOOST_TEST(unsigned{r.error} == error);
}
constexpr u64 kAbove = u64{1} << 39;  // first address beyond the physical width of the test processors

}  // namespace

BOOST_AUTO_TEST_SUITE(vmx_instructions)

BOOST_AUTO_TEST_CASE(conclude_sets_the_flags_of_each_result_and_the_error_field) {
    Machine m;
    m.cpu.rflags = rflags::kArithmetic | rflags::IF | 2;
    m.vmx.conclude({});
    BOOST_TEST(m.cpu.rflags == (rflags::IF | 2));
    m.vmx.conclude({VmxResult::FailInvalid, 0});
    BOOST_TEST(m.cpu.rflags == (rflags::IF | 2 | rflags::CF));
    m.vmx.conclude({VmxResult::FailValid, 12});
    BOOST_TEST(m.cpu.rflags == (rflags::IF | 2 | rflags::ZF));
    BOOST_TEST(m.get(Field::VM_INSTRUCTION_ERROR) == 12u);
}

BOOST_AUTO_TEST_CASE(vmxon_wants_an_aligned_region_in_width_with_the_revision_and_without_shadow_bit) {
    Machine m;
    m.vmx.vmxoff();
    expect(m.vmx.vmxon(Machine::kVmxon + 8), VmxResult::FailInvalid);
    expect(m.vmx.vmxon(Machine::kVmxon | kAbove), VmxResult::FailInvalid);
    expect(m.vmx.vmxon(Machine::kIoA), VmxResult::FailInvalid);    // revision 0
    expect(m.vmx.vmxon(Machine::kShadow), VmxResult::FailInvalid); // bit 31
    BOOST_TEST(!m.cpu.vmx.on);
    expect(m.vmx.vmxon(Machine::kVmxon), VmxResult::Succeed);
    BOOST_TEST(m.cpu.vmx.on);
    BOOST_TEST(m.cpu.vmx.current_vmcs == ~u64{0});
    BOOST_TEST(m.cpu.vmx.vmxon_pointer == Machine::kVmxon);
}

BOOST_AUTO_TEST_CASE(error_15_vmxon_in_root_operation) {
    Machine m;
    expect(m.vmx.vmxon(Machine::kOther), VmxResult::FailValid, 15);
    m.vmx.vmclear(Machine::kVmcs);
    expect(m.vmx.vmxon(Machine::kOther), VmxResult::FailInvalid);  // no current VMCS
}

BOOST_AUTO_TEST_CASE(vmxoff_flushes_the_vmcs_cache_and_forgets_the_pointers) {
    Machine m;
    expect(m.vmx.vmxoff(), VmxResult::Succeed);
    BOOST_TEST(m.port.flushed == 1u);
    BOOST_TEST(!m.cpu.vmx.on);
}

BOOST_AUTO_TEST_CASE(errors_2_and_3_vmclear) {
    Machine m;
    expect(m.vmx.vmclear(Machine::kOther + 1), VmxResult::FailValid, 2);
    expect(m.vmx.vmclear(kAbove), VmxResult::FailValid, 2);
    expect(m.vmx.vmclear(Machine::kVmxon), VmxResult::FailValid, 3);
}

BOOST_AUTO_TEST_CASE(vmclear_of_the_current_vmcs_leaves_none_and_clears_the_launch_state) {
    Machine m;
    m.port.launched[Machine::kVmcs] = true;
    expect(m.vmx.vmclear(Machine::kOther), VmxResult::Succeed);
    BOOST_TEST(m.vmx.vmptrst() == Machine::kVmcs);
    expect(m.vmx.vmclear(Machine::kVmcs), VmxResult::Succeed);
    BOOST_TEST(m.vmx.vmptrst() == ~u64{0});
    BOOST_TEST(!m.port.launched[Machine::kVmcs]);
}

BOOST_AUTO_TEST_CASE(errors_9_10_and_11_vmptrld) {
    Machine m;
    expect(m.vmx.vmptrld(Machine::kOther | 0x10), VmxResult::FailValid, 9);
    expect(m.vmx.vmptrld(kAbove), VmxResult::FailValid, 9);
    expect(m.vmx.vmptrld(Machine::kVmxon), VmxResult::FailValid, 10);
    expect(m.vmx.vmptrld(Machine::kIoA), VmxResult::FailValid, 11);
    BOOST_TEST(m.vmx.vmptrst() == Machine::kVmcs);
    expect(m.vmx.vmptrld(Machine::kOther), VmxResult::Succeed);
    BOOST_TEST(m.vmx.vmptrst() == Machine::kOther);
}

BOOST_AUTO_TEST_CASE(a_shadow_vmcs_may_be_loaded_only_where_shadowing_exists_and_never_entered) {
    Machine old(nehalem());
    expect(old.vmx.vmptrld(Machine::kShadow), VmxResult::FailValid, 11);
    Machine m;
    expect(m.vmx.vmptrld(Machine::kShadow), VmxResult::Succeed);
    const EntryResult r = m.vmx.vmlaunch();
    BOOST_TEST((r.kind == EntryResult::Failed));
    expect(r.result, VmxResult::FailInvalid);
    expect(m.vmx.vmptrld(Machine::kVmcs), VmxResult::Succeed);
    m.enter();
}

BOOST_AUTO_TEST_CASE(error_1_vmcall_in_root_operation) {
    Machine m;
    expect(m.vmx.vmcall_in_root(), VmxResult::FailValid, 1);
    m.vmx.vmclear(Machine::kVmcs);
    expect(m.vmx.vmcall_in_root(), VmxResult::FailInvalid);
}

BOOST_AUTO_TEST_CASE(error_12_fields_that_the_processor_does_not_have) {
    Machine m;
    u64 v = 0;
    expect(m.vmx.vmread(0x6c20, v), VmxResult::FailValid, 12);                 // no such index
    expect(m.vmx.vmread(encoding_of(Field::GUEST_RIP) | 1, v), VmxResult::FailValid, 12);  // high half of natural width
    expect(m.vmx.vmread(encoding_of(Field::GUEST_RIP) | u64{1} << 32, v), VmxResult::FailValid, 12);
    expect(m.vmx.vmread(encoding_of(Field::GUEST_RIP) | 0x1000, v), VmxResult::FailValid, 12);
    expect(m.vmx.vmwrite(0x6c20, v), VmxResult::FailValid, 12);
    expect(m.vmx.vmread(encoding_of(Field::VMREAD_BITMAP), v), VmxResult::Succeed);
    expect(m.vmx.vmread(encoding_of(Field::TSC_MULTIPLIER), v), VmxResult::FailValid, 12);
    Machine old(nehalem());
    expect(old.vmx.vmread(encoding_of(Field::VMREAD_BITMAP), v), VmxResult::FailValid, 12);
    expect(old.vmx.vmread(encoding_of(Field::EPT_POINTER), v), VmxResult::Succeed);
    arch::Capabilities none = nehalem();
    none.set(msr::IA32_VMX_TRUE_PROCBASED_CTLS, none.get(msr::IA32_VMX_TRUE_PROCBASED_CTLS) & ~(u64{1} << 63));
    Machine oldest(none);  // no secondary controls: neither their word nor what they bring
    expect(oldest.vmx.vmread(encoding_of(Field::SECONDARY_VM_EXEC_CONTROL), v), VmxResult::FailValid, 12);
    expect(oldest.vmx.vmread(encoding_of(Field::EPT_POINTER), v), VmxResult::FailValid, 12);
    expect(oldest.vmx.vmread(encoding_of(Field::VIRTUAL_PROCESSOR_ID), v), VmxResult::FailValid, 12);
}

BOOST_AUTO_TEST_CASE(error_13_exit_information_is_read_only_unless_the_processor_says_otherwise) {
    Machine old(nehalem());
    expect(old.vmx.vmwrite(encoding_of(Field::VM_EXIT_REASON), 1), VmxResult::FailValid, 13);
    Machine m;  // IA32_VMX_MISC[29] = 1
    expect(m.vmx.vmwrite(encoding_of(Field::VM_EXIT_REASON), 1), VmxResult::Succeed);
    BOOST_TEST(m.get(Field::VM_EXIT_REASON) == 1u);
}

BOOST_AUTO_TEST_CASE(field_accesses_without_current_vmcs_fail_invalid) {
    Machine m;
    m.vmx.vmclear(Machine::kVmcs);
    u64 v = 0;
    expect(m.vmx.vmread(encoding_of(Field::GUEST_RIP), v), VmxResult::FailInvalid);
    expect(m.vmx.vmwrite(encoding_of(Field::GUEST_RIP), v), VmxResult::FailInvalid);
}

BOOST_AUTO_TEST_CASE(high_accesses_reach_the_upper_half_and_full_ones_all_of_a_field) {
    Machine m;
    u64 v = 0;
    expect(m.vmx.vmwrite(encoding_of(Field::TSC_OFFSET), 0x1111222233334444), VmxResult::Succeed);
    expect(m.vmx.vmwrite(encoding_of(Field::TSC_OFFSET) | 1, 0xffffffff55556666), VmxResult::Succeed);
    expect(m.vmx.vmread(encoding_of(Field::TSC_OFFSET), v), VmxResult::Succeed);
    BOOST_TEST(v == 0x5555666633334444u);
    expect(m.vmx.vmread(encoding_of(Field::TSC_OFFSET) | 1, v), VmxResult::Succeed);
    BOOST_TEST(v == 0x55556666u);
    expect(m.vmx.vmwrite(encoding_of(Field::TSC_OFFSET), 5), VmxResult::Succeed);
    BOOST_TEST(m.get(Field::TSC_OFFSET) == 5u);  // a 32-bit operand clears the upper half
    expect(m.vmx.vmwrite(encoding_of(Field::GUEST_CS_SELECTOR), 0x12345678), VmxResult::Succeed);
    BOOST_TEST(m.get(Field::GUEST_CS_SELECTOR) == 0x5678u);
}

BOOST_AUTO_TEST_CASE(error_28_invept_and_its_effects) {
    Machine m;
    expect(m.vmx.invept(0, Machine::kEptp), VmxResult::FailValid, 28);
    expect(m.vmx.invept(3, Machine::kEptp), VmxResult::FailValid, 28);
    expect(m.vmx.invept(1, Machine::kEptp | 0x80), VmxResult::FailValid, 28);
    expect(m.vmx.invept(1, kAbove | 0x1e), VmxResult::FailValid, 28);
    expect(m.vmx.invept(1, Machine::kEptRoot | 0x1d), VmxResult::FailValid, 28);  // memory type 5
    BOOST_TEST(m.translations.calls.empty());
    expect(m.vmx.invept(1, Machine::kEptp), VmxResult::Succeed);
    expect(m.vmx.invept(2, ~u64{0}), VmxResult::Succeed);
    BOOST_TEST(m.translations.calls[0] == "eptp " + std::to_string(Machine::kEptp));
    BOOST_TEST(m.translations.calls[1] == "everything");
}

BOOST_AUTO_TEST_CASE(error_28_invvpid_and_its_effects) {
    Machine m;
    expect(m.vmx.invvpid(4, 1, 0), VmxResult::FailValid, 28);
    expect(m.vmx.invvpid(1, 0x10001, 0), VmxResult::FailValid, 28);
    expect(m.vmx.invvpid(2, 0x10001, 0), VmxResult::FailValid, 28);
    for (const u64 type : {0, 1, 3}) expect(m.vmx.invvpid(type, 0, 0), VmxResult::FailValid, 28);
    expect(m.vmx.invvpid(0, 1, u64{1} << 47), VmxResult::FailValid, 28);
    BOOST_TEST(m.translations.calls.empty());
    expect(m.vmx.invvpid(0, 1, 0x5000), VmxResult::Succeed);
    expect(m.vmx.invvpid(1, 2, u64{1} << 47), VmxResult::Succeed);
    expect(m.vmx.invvpid(2, 0, 0), VmxResult::Succeed);
    expect(m.vmx.invvpid(3, 4, 0), VmxResult::Succeed);
    const std::vector<std::string> expected{"address 1 20480", "vpid 2", "all vpids", "vpid 4 keep"};
    BOOST_TEST(m.translations.calls == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(each_instruction_costs_its_parameter_and_the_ports_cycles) {
    Machine m;
    m.timing.vmread = 3;
    m.timing.vmwrite = 5;
    m.timing.vmptrld = 7;
    m.timing.invept = 11;
    const auto cost = [&m](auto&& body) {
        const u64 before = m.cpu.cycles;
        body();
        return m.cpu.cycles - before;
    };
    u64 v = 0;
    BOOST_TEST(cost([&] { m.vmx.vmread(encoding_of(Field::GUEST_RIP), v); }) == 3 + PlainPort::kAccess);
    BOOST_TEST(cost([&] { m.vmx.vmwrite(encoding_of(Field::GUEST_RIP), v); }) == 5 + PlainPort::kAccess);
    BOOST_TEST(cost([&] { m.vmx.vmptrld(Machine::kOther); }) == 7 + PlainPort::kContext);
    BOOST_TEST(cost([&] { m.vmx.invept(2, 0); }) == 11u);
    BOOST_TEST(cost([&] { m.vmx.peek(Field::GUEST_RIP); }) == 0u);
}

BOOST_AUTO_TEST_CASE(every_timing_parameter_has_a_row_with_a_key_of_its_own) {
    std::vector<std::string_view> keys;
    for (const auto& p : vmx_timing_params()) {
        BOOST_TEST(p.key.starts_with("vmx."));
        for (const auto k : keys) BOOST_TEST(k != p.key);
        keys.push_back(p.key);
    }
    BOOST_TEST(keys.size() * sizeof(u64) == sizeof(VmxTiming));
}

BOOST_AUTO_TEST_SUITE_END()
