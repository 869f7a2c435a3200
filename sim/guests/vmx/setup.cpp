// SPDX-License-Identifier: Apache-2.0
// From a CPU in 64-bit mode to one that can enter a guest: feature control, regions, VMCS.
#include "sim/guests/vmx/setup.hpp"

#include "sim/guests/common/console.hpp"
#include "sim/guests/common/cpu.hpp"
#include "sim/guests/common/exceptions.hpp"

namespace guest {
namespace {
constexpr u32 kFeatureControl = 0x3a, kVmxBasic = 0x480, kPinbased = 0x481, kProcbased = 0x482, kExit = 0x483,
              kEntry = 0x484, kCr0Fixed0 = 0x486, kCr0Fixed1 = 0x487, kCr4Fixed0 = 0x488, kCr4Fixed1 = 0x489,
              kTruePinbased = 0x48d, kTrueProcbased = 0x48e, kTrueExit = 0x48f, kTrueEntry = 0x490;

alignas(4096) u32 regions[3][1024];
}  // namespace

u64 adjusted_control(Field control, u32 wanted) {
    const struct {
        Field control;
        u32 index, true_index;
    } words[] = {
        {PIN_BASED_VM_EXEC_CONTROL, kPinbased, kTruePinbased},
        {CPU_BASED_VM_EXEC_CONTROL, kProcbased, kTrueProcbased},
        {VM_EXIT_CONTROLS, kExit, kTrueExit},
        {VM_ENTRY_CONTROLS, kEntry, kTrueEntry},
    };
    u64 allowed = 0;
    for (const auto& word : words)
        if (word.control == control) allowed = rdmsr(rdmsr(kVmxBasic) >> 55 & 1 ? word.true_index : word.index);
    const u64 value = (wanted | allowed) & 0xffffffff & allowed >> 32;
    if ((value & wanted) != wanted) fail("a VMX control that every processor has is missing");
    return value;
}
u64 vmxon_region() { return reinterpret_cast<u64>(regions[0]); }
u64 vmcs_region() { return reinterpret_cast<u64>(regions[1]); }
u64 spare_vmcs_region() { return reinterpret_cast<u64>(regions[2]); }
u32 vmcs_revision() { return static_cast<u32>(rdmsr(kVmxBasic)) & 0x7fffffff; }

void prepare_vmx() {
    if (!(cpuid(1).ecx >> 5 & 1)) fail("this processor has no VMX");
    const u64 control = rdmsr(kFeatureControl);
    if (!(control & 1)) wrmsr(kFeatureControl, control | 5);
    if (!(rdmsr(kFeatureControl) & 4)) fail("IA32_FEATURE_CONTROL is locked without VMX outside SMX");
    write_cr0((read_cr0() | rdmsr(kCr0Fixed0)) & rdmsr(kCr0Fixed1));
    for (auto& region : regions) region[0] = vmcs_revision();
}

void fill_vmcs(u64 guest_cr3) {
    vmwrite(PIN_BASED_VM_EXEC_CONTROL, adjusted_control(PIN_BASED_VM_EXEC_CONTROL, 0));
    constexpr u32 hlt_exiting = 1u << 7, unconditional_io_exiting = 1u << 24;
    vmwrite(CPU_BASED_VM_EXEC_CONTROL,
            adjusted_control(CPU_BASED_VM_EXEC_CONTROL, hlt_exiting | unconditional_io_exiting));
    constexpr u32 host_address_space_size = 1u << 9, ia32e_mode_guest = 1u << 9;
    vmwrite(VM_EXIT_CONTROLS, adjusted_control(VM_EXIT_CONTROLS, host_address_space_size));
    vmwrite(VM_ENTRY_CONTROLS, adjusted_control(VM_ENTRY_CONTROLS, ia32e_mode_guest));
    // #DE, #UD, #DF, #TS, #NP, #SS, #GP: the guest has no handlers. #PF: its pages come on demand.
    vmwrite(EXCEPTION_BITMAP, 1u << 0 | 1u << 6 | 1u << 8 | 0xfu << 10 | 1u << 14);
    for (const Field f :
         {PAGE_FAULT_ERROR_CODE_MASK, PAGE_FAULT_ERROR_CODE_MATCH, CR3_TARGET_COUNT, VM_EXIT_MSR_STORE_COUNT,
          VM_EXIT_MSR_LOAD_COUNT, VM_ENTRY_MSR_LOAD_COUNT, VM_ENTRY_INTR_INFO_FIELD, VM_ENTRY_EXCEPTION_ERROR_CODE,
          VM_ENTRY_INSTRUCTION_LEN, CR0_GUEST_HOST_MASK, CR4_GUEST_HOST_MASK})
        vmwrite(f, 0);
    vmwrite(CR0_READ_SHADOW, read_cr0());
    vmwrite(CR4_READ_SHADOW, read_cr4());

    // Host state: as we are.
    vmwrite(HOST_CR0, read_cr0());
    vmwrite(HOST_CR3, read_cr3());
    vmwrite(HOST_CR4, read_cr4());
    vmwrite(HOST_CS_SELECTOR, kCodeSelector);
    for (const Field f : {HOST_SS_SELECTOR, HOST_DS_SELECTOR, HOST_ES_SELECTOR}) vmwrite(f, kDataSelector);
    for (const Field f : {HOST_FS_SELECTOR, HOST_GS_SELECTOR, HOST_FS_BASE, HOST_GS_BASE}) vmwrite(f, 0);
    vmwrite(HOST_TR_SELECTOR, kTssSelector);
    vmwrite(HOST_TR_BASE, tss_base());
    vmwrite(HOST_GDTR_BASE, gdt_base());
    vmwrite(HOST_IDTR_BASE, idt_base());
    vmwrite(HOST_IA32_SYSENTER_CS, rdmsr(0x174));
    vmwrite(HOST_IA32_SYSENTER_ESP, rdmsr(0x175));
    vmwrite(HOST_IA32_SYSENTER_EIP, rdmsr(0x176));
    vmwrite(HOST_RIP, reinterpret_cast<u64>(&vmx_exit));

    // Guest state: 64-bit mode, its own CR3 and stack, interrupts off, no IDT.
    vmwrite(GUEST_CR0, read_cr0());
    vmwrite(GUEST_CR3, guest_cr3);
    vmwrite(GUEST_CR4, read_cr4());
    vmwrite(GUEST_DR7, 0x400);
    struct {
        Field selector, base, limit, rights;
        u64 value;
        u32 access;
    } const segments[] = {
        {GUEST_CS_SELECTOR, GUEST_CS_BASE, GUEST_CS_LIMIT, GUEST_CS_AR_BYTES, kCodeSelector, 0xa09b},
        {GUEST_SS_SELECTOR, GUEST_SS_BASE, GUEST_SS_LIMIT, GUEST_SS_AR_BYTES, kDataSelector, 0xc093},
        {GUEST_DS_SELECTOR, GUEST_DS_BASE, GUEST_DS_LIMIT, GUEST_DS_AR_BYTES, kDataSelector, 0xc093},
        {GUEST_ES_SELECTOR, GUEST_ES_BASE, GUEST_ES_LIMIT, GUEST_ES_AR_BYTES, kDataSelector, 0xc093},
        {GUEST_FS_SELECTOR, GUEST_FS_BASE, GUEST_FS_LIMIT, GUEST_FS_AR_BYTES, 0, 0x10000},  // unusable
        {GUEST_GS_SELECTOR, GUEST_GS_BASE, GUEST_GS_LIMIT, GUEST_GS_AR_BYTES, 0, 0x10000},
        {GUEST_LDTR_SELECTOR, GUEST_LDTR_BASE, GUEST_LDTR_LIMIT, GUEST_LDTR_AR_BYTES, 0, 0x10000},
    };
    for (const auto& s : segments) {
        vmwrite(s.selector, s.value);
        vmwrite(s.base, 0);
        vmwrite(s.limit, 0xffffffff);
        vmwrite(s.rights, s.access);
    }
    vmwrite(GUEST_TR_SELECTOR, kTssSelector);
    vmwrite(GUEST_TR_BASE, tss_base());
    vmwrite(GUEST_TR_LIMIT, 0x67);
    vmwrite(GUEST_TR_AR_BYTES, 0x8b);
    vmwrite(GUEST_GDTR_BASE, gdt_base());
    vmwrite(GUEST_GDTR_LIMIT, 39);
    vmwrite(GUEST_IDTR_BASE, 0);
    vmwrite(GUEST_IDTR_LIMIT, 0);
    vmwrite(GUEST_RFLAGS, 2);
    vmwrite(VMCS_LINK_POINTER, ~u64{0});
    for (const Field f : {GUEST_IA32_DEBUGCTL, GUEST_INTERRUPTIBILITY_INFO, GUEST_ACTIVITY_STATE,
                          GUEST_PENDING_DBG_EXCEPTIONS, GUEST_SYSENTER_CS, GUEST_SYSENTER_ESP, GUEST_SYSENTER_EIP})
        vmwrite(f, 0);
}

}  // namespace guest
