// SPDX-License-Identifier: Apache-2.0
// Checks on the host-state area (SDM 29.2.2 control registers and MSRs, 29.2.3 segments and descriptor tables, 29.2.4
// address-space size). Failure: VMfailValid(8).
#include "model/vmx/entry_checks.hpp"

namespace vmxsim::vmx {
namespace {

using arch::EntryControl;
using arch::Exit2Control;
using arch::ExitControl;
using arch::Field;

constexpr u64 kCet = u64{1} << 23, kFred = u64{1} << 32;  // CR4 bits
constexpr bool implies(bool condition, bool rule) { return !condition || rule; }
bool cet(const EntryContext& c) { return c.has(ExitControl::LoadCETState); }
bool fred(const EntryContext& c) { return c.has(Exit2Control::LoadFRED); }
constexpr u64 high(u64 v) { return v >> 32; }

#define SELECTOR_ROW(seg) \
    VMXSIM_CHECK("HOST-" #seg "-RPLTI", "29.2.3", (c.get(Field::HOST_##seg##_SELECTOR) & 7) == 0)
#define CANONICAL_ROW(id, section, field) VMXSIM_CHECK("HOST-" id, section, c.is_canonical(Field::field))
#define FRED_ROWS(n)                                                                                     \
    VMXSIM_CHECK("HOST-FRED-RSP" #n, "29.2.2",                                                           \
                 implies(fred(c), c.is_canonical(Field::HOST_IA32_FRED_RSP##n) &&                        \
                                      c.aligned(Field::HOST_IA32_FRED_RSP##n, 63))),                     \
        VMXSIM_CHECK("HOST-FRED-SSP" #n, "29.2.2",                                                       \
                     implies(fred(c), c.is_canonical(Field::HOST_IA32_FRED_SSP##n) &&                    \
                                          c.aligned(Field::HOST_IA32_FRED_SSP##n, 7)))

constexpr EntryCheck kChecks[] = {
    // Unrestricted guest exempts the guest's CR0 only.
    VMXSIM_CHECK("HOST-CR0-FIXED0", "29.2.2",
                 (c.caps.get(arch::msr::IA32_VMX_CR0_FIXED0) & ~c.get(Field::HOST_CR0)) == 0),
    VMXSIM_CHECK("HOST-CR0-FIXED1", "29.2.2",
                 (c.get(Field::HOST_CR0) & ~c.caps.get(arch::msr::IA32_VMX_CR0_FIXED1)) == 0),
    VMXSIM_CHECK("HOST-CR4-FIXED0", "29.2.2",
                 (c.caps.get(arch::msr::IA32_VMX_CR4_FIXED0) & ~c.get(Field::HOST_CR4)) == 0),
    VMXSIM_CHECK("HOST-CR4-FIXED1", "29.2.2",
                 (c.get(Field::HOST_CR4) & ~c.caps.get(arch::msr::IA32_VMX_CR4_FIXED1)) == 0),
    VMXSIM_CHECK("HOST-CET-WP", "29.2.2", implies(c.get(Field::HOST_CR4) & kCet, c.get(Field::HOST_CR0) & cr0::WP)),
    VMXSIM_CHECK("HOST-CR3-WIDTH", "29.2.2", (c.get(Field::HOST_CR3) & beyond_physical_width(c.caps)) == 0),
    CANONICAL_ROW("SYSENTER-ESP", "29.2.2", HOST_IA32_SYSENTER_ESP),
    CANONICAL_ROW("SYSENTER-EIP", "29.2.2", HOST_IA32_SYSENTER_EIP),
    VMXSIM_CHECK("HOST-PERF", "29.2.2",
                 implies(c.has(ExitControl::LoadIA32PERFGLOBALCTRL),
                         (c.get(Field::HOST_IA32_PERF_GLOBAL_CTRL) & ~c.caps.perf_global_bits) == 0)),
    VMXSIM_CHECK("HOST-PAT", "29.2.2", implies(c.has(ExitControl::LoadIA32PAT), pat_ok(c.get(Field::HOST_IA32_PAT)))),
    VMXSIM_CHECK("HOST-EFER-RSVD", "29.2.2",
                 implies(c.has(ExitControl::LoadIA32EFER), (c.get(Field::HOST_IA32_EFER) & ~kEferDefined) == 0)),
    VMXSIM_CHECK("HOST-EFER-LMA", "29.2.2",
                 implies(c.has(ExitControl::LoadIA32EFER),
                         ((c.get(Field::HOST_IA32_EFER) & efer::LMA) != 0) == c.host64())),
    VMXSIM_CHECK("HOST-EFER-LME", "29.2.2",
                 implies(c.has(ExitControl::LoadIA32EFER),
                         ((c.get(Field::HOST_IA32_EFER) & efer::LME) != 0) == c.host64())),
    VMXSIM_CHECK("HOST-SCET-RSVD", "29.2.2", implies(cet(c), (c.get(Field::HOST_S_CET) & 0x3c0) == 0)),
    VMXSIM_CHECK("HOST-SCET-SUPTRK", "29.2.2", implies(cet(c), (c.get(Field::HOST_S_CET) >> 10 & 3) != 3)),
    VMXSIM_CHECK("HOST-SSP-ALIGN", "29.2.2", implies(cet(c), c.aligned(Field::HOST_SSP, 3))),
    VMXSIM_CHECK("HOST-PKRS", "29.2.2", implies(c.has(ExitControl::LoadPKRS), high(c.get(Field::HOST_IA32_PKRS)) == 0)),
    VMXSIM_CHECK("HOST-FRED-CONFIG-RSVD", "29.2.2", implies(fred(c), c.aligned(Field::HOST_IA32_FRED_CONFIG, 0x834))),
    VMXSIM_CHECK("HOST-FRED-CONFIG-CANON", "29.2.2", implies(fred(c), c.is_canonical(Field::HOST_IA32_FRED_CONFIG))),
    FRED_ROWS(1), FRED_ROWS(2), FRED_ROWS(3),
    SELECTOR_ROW(CS), SELECTOR_ROW(SS), SELECTOR_ROW(DS), SELECTOR_ROW(ES), SELECTOR_ROW(FS), SELECTOR_ROW(GS),
    SELECTOR_ROW(TR),
    VMXSIM_CHECK("HOST-CS-ZERO", "29.2.3", c.get(Field::HOST_CS_SELECTOR) != 0),
    VMXSIM_CHECK("HOST-TR-ZERO", "29.2.3", c.get(Field::HOST_TR_SELECTOR) != 0),
    VMXSIM_CHECK("HOST-SS-ZERO", "29.2.3", implies(!c.host64(), c.get(Field::HOST_SS_SELECTOR) != 0)),
    CANONICAL_ROW("FS-BASE", "29.2.3", HOST_FS_BASE),
    CANONICAL_ROW("GS-BASE", "29.2.3", HOST_GS_BASE),
    CANONICAL_ROW("TR-BASE", "29.2.3", HOST_TR_BASE),
    CANONICAL_ROW("GDTR-BASE", "29.2.3", HOST_GDTR_BASE),
    CANONICAL_ROW("IDTR-BASE", "29.2.3", HOST_IDTR_BASE),
    VMXSIM_CHECK("HOST-AS-NOTLMA-GUEST", "29.2.4", implies(!c.cpu().long_mode(), !c.guest64())),
    VMXSIM_CHECK("HOST-AS-NOTLMA-HOST", "29.2.4", implies(!c.cpu().long_mode(), !c.host64())),
    VMXSIM_CHECK("HOST-AS-LMA-HOST", "29.2.4", implies(c.cpu().long_mode(), c.host64())),
    VMXSIM_CHECK("HOST-AS32-GUEST64", "29.2.4", implies(!c.host64(), !c.guest64())),
    VMXSIM_CHECK("HOST-AS32-PCIDE", "29.2.4", implies(!c.host64(), !(c.get(Field::HOST_CR4) & cr4::PCIDE))),
    VMXSIM_CHECK("HOST-AS32-FRED", "29.2.4", implies(!c.host64(), !(c.get(Field::HOST_CR4) & kFred))),
    VMXSIM_CHECK("HOST-AS32-RIP", "29.2.4", implies(!c.host64(), high(c.get(Field::HOST_RIP)) == 0)),
    VMXSIM_CHECK("HOST-AS32-SCET", "29.2.4", implies(!c.host64() && cet(c), high(c.get(Field::HOST_S_CET)) == 0)),
    VMXSIM_CHECK("HOST-AS32-SSP", "29.2.4", implies(!c.host64() && cet(c), high(c.get(Field::HOST_SSP)) == 0)),
    VMXSIM_CHECK("HOST-AS64-PAE", "29.2.4", implies(c.host64(), c.get(Field::HOST_CR4) & cr4::PAE)),
    VMXSIM_CHECK("HOST-AS64-RIP", "29.2.4", implies(c.host64(), c.is_canonical(Field::HOST_RIP))),
    VMXSIM_CHECK("HOST-AS64-SCET", "29.2.4", implies(c.host64() && cet(c), c.is_canonical(Field::HOST_S_CET))),
    VMXSIM_CHECK("HOST-AS64-SSP", "29.2.4", implies(c.host64() && cet(c), c.is_canonical(Field::HOST_SSP))),
    VMXSIM_CHECK("HOST-ISST", "29.2.4", implies(cet(c), c.is_canonical(Field::HOST_INTR_SSP_TABLE))),
};

#undef SELECTOR_ROW
#undef CANONICAL_ROW
#undef FRED_ROWS

}  // namespace

std::span<const EntryCheck> host_checks() { return kChecks; }

}  // namespace vmxsim::vmx
