// SPDX-License-Identifier: Apache-2.0
// Checks on VMX controls (SDM 29.2.1.1, 29.2.1.2, and 29.2.1.3 but for event injection). Failure: VMfailValid(7).
// Not here: what needs SMM, SEAM or Intel PT, which the model does not have.
#include "model/vmx/entry_checks.hpp"

namespace vmxsim::vmx {
namespace {

using arch::EntryControl;
using arch::ExitControl;
using arch::Field;
using arch::PinControl;
using arch::PrimaryControl;
using arch::SecondaryControl;
using arch::TertiaryControl;

constexpr u64 kPage = 0xfff;

/// Implication: the check concerns only a VMCS with `condition`.
constexpr bool implies(bool condition, bool rule) { return !condition || rule; }

bool switches_eptp(const EntryContext& c) {
    return c.has(SecondaryControl::EnableVMFunctions) && (c.controls.vm_functions & 1);
}

/// MSR areas: 16-byte alignment, first and last byte within the width (SDM 29.2.1.2, 29.2.1.3). Empty areas have none.
bool area_aligned(const EntryContext& c, Field address, Field count) {
    return c.get(count) == 0 || c.aligned(address, 15);
}
bool area_starts_in_width(const EntryContext& c, Field address, Field count) {
    return c.get(count) == 0 || c.in_width(c.get(address));
}
bool area_ends_in_width(const EntryContext& c, Field address, Field count) {
    return c.get(count) == 0 || c.in_width(c.get(address) + c.get(count) * 16 - 1);
}

bool threshold_below_vtpr(const EntryContext& c) {
    constexpr u64 kVtpr = 0x80;  // offset of the task-priority register in the virtual-APIC page (SDM 32.1.1)
    return (c.get(Field::TPR_THRESHOLD) & 15) <= (c.read(c.get(Field::VIRTUAL_APIC_PAGE_ADDR) + kVtpr, 4) >> 4 & 15);
}

#define PAGE_ROWS(id, condition, field)                                                                    \
    VMXSIM_CHECK("CTRL-" id "-ALIGN", "29.2.1.1", implies(condition, c.aligned(Field::field, kPage))),     \
        VMXSIM_CHECK("CTRL-" id "-WIDTH", "29.2.1.1", implies(condition, c.in_width(c.get(Field::field))))
#define AREA_ROWS(id, section, address, count)                                                             \
    VMXSIM_CHECK(id "-ALIGN", section, area_aligned(c, Field::address, Field::count)),                     \
        VMXSIM_CHECK(id "-WIDTH", section, area_starts_in_width(c, Field::address, Field::count)),         \
        VMXSIM_CHECK(id "-LAST", section, area_ends_in_width(c, Field::address, Field::count))
#define NEEDS_EPT(id, control)                                                                             \
    VMXSIM_CHECK("CTRL-NEEDEPT-" id, "29.2.1.1", implies(c.has(control), c.has(SecondaryControl::EnableEPT)))

constexpr EntryCheck kChecks[] = {
    VMXSIM_CHECK("CTRL-PIN-RSVD0", "29.2.1.1", !allowed_pin(c.caps).misses(c.controls.pin.raw)),
    VMXSIM_CHECK("CTRL-PIN-RSVD1", "29.2.1.1", !allowed_pin(c.caps).exceeds(c.controls.pin.raw)),
    VMXSIM_CHECK("CTRL-PRI-RSVD0", "29.2.1.1", !allowed_primary(c.caps).misses(c.controls.primary.raw)),
    VMXSIM_CHECK("CTRL-PRI-RSVD1", "29.2.1.1", !allowed_primary(c.caps).exceeds(c.controls.primary.raw)),
    VMXSIM_CHECK("CTRL-SEC-RSVD", "29.2.1.1", !allowed_secondary(c.caps).exceeds(c.controls.secondary.raw)),
    VMXSIM_CHECK("CTRL-TER-RSVD", "29.2.1.1", !allowed_tertiary(c.caps).exceeds(c.tertiary.raw)),
    VMXSIM_CHECK("CTRL-CR3-COUNT", "29.2.1.1",
                 c.controls.cr3_target_count <= (c.caps.get(arch::msr::IA32_VMX_MISC) >> 16 & 0x1ff)),
    PAGE_ROWS("IOBMA", c.has(PrimaryControl::UseIOBitmaps), IO_BITMAP_A),
    PAGE_ROWS("IOBMB", c.has(PrimaryControl::UseIOBitmaps), IO_BITMAP_B),
    PAGE_ROWS("MSRBM", c.has(PrimaryControl::UseMSRBitmaps), MSR_BITMAP),
    PAGE_ROWS("VAPIC", c.has(PrimaryControl::UseTPRShadow), VIRTUAL_APIC_PAGE_ADDR),
    PAGE_ROWS("APICACC", c.has(SecondaryControl::VirtualizeAPICAccesses), APIC_ACCESS_ADDR),
    PAGE_ROWS("PML", c.has(SecondaryControl::EnablePML), PML_ADDRESS),
    PAGE_ROWS("SPPTP", c.has(SecondaryControl::SubPageWritePermissionsForEPT), SUB_PAGE_PERMISSION_TABLE_POINTER),
    PAGE_ROWS("EPTPLIST", switches_eptp(c), EPTP_LIST_ADDRESS),
    PAGE_ROWS("VMREADBM", c.has(SecondaryControl::VMCSShadowing), VMREAD_BITMAP),
    PAGE_ROWS("VMWRITEBM", c.has(SecondaryControl::VMCSShadowing), VMWRITE_BITMAP),
    PAGE_ROWS("VEINFO", c.has(SecondaryControl::EPTViolationVE), VE_INFORMATION_ADDRESS),
    PAGE_ROWS("PASIDLO", c.has(SecondaryControl::PASIDTranslation), LOW_PASID_DIRECTORY_ADDRESS),
    PAGE_ROWS("PASIDHI", c.has(SecondaryControl::PASIDTranslation), HIGH_PASID_DIRECTORY_ADDRESS),
    VMXSIM_CHECK("CTRL-TPRTHR-RSVD", "29.2.1.1",
                 implies(c.has(PrimaryControl::UseTPRShadow) && !c.has(SecondaryControl::VirtualInterruptDelivery),
                         c.get(Field::TPR_THRESHOLD) <= 15)),
    VMXSIM_CHECK("CTRL-TPRTHR-VTPR", "29.2.1.1",
                 implies(c.has(PrimaryControl::UseTPRShadow) && !c.has(SecondaryControl::VirtualizeAPICAccesses) &&
                             !c.has(SecondaryControl::VirtualInterruptDelivery),
                         threshold_below_vtpr(c))),
    VMXSIM_CHECK("CTRL-NMI-VNMI", "29.2.1.1", implies(!c.has(PinControl::NMIExiting), !c.has(PinControl::VirtualNMIs))),
    VMXSIM_CHECK("CTRL-VNMI-WINDOW", "29.2.1.1",
                 implies(!c.has(PinControl::VirtualNMIs), !c.has(PrimaryControl::NMIWindowExiting))),
    VMXSIM_CHECK("CTRL-TPRSH-X2APIC", "29.2.1.1",
                 implies(!c.has(PrimaryControl::UseTPRShadow), !c.has(SecondaryControl::VirtualizeX2APICMode))),
    VMXSIM_CHECK("CTRL-TPRSH-APICREG", "29.2.1.1",
                 implies(!c.has(PrimaryControl::UseTPRShadow), !c.has(SecondaryControl::APICRegisterVirtualization))),
    VMXSIM_CHECK("CTRL-TPRSH-VID", "29.2.1.1",
                 implies(!c.has(PrimaryControl::UseTPRShadow), !c.has(SecondaryControl::VirtualInterruptDelivery))),
    VMXSIM_CHECK("CTRL-TPRSH-IPIV", "29.2.1.1",
                 implies(!c.has(PrimaryControl::UseTPRShadow), !c.has(TertiaryControl::IPIVirtualization))),
    VMXSIM_CHECK(
        "CTRL-X2APIC-APICACC", "29.2.1.1",
        implies(c.has(SecondaryControl::VirtualizeX2APICMode), !c.has(SecondaryControl::VirtualizeAPICAccesses))),
    VMXSIM_CHECK(
        "CTRL-VID-EXTINT", "29.2.1.1",
        implies(c.has(SecondaryControl::VirtualInterruptDelivery), c.has(PinControl::ExternalInterruptExiting))),
    VMXSIM_CHECK(
        "CTRL-PI-VID", "29.2.1.1",
        implies(c.has(PinControl::ProcessPostedInterrupts), c.has(SecondaryControl::VirtualInterruptDelivery))),
    VMXSIM_CHECK("CTRL-PI-ACK", "29.2.1.1",
                 implies(c.has(PinControl::ProcessPostedInterrupts), c.has(ExitControl::AcknowledgeInterruptOnExit))),
    VMXSIM_CHECK("CTRL-PI-VECTOR", "29.2.1.1",
                 implies(c.has(PinControl::ProcessPostedInterrupts), c.get(Field::POSTED_INTR_NV) <= 0xff)),
    VMXSIM_CHECK("CTRL-PI-DESC-ALIGN", "29.2.1.1",
                 implies(c.has(PinControl::ProcessPostedInterrupts), c.aligned(Field::POSTED_INTR_DESC_ADDR, 63))),
    VMXSIM_CHECK("CTRL-PI-DESC-WIDTH", "29.2.1.1",
                 implies(c.has(PinControl::ProcessPostedInterrupts), c.in_width(c.get(Field::POSTED_INTR_DESC_ADDR)))),
    VMXSIM_CHECK("CTRL-IPIV-ALIGN", "29.2.1.1",
                 implies(c.has(TertiaryControl::IPIVirtualization), c.aligned(Field::PID_POINTER_TABLE, 7))),
    VMXSIM_CHECK("CTRL-IPIV-WIDTH", "29.2.1.1",
                 implies(c.has(TertiaryControl::IPIVirtualization), c.in_width(c.get(Field::PID_POINTER_TABLE)))),
    VMXSIM_CHECK("CTRL-IPIV-LAST", "29.2.1.1",
                 implies(c.has(TertiaryControl::IPIVirtualization),
                         c.in_width(c.get(Field::PID_POINTER_TABLE) + 8 * c.get(Field::LAST_PID_POINTER_INDEX)))),
    VMXSIM_CHECK("CTRL-VPID-ZERO", "29.2.1.1", implies(c.has(SecondaryControl::EnableVPID), c.controls.vpid.raw != 0)),
    VMXSIM_CHECK(
        "CTRL-EPTP-MT", "29.2.1.1",
        implies(c.has(SecondaryControl::EnableEPT), ((c.controls.eptp.raw & 7) == 0 && has_ept_cap(c.caps, 8)) ||
                                                        ((c.controls.eptp.raw & 7) == 6 && has_ept_cap(c.caps, 14)))),
    VMXSIM_CHECK("CTRL-EPTP-PWL", "29.2.1.1",
                 implies(c.has(SecondaryControl::EnableEPT),
                         ((c.controls.eptp.raw >> 3 & 7) == 3 && has_ept_cap(c.caps, 6)) ||
                             ((c.controls.eptp.raw >> 3 & 7) == 4 && has_ept_cap(c.caps, 7)))),
    VMXSIM_CHECK("CTRL-EPTP-AD", "29.2.1.1", implies(!has_ept_cap(c.caps, 21), !(c.controls.eptp.raw >> 6 & 1))),
    VMXSIM_CHECK("CTRL-EPTP-SSS", "29.2.1.1", implies(!has_ept_cap(c.caps, 23), !(c.controls.eptp.raw >> 7 & 1))),
    VMXSIM_CHECK("CTRL-EPTP-RSVD", "29.2.1.1", (c.controls.eptp.raw & 0xf00) == 0),
    VMXSIM_CHECK("CTRL-EPTP-WIDTH", "29.2.1.1", c.in_width(c.controls.eptp.raw)),
    NEEDS_EPT("PML", SecondaryControl::EnablePML),
    NEEDS_EPT("URG", SecondaryControl::UnrestrictedGuest),
    NEEDS_EPT("MBEC", SecondaryControl::ModeBasedExecuteControlForEPT),
    NEEDS_EPT("SPP", SecondaryControl::SubPageWritePermissionsForEPT),
    NEEDS_EPT("PTGPA", SecondaryControl::IntelPTUsesGuestPhysicalAddresses),
    NEEDS_EPT("PEBSGPA", TertiaryControl::PEBSUsesGuestPhysicalAddresses),
    NEEDS_EPT("HLAT", TertiaryControl::EnableHLAT),
    NEEDS_EPT("PW", TertiaryControl::EPTPagingWriteControl),
    NEEDS_EPT("GPV", TertiaryControl::GuestPagingVerification),
    VMXSIM_CHECK("CTRL-VMFUNC-RSVD", "29.2.1.1",
                 implies(c.has(SecondaryControl::EnableVMFunctions),
                         (c.controls.vm_functions & ~c.caps.get(arch::msr::IA32_VMX_VMFUNC)) == 0)),
    VMXSIM_CHECK("CTRL-VMFUNC-EPT", "29.2.1.1", implies(switches_eptp(c), c.has(SecondaryControl::EnableEPT))),
    VMXSIM_CHECK(
        "CTRL-PTGPA-LOAD", "29.2.1.1",
        implies(c.has(SecondaryControl::IntelPTUsesGuestPhysicalAddresses), c.has(EntryControl::LoadIA32RTITCTL))),
    VMXSIM_CHECK(
        "CTRL-PTGPA-CLEAR", "29.2.1.1",
        implies(c.has(SecondaryControl::IntelPTUsesGuestPhysicalAddresses), c.has(ExitControl::ClearIA32RTITCTL))),
    VMXSIM_CHECK("CTRL-TSCMUL-ZERO", "29.2.1.1",
                 implies(c.has(SecondaryControl::UseTSCScaling), c.controls.tsc_multiplier != 0)),
    VMXSIM_CHECK("CTRL-HLATP-RSVD", "29.2.1.1",
                 implies(c.has(TertiaryControl::EnableHLAT),
                         c.aligned(Field::HYPERVISOR_MANAGED_LINEAR_ADDRESS_TRANSLATION_POINTER, 0xfe7))),
    VMXSIM_CHECK("CTRL-HLATP-WIDTH", "29.2.1.1",
                 implies(c.has(TertiaryControl::EnableHLAT),
                         c.in_width(c.get(Field::HYPERVISOR_MANAGED_LINEAR_ADDRESS_TRANSLATION_POINTER)))),
    VMXSIM_CHECK(
        "CTRL-APICT-VID", "29.2.1.1",
        implies(c.has(TertiaryControl::APICTimerVirtualization), c.has(SecondaryControl::VirtualInterruptDelivery))),
    VMXSIM_CHECK("CTRL-APICT-RDTSC", "29.2.1.1",
                 implies(c.has(TertiaryControl::APICTimerVirtualization), !c.has(PrimaryControl::RDTSCExiting))),
    VMXSIM_CHECK(
        "CTRL-APICT-VECTOR", "29.2.1.1",
        implies(c.has(TertiaryControl::APICTimerVirtualization), c.get(Field::GUEST_APIC_TIMER_VECTOR) <= 0xff)),
    // VM-exit controls
    VMXSIM_CHECK("CTRL-EXIT-RSVD0", "29.2.1.2", !allowed_exit(c.caps).misses(c.controls.exit.raw)),
    VMXSIM_CHECK("CTRL-EXIT-RSVD1", "29.2.1.2", !allowed_exit(c.caps).exceeds(c.controls.exit.raw)),
    VMXSIM_CHECK("CTRL-EXIT2-RSVD", "29.2.1.2", !allowed_exit2(c.caps).exceeds(c.exit2.raw)),
    VMXSIM_CHECK(
        "CTRL-EXIT-PREEMPT", "29.2.1.2",
        implies(!c.has(PinControl::ActivateVMXPreemptionTimer), !c.has(ExitControl::SaveVMXPreemptionTimerValue))),
    AREA_ROWS("CTRL-EXIT-STORE", "29.2.1.2", VM_EXIT_MSR_STORE_ADDR, VM_EXIT_MSR_STORE_COUNT),
    AREA_ROWS("CTRL-EXIT-LOAD", "29.2.1.2", VM_EXIT_MSR_LOAD_ADDR, VM_EXIT_MSR_LOAD_COUNT),
    // VM-entry controls
    VMXSIM_CHECK("CTRL-ENTRY-RSVD0", "29.2.1.3", !allowed_entry(c.caps).misses(c.controls.entry.raw)),
    VMXSIM_CHECK("CTRL-ENTRY-RSVD1", "29.2.1.3", !allowed_entry(c.caps).exceeds(c.controls.entry.raw)),
    AREA_ROWS("CTRL-ENTRY-LOAD", "29.2.1.3", VM_ENTRY_MSR_LOAD_ADDR, VM_ENTRY_MSR_LOAD_COUNT),
    // The processor is never in SMM, so the third rule of this group (not both) follows from these two.
    VMXSIM_CHECK("CTRL-ENTRY-SMM", "29.2.1.3", !c.has(EntryControl::EntryToSMM)),
    VMXSIM_CHECK("CTRL-ENTRY-DDM", "29.2.1.3", !c.has(EntryControl::DeactivateDualMonitorTreatment)),
};

#undef PAGE_ROWS
#undef AREA_ROWS
#undef NEEDS_EPT

}  // namespace

std::span<const EntryCheck> control_checks() { return kChecks; }

}  // namespace vmxsim::vmx
