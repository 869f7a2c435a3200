// SPDX-License-Identifier: Apache-2.0
#include "tests/vmx/machine.hpp"

namespace vmxsim::test {

using namespace vmx;

namespace {

arch::Capabilities common(u64 revision) {
    arch::Capabilities c;
    c.set(msr::IA32_VMX_BASIC, 0x00da040000000000 | revision);
    c.set(msr::IA32_VMX_PINBASED_CTLS, 0x0000007f00000016);
    c.set(msr::IA32_VMX_PROCBASED_CTLS, 0xfff9fffe0401e172);
    c.set(msr::IA32_VMX_EXIT_CTLS, 0x007fffff00036dff);
    c.set(msr::IA32_VMX_ENTRY_CTLS, 0x0000ffff000011ff);
    c.set(msr::IA32_VMX_CR0_FIXED0, 0x80000021);
    c.set(msr::IA32_VMX_CR0_FIXED1, 0xffffffff);
    c.set(msr::IA32_VMX_CR4_FIXED0, 0x2000);
    c.set(msr::IA32_VMX_VMCS_ENUM, 0x2a);
    c.set(msr::IA32_VMX_TRUE_PINBASED_CTLS, 0x0000007f00000016);
    c.set(msr::IA32_VMX_TRUE_PROCBASED_CTLS, 0xfff9fffe04006172);
    c.set(msr::IA32_VMX_TRUE_EXIT_CTLS, 0x007fffff00036dfb);
    c.set(msr::IA32_VMX_TRUE_ENTRY_CTLS, 0x0000ffff000011fb);
    c.physical_address_bits = 39;
    return c;
}

}  // namespace

arch::Capabilities nehalem() {
    arch::Capabilities c = common(0x0e);
    c.set(msr::IA32_VMX_MISC, 0x401c5);
    c.set(msr::IA32_VMX_CR4_FIXED1, 0x67ff);
    c.set(msr::IA32_VMX_PROCBASED_CTLS2, 0x0000007f00000000);
    c.set(msr::IA32_VMX_EPT_VPID_CAP, 0x00000f0106114141);
    return c;
}

arch::Capabilities haswell() {
    arch::Capabilities c = common(0x12);
    c.set(msr::IA32_VMX_MISC, 0x300481e5);
    c.set(msr::IA32_VMX_CR4_FIXED1, 0x1767ff);
    c.set(msr::IA32_VMX_PROCBASED_CTLS2, 0x00007cff00000000);
    c.set(msr::IA32_VMX_EPT_VPID_CAP, 0x00000f0106334141);
    c.set(msr::IA32_VMX_VMFUNC, 1);
    return c;
}

arch::Capabilities everything() {
    arch::Capabilities c = haswell();
    const auto allow_all = [&c](u32 index) { c.set(index, c.get(index) | 0xffffffff00000000); };
    for (const u32 m : {msr::IA32_VMX_TRUE_PINBASED_CTLS, msr::IA32_VMX_TRUE_PROCBASED_CTLS,
                        msr::IA32_VMX_TRUE_EXIT_CTLS, msr::IA32_VMX_TRUE_ENTRY_CTLS, msr::IA32_VMX_PROCBASED_CTLS2})
        allow_all(m);
    c.set(msr::IA32_VMX_PROCBASED_CTLS3, ~u64{0});
    c.set(msr::IA32_VMX_EXIT_CTLS2, ~u64{0});
    c.set(msr::IA32_VMX_CR4_FIXED1, 0x1ffffefff);  // all but LA57: 48-bit linear addresses
    return c;
}

Machine::Machine(const arch::Capabilities& caps, const arch::VmcsLayout& layout)
    : capabilities(caps), vmx({cpu, port, ram, translations, capabilities, timing, ledger, &layout}) {
    port.layout = &layout;
    cpu.cr0 = 0x80050033;
    cpu.cr4 = cr4::PAE | cr4::VMXE;
    cpu.cr3 = 0x20000;
    cpu.efer = efer::LMA | efer::LME | efer::SCE;
    cpu.feature_control = 5;
    cpu.seg[CS] = {0x10, {0xa09b}, 0xffffffff, 0};
    cpu.seg[SS] = {0x18, {0xc093}, 0xffffffff, 0};
    cpu.rip = 0x100000;
    for (const u64 region : {kVmxon, kVmcs, kOther}) ram.write({region}, 4, capabilities.revision_id());
    ram.write({kShadow}, 4, capabilities.revision_id() | 0x80000000);
    start();
}

void Machine::start() {
    BOOST_REQUIRE(vmx.gate(VmxInstruction::Vmxon) == Gate::Proceed);
    BOOST_REQUIRE(vmx.vmxon(kVmxon).kind == VmxResult::Succeed);
    BOOST_REQUIRE(vmx.vmclear(kVmcs).kind == VmxResult::Succeed);
    BOOST_REQUIRE(vmx.vmptrld(kVmcs).kind == VmxResult::Succeed);
    fill_valid();
}

void Machine::fill_valid() {
    port.pages[kVmcs] = {};
    // Controls: the least that the capabilities ask for, the host and the guest in 64-bit mode
    set(Field::PIN_BASED_VM_EXEC_CONTROL, allowed_pin(capabilities).must);
    set(Field::CPU_BASED_VM_EXEC_CONTROL, allowed_primary(capabilities).must);
    set(Field::VM_EXIT_CONTROLS, allowed_exit(capabilities).must);
    set(Field::VM_ENTRY_CONTROLS, allowed_entry(capabilities).must);
    control(arch::ExitControl::HostAddressSpaceSize);
    control(arch::EntryControl::IA32eModeGuest);
    set(Field::IO_BITMAP_A, kIoA);
    set(Field::IO_BITMAP_B, kIoB);
    set(Field::MSR_BITMAP, kMsrBitmap);
    set(Field::VIRTUAL_APIC_PAGE_ADDR, kVapic);
    set(Field::VMREAD_BITMAP, kReadBitmap);
    set(Field::VMWRITE_BITMAP, kWriteBitmap);
    set(Field::EPTP_LIST_ADDRESS, kEptpList);
    set(Field::EPT_POINTER, kEptp);
    set(Field::VIRTUAL_PROCESSOR_ID, 7);
    set(Field::TSC_MULTIPLIER, u64{1} << 48);
    set(Field::VM_EXIT_MSR_STORE_ADDR, kList);
    set(Field::VM_EXIT_MSR_LOAD_ADDR, kList + 0x1000);
    set(Field::VM_ENTRY_MSR_LOAD_ADDR, kList + 0x2000);
    // Host
    set(Field::HOST_CR0, cpu.cr0);
    set(Field::HOST_CR3, 0x21000);
    set(Field::HOST_CR4, cpu.cr4);
    set(Field::HOST_CS_SELECTOR, 0x10);
    set(Field::HOST_SS_SELECTOR, 0x18);
    set(Field::HOST_DS_SELECTOR, 0x18);
    set(Field::HOST_FS_SELECTOR, 0x20);
    set(Field::HOST_TR_SELECTOR, 0x40);
    set(Field::HOST_FS_BASE, 0xffff800000001000);
    set(Field::HOST_GS_BASE, 0xffff800000002000);
    set(Field::HOST_TR_BASE, 0xffff800000003000);
    set(Field::HOST_GDTR_BASE, 0xffff800000004000);
    set(Field::HOST_IDTR_BASE, 0xffff800000005000);
    set(Field::HOST_IA32_SYSENTER_CS, 0x10);
    set(Field::HOST_IA32_SYSENTER_ESP, 0xffff800000006000);
    set(Field::HOST_IA32_SYSENTER_EIP, 0xffff800000007000);
    set(Field::HOST_IA32_EFER, cpu.efer);
    set(Field::HOST_IA32_PAT, 0x0007040600070406);
    set(Field::HOST_RIP, 0xffff800000008000);
    set(Field::HOST_RSP, 0xffff800000009000);
    // Guest
    set(Field::VMCS_LINK_POINTER, ~u64{0});
    set(Field::GUEST_CR0, 0x80000031);
    set(Field::GUEST_CR3, 0x30000);
    set(Field::GUEST_CR4, cr4::PAE | cr4::VMXE);
    set(Field::GUEST_DR7, 0x400);
    set(Field::GUEST_IA32_EFER, efer::LMA | efer::LME);
    set(Field::GUEST_IA32_PAT, 0x0007040600070406);
    set(Field::GUEST_CS_SELECTOR, 0x08);
    set(Field::GUEST_CS_AR_BYTES, 0xa09b);
    for (const Field f : {Field::GUEST_SS_SELECTOR, Field::GUEST_DS_SELECTOR, Field::GUEST_ES_SELECTOR,
                          Field::GUEST_FS_SELECTOR, Field::GUEST_GS_SELECTOR})
        set(f, 0x10);
    for (const Field f : {Field::GUEST_SS_AR_BYTES, Field::GUEST_DS_AR_BYTES, Field::GUEST_ES_AR_BYTES,
                          Field::GUEST_FS_AR_BYTES, Field::GUEST_GS_AR_BYTES})
        set(f, 0xc093);
    for (const Field f : {Field::GUEST_CS_LIMIT, Field::GUEST_SS_LIMIT, Field::GUEST_DS_LIMIT, Field::GUEST_ES_LIMIT,
                          Field::GUEST_FS_LIMIT, Field::GUEST_GS_LIMIT})
        set(f, 0xffffffff);
    set(Field::GUEST_LDTR_SELECTOR, 0x28);
    set(Field::GUEST_LDTR_LIMIT, 0xfff);
    set(Field::GUEST_LDTR_AR_BYTES, 0x82);
    set(Field::GUEST_TR_SELECTOR, 0x18);
    set(Field::GUEST_TR_LIMIT, 0x67);
    set(Field::GUEST_TR_AR_BYTES, 0x8b);
    set(Field::GUEST_GDTR_BASE, 0xffff900000001000);
    set(Field::GUEST_GDTR_LIMIT, 0x7f);
    set(Field::GUEST_IDTR_BASE, 0xffff900000002000);
    set(Field::GUEST_IDTR_LIMIT, 0xfff);
    set(Field::GUEST_SYSENTER_CS, 0x8);
    set(Field::GUEST_SYSENTER_ESP, 0xffff900000003000);
    set(Field::GUEST_SYSENTER_EIP, 0xffff900000004000);
    set(Field::GUEST_RSP, 0x6000);
    set(Field::GUEST_RIP, 0x401000);
    set(Field::GUEST_RFLAGS, rflags::IF | 2);
}

void Machine::guest32() {
    control(arch::EntryControl::IA32eModeGuest, false);
    set(Field::GUEST_CR4, cr4::VMXE);
    set(Field::GUEST_IA32_EFER, 0);
    set(Field::GUEST_CS_AR_BYTES, 0xc09b);
}

void Machine::guest_v86() {
    guest32();
    add(Field::GUEST_RFLAGS, rflags::VM);
    constexpr Field kSelector[] = {Field::GUEST_CS_SELECTOR, Field::GUEST_SS_SELECTOR, Field::GUEST_DS_SELECTOR,
                                   Field::GUEST_ES_SELECTOR, Field::GUEST_FS_SELECTOR, Field::GUEST_GS_SELECTOR};
    constexpr Field kBase[] = {Field::GUEST_CS_BASE, Field::GUEST_SS_BASE, Field::GUEST_DS_BASE,
                               Field::GUEST_ES_BASE, Field::GUEST_FS_BASE, Field::GUEST_GS_BASE};
    constexpr Field kLimit[] = {Field::GUEST_CS_LIMIT, Field::GUEST_SS_LIMIT, Field::GUEST_DS_LIMIT,
                                Field::GUEST_ES_LIMIT, Field::GUEST_FS_LIMIT, Field::GUEST_GS_LIMIT};
    constexpr Field kRights[] = {Field::GUEST_CS_AR_BYTES, Field::GUEST_SS_AR_BYTES, Field::GUEST_DS_AR_BYTES,
                                 Field::GUEST_ES_AR_BYTES, Field::GUEST_FS_AR_BYTES, Field::GUEST_GS_AR_BYTES};
    for (unsigned i = 0; i < 6; ++i) {
        set(kSelector[i], 0x1000 + i);
        set(kBase[i], (0x1000 + i) << 4);
        set(kLimit[i], 0xffff);
        set(kRights[i], 0xf3);
    }
}

void Machine::guest_real() {
    guest32();
    use_ept();
    control(arch::SecondaryControl::UnrestrictedGuest);
    set(Field::GUEST_CR0, 0x30);
    set(Field::GUEST_CS_AR_BYTES, 0x93);
    set(Field::GUEST_CS_LIMIT, 0xffff);
}

void Machine::use_ept() { control(arch::SecondaryControl::EnableEPT); }

void Machine::msr_entry(u64 area, unsigned n, u64 index, u64 value) {
    ram.write({area + 16 * n}, 8, index);
    ram.write({area + 16 * n + 8}, 8, value);
}

EntryResult Machine::enter() {
    const EntryResult r = vmx.vmlaunch();
    BOOST_REQUIRE_MESSAGE(r.kind == EntryResult::Entered, (r.violated ? r.violated : "?"));
    return r;
}

}  // namespace vmxsim::test
