// SPDX-License-Identifier: Apache-2.0
#include "tests/vmx/entry_cases.hpp"

namespace vmxsim::test {

using arch::EntryControl;
using arch::ExitControl;
using arch::PinControl;
using arch::PrimaryControl;
using arch::SecondaryControl;
using arch::TertiaryControl;
using vmx::EntryResult;

namespace {


/// All virtual-APIC controls that posted interrupts and the APIC timer stand on.
void interrupt_delivery(Machine& m) {
    m.control(PrimaryControl::UseTPRShadow);
    m.control(SecondaryControl::VirtualInterruptDelivery);
    m.control(PinControl::ExternalInterruptExiting);
}
void posted(Machine& m) {
    interrupt_delivery(m);
    m.control(PinControl::ProcessPostedInterrupts);
    m.control(ExitControl::AcknowledgeInterruptOnExit);
}
void vm_functions(Machine& m) {
    m.use_ept();
    m.control(SecondaryControl::EnableVMFunctions);
    m.set(Field::VM_FUNCTION_CONTROL, 1);
}

#define PAGE_CASES(id, caps, prepare, field)                                          \
    {"CTRL-" id "-ALIGN", caps, prepare, PREPARE(ADD(field, 0x800))},                 \
    {"CTRL-" id "-WIDTH", caps, prepare, PREPARE(ADD(field, kAboveWidth))}
#define AREA_CASES(id, address, count)                                                            \
    {id "-ALIGN", haswell, nothing, PREPARE(SET(count, 1); ADD(address, 8))},                     \
    {id "-WIDTH", haswell, nothing, PREPARE(SET(count, 1); ADD(address, kAboveWidth))},           \
    {id "-LAST", haswell, nothing, PREPARE(SET(count, 2); SET(address, kAboveWidth - 16))}
#define NEEDS_EPT_CASE(id, bit) \
    {"CTRL-NEEDEPT-" id, everything, PREPARE(m.use_ept(); m.control(bit)), \
     PREPARE(m.control(SecondaryControl::EnableEPT, false))}

}  // namespace

std::vector<EntryCase> control_cases() {
    return {
        {"CTRL-PIN-RSVD0", haswell, nothing, PREPARE(DROP(PIN_BASED_VM_EXEC_CONTROL, 2))},
        {"CTRL-PIN-RSVD1", haswell, nothing, PREPARE(ADD(PIN_BASED_VM_EXEC_CONTROL, 0x80))},
        {"CTRL-PRI-RSVD0", haswell, nothing, PREPARE(DROP(CPU_BASED_VM_EXEC_CONTROL, 2))},
        {"CTRL-PRI-RSVD1", haswell, nothing, PREPARE(ADD(CPU_BASED_VM_EXEC_CONTROL, 1))},
        {"CTRL-SEC-RSVD", haswell, PREPARE(m.control(SecondaryControl::WBINVDExiting)),
         PREPARE(ADD(SECONDARY_VM_EXEC_CONTROL, 1u << 17))},
        {"CTRL-SEC-RSVD", nehalem, PREPARE(m.use_ept()), PREPARE(m.control(SecondaryControl::UnrestrictedGuest))},
        {"CTRL-TER-RSVD",
         [] {
             auto c = everything();
             c.set(msr::IA32_VMX_PROCBASED_CTLS3, 1);
             return c;
         },
         PREPARE(m.control(TertiaryControl::LOADIWKEYExiting)), PREPARE(ADD(TERTIARY_VM_EXEC_CONTROL, u64{1} << 40))},
        {"CTRL-CR3-COUNT", haswell, PREPARE(SET(CR3_TARGET_COUNT, 4)), PREPARE(SET(CR3_TARGET_COUNT, 5))},
        PAGE_CASES("IOBMA", haswell, PREPARE(m.control(PrimaryControl::UseIOBitmaps)), IO_BITMAP_A),
        PAGE_CASES("IOBMB", haswell, PREPARE(m.control(PrimaryControl::UseIOBitmaps)), IO_BITMAP_B),
        PAGE_CASES("MSRBM", haswell, PREPARE(m.control(PrimaryControl::UseMSRBitmaps)), MSR_BITMAP),
        PAGE_CASES("VAPIC", haswell, PREPARE(m.control(PrimaryControl::UseTPRShadow)), VIRTUAL_APIC_PAGE_ADDR),
        PAGE_CASES("APICACC", haswell, PREPARE(m.control(SecondaryControl::VirtualizeAPICAccesses)), APIC_ACCESS_ADDR),
        PAGE_CASES("PML", everything, PREPARE(m.use_ept(); m.control(SecondaryControl::EnablePML)), PML_ADDRESS),
        PAGE_CASES("SPPTP", everything,
                   PREPARE(m.use_ept(); m.control(SecondaryControl::SubPageWritePermissionsForEPT)),
                   SUB_PAGE_PERMISSION_TABLE_POINTER),
        PAGE_CASES("EPTPLIST", haswell, vm_functions, EPTP_LIST_ADDRESS),
        PAGE_CASES("VMREADBM", haswell, PREPARE(m.control(SecondaryControl::VMCSShadowing)), VMREAD_BITMAP),
        PAGE_CASES("VMWRITEBM", haswell, PREPARE(m.control(SecondaryControl::VMCSShadowing)), VMWRITE_BITMAP),
        PAGE_CASES("VEINFO", everything, PREPARE(m.use_ept(); m.control(SecondaryControl::EPTViolationVE)),
                   VE_INFORMATION_ADDRESS),
        PAGE_CASES("PASIDLO", everything, PREPARE(m.control(SecondaryControl::PASIDTranslation)),
                   LOW_PASID_DIRECTORY_ADDRESS),
        PAGE_CASES("PASIDHI", everything, PREPARE(m.control(SecondaryControl::PASIDTranslation)),
                   HIGH_PASID_DIRECTORY_ADDRESS),
        {"CTRL-TPRTHR-RSVD", haswell, PREPARE(m.control(PrimaryControl::UseTPRShadow)),
         PREPARE(SET(TPR_THRESHOLD, 0x10))},
        {"CTRL-TPRTHR-VTPR", haswell,
         PREPARE(m.control(PrimaryControl::UseTPRShadow); SET(TPR_THRESHOLD, 5);
                 m.ram.write({Machine::kVapic + 0x80}, 4, 0x5f)),
         PREPARE(SET(TPR_THRESHOLD, 6))},
        {"CTRL-NMI-VNMI", haswell,
         PREPARE(m.control(PinControl::NMIExiting); m.control(PinControl::VirtualNMIs)),
         PREPARE(m.control(PinControl::NMIExiting, false))},
        {"CTRL-VNMI-WINDOW", haswell,
         PREPARE(m.control(PinControl::NMIExiting); m.control(PinControl::VirtualNMIs);
                 m.control(PrimaryControl::NMIWindowExiting)),
         PREPARE(m.control(PinControl::VirtualNMIs, false))},
        {"CTRL-TPRSH-X2APIC", haswell,
         PREPARE(m.control(PrimaryControl::UseTPRShadow); m.control(SecondaryControl::VirtualizeX2APICMode)),
         PREPARE(m.control(PrimaryControl::UseTPRShadow, false))},
        {"CTRL-TPRSH-APICREG", everything,
         PREPARE(m.control(PrimaryControl::UseTPRShadow); m.control(SecondaryControl::APICRegisterVirtualization)),
         PREPARE(m.control(PrimaryControl::UseTPRShadow, false))},
        {"CTRL-TPRSH-VID", everything, interrupt_delivery, PREPARE(m.control(PrimaryControl::UseTPRShadow, false))},
        {"CTRL-TPRSH-IPIV", everything,
         PREPARE(m.control(PrimaryControl::UseTPRShadow); m.control(TertiaryControl::IPIVirtualization)),
         PREPARE(m.control(PrimaryControl::UseTPRShadow, false))},
        {"CTRL-X2APIC-APICACC", haswell,
         PREPARE(m.control(PrimaryControl::UseTPRShadow); m.control(SecondaryControl::VirtualizeX2APICMode)),
         PREPARE(m.control(SecondaryControl::VirtualizeAPICAccesses))},
        {"CTRL-VID-EXTINT", everything, interrupt_delivery,
         PREPARE(m.control(PinControl::ExternalInterruptExiting, false))},
        {"CTRL-PI-VID", everything, posted, PREPARE(m.control(SecondaryControl::VirtualInterruptDelivery, false))},
        {"CTRL-PI-ACK", everything, posted, PREPARE(m.control(ExitControl::AcknowledgeInterruptOnExit, false))},
        {"CTRL-PI-VECTOR", everything, posted, PREPARE(SET(POSTED_INTR_NV, 0x100))},
        {"CTRL-PI-DESC-ALIGN", everything, posted, PREPARE(SET(POSTED_INTR_DESC_ADDR, 0x20))},
        {"CTRL-PI-DESC-WIDTH", everything, posted, PREPARE(SET(POSTED_INTR_DESC_ADDR, kAboveWidth))},
        {"CTRL-IPIV-ALIGN", everything,
         PREPARE(m.control(PrimaryControl::UseTPRShadow); m.control(TertiaryControl::IPIVirtualization)),
         PREPARE(SET(PID_POINTER_TABLE, 4))},
        {"CTRL-IPIV-WIDTH", everything,
         PREPARE(m.control(PrimaryControl::UseTPRShadow); m.control(TertiaryControl::IPIVirtualization)),
         PREPARE(SET(PID_POINTER_TABLE, kAboveWidth))},
        {"CTRL-IPIV-LAST", everything,
         PREPARE(m.control(PrimaryControl::UseTPRShadow); m.control(TertiaryControl::IPIVirtualization);
                 SET(PID_POINTER_TABLE, kAboveWidth - 8)),
         PREPARE(SET(LAST_PID_POINTER_INDEX, 1))},
        {"CTRL-VPID-ZERO", haswell, PREPARE(m.control(SecondaryControl::EnableVPID)),
         PREPARE(SET(VIRTUAL_PROCESSOR_ID, 0))},
        {"CTRL-EPTP-MT", haswell, PREPARE(m.use_ept()), PREPARE(SET(EPT_POINTER, Machine::kEptRoot | 0x1d))},
        {"CTRL-EPTP-PWL", haswell, PREPARE(m.use_ept()), PREPARE(SET(EPT_POINTER, Machine::kEptRoot | 0x16))},
        {"CTRL-EPTP-AD", nehalem, PREPARE(m.use_ept()), PREPARE(ADD(EPT_POINTER, 0x40))},
        {"CTRL-EPTP-SSS", haswell, PREPARE(m.use_ept(); ADD(EPT_POINTER, 0x40)), PREPARE(ADD(EPT_POINTER, 0x80))},
        {"CTRL-EPTP-RSVD", haswell, PREPARE(m.use_ept()), PREPARE(ADD(EPT_POINTER, 0x800))},
        {"CTRL-EPTP-WIDTH", haswell, PREPARE(m.use_ept()), PREPARE(ADD(EPT_POINTER, kAboveWidth))},
        NEEDS_EPT_CASE("PML", SecondaryControl::EnablePML),
        NEEDS_EPT_CASE("URG", SecondaryControl::UnrestrictedGuest),
        NEEDS_EPT_CASE("MBEC", SecondaryControl::ModeBasedExecuteControlForEPT),
        NEEDS_EPT_CASE("SPP", SecondaryControl::SubPageWritePermissionsForEPT),
        {"CTRL-NEEDEPT-PTGPA", everything,
         PREPARE(m.use_ept(); m.control(SecondaryControl::IntelPTUsesGuestPhysicalAddresses);
                 m.control(EntryControl::LoadIA32RTITCTL); m.control(ExitControl::ClearIA32RTITCTL)),
         PREPARE(m.control(SecondaryControl::EnableEPT, false))},
        NEEDS_EPT_CASE("PEBSGPA", TertiaryControl::PEBSUsesGuestPhysicalAddresses),
        NEEDS_EPT_CASE("HLAT", TertiaryControl::EnableHLAT),
        NEEDS_EPT_CASE("PW", TertiaryControl::EPTPagingWriteControl),
        NEEDS_EPT_CASE("GPV", TertiaryControl::GuestPagingVerification),
        {"CTRL-VMFUNC-RSVD", haswell, vm_functions, PREPARE(SET(VM_FUNCTION_CONTROL, 3))},
        {"CTRL-VMFUNC-EPT", haswell, vm_functions, PREPARE(m.control(SecondaryControl::EnableEPT, false))},
        {"CTRL-PTGPA-LOAD", everything,
         PREPARE(m.use_ept(); m.control(SecondaryControl::IntelPTUsesGuestPhysicalAddresses);
                 m.control(EntryControl::LoadIA32RTITCTL); m.control(ExitControl::ClearIA32RTITCTL)),
         PREPARE(m.control(EntryControl::LoadIA32RTITCTL, false))},
        {"CTRL-PTGPA-CLEAR", everything,
         PREPARE(m.use_ept(); m.control(SecondaryControl::IntelPTUsesGuestPhysicalAddresses);
                 m.control(EntryControl::LoadIA32RTITCTL); m.control(ExitControl::ClearIA32RTITCTL)),
         PREPARE(m.control(ExitControl::ClearIA32RTITCTL, false))},
        {"CTRL-TSCMUL-ZERO", everything, PREPARE(m.control(SecondaryControl::UseTSCScaling)),
         PREPARE(SET(TSC_MULTIPLIER, 0))},
        {"CTRL-HLATP-RSVD", everything, PREPARE(m.use_ept(); m.control(TertiaryControl::EnableHLAT)),
         PREPARE(SET(HYPERVISOR_MANAGED_LINEAR_ADDRESS_TRANSLATION_POINTER, 0x20))},
        {"CTRL-HLATP-WIDTH", everything, PREPARE(m.use_ept(); m.control(TertiaryControl::EnableHLAT)),
         PREPARE(SET(HYPERVISOR_MANAGED_LINEAR_ADDRESS_TRANSLATION_POINTER, kAboveWidth))},
        {"CTRL-APICT-VID", everything,
         PREPARE(interrupt_delivery(m); m.control(TertiaryControl::APICTimerVirtualization)),
         PREPARE(m.control(SecondaryControl::VirtualInterruptDelivery, false))},
        {"CTRL-APICT-RDTSC", everything,
         PREPARE(interrupt_delivery(m); m.control(TertiaryControl::APICTimerVirtualization)),
         PREPARE(m.control(PrimaryControl::RDTSCExiting))},
        {"CTRL-APICT-VECTOR", everything,
         PREPARE(interrupt_delivery(m); m.control(TertiaryControl::APICTimerVirtualization)),
         PREPARE(SET(GUEST_APIC_TIMER_VECTOR, 0x100))},
        {"CTRL-EXIT-RSVD0", haswell, nothing, PREPARE(DROP(VM_EXIT_CONTROLS, 1))},
        {"CTRL-EXIT-RSVD1", haswell, nothing, PREPARE(ADD(VM_EXIT_CONTROLS, 1u << 23))},
        {"CTRL-EXIT2-RSVD",
         [] {
             auto c = everything();
             c.set(msr::IA32_VMX_EXIT_CTLS2, 0xf);
             return c;
         },
         PREPARE(m.control(ExitControl::ActivateSecondaryControls)),
         PREPARE(SET(SECONDARY_VM_EXIT_CONTROLS, u64{1} << 50))},
        {
            "CTRL-EXIT-PREEMPT", haswell,
                PREPARE(m.control(PinControl::ActivateVMXPreemptionTimer);
                        m.control(ExitControl::SaveVMXPreemptionTimerValue)),
                PREPARE(m.control(PinControl::ActivateVMXPreemptionTimer, false))
        }
        , AREA_CASES("CTRL-EXIT-STORE", VM_EXIT_MSR_STORE_ADDR, VM_EXIT_MSR_STORE_COUNT),
            AREA_CASES("CTRL-EXIT-LOAD", VM_EXIT_MSR_LOAD_ADDR, VM_EXIT_MSR_LOAD_COUNT),
            {"CTRL-ENTRY-RSVD0", haswell, nothing, PREPARE(DROP(VM_ENTRY_CONTROLS, 1))},
            {"CTRL-ENTRY-RSVD1", haswell, nothing, PREPARE(ADD(VM_ENTRY_CONTROLS, 1u << 16))},
            AREA_CASES("CTRL-ENTRY-LOAD", VM_ENTRY_MSR_LOAD_ADDR, VM_ENTRY_MSR_LOAD_COUNT),
            {"CTRL-ENTRY-SMM", haswell, nothing, PREPARE(m.control(EntryControl::EntryToSMM))},
            {"CTRL-ENTRY-DDM", haswell, nothing, PREPARE(m.control(EntryControl::DeactivateDualMonitorTreatment))},
    };
}

}  // namespace vmxsim::test
