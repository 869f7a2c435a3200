// SPDX-License-Identifier: Apache-2.0
#include "model/vmx/field_support.hpp"

#include <stdexcept>
#include <string>

#include "model/vmx/allowed.hpp"

namespace vmxsim::vmx {
namespace {

using C = arch::Capabilities;
using arch::EntryControl;
using arch::Exit2Control;
using arch::ExitControl;
using arch::PinControl;
using arch::PrimaryControl;
using arch::SecondaryControl;
using arch::TertiaryControl;

bool pin(const C& c, PinControl b) { return may_set(allowed_pin(c), b); }
bool pri(const C& c, PrimaryControl b) { return may_set(allowed_primary(c), b); }
bool sec(const C& c, SecondaryControl b) { return may_set(allowed_secondary(c), b); }
bool ter(const C& c, TertiaryControl b) { return may_set(allowed_tertiary(c), b); }
bool ext(const C& c, ExitControl b) { return may_set(allowed_exit(c), b); }
bool ex2(const C& c, Exit2Control b) { return may_set(allowed_exit2(c), b); }
bool ent(const C& c, EntryControl b) { return may_set(allowed_entry(c), b); }

struct Feature {
    std::string_view exists_if;  ///< as in vmcs_fields.def
    bool (*offered)(const C&);
};

constexpr Feature kFeatures[] = {
    {"always", [](const C&) { return true; }},
    {"process posted interrupts", [](const C& c) { return pin(c, PinControl::ProcessPostedInterrupts); }},
    {"activate VMX-preemption timer", [](const C& c) { return pin(c, PinControl::ActivateVMXPreemptionTimer); }},
    {"use MSR bitmaps", [](const C& c) { return pri(c, PrimaryControl::UseMSRBitmaps); }},
    {"use TPR shadow", [](const C& c) { return pri(c, PrimaryControl::UseTPRShadow); }},
    {"activate secondary controls", [](const C& c) { return pri(c, PrimaryControl::ActivateSecondaryControls); }},
    {"activate tertiary controls", [](const C& c) { return pri(c, PrimaryControl::ActivateTertiaryControls); }},
    {"virtualize APIC accesses", [](const C& c) { return sec(c, SecondaryControl::VirtualizeAPICAccesses); }},
    {"enable EPT", [](const C& c) { return sec(c, SecondaryControl::EnableEPT); }},
    {"enable VPID", [](const C& c) { return sec(c, SecondaryControl::EnableVPID); }},
    {"virtual-interrupt delivery", [](const C& c) { return sec(c, SecondaryControl::VirtualInterruptDelivery); }},
    {"PAUSE-loop exiting", [](const C& c) { return sec(c, SecondaryControl::PAUSELoopExiting); }},
    {"enable VM functions", [](const C& c) { return sec(c, SecondaryControl::EnableVMFunctions); }},
    {"VM function \"EPTP switching\"",
     [](const C& c) {
         return sec(c, SecondaryControl::EnableVMFunctions) && (c.get(arch::msr::IA32_VMX_VMFUNC) & 1);
     }},
    {"VMCS shadowing", [](const C& c) { return sec(c, SecondaryControl::VMCSShadowing); }},
    {"enable ENCLS exiting", [](const C& c) { return sec(c, SecondaryControl::EnableENCLSExiting); }},
    {"enable PML", [](const C& c) { return sec(c, SecondaryControl::EnablePML); }},
    {"EPT-violation #VE", [](const C& c) { return sec(c, SecondaryControl::EPTViolationVE); }},
    {"enable XSAVES/XRSTORS", [](const C& c) { return sec(c, SecondaryControl::EnableXSAVESXRSTORS); }},
    {"PASID translation", [](const C& c) { return sec(c, SecondaryControl::PASIDTranslation); }},
    {"sub-page write permissions for EPT",
     [](const C& c) { return sec(c, SecondaryControl::SubPageWritePermissionsForEPT); }},
    {"use TSC scaling", [](const C& c) { return sec(c, SecondaryControl::UseTSCScaling); }},
    {"enable PCONFIG", [](const C& c) { return sec(c, SecondaryControl::EnablePCONFIG); }},
    {"enable ENCLV exiting (older SDM only)", [](const C& c) { return sec(c, SecondaryControl::EnableENCLVExiting); }},
    {"instruction timeout", [](const C& c) { return sec(c, SecondaryControl::InstructionTimeout); }},
    {"enable HLAT", [](const C& c) { return ter(c, TertiaryControl::EnableHLAT); }},
    {"IPI virtualization", [](const C& c) { return ter(c, TertiaryControl::IPIVirtualization); }},
    {"SEAM guest-physical address width",
     [](const C& c) { return ter(c, TertiaryControl::SEAMGuestPhysicalAddressWidth); }},
    {"enable MSR-list instructions", [](const C& c) { return ter(c, TertiaryControl::EnableMSRListInstructions); }},
    {"virtualize IA32_SPEC_CTRL", [](const C& c) { return ter(c, TertiaryControl::VirtualizeIA32SPECCTRL); }},
    {"APIC-timer virtualization", [](const C& c) { return ter(c, TertiaryControl::APICTimerVirtualization); }},
    {"FRED transitions supported", [](const C& c) { return ent(c, EntryControl::LoadFRED); }},
    {"exit \"activate secondary controls\"", [](const C& c) { return ext(c, ExitControl::ActivateSecondaryControls); }},
    {"exit \"clear UINV\" or entry \"load UINV\"",
     [](const C& c) { return ext(c, ExitControl::ClearUINV) || ent(c, EntryControl::LoadUINV); }},
    {"entry \"load IA32_PAT\" or exit \"save IA32_PAT\"",
     [](const C& c) { return ent(c, EntryControl::LoadIA32PAT) || ext(c, ExitControl::SaveIA32PAT); }},
    {"entry \"load IA32_EFER\" or exit \"save IA32_EFER\"",
     [](const C& c) { return ent(c, EntryControl::LoadIA32EFER) || ext(c, ExitControl::SaveIA32EFER); }},
    {"entry \"load IA32_PERF_GLOBAL_CTRL\"", [](const C& c) { return ent(c, EntryControl::LoadIA32PERFGLOBALCTRL); }},
    {"entry \"load IA32_BNDCFGS\" or exit \"clear IA32_BNDCFGS\"",
     [](const C& c) { return ent(c, EntryControl::LoadIA32BNDCFGS) || ext(c, ExitControl::ClearIA32BNDCFGS); }},
    {"entry \"load IA32_RTIT_CTL\" or exit \"clear IA32_RTIT_CTL\"",
     [](const C& c) { return ent(c, EntryControl::LoadIA32RTITCTL) || ext(c, ExitControl::ClearIA32RTITCTL); }},
    {"entry \"load guest IA32_LBR_CTL\" or exit \"clear IA32_LBR_CTL\"",
     [](const C& c) { return ent(c, EntryControl::LoadGuestIA32LBRCTL) || ext(c, ExitControl::ClearIA32LBRCTL); }},
    {"entry \"load PKRS\"", [](const C& c) { return ent(c, EntryControl::LoadPKRS); }},
    {"entry \"load FRED\" or exit2 \"save FRED\"",
     [](const C& c) { return ent(c, EntryControl::LoadFRED) || ex2(c, Exit2Control::SaveFRED); }},
    {"entry \"load IA32_SPEC_CTRL\"", [](const C& c) { return ent(c, EntryControl::LoadIA32SPECCTRL); }},
    {"entry \"load CET state\"", [](const C& c) { return ent(c, EntryControl::LoadCETState); }},
    {"exit \"load IA32_PAT\"", [](const C& c) { return ext(c, ExitControl::LoadIA32PAT); }},
    {"exit \"load IA32_EFER\"", [](const C& c) { return ext(c, ExitControl::LoadIA32EFER); }},
    {"exit \"load IA32_PERF_GLOBAL_CTRL\"", [](const C& c) { return ext(c, ExitControl::LoadIA32PERFGLOBALCTRL); }},
    {"exit \"load PKRS\"", [](const C& c) { return ext(c, ExitControl::LoadPKRS); }},
    {"exit \"load CET state\"", [](const C& c) { return ext(c, ExitControl::LoadCETState); }},
    {"exit2 \"load FRED\"", [](const C& c) { return ex2(c, Exit2Control::LoadFRED); }},
    {"exit2 \"load IA32_SPEC_CTRL\"", [](const C& c) { return ex2(c, Exit2Control::LoadIA32SPECCTRL); }},
};

bool offered(std::string_view exists_if, const C& c) {
    for (const Feature& f : kFeatures)
        if (f.exists_if == exists_if) return f.offered(c);
    throw std::logic_error("VMCS field table: unknown feature '" + std::string(exists_if) + "'");
}

}  // namespace

std::array<bool, arch::kFieldCount> supported_fields(const arch::Capabilities& capabilities) {
    std::array<bool, arch::kFieldCount> exists{};
    for (std::size_t i = 0; i < arch::kFieldCount; ++i) exists[i] = offered(arch::kFields[i].exists_if, capabilities);
    return exists;
}

}  // namespace vmxsim::vmx
