// SPDX-License-Identifier: Apache-2.0
#include "tests/vmx/entry_cases.hpp"

namespace vmxsim::test {

using arch::EntryControl;
using arch::PinControl;
using arch::SecondaryControl;
using vmx::efer::LMA;
using vmx::efer::LME;

namespace {

constexpr u64 kAboveLinear = u64{1} << 48;

void unrestricted(Machine& m) {
    m.use_ept();
    m.control(SecondaryControl::UnrestrictedGuest);
}
void v86(Machine& m) { m.guest_v86(); }
void inject(Machine& m, unsigned vector, unsigned type) {
    m.set(Field::VM_ENTRY_INTR_INFO_FIELD, vector | type << 8 | 1u << 31);
}
void pae(Machine& m) {
    m.guest32();
    m.add(Field::GUEST_CR4, vmx::cr4::PAE);
    m.set(Field::GUEST_CR3, Machine::kPdpt);
    m.ram.write({Machine::kPdpt}, 8, 0x40001);
    m.ram.write({Machine::kPdpt + 8}, 8, ~u64{1});  // not present: nothing else is looked at
}
void linked(Machine& m) {
    m.control(SecondaryControl::VMCSShadowing);
    m.set(Field::VMCS_LINK_POINTER, Machine::kShadow);
}

#define CET PREPARE(m.control(EntryControl::LoadCETState))
#define FRED PREPARE(m.control(EntryControl::LoadFRED))

}  // namespace

std::vector<EntryCase> guest_register_cases() {
    return {
        {"GUEST-CR0-FIXED0", haswell, nothing, PREPARE(DROP(GUEST_CR0, vmx::cr0::NE))},
        {"GUEST-CR0-FIXED0", haswell, PREPARE(m.guest32()), PREPARE(DROP(GUEST_CR0, vmx::cr0::PG))},
        {"GUEST-CR0-FIXED1", haswell, nothing, PREPARE(ADD(GUEST_CR0, u64{1} << 32))},
        {"GUEST-CR0-PG-PE", haswell, PREPARE(m.guest_real()), PREPARE(ADD(GUEST_CR0, vmx::cr0::PG))},
        {"GUEST-CR4-FIXED0", haswell, nothing, PREPARE(DROP(GUEST_CR4, vmx::cr4::VMXE))},
        {"GUEST-CR4-FIXED1", haswell, nothing, PREPARE(ADD(GUEST_CR4, vmx::cr4::SMAP))},
        {"GUEST-CET-WP", everything, PREPARE(ADD(GUEST_CR4, 1u << 23); ADD(GUEST_CR0, vmx::cr0::WP)),
         PREPARE(DROP(GUEST_CR0, vmx::cr0::WP))},
        {"GUEST-DEBUGCTL", haswell,
         PREPARE(m.control(EntryControl::LoadDebugControls); SET(GUEST_IA32_DEBUGCTL, 3)),
         PREPARE(SET(GUEST_IA32_DEBUGCTL, 4))},
        {"GUEST-64-PG", haswell, unrestricted, PREPARE(DROP(GUEST_CR0, vmx::cr0::PG))},
        {"GUEST-64-PAE", haswell, nothing, PREPARE(DROP(GUEST_CR4, vmx::cr4::PAE))},
        {"GUEST-32-PCIDE", everything, PREPARE(m.guest32()), PREPARE(ADD(GUEST_CR4, vmx::cr4::PCIDE))},
        {"GUEST-32-FRED", everything, PREPARE(m.guest32()), PREPARE(ADD(GUEST_CR4, u64{1} << 32))},
        {"GUEST-CR3-WIDTH", haswell, nothing, PREPARE(ADD(GUEST_CR3, kAboveWidth))},
        {"GUEST-DR7-HIGH", haswell, PREPARE(m.control(EntryControl::LoadDebugControls)),
         PREPARE(SET(GUEST_DR7, 0x4000000000000001))},
        {"GUEST-SYSENTER-ESP", haswell, nothing, PREPARE(SET(GUEST_SYSENTER_ESP, kNotCanonical))},
        {"GUEST-SYSENTER-EIP", haswell, nothing, PREPARE(SET(GUEST_SYSENTER_EIP, kNotCanonical))},
        {"GUEST-SCET-CANON", everything, CET, PREPARE(SET(GUEST_S_CET, kNotCanonical))},
        {"GUEST-ISST", everything, CET, PREPARE(SET(GUEST_INTR_SSP_TABLE, kNotCanonical))},
        {"GUEST-PERF", haswell, PREPARE(m.control(EntryControl::LoadIA32PERFGLOBALCTRL)),
         PREPARE(SET(GUEST_IA32_PERF_GLOBAL_CTRL, u64{1} << 35))},
        {"GUEST-PAT", haswell, PREPARE(m.control(EntryControl::LoadIA32PAT)),
         PREPARE(SET(GUEST_IA32_PAT, 0x0007030600070406))},
        {"GUEST-EFER-RSVD", haswell, PREPARE(m.control(EntryControl::LoadIA32EFER)), PREPARE(ADD(GUEST_IA32_EFER, 4))},
        {"GUEST-EFER-LMA", haswell, PREPARE(m.control(EntryControl::LoadIA32EFER)),
         PREPARE(DROP(GUEST_IA32_EFER, LMA))},
        {"GUEST-EFER-LME", haswell, PREPARE(m.control(EntryControl::LoadIA32EFER)),
         PREPARE(DROP(GUEST_IA32_EFER, LME))},
        {"GUEST-BNDCFGS-RSVD", everything, PREPARE(m.control(EntryControl::LoadIA32BNDCFGS)),
         PREPARE(SET(GUEST_BNDCFGS, 4))},
        {"GUEST-BNDCFGS-CANON", everything, PREPARE(m.control(EntryControl::LoadIA32BNDCFGS)),
         PREPARE(SET(GUEST_BNDCFGS, kNotCanonical))},
        {"GUEST-SCET-RSVD", everything, CET, PREPARE(SET(GUEST_S_CET, 0x200))},
        {"GUEST-SCET-SUPTRK", everything, CET, PREPARE(SET(GUEST_S_CET, 0xc00))},
        {"GUEST-PKRS", everything, PREPARE(m.control(EntryControl::LoadPKRS)),
         PREPARE(SET(GUEST_IA32_PKRS, u64{1} << 32))},
        {"GUEST-UINV", everything, PREPARE(m.control(EntryControl::LoadUINV)), PREPARE(SET(GUEST_UINV, 0x100))},
        {"GUEST-FRED-CONFIG-RSVD", everything, FRED, PREPARE(SET(GUEST_IA32_FRED_CONFIG, 0x800))},
        {"GUEST-FRED-CONFIG-CANON", everything, FRED, PREPARE(SET(GUEST_IA32_FRED_CONFIG, kNotCanonical))},
        {"GUEST-FRED-RSP1", everything, FRED, PREPARE(SET(GUEST_IA32_FRED_RSP1, 1))},
        {"GUEST-FRED-RSP2", everything, FRED, PREPARE(SET(GUEST_IA32_FRED_RSP2, 1))},
        {"GUEST-FRED-RSP3", everything, FRED, PREPARE(SET(GUEST_IA32_FRED_RSP3, kNotCanonical))},
        {"GUEST-FRED-SSP1", everything, FRED, PREPARE(SET(GUEST_IA32_FRED_SSP1, 1))},
        {"GUEST-FRED-SSP2", everything, FRED, PREPARE(SET(GUEST_IA32_FRED_SSP2, kNotCanonical))},
        {"GUEST-FRED-SSP3", everything, FRED, PREPARE(SET(GUEST_IA32_FRED_SSP3, 1))},
        {"GUEST-GDTR-BASE", haswell, nothing, PREPARE(SET(GUEST_GDTR_BASE, kNotCanonical))},
        {"GUEST-GDTR-LIMIT", haswell, nothing, PREPARE(SET(GUEST_GDTR_LIMIT, 0x10000))},
        {"GUEST-IDTR-BASE", haswell, nothing, PREPARE(SET(GUEST_IDTR_BASE, kNotCanonical))},
        {"GUEST-IDTR-LIMIT", haswell, nothing, PREPARE(SET(GUEST_IDTR_LIMIT, 0x10000))},
        {"GUEST-RIP-HIGH", haswell, PREPARE(m.guest32()), PREPARE(SET(GUEST_RIP, u64{1} << 32))},
        {"GUEST-RIP-HIGH", haswell, PREPARE(SET(GUEST_CS_AR_BYTES, 0xc09b)), PREPARE(SET(GUEST_RIP, u64{1} << 32))},
        {"GUEST-RIP-SIGN", haswell, PREPARE(SET(GUEST_RIP, kNotCanonical)), PREPARE(SET(GUEST_RIP, kAboveLinear))},
        {"GUEST-RFLAGS-RSVD0", haswell, nothing, PREPARE(ADD(GUEST_RFLAGS, 1u << 22))},
        {"GUEST-RFLAGS-RSVD0", haswell, nothing, PREPARE(ADD(GUEST_RFLAGS, 8))},
        {"GUEST-RFLAGS-RSVD1", haswell, nothing, PREPARE(DROP(GUEST_RFLAGS, 2))},
        {"GUEST-RFLAGS-VM-64", haswell, nothing, PREPARE(ADD(GUEST_RFLAGS, vmx::rflags::VM))},
        {"GUEST-RFLAGS-VM-RM", haswell, PREPARE(m.guest_real()), PREPARE(ADD(GUEST_RFLAGS, vmx::rflags::VM))},
        {"GUEST-RFLAGS-IF-EXTINT", haswell, PREPARE(inject(m, 32, 0)), PREPARE(DROP(GUEST_RFLAGS, vmx::rflags::IF))},
        {"GUEST-SSP-ALIGN", everything, CET, PREPARE(SET(GUEST_SSP, 1))},
        {"GUEST-SSP-SIGN", everything, CET, PREPARE(SET(GUEST_SSP, kAboveLinear))},
        {"GUEST-SSP-HIGH", everything, PREPARE(m.guest32(); m.control(EntryControl::LoadCETState)),
         PREPARE(SET(GUEST_SSP, u64{1} << 32))},
    };
}

std::vector<EntryCase> guest_segment_cases() {
#define V86(seg)                                                                                   \
    {"GUEST-SEG-" #seg "-V86-BASE", haswell, v86, PREPARE(ADD(GUEST_##seg##_BASE, 1))},            \
    {"GUEST-SEG-" #seg "-V86-LIMIT", haswell, v86, PREPARE(SET(GUEST_##seg##_LIMIT, 0xfffff))},    \
    {"GUEST-SEG-" #seg "-V86-AR", haswell, v86, PREPARE(SET(GUEST_##seg##_AR_BYTES, 0x93))}
#define COMMON(seg)                                                                                \
    {"GUEST-SEG-" #seg "-S", haswell, nothing, PREPARE(DROP(GUEST_##seg##_AR_BYTES, 0x10))},       \
    {"GUEST-SEG-" #seg "-P", haswell, nothing, PREPARE(DROP(GUEST_##seg##_AR_BYTES, 0x80))},       \
    {"GUEST-SEG-" #seg "-RSVD", haswell, nothing, PREPARE(ADD(GUEST_##seg##_AR_BYTES, 0x100))},    \
    {"GUEST-SEG-" #seg "-RSVD", haswell, nothing, PREPARE(ADD(GUEST_##seg##_AR_BYTES, 0x20000))},  \
    {"GUEST-SEG-" #seg "-G0", haswell, nothing, PREPARE(SET(GUEST_##seg##_LIMIT, 0xffe))},         \
    {"GUEST-SEG-" #seg "-G1", haswell, nothing, PREPARE(DROP(GUEST_##seg##_AR_BYTES, 0x8000))}
#define DATA(seg)                                                                                  \
    {"GUEST-SEG-" #seg "-TYPE-ACC", haswell, nothing, PREPARE(SET(GUEST_##seg##_AR_BYTES, 0xc092))}, \
    {"GUEST-SEG-" #seg "-TYPE-READ", haswell, PREPARE(SET(GUEST_##seg##_AR_BYTES, 0xc09b)),        \
     PREPARE(SET(GUEST_##seg##_AR_BYTES, 0xc099))},                                                \
    {"GUEST-SEG-" #seg "-DPL", haswell, nothing, PREPARE(ADD(GUEST_##seg##_SELECTOR, 3))}
#define UNUSABLE(seg) PREPARE(SET(GUEST_##seg##_AR_BYTES, 0x10000); SET(GUEST_##seg##_LIMIT, 0))
#define BASE_HIGH(seg)                                                                             \
    {"GUEST-SEG-" #seg "-BASE-HIGH", haswell, nothing, PREPARE(SET(GUEST_##seg##_BASE, u64{1} << 32))}
    return {
        {"GUEST-SEG-TR-TI", haswell, nothing, PREPARE(ADD(GUEST_TR_SELECTOR, 4))},
        {"GUEST-SEG-LDTR-TI", haswell, nothing, PREPARE(ADD(GUEST_LDTR_SELECTOR, 4))},
        {"GUEST-SEG-SS-RPL", haswell, PREPARE(m.guest32()), PREPARE(ADD(GUEST_SS_SELECTOR, 1))},
        V86(CS), V86(SS), V86(DS), V86(ES), V86(FS), V86(GS),
        {"GUEST-SEG-TR-BASE-CANON", haswell, nothing, PREPARE(SET(GUEST_TR_BASE, kNotCanonical))},
        {"GUEST-SEG-FS-BASE-CANON", haswell, UNUSABLE(FS), PREPARE(SET(GUEST_FS_BASE, kNotCanonical))},
        {"GUEST-SEG-GS-BASE-CANON", haswell, UNUSABLE(GS), PREPARE(SET(GUEST_GS_BASE, kNotCanonical))},
        {"GUEST-SEG-LDTR-BASE-CANON", haswell, nothing, PREPARE(SET(GUEST_LDTR_BASE, kNotCanonical))},
        BASE_HIGH(CS), BASE_HIGH(SS), BASE_HIGH(DS), BASE_HIGH(ES),
        {"GUEST-SEG-CS-TYPE", haswell, nothing, PREPARE(SET(GUEST_CS_AR_BYTES, 0xa093))},
        {"GUEST-SEG-CS-TYPE-URG", haswell, unrestricted, PREPARE(SET(GUEST_CS_AR_BYTES, 0xa091))},
        {"GUEST-SEG-SS-TYPE", haswell, nothing, PREPARE(SET(GUEST_SS_AR_BYTES, 0xc091))},
        DATA(DS), DATA(ES), DATA(FS), DATA(GS),
        COMMON(CS), COMMON(SS), COMMON(DS), COMMON(ES), COMMON(FS), COMMON(GS),
        {"GUEST-SEG-CS-DPL-T3", haswell, PREPARE(unrestricted(m); SET(GUEST_CS_AR_BYTES, 0xc093)),
         PREPARE(ADD(GUEST_CS_AR_BYTES, 0x20))},
        {"GUEST-SEG-CS-DPL-NC", haswell, nothing, PREPARE(ADD(GUEST_CS_AR_BYTES, 0x60))},
        {"GUEST-SEG-CS-DPL-C", haswell, PREPARE(SET(GUEST_CS_AR_BYTES, 0xa09f)), PREPARE(ADD(GUEST_CS_AR_BYTES, 0x20))},
        {"GUEST-SEG-SS-DPL-RPL", haswell, PREPARE(SET(GUEST_CS_AR_BYTES, 0xa09f)),
         PREPARE(ADD(GUEST_SS_AR_BYTES, 0x20))},
        {"GUEST-SEG-SS-DPL-ZERO", haswell, PREPARE(m.guest_real()), PREPARE(ADD(GUEST_SS_AR_BYTES, 0x60))},
        {"GUEST-SEG-SS-FRED-DPL", everything,
         PREPARE(unrestricted(m); ADD(GUEST_CR4, u64{1} << 32); SET(GUEST_CS_AR_BYTES, 0xa09f)),
         PREPARE(ADD(GUEST_SS_AR_BYTES, 0x20))},
        {"GUEST-SEG-SS-FRED-L", everything, PREPARE(ADD(GUEST_CR4, u64{1} << 32)),
         PREPARE(SET(GUEST_CS_AR_BYTES, 0xc09b))},
        {"GUEST-SEG-SS-FRED-IOPL", everything,
         PREPARE(unrestricted(m); ADD(GUEST_CR4, u64{1} << 32); ADD(GUEST_CS_AR_BYTES, 0x60);
                 ADD(GUEST_SS_AR_BYTES, 0x60)),
         PREPARE(ADD(GUEST_RFLAGS, 0x1000))},
        {"GUEST-SEG-SS-FRED-STI", everything,
         PREPARE(unrestricted(m); ADD(GUEST_CR4, u64{1} << 32); ADD(GUEST_CS_AR_BYTES, 0x60);
                 ADD(GUEST_SS_AR_BYTES, 0x60)),
         PREPARE(SET(GUEST_INTERRUPTIBILITY_INFO, 1))},
        {"GUEST-SEG-CS-DB", haswell, nothing, PREPARE(ADD(GUEST_CS_AR_BYTES, 0x4000))},
        {"GUEST-TR-TYPE-32", haswell, PREPARE(m.guest32(); SET(GUEST_TR_AR_BYTES, 0x83)),
         PREPARE(SET(GUEST_TR_AR_BYTES, 0x89))},
        {"GUEST-TR-TYPE-64", haswell, nothing, PREPARE(SET(GUEST_TR_AR_BYTES, 0x83))},
        {"GUEST-TR-S", haswell, nothing, PREPARE(ADD(GUEST_TR_AR_BYTES, 0x10))},
        {"GUEST-TR-P", haswell, nothing, PREPARE(DROP(GUEST_TR_AR_BYTES, 0x80))},
        {"GUEST-TR-RSVD", haswell, nothing, PREPARE(ADD(GUEST_TR_AR_BYTES, 0x100))},
        {"GUEST-TR-G0", haswell, nothing, PREPARE(ADD(GUEST_TR_AR_BYTES, 0x8000))},
        {"GUEST-TR-G1", haswell, nothing, PREPARE(SET(GUEST_TR_LIMIT, 0x100fff))},
        {"GUEST-TR-UNUSABLE", haswell, nothing, PREPARE(ADD(GUEST_TR_AR_BYTES, 0x10000))},
        {"GUEST-LDTR-TYPE", haswell, nothing, PREPARE(SET(GUEST_LDTR_AR_BYTES, 0x83))},
        {"GUEST-LDTR-S", haswell, nothing, PREPARE(ADD(GUEST_LDTR_AR_BYTES, 0x10))},
        {"GUEST-LDTR-P", haswell, nothing, PREPARE(DROP(GUEST_LDTR_AR_BYTES, 0x80))},
        {"GUEST-LDTR-RSVD", haswell, nothing, PREPARE(ADD(GUEST_LDTR_AR_BYTES, 0x800))},
        {"GUEST-LDTR-G0", haswell, PREPARE(SET(GUEST_LDTR_LIMIT, 0x7)), PREPARE(ADD(GUEST_LDTR_AR_BYTES, 0x8000))},
        {"GUEST-LDTR-G1", haswell, nothing, PREPARE(SET(GUEST_LDTR_LIMIT, 0x100fff))},
    };
}

std::vector<EntryCase> guest_other_cases() {
    return {
        {"GUEST-ACT-RANGE", haswell, PREPARE(SET(GUEST_ACTIVITY_STATE, 3)), PREPARE(SET(GUEST_ACTIVITY_STATE, 4))},
        {"GUEST-ACT-RANGE",
         [] {
             auto c = haswell();
             c.set(msr::IA32_VMX_MISC, c.get(msr::IA32_VMX_MISC) & ~u64{0x40});
             return c;
         },
         nothing, PREPARE(SET(GUEST_ACTIVITY_STATE, 1))},
        {"GUEST-ACT-HLT-DPL", haswell,
         PREPARE(unrestricted(m); ADD(GUEST_CS_AR_BYTES, 0x60); ADD(GUEST_SS_AR_BYTES, 0x60)),
         PREPARE(SET(GUEST_ACTIVITY_STATE, 1))},
        {"GUEST-ACT-BLOCK", haswell, PREPARE(SET(GUEST_INTERRUPTIBILITY_INFO, 2)),
         PREPARE(SET(GUEST_ACTIVITY_STATE, 1))},
        {"GUEST-ACT-HLT-INJ", haswell, PREPARE(SET(GUEST_ACTIVITY_STATE, 1); inject(m, 1, 3)),
         PREPARE(inject(m, 6, 3))},
        {"GUEST-ACT-SHUT-INJ", haswell, PREPARE(SET(GUEST_ACTIVITY_STATE, 2); inject(m, 2, 2)),
         PREPARE(inject(m, 32, 0))},
        {"GUEST-ACT-SIPI-INJ", haswell, PREPARE(SET(GUEST_ACTIVITY_STATE, 3)), PREPARE(inject(m, 2, 2))},
        {"GUEST-INT-RSVD", haswell, nothing, PREPARE(SET(GUEST_INTERRUPTIBILITY_INFO, 0x20))},
        {"GUEST-INT-STI-MOVSS", haswell, nothing, PREPARE(SET(GUEST_INTERRUPTIBILITY_INFO, 3))},
        {"GUEST-INT-STI-IF", haswell, PREPARE(SET(GUEST_INTERRUPTIBILITY_INFO, 1)),
         PREPARE(DROP(GUEST_RFLAGS, vmx::rflags::IF))},
        {"GUEST-INT-EXTINT", haswell, PREPARE(inject(m, 32, 0)), PREPARE(SET(GUEST_INTERRUPTIBILITY_INFO, 2))},
        {"GUEST-INT-NMI-STI", haswell, PREPARE(inject(m, 2, 2)), PREPARE(SET(GUEST_INTERRUPTIBILITY_INFO, 1))},
        {"GUEST-INT-NMI-MOVSS", haswell, PREPARE(inject(m, 2, 2)), PREPARE(SET(GUEST_INTERRUPTIBILITY_INFO, 2))},
        {"GUEST-INT-SMI-OUT", haswell, nothing, PREPARE(SET(GUEST_INTERRUPTIBILITY_INFO, 4))},
        {"GUEST-INT-VNMI", haswell,
         PREPARE(m.control(PinControl::NMIExiting); m.control(PinControl::VirtualNMIs); inject(m, 2, 2)),
         PREPARE(SET(GUEST_INTERRUPTIBILITY_INFO, 8))},
        {"GUEST-INT-ENCLAVE", haswell, nothing, PREPARE(SET(GUEST_INTERRUPTIBILITY_INFO, 0x10))},
        {"GUEST-PDE-RSVD", haswell, PREPARE(SET(GUEST_PENDING_DBG_EXCEPTIONS, 0x100f)),
         PREPARE(SET(GUEST_PENDING_DBG_EXCEPTIONS, 0x10))},
        {"GUEST-PDE-BS1", haswell,
         PREPARE(SET(GUEST_INTERRUPTIBILITY_INFO, 2); ADD(GUEST_RFLAGS, vmx::rflags::TF);
                 SET(GUEST_PENDING_DBG_EXCEPTIONS, 0x4000)),
         PREPARE(SET(GUEST_PENDING_DBG_EXCEPTIONS, 0))},
        {"GUEST-PDE-BS0", haswell, PREPARE(SET(GUEST_INTERRUPTIBILITY_INFO, 1)),
         PREPARE(SET(GUEST_PENDING_DBG_EXCEPTIONS, 0x4000))},
        {"GUEST-PDE-BS0", haswell,
         PREPARE(m.control(EntryControl::LoadDebugControls); SET(GUEST_IA32_DEBUGCTL, 2); SET(GUEST_ACTIVITY_STATE, 1);
                 ADD(GUEST_RFLAGS, vmx::rflags::TF)),
         PREPARE(SET(GUEST_PENDING_DBG_EXCEPTIONS, 0x4000))},
        {"GUEST-PDE-RTM-CPUID", haswell, nothing, PREPARE(SET(GUEST_PENDING_DBG_EXCEPTIONS, 0x11000))},
        {"GUEST-LINK-ALIGN", haswell, linked, PREPARE(ADD(VMCS_LINK_POINTER, 1))},
        {"GUEST-LINK-WIDTH", haswell, linked, PREPARE(ADD(VMCS_LINK_POINTER, kAboveWidth))},
        {"GUEST-LINK-REV", haswell, linked, PREPARE(SET(VMCS_LINK_POINTER, Machine::kIoA))},
        {"GUEST-LINK-SHADOW", haswell, linked, PREPARE(SET(VMCS_LINK_POINTER, Machine::kOther))},
        {"GUEST-LINK-SHADOW", haswell, PREPARE(SET(VMCS_LINK_POINTER, Machine::kOther)),
         PREPARE(SET(VMCS_LINK_POINTER, Machine::kShadow))},
        {"GUEST-LINK-CURRENT", haswell, PREPARE(SET(VMCS_LINK_POINTER, Machine::kOther)),
         PREPARE(SET(VMCS_LINK_POINTER, Machine::kVmcs))},
        {"GUEST-PDPTE-MEM", haswell, pae, PREPARE(m.ram.write({Machine::kPdpt}, 8, 0x40003))},
        {"GUEST-PDPTE-FIELDS", haswell, PREPARE(pae(m); m.use_ept(); SET(GUEST_PDPTR3, 1)),
         PREPARE(SET(GUEST_PDPTR3, kAboveWidth | 1))},
    };
}

}  // namespace vmxsim::test
