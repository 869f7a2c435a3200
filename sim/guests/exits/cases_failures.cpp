// SPDX-License-Identifier: Apache-2.0
// VM entries that fail: controls and host state (SDM 29.2: VMfailValid 7 and 8), guest state (29.3: a VM exit).
#include "sim/guests/common/cpu.hpp"
#include "sim/guests/exits/cases.hpp"

namespace guest {
namespace {
constexpr u64 kNonCanonical = 0x0000800000000000;
constexpr u32 kValid = 1u << 31;

template <Field F, u64 Value>
void set() {
    vmwrite(F, Value);
}
template <Field F, u64 Bits>
void toggle() {
    vmwrite(F, vmread(F) ^ Bits);
}

// clang-format off: a table
// One row each: what is wrong, and a change that makes it so.
#define ROW(name, ...) \
    { name, snippet_vmcall, __VA_ARGS__ }
constexpr Case kControls[] = {
    ROW("pin-based controls 0", set<PIN_BASED_VM_EXEC_CONTROL, 0>),
    ROW("primary controls 0", set<CPU_BASED_VM_EXEC_CONTROL, 0>),
    ROW("exit controls 0", set<VM_EXIT_CONTROLS, 0>),
    ROW("entry controls 0", set<VM_ENTRY_CONTROLS, 0>),
    ROW("CR3-target count 5", set<CR3_TARGET_COUNT, 5>),
    ROW("injected type 1, reserved", set<VM_ENTRY_INTR_INFO_FIELD, kValid | 1u << 8 | 0x20>),
    ROW("injected NMI with vector 3", set<VM_ENTRY_INTR_INFO_FIELD, kValid | 2u << 8 | 3>),
    ROW("injected exception with vector 32", set<VM_ENTRY_INTR_INFO_FIELD, kValid | 3u << 8 | 32>),
    // Events whose error code is not as usual are no cases: IA32_VMX_BASIC[56] allows them for exceptions.
    ROW("injected event with a reserved bit", set<VM_ENTRY_INTR_INFO_FIELD, kValid | 1u << 12 | 0x20>),
    ROW("injected #BP of length 16",
        [] {
            vmwrite(VM_ENTRY_INTR_INFO_FIELD, kValid | 6u << 8 | 3);
            vmwrite(VM_ENTRY_INSTRUCTION_LEN, 16);
        }),
};

constexpr Case kHost[] = {
    ROW("CR0.PG 0", toggle<HOST_CR0, u64{1} << 31>),
    ROW("CR0.NE 0", toggle<HOST_CR0, 0x20>),
    ROW("CR4.VMXE 0", toggle<HOST_CR4, 0x2000>),
    ROW("CR4.PAE 0", toggle<HOST_CR4, 0x20>),
    ROW("CR3 beyond the physical addresses", set<HOST_CR3, u64{1} << 63>),
    ROW("CS selector 0", set<HOST_CS_SELECTOR, 0>),
    ROW("TR selector 0", set<HOST_TR_SELECTOR, 0>),
    ROW("CS selector with RPL 3", set<HOST_CS_SELECTOR, 0x0b>),
    ROW("DS selector with TI", set<HOST_DS_SELECTOR, 0x14>),
    ROW("FS base not canonical", set<HOST_FS_BASE, kNonCanonical>),
    ROW("GS base not canonical", set<HOST_GS_BASE, kNonCanonical>),
    ROW("TR base not canonical", set<HOST_TR_BASE, kNonCanonical>),
    ROW("GDTR base not canonical", set<HOST_GDTR_BASE, kNonCanonical>),
    ROW("IDTR base not canonical", set<HOST_IDTR_BASE, kNonCanonical>),
    ROW("SYSENTER_ESP not canonical", set<HOST_IA32_SYSENTER_ESP, kNonCanonical>),
    ROW("SYSENTER_EIP not canonical", set<HOST_IA32_SYSENTER_EIP, kNonCanonical>),
    ROW("RIP not canonical", set<HOST_RIP, kNonCanonical>),
};

constexpr Case kGuest[] = {
    ROW("CR0.PE 0", toggle<GUEST_CR0, 1>),
    ROW("CR0.PG 0 with IA-32e mode guest", toggle<GUEST_CR0, u64{1} << 31>),
    ROW("CR4.VMXE 0", toggle<GUEST_CR4, 0x2000>),
    ROW("CR4.PAE 0", toggle<GUEST_CR4, 0x20>),
    ROW("CR3 beyond the physical addresses", set<GUEST_CR3, u64{1} << 63>),
    ROW("SYSENTER_ESP not canonical", set<GUEST_SYSENTER_ESP, kNonCanonical>),
    ROW("RFLAGS bit 1 clear", set<GUEST_RFLAGS, 0>),
    ROW("RFLAGS bit 15 set", set<GUEST_RFLAGS, 0x8002>),
    ROW("RFLAGS.VM in IA-32e mode", set<GUEST_RFLAGS, 0x20002>),
    ROW("RFLAGS.IF 0 with an external interrupt", set<VM_ENTRY_INTR_INFO_FIELD, kValid | 0x20>),
    ROW("RIP not canonical, bits 63:48 alike", set<GUEST_RIP, kNonCanonical>),  // passes the check of 29.3.1.4
    ROW("CS data segment", set<GUEST_CS_AR_BYTES, 0xa093>),
    ROW("CS not present", toggle<GUEST_CS_AR_BYTES, 0x80>),
    ROW("CS not accessed", toggle<GUEST_CS_AR_BYTES, 1>),
    ROW("CS with L and D", toggle<GUEST_CS_AR_BYTES, 0x4000>),
    ROW("CS with DPL 3", toggle<GUEST_CS_AR_BYTES, 0x60>),
    ROW("CS limit without granularity", toggle<GUEST_CS_AR_BYTES, 0x8000>),
    ROW("CS reserved bit 8", toggle<GUEST_CS_AR_BYTES, 0x100>),
    ROW("CS base above 4 GiB", set<GUEST_CS_BASE, u64{1} << 32>),
    ROW("SS with DPL 3", toggle<GUEST_SS_AR_BYTES, 0x60>),
    ROW("SS with RPL 3", set<GUEST_SS_SELECTOR, 0x13>),
    ROW("SS code segment", set<GUEST_SS_AR_BYTES, 0xc09b>),
    ROW("SS base above 4 GiB", set<GUEST_SS_BASE, u64{1} << 32>),
    ROW("DS execute-only code", set<GUEST_DS_AR_BYTES, 0xc099>),
    ROW("ES system segment", set<GUEST_ES_AR_BYTES, 0xc082>),
    ROW("FS base not canonical", set<GUEST_FS_BASE, kNonCanonical>),
    ROW("TR unusable", set<GUEST_TR_AR_BYTES, 0x1008b>),
    ROW("TR not busy", set<GUEST_TR_AR_BYTES, 0x89>),
    ROW("TR in the LDT", set<GUEST_TR_SELECTOR, 0x1c>),
    ROW("TR 16-bit in IA-32e mode", set<GUEST_TR_AR_BYTES, 0x83>),
    ROW("TR base not canonical", set<GUEST_TR_BASE, kNonCanonical>),
    ROW("TR limit above 64 KiB without granularity", set<GUEST_TR_LIMIT, 0x100067>),
    ROW("LDTR usable, of another type", set<GUEST_LDTR_AR_BYTES, 0x83>),
    ROW("LDTR usable, base not canonical",
        [] {
            vmwrite(GUEST_LDTR_AR_BYTES, 0x82);
            vmwrite(GUEST_LDTR_LIMIT, 0xffff);
            vmwrite(GUEST_LDTR_BASE, kNonCanonical);
        }),
    ROW("GDTR base not canonical", set<GUEST_GDTR_BASE, kNonCanonical>),
    ROW("GDTR limit of more than 16 bits", set<GUEST_GDTR_LIMIT, 0x10000>),
    ROW("IDTR limit of more than 16 bits", set<GUEST_IDTR_LIMIT, 0x10000>),
    ROW("activity state 4", set<GUEST_ACTIVITY_STATE, 4>),
    ROW("blocking by STI and by MOV SS",
        [] {
            vmwrite(GUEST_RFLAGS, 0x202);
            vmwrite(GUEST_INTERRUPTIBILITY_INFO, 3);
        }),
    ROW("blocking by STI with IF 0", set<GUEST_INTERRUPTIBILITY_INFO, 1>),
    ROW("interruptibility bit 5", set<GUEST_INTERRUPTIBILITY_INFO, 0x20>),
    ROW("pending debug exceptions bit 4", set<GUEST_PENDING_DBG_EXCEPTIONS, 0x10>),
    ROW("link pointer 1", set<VMCS_LINK_POINTER, 1>),
    ROW("nothing wrong", nullptr),
};
#undef ROW
// clang-format on
}  // namespace

CaseList control_failures() { return list("entries that fail: controls", kControls); }
CaseList host_failures() { return list("entries that fail: host state", kHost); }
CaseList guest_failures() { return list("entries that fail: guest state", kGuest); }

}  // namespace guest
