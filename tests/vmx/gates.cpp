// SPDX-License-Identifier: Apache-2.0
#include "tests/vmx/machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;
using arch::SecondaryControl;

namespace {

constexpr VmxInstruction kRootOnly[] = {
    VmxInstruction::Vmclear,  VmxInstruction::Vmlaunch, VmxInstruction::Vmptrld, VmxInstruction::Vmptrst,
    VmxInstruction::Vmread,   VmxInstruction::Vmresume, VmxInstruction::Vmwrite, VmxInstruction::Vmxoff,
    VmxInstruction::Invept,   VmxInstruction::Invvpid};

void user(Machine& m) { m.cpu.seg[SS].ar.raw |= 0x60; }
void expect(Gate got, Gate want) { BOOST_TEST(static_cast<int>(got) == static_cast<int>(want)); }

}  // namespace

BOOST_AUTO_TEST_SUITE(vmx_gates)

BOOST_AUTO_TEST_CASE(root_operation_at_cpl_0_proceeds_and_at_cpl_3_faults) {
    for (const auto which : kRootOnly) {
        Machine m;
        expect(m.vmx.gate(which), Gate::Proceed);
        user(m);
        expect(m.vmx.gate(which), Gate::GeneralProtection);
    }
}

BOOST_AUTO_TEST_CASE(outside_vmx_operation_and_in_modes_without_vmx_all_are_undefined) {
    for (const auto which : kRootOnly) {
        Machine off;
        off.vmx.vmxoff();
        user(off);  // #UD comes before #GP
        expect(off.vmx.gate(which), Gate::UndefinedOpcode);
        Machine compatibility;
        compatibility.cpu.seg[CS].ar.raw = 0xc09b;
        expect(compatibility.vmx.gate(which), Gate::UndefinedOpcode);
        Machine v86;
        v86.cpu.efer = 0;
        v86.cpu.rflags |= rflags::VM;
        expect(v86.vmx.gate(which), Gate::UndefinedOpcode);
    }
}

BOOST_AUTO_TEST_CASE(non_root_operation_exits_before_the_privilege_test_but_after_the_mode_test) {
    for (const auto which : kRootOnly) {
        Machine m;
        m.enter();
        user(m);
        expect(m.vmx.gate(which), Gate::Exit);
        Machine real;
        real.guest_real();
        real.enter();
        expect(real.vmx.gate(which), Gate::UndefinedOpcode);
    }
}

BOOST_AUTO_TEST_CASE(vmxon_wants_the_feature_control_bits_and_fixed_cr_bits) {
    const auto gate = [](auto&& change) {
        Machine m;
        m.vmx.vmxoff();
        change(m.cpu);
        return m.vmx.gate(VmxInstruction::Vmxon);
    };
    expect(gate([](CpuState&) {}), Gate::Proceed);
    expect(gate([](CpuState& c) { c.cr4 &= ~cr4::VMXE; }), Gate::UndefinedOpcode);
    expect(gate([](CpuState& c) { c.seg[CS].ar.raw = 0xc09b; }), Gate::UndefinedOpcode);
    expect(gate([](CpuState& c) { c.feature_control = 4; }), Gate::GeneralProtection);
    expect(gate([](CpuState& c) { c.feature_control = 1; }), Gate::GeneralProtection);
    expect(gate([](CpuState& c) { c.cr0 &= ~cr0::NE; }), Gate::GeneralProtection);
    expect(gate([](CpuState& c) { c.cr4 |= cr4::SMAP; }), Gate::GeneralProtection);
    expect(gate([](CpuState& c) { c.seg[SS].ar.raw |= 0x60; }), Gate::GeneralProtection);
    Machine root;
    expect(root.vmx.gate(VmxInstruction::Vmxon), Gate::Proceed);  // to error 15
    root.enter();
    expect(root.vmx.gate(VmxInstruction::Vmxon), Gate::Exit);
}

BOOST_AUTO_TEST_CASE(vmcall_exits_from_every_mode_of_a_guest) {
    Machine m;
    expect(m.vmx.gate(VmxInstruction::Vmcall), Gate::Proceed);
    user(m);
    expect(m.vmx.gate(VmxInstruction::Vmcall), Gate::GeneralProtection);
    Machine real;
    real.guest_real();
    real.enter();
    expect(real.vmx.gate(VmxInstruction::Vmcall), Gate::Exit);
    Machine off;
    off.vmx.vmxoff();
    expect(off.vmx.gate(VmxInstruction::Vmcall), Gate::UndefinedOpcode);
}

BOOST_AUTO_TEST_CASE(invept_and_invvpid_are_undefined_where_the_feature_is_missing) {
    arch::Capabilities c = nehalem();
    c.set(msr::IA32_VMX_PROCBASED_CTLS2, u64{0x20} << 32);  // VPID without EPT
    Machine m(c);
    expect(m.vmx.gate(VmxInstruction::Invept), Gate::UndefinedOpcode);
    expect(m.vmx.gate(VmxInstruction::Invvpid), Gate::Proceed);
    c.set(msr::IA32_VMX_EPT_VPID_CAP, c.get(msr::IA32_VMX_EPT_VPID_CAP) & ~(u64{1} << 32));
    Machine less(c);
    expect(less.vmx.gate(VmxInstruction::Invvpid), Gate::UndefinedOpcode);
}

BOOST_AUTO_TEST_CASE(shadowed_fields_are_accessed_without_exit_and_the_bitmaps_decide) {
    Machine m;
    m.control(SecondaryControl::VMCSShadowing);
    m.set(Field::VMCS_LINK_POINTER, Machine::kShadow);
    const u32 rip = encoding_of(Field::GUEST_RIP), rsp = encoding_of(Field::GUEST_RSP);
    m.ram.write({Machine::kReadBitmap + rip / 8}, 1, u64{1} << rip % 8);
    m.ram.write({Machine::kWriteBitmap + rsp / 8}, 1, u64{1} << rsp % 8);
    m.enter();
    expect(m.vmx.gate_vmcs_access(false, rip), Gate::Exit);
    expect(m.vmx.gate_vmcs_access(true, rip), Gate::Proceed);
    expect(m.vmx.gate_vmcs_access(false, rsp), Gate::Proceed);
    expect(m.vmx.gate_vmcs_access(true, rsp), Gate::Exit);
    expect(m.vmx.gate_vmcs_access(false, 0x8000), Gate::Exit);
    expect(m.vmx.gate_vmcs_access(false, rsp | u64{1} << 32), Gate::Exit);
    user(m);
    expect(m.vmx.gate_vmcs_access(false, rsp), Gate::GeneralProtection);
    // The access itself concerns the shadow VMCS
    u64 value = 0;
    BOOST_TEST((m.vmx.vmwrite(rip, 0x1234).kind == VmxResult::Succeed));
    BOOST_TEST(m.port.pages[Machine::kShadow].get(Field::GUEST_RIP) == 0x1234u);
    BOOST_TEST(m.get(Field::GUEST_RIP) == 0x401000u);
    BOOST_TEST((m.vmx.vmread(rip, value).kind == VmxResult::Succeed));
    BOOST_TEST(value == 0x1234u);
    BOOST_TEST((m.vmx.vmread(0x6c20, value).kind == VmxResult::FailValid));
}

BOOST_AUTO_TEST_CASE(shadowing_without_a_link_fails_invalid_and_without_the_control_exits) {
    Machine m;
    m.control(SecondaryControl::VMCSShadowing);
    m.enter();
    u64 value = 0;
    expect(m.vmx.gate_vmcs_access(false, encoding_of(Field::GUEST_RIP)), Gate::Proceed);
    BOOST_TEST((m.vmx.vmread(encoding_of(Field::GUEST_RIP), value).kind == VmxResult::FailInvalid));
    Machine plain;
    plain.enter();
    expect(plain.vmx.gate_vmcs_access(false, encoding_of(Field::GUEST_RIP)), Gate::Exit);
}

BOOST_AUTO_TEST_CASE(vmfunc_switches_the_eptp_or_exits) {
    Machine m;
    m.use_ept();
    m.control(SecondaryControl::EnableVMFunctions);
    m.set(Field::VM_FUNCTION_CONTROL, 1);
    m.ram.write({Machine::kEptpList + 8 * 3}, 8, 0x7701e);
    m.ram.write({Machine::kEptpList + 8 * 4}, 8, 0x77016);  // another walk length
    m.ram.write({Machine::kEptpList + 8 * 5}, 8, 0x77f1e);  // reserved bits
    expect(m.vmx.gate(VmxInstruction::Vmfunc), Gate::UndefinedOpcode);
    m.enter();
    user(m);
    expect(m.vmx.gate(VmxInstruction::Vmfunc), Gate::Proceed);
    ExitInfo info;
    bool exits = true;
    m.cpu.r[RAX] = 0;
    m.cpu.r[RCX] = 3;
    m.translations.calls.clear();
    BOOST_TEST((m.vmx.vmfunc(info, exits).kind == VmxResult::Succeed));
    BOOST_TEST(!exits);
    BOOST_TEST(m.vmx.controls().eptp.raw == 0x7701eu);
    BOOST_TEST(m.get(Field::EPT_POINTER) == 0x7701eu);
    BOOST_TEST(m.translations.calls == std::vector<std::string>{"vpid 0"}, boost::test_tools::per_element());
    for (const u64 index : {4, 5, 512}) {
        m.cpu.r[RCX] = index;
        m.vmx.vmfunc(info, exits);
        BOOST_TEST(exits);
        BOOST_TEST((info.reason == arch::ExitReason::VMFUNC));
        BOOST_TEST(m.vmx.controls().eptp.raw == 0x7701eu);
    }
    m.cpu.r[RAX] = 1;
    m.vmx.vmfunc(info, exits);
    BOOST_TEST(exits);
    m.cpu.r[RAX] = 64;
    BOOST_TEST((m.vmx.vmfunc(info, exits).kind == VmxResult::UndefinedOpcode));
}

BOOST_AUTO_TEST_SUITE_END()
