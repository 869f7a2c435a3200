// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include "machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;
using arch::ExitReason;
using arch::Field;
using arch::SecondaryControl;

namespace {

bool fault(Machine& m, Outcome o, u8 vector) { return o == Outcome::Fault && m.fault().vector == vector; }
u64 arithmetic(Machine& m) { return m.core.state.rflags & rflags::kArithmetic; }

}  // namespace

BOOST_AUTO_TEST_SUITE(vmx_instructions)

BOOST_AUTO_TEST_CASE(outside_vmx_operation_they_are_undefined) {
    Machine m;
    m.long64();
    BOOST_TEST(fault(m, m.run({0x0f, 0x01, 0xc1}), 6));        // vmcall
    BOOST_TEST(fault(m, m.run({0x0f, 0x01, 0xc4}), 6));        // vmxoff
    BOOST_TEST(fault(m, m.run({0x0f, 0xc7, 0x30}), 6));        // vmptrld [rax]
    BOOST_TEST(fault(m, m.run({0x0f, 0x78, 0xc0}), 6));        // vmread rax, rax
    BOOST_TEST(fault(m, m.run({0xf3, 0x0f, 0xc7, 0x30}), 6));  // vmxon without CR4.VMXE
    BOOST_TEST(fault(m, m.run({0x0f, 0x01, 0xd4}), 6));        // vmfunc
}

BOOST_AUTO_TEST_CASE(vmxon_reads_its_pointer_enters_and_then_fails) {
    Machine m;
    m.long64();
    m.core.state.cr4 |= cr4::VMXE;
    m.r(RAX) = 0x90000000;  // not mapped
    BOOST_TEST(fault(m, m.run({0xf3, 0x0f, 0xc7, 0x30}), 14));
    m.poke(Machine::kVmxon, m.capabilities.revision_id(), 4);
    m.poke(kData, Machine::kVmxon, 8);
    m.r(RAX) = kData;
    m.core.state.rflags |= rflags::CF | rflags::ZF;
    BOOST_TEST((m.run({0xf3, 0x0f, 0xc7, 0x30}) == Outcome::Jump));
    BOOST_TEST(m.core.state.vmx.on);
    BOOST_TEST(arithmetic(m) == 0u);
    m.r(RAX) = 0x90000000;
    BOOST_TEST((m.run({0xf3, 0x0f, 0xc7, 0x30}) == Outcome::Jump), "in root operation the operand is not read");
    BOOST_TEST(arithmetic(m) == rflags::CF);
    m.long64(3);
    m.core.state.cr4 |= cr4::VMXE;
    BOOST_TEST(fault(m, m.run({0xf3, 0x0f, 0xc7, 0x30}), 13));
}

BOOST_AUTO_TEST_CASE(vmptrld_vmptrst_vmread_and_vmwrite_work_on_the_current_vmcs) {
    Machine m;
    m.long64();
    m.vmxon();
    m.r(RBX) = kData;
    BOOST_TEST((m.run({0x0f, 0xc7, 0x3b}) == Outcome::Jump));  // vmptrst [rbx]
    BOOST_TEST(m.peek(kData, 8) == Machine::kVmcs);
    m.r(RAX) = arch::encoding_of(Field::GUEST_RIP);
    m.r(RCX) = 0x123456789abcdef0;
    BOOST_TEST((m.run({0x0f, 0x79, 0xc1}) == Outcome::Jump));  // vmwrite rax, rcx
    BOOST_TEST((m.run({0x0f, 0x78, 0x03}) == Outcome::Jump));  // vmread [rbx], rax
    BOOST_TEST(m.peek(kData, 8) == 0x123456789abcdef0u);
    m.r(RAX) = 0x6fff;
    BOOST_TEST((m.run({0x0f, 0x78, 0xc1}) == Outcome::Jump));
    BOOST_TEST(arithmetic(m) == rflags::ZF);
    BOOST_TEST(m.field(Field::VM_INSTRUCTION_ERROR) == 12u);
}

BOOST_AUTO_TEST_CASE(faults_of_a_vmread_destination_come_last_and_of_a_vmwrite_source_behind_the_vmcs_test) {
    Machine m;
    m.long64();
    m.vmxon();
    m.r(RBX) = 0x90000000;
    m.core.state.rflags |= rflags::CF;
    m.r(RAX) = arch::encoding_of(Field::GUEST_RIP);
    BOOST_TEST(fault(m, m.run({0x0f, 0x78, 0x03}), 14));
    BOOST_TEST(arithmetic(m) == rflags::CF, "flags stay where the store faults");
    m.r(RAX) = 0x6fff;
    BOOST_TEST((m.run({0x0f, 0x78, 0x03}) == Outcome::Jump), "an unsupported field is VMfail before any store");
    BOOST_TEST(fault(m, m.run({0x0f, 0x79, 0x03}), 14));
    m.vmx.vmclear(Machine::kVmcs);
    BOOST_TEST((m.run({0x0f, 0x79, 0x03}) == Outcome::Jump));
    BOOST_TEST(arithmetic(m) == rflags::CF);
}

BOOST_AUTO_TEST_CASE(compatibility_mode_and_user_mode_may_not) {
    Machine m;
    m.long64();
    m.vmxon();
    m.core.state.seg[CS].ar.raw = 0xc09b;
    BOOST_TEST(fault(m, m.run({0x0f, 0x01, 0xc4}), 6));
    m.long64(3);
    BOOST_TEST(fault(m, m.run({0x0f, 0x01, 0xc4}), 13));
    BOOST_TEST(fault(m, m.run({0x0f, 0x01, 0xc1}), 13));
}

BOOST_AUTO_TEST_CASE(invept_tests_the_type_before_it_reads_the_descriptor) {
    Machine m;
    m.long64();
    m.vmxon();
    m.r(RBX) = 0x90000000;
    m.r(RAX) = 7;
    BOOST_TEST((m.run({0x66, 0x0f, 0x38, 0x80, 0x03}) == Outcome::Jump));
    BOOST_TEST(arithmetic(m) == rflags::ZF);
    BOOST_TEST(m.field(Field::VM_INSTRUCTION_ERROR) == 28u);
    m.r(RAX) = 2;
    BOOST_TEST(fault(m, m.run({0x66, 0x0f, 0x38, 0x80, 0x03}), 14));
    m.r(RBX) = kData;
    BOOST_TEST((m.run({0x66, 0x0f, 0x38, 0x80, 0x03}) == Outcome::Jump));
    BOOST_TEST(arithmetic(m) == 0u);
    m.poke(kData, 0, 8);
    m.r(RAX) = 1;
    BOOST_TEST((m.run({0x66, 0x0f, 0x38, 0x81, 0x03}) == Outcome::Jump));  // invvpid of VPID 0
    BOOST_TEST(m.field(Field::VM_INSTRUCTION_ERROR) == 28u);
}

BOOST_AUTO_TEST_CASE(vmlaunch_enters_the_guest_and_a_second_one_fails_in_place) {
    Machine m;
    m.long64();
    m.vmxon();
    m.prepare_vmcs();
    m.field(Field::GUEST_RIP, 0x27000);
    BOOST_TEST((m.run({0x0f, 0x01, 0xc2}) == Outcome::Jump));
    BOOST_TEST(m.core.state.vmx.non_root);
    BOOST_TEST(m.core.state.rip == 0x27000u);
    BOOST_TEST((m.run({0x0f, 0xa2}) == Outcome::VmExit));
    m.core.take_vm_exit();
    BOOST_TEST(!m.core.state.vmx.non_root);
    BOOST_TEST(m.core.state.rip == Machine::kHostEntry);
    BOOST_TEST((m.run({0x0f, 0x01, 0xc2}) == Outcome::Jump));
    BOOST_TEST(m.core.state.rip == Machine::kHostEntry + 3);
    BOOST_TEST(arithmetic(m) == rflags::ZF);
    BOOST_TEST(m.field(Field::VM_INSTRUCTION_ERROR) == 4u);
    BOOST_TEST((m.run({0x0f, 0x01, 0xc3}) == Outcome::Jump));
    BOOST_TEST(m.core.state.vmx.non_root);
}

BOOST_AUTO_TEST_CASE(a_failed_entry_by_guest_state_continues_at_the_host) {
    Machine m;
    m.long64();
    m.vmxon();
    m.prepare_vmcs();
    m.field(Field::GUEST_RFLAGS, 0);
    BOOST_TEST((m.run({0x0f, 0x01, 0xc2}) == Outcome::Jump));
    BOOST_TEST(!m.core.state.vmx.non_root);
    BOOST_TEST(m.core.state.rip == Machine::kHostEntry);
    BOOST_TEST(m.field(Field::VM_EXIT_REASON) == (33u | arch::kExitReasonEntryFailure));
}

BOOST_AUTO_TEST_CASE(in_a_guest_they_exit_with_length_displacement_and_information) {
    Machine m;
    m.guest64();
    m.core.state.seg[GS].base = 0;
    // vmptrld gs:[rbx + rsi*4 + 0x10]
    BOOST_TEST((m.run({0x65, 0x0f, 0xc7, 0x74, 0xb3, 0x10}) == Outcome::VmExit));
    BOOST_TEST((m.exit().reason == ExitReason::VMPTRLD));
    BOOST_TEST(m.exit().instruction_length == 6u);
    BOOST_TEST(m.exit().qualification == 0x10u);
    BOOST_TEST(m.exit().instruction_info == (2u | 2u << 7 | 5u << 15 | 6u << 18 | 3u << 23));
    // vmclear [rip + 0x100]
    BOOST_TEST((m.run({0x66, 0x0f, 0xc7, 0x35, 0x00, 0x01, 0x00, 0x00}) == Outcome::VmExit));
    BOOST_TEST(m.exit().qualification == kCode + 8 + 0x100);
    BOOST_TEST(m.exit().instruction_info == (2u << 7 | 3u << 15 | 1u << 22 | 1u << 27));
    // vmread r9, r10
    BOOST_TEST((m.run({0x45, 0x0f, 0x78, 0xd1}) == Outcome::VmExit));
    BOOST_TEST((m.exit().reason == ExitReason::VMREAD));
    BOOST_TEST(m.exit().instruction_info == (9u << 3 | 2u << 7 | 1u << 10 | 10u << 28));
    // vmwrite rcx, [rdx - 8]
    BOOST_TEST((m.run({0x0f, 0x79, 0x4a, 0xf8}) == Outcome::VmExit));
    BOOST_TEST((m.exit().reason == ExitReason::VMWRITE));
    BOOST_TEST(m.exit().qualification == ~u64{7});
    BOOST_TEST(m.exit().instruction_info == (2u << 7 | 3u << 15 | 1u << 22 | 2u << 23 | 1u << 28));
    // invept r11, [rax]
    BOOST_TEST((m.run({0x66, 0x44, 0x0f, 0x38, 0x80, 0x18}) == Outcome::VmExit));
    BOOST_TEST((m.exit().reason == ExitReason::INVEPT));
    BOOST_TEST(m.exit().instruction_info == (2u << 7 | 3u << 15 | 1u << 22 | 0u << 23 | 11u << 28));
    const struct {
        u8 last;
        ExitReason reason;
    } plain[] = {{0xc1, ExitReason::VMCALL},
                 {0xc2, ExitReason::VMLAUNCH},
                 {0xc3, ExitReason::VMRESUME},
                 {0xc4, ExitReason::VMXOFF}};
    for (const auto& p : plain) {
        BOOST_TEST((m.run({0x0f, 0x01, p.last}) == Outcome::VmExit));
        BOOST_TEST((m.exit().reason == p.reason));
        BOOST_TEST(m.exit().qualification == 0u);
        BOOST_TEST(m.exit().instruction_info == 0u);
        BOOST_TEST(m.exit().instruction_length == 3u);
    }
}

BOOST_AUTO_TEST_CASE(in_a_guest_the_exit_precedes_the_operand_and_the_privilege_test) {
    Machine m;
    m.guest64();
    m.r(RBX) = 0x90000000;
    BOOST_TEST((m.run({0x0f, 0xc7, 0x33}) == Outcome::VmExit));
    m.core.state.seg[SS].ar.raw |= 0x60;
    BOOST_TEST((m.run({0x0f, 0xc7, 0x33}) == Outcome::VmExit));
}

BOOST_AUTO_TEST_CASE(shadowed_accesses_do_not_exit) {
    Machine m;
    m.set_secondary(SecondaryControl::VMCSShadowing);
    m.long64();
    m.vmxon();
    m.prepare_vmcs();
    constexpr u64 kShadow = 0x53000;
    m.poke(kShadow, m.capabilities.revision_id(), 4);
    m.vmx.vmclear(kShadow);
    m.poke(kShadow, m.capabilities.revision_id() | 1u << 31, 4);
    m.field(Field::VMCS_LINK_POINTER, kShadow);
    m.enter();
    m.r(RAX) = arch::encoding_of(Field::GUEST_RIP);
    m.r(RCX) = 0x4242;
    BOOST_TEST((m.run({0x0f, 0x79, 0xc1}) == Outcome::Jump));
    BOOST_TEST((m.run({0x0f, 0x78, 0xc3}) == Outcome::Jump));
    BOOST_TEST(m.r(RBX) == 0x4242u);
    m.poke(Machine::kBitmaps + 0x3000 + (m.r(RAX) >> 3), 0xff, 1);
    BOOST_TEST((m.run({0x0f, 0x78, 0xc3}) == Outcome::VmExit));
}

BOOST_AUTO_TEST_CASE(vmfunc_without_its_function_exits_and_without_the_control_is_undefined) {
    Machine m;
    m.guest64();
    BOOST_TEST(fault(m, m.run({0x0f, 0x01, 0xd4}), 6));
    Machine f;
    f.set_secondary(SecondaryControl::EnableVMFunctions);
    f.guest64();
    f.r(RAX) = 0;
    BOOST_TEST((f.run({0x0f, 0x01, 0xd4}) == Outcome::VmExit));
    BOOST_TEST((f.exit().reason == ExitReason::VMFUNC));
    BOOST_TEST(f.exit().instruction_length == 3u);
    f.r(RAX) = 64;
    BOOST_TEST(fault(f, f.run({0x0f, 0x01, 0xd4}), 6));
}

BOOST_AUTO_TEST_SUITE_END()
