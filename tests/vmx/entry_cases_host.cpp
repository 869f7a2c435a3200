// SPDX-License-Identifier: Apache-2.0
#include "tests/vmx/entry_cases.hpp"

namespace vmxsim::test {

using arch::EntryControl;
using arch::EventType;
using arch::Exit2Control;
using arch::ExitControl;
using arch::PrimaryControl;
using vmx::efer::LMA;
using vmx::efer::LME;

namespace {

void inject(Machine& m, unsigned vector, unsigned type, bool error_code = false, u64 more = 0) {
    m.set(Field::VM_ENTRY_INTR_INFO_FIELD, vector | type << 8 | (error_code ? 1u << 11 : 0u) | 1u << 31 | more);
}

arch::Capabilities without_mtf() {
    arch::Capabilities c = haswell();
    c.set(msr::IA32_VMX_TRUE_PROCBASED_CTLS, c.get(msr::IA32_VMX_TRUE_PROCBASED_CTLS) & ~(u64{1} << 59));
    return c;
}

/// A 32-bit host: the entering software is in protected mode.
void host32(Machine& m) {
    m.cpu.efer = 0;
    m.control(ExitControl::HostAddressSpaceSize, false);
    m.guest32();
    m.set(Field::HOST_RIP, 0x8000);
    m.set(Field::HOST_CR4, vmx::cr4::VMXE);
    m.set(Field::HOST_IA32_EFER, 0);
}

}  // namespace

std::vector<EntryCase> injection_cases() {
    return {
        {"INJ-TYPE-1", haswell, PREPARE(inject(m, 32, 0)), PREPARE(inject(m, 32, 1))},
        {"INJ-TYPE-7", without_mtf, PREPARE(inject(m, 2, 2)), PREPARE(inject(m, 0, 7))},
        {"INJ-NMI-VECTOR", haswell, PREPARE(inject(m, 2, 2)), PREPARE(inject(m, 3, 2))},
        {"INJ-HWEXC-VECTOR", haswell, PREPARE(inject(m, 31, 3)), PREPARE(inject(m, 32, 3))},
        {"INJ-OTHER-VECTOR", haswell, PREPARE(inject(m, 0, 7)), PREPARE(inject(m, 1, 7))},
        {"INJ-OTHER-VECTOR-FRED", everything,
         PREPARE(ADD(GUEST_CR4, u64{1} << 32); inject(m, 1, 7); SET(VM_ENTRY_INSTRUCTION_LEN, 2)),
         PREPARE(inject(m, 3, 7))},
        {"INJ-EC-REQUIRED", haswell, PREPARE(inject(m, 14, 3, true)), PREPARE(inject(m, 14, 3))},
        {"INJ-EC-REQUIRED", haswell, PREPARE(inject(m, 8, 3, true)), PREPARE(inject(m, 8, 3))},
        {"INJ-EC-NOTHWEXC", haswell, PREPARE(inject(m, 13, 0)), PREPARE(inject(m, 13, 0, true))},
        {"INJ-EC-REALMODE", haswell, PREPARE(m.guest_real(); inject(m, 13, 3)), PREPARE(inject(m, 13, 3, true))},
        {"INJ-EC-FORBIDDEN", haswell, PREPARE(inject(m, 6, 3)), PREPARE(inject(m, 6, 3, true))},
        {"INJ-NESTED-TYPE", everything, PREPARE(inject(m, 32, 0)), PREPARE(inject(m, 32, 0, false, 1u << 13))},
        {"INJ-NESTED-CAP", haswell, PREPARE(inject(m, 6, 3)), PREPARE(inject(m, 6, 3, false, 1u << 13))},
        {"INJ-RSVD", haswell, PREPARE(inject(m, 6, 3)), PREPARE(inject(m, 6, 3, false, 1u << 12))},
        {"INJ-RSVD", haswell, PREPARE(inject(m, 6, 3)), PREPARE(inject(m, 6, 3, false, 1u << 30))},
        {"INJ-EC-HIGH", haswell, PREPARE(inject(m, 14, 3, true); SET(VM_ENTRY_EXCEPTION_ERROR_CODE, 0x8001)),
         PREPARE(SET(VM_ENTRY_EXCEPTION_ERROR_CODE, 0x10000))},
        {"INJ-ILEN-MAX", haswell, PREPARE(inject(m, 3, 6); SET(VM_ENTRY_INSTRUCTION_LEN, 15)),
         PREPARE(SET(VM_ENTRY_INSTRUCTION_LEN, 16))},
        {"INJ-ILEN-ZERO", haswell, PREPARE(inject(m, 0x80, 4); SET(VM_ENTRY_INSTRUCTION_LEN, 2)),
         PREPARE(SET(VM_ENTRY_INSTRUCTION_LEN, 0))},
        {"INJ-ILEN-FRED", everything,
         PREPARE(ADD(GUEST_CR4, u64{1} << 32); inject(m, 1, 7); SET(VM_ENTRY_INSTRUCTION_LEN, 2)),
         PREPARE(SET(VM_ENTRY_INSTRUCTION_LEN, 16))},
    };
}

std::vector<EntryCase> host_cases() {
    constexpr auto cet = PREPARE(m.control(ExitControl::LoadCETState));
    constexpr auto fred = PREPARE(m.control(Exit2Control::LoadFRED));
    std::vector<EntryCase> cases{
        {"HOST-CR0-FIXED0", haswell, nothing, PREPARE(DROP(HOST_CR0, vmx::cr0::NE))},
        {"HOST-CR0-FIXED1", haswell, nothing, PREPARE(ADD(HOST_CR0, u64{1} << 32))},
        {"HOST-CR4-FIXED0", haswell, nothing, PREPARE(DROP(HOST_CR4, vmx::cr4::VMXE))},
        {"HOST-CR4-FIXED1", haswell, nothing, PREPARE(ADD(HOST_CR4, vmx::cr4::SMAP))},
        {"HOST-CET-WP", everything, PREPARE(ADD(HOST_CR4, 1u << 23)), PREPARE(DROP(HOST_CR0, vmx::cr0::WP))},
        {"HOST-CR3-WIDTH", haswell, nothing, PREPARE(ADD(HOST_CR3, kAboveWidth))},
        {"HOST-SYSENTER-ESP", haswell, nothing, PREPARE(SET(HOST_IA32_SYSENTER_ESP, kNotCanonical))},
        {"HOST-SYSENTER-EIP", haswell, nothing, PREPARE(SET(HOST_IA32_SYSENTER_EIP, kNotCanonical))},
        {"HOST-PERF", haswell,
         PREPARE(m.control(ExitControl::LoadIA32PERFGLOBALCTRL); SET(HOST_IA32_PERF_GLOBAL_CTRL, 0x70000000f)),
         PREPARE(SET(HOST_IA32_PERF_GLOBAL_CTRL, u64{1} << 40))},
        {"HOST-PAT", haswell, PREPARE(m.control(ExitControl::LoadIA32PAT)),
         PREPARE(SET(HOST_IA32_PAT, 0x0207040600070406))},
        {"HOST-PAT", haswell, PREPARE(m.control(ExitControl::LoadIA32PAT)),
         PREPARE(SET(HOST_IA32_PAT, 0x0007040600070486))},
        {"HOST-EFER-RSVD", haswell, PREPARE(m.control(ExitControl::LoadIA32EFER)), PREPARE(ADD(HOST_IA32_EFER, 2))},
        {"HOST-EFER-LMA", haswell, PREPARE(m.control(ExitControl::LoadIA32EFER)), PREPARE(DROP(HOST_IA32_EFER, LMA))},
        {"HOST-EFER-LME", haswell, PREPARE(m.control(ExitControl::LoadIA32EFER)), PREPARE(DROP(HOST_IA32_EFER, LME))},
        {"HOST-SCET-RSVD", everything, cet, PREPARE(SET(HOST_S_CET, 0x40))},
        {"HOST-SCET-SUPTRK", everything, cet, PREPARE(SET(HOST_S_CET, 0xc00))},
        {"HOST-SSP-ALIGN", everything, cet, PREPARE(SET(HOST_SSP, 2))},
        {"HOST-PKRS", everything, PREPARE(m.control(ExitControl::LoadPKRS)),
         PREPARE(SET(HOST_IA32_PKRS, u64{1} << 32))},
        {"HOST-FRED-CONFIG-RSVD", everything, fred, PREPARE(SET(HOST_IA32_FRED_CONFIG, 4))},
        {"HOST-FRED-CONFIG-CANON", everything, fred, PREPARE(SET(HOST_IA32_FRED_CONFIG, kNotCanonical))},
        {"HOST-FRED-RSP1", everything, fred, PREPARE(SET(HOST_IA32_FRED_RSP1, 32))},
        {"HOST-FRED-RSP2", everything, fred, PREPARE(SET(HOST_IA32_FRED_RSP2, kNotCanonical))},
        {"HOST-FRED-RSP3", everything, fred, PREPARE(SET(HOST_IA32_FRED_RSP3, 32))},
        {"HOST-FRED-SSP1", everything, fred, PREPARE(SET(HOST_IA32_FRED_SSP1, kNotCanonical))},
        {"HOST-FRED-SSP2", everything, fred, PREPARE(SET(HOST_IA32_FRED_SSP2, 4))},
        {"HOST-FRED-SSP3", everything, fred, PREPARE(SET(HOST_IA32_FRED_SSP3, 4))},
        {"HOST-CS-RPLTI", haswell, nothing, PREPARE(ADD(HOST_CS_SELECTOR, 1))},
        {"HOST-SS-RPLTI", haswell, nothing, PREPARE(ADD(HOST_SS_SELECTOR, 4))},
        {"HOST-DS-RPLTI", haswell, nothing, PREPARE(ADD(HOST_DS_SELECTOR, 3))},
        {"HOST-ES-RPLTI", haswell, nothing, PREPARE(ADD(HOST_ES_SELECTOR, 3))},
        {"HOST-FS-RPLTI", haswell, nothing, PREPARE(ADD(HOST_FS_SELECTOR, 4))},
        {"HOST-GS-RPLTI", haswell, nothing, PREPARE(ADD(HOST_GS_SELECTOR, 2))},
        {"HOST-TR-RPLTI", haswell, nothing, PREPARE(ADD(HOST_TR_SELECTOR, 4))},
        {"HOST-CS-ZERO", haswell, nothing, PREPARE(SET(HOST_CS_SELECTOR, 0))},
        {"HOST-TR-ZERO", haswell, nothing, PREPARE(SET(HOST_TR_SELECTOR, 0))},
        {"HOST-SS-ZERO", haswell, host32, PREPARE(SET(HOST_SS_SELECTOR, 0))},
        {"HOST-FS-BASE", haswell, nothing, PREPARE(SET(HOST_FS_BASE, kNotCanonical))},
        {"HOST-GS-BASE", haswell, nothing, PREPARE(SET(HOST_GS_BASE, kNotCanonical))},
        {"HOST-TR-BASE", haswell, nothing, PREPARE(SET(HOST_TR_BASE, kNotCanonical))},
        {"HOST-GDTR-BASE", haswell, nothing, PREPARE(SET(HOST_GDTR_BASE, kNotCanonical))},
        {"HOST-IDTR-BASE", haswell, nothing, PREPARE(SET(HOST_IDTR_BASE, kNotCanonical))},
        {"HOST-AS-NOTLMA-GUEST", haswell, host32, PREPARE(m.control(EntryControl::IA32eModeGuest))},
        {"HOST-AS-NOTLMA-HOST", haswell, host32, PREPARE(m.control(ExitControl::HostAddressSpaceSize))},
        {"HOST-AS-LMA-HOST", haswell, PREPARE(m.guest32()),
         PREPARE(m.control(ExitControl::HostAddressSpaceSize, false))},
        {"HOST-AS32-PCIDE", everything, host32, PREPARE(ADD(HOST_CR4, vmx::cr4::PCIDE))},
        {"HOST-AS32-FRED", everything, host32, PREPARE(ADD(HOST_CR4, u64{1} << 32))},
        {"HOST-AS32-RIP", haswell, host32, PREPARE(SET(HOST_RIP, u64{1} << 32))},
        {"HOST-AS32-SCET", everything, PREPARE(host32(m); m.control(ExitControl::LoadCETState)),
         PREPARE(SET(HOST_S_CET, u64{1} << 32))},
        {"HOST-AS32-SSP", everything, PREPARE(host32(m); m.control(ExitControl::LoadCETState)),
         PREPARE(SET(HOST_SSP, u64{1} << 32))},
        {"HOST-AS64-PAE", haswell, nothing, PREPARE(DROP(HOST_CR4, vmx::cr4::PAE))},
        {"HOST-AS64-RIP", haswell, nothing, PREPARE(SET(HOST_RIP, kNotCanonical))},
        {"HOST-AS64-SCET", everything, cet, PREPARE(SET(HOST_S_CET, kNotCanonical))},
        {"HOST-AS64-SSP", everything, cet, PREPARE(SET(HOST_SSP, kNotCanonical))},
        {"HOST-ISST", everything, cet, PREPARE(SET(HOST_INTR_SSP_TABLE, kNotCanonical))},
    };
    return cases;
}

}  // namespace vmxsim::test
