// SPDX-License-Identifier: Apache-2.0
// Checks on guest non-register state (SDM 29.3.1.5) and page-directory-pointer-table entries (29.3.1.6). Failure: VM
// exit 33 with the qualification of the row: 2 PDPTE, 3 NMI injection under blocking by STI, 4 VMCS link pointer.
#include "model/vmx/entry_checks.hpp"

namespace vmxsim::vmx {
namespace {

using arch::EntryControl;
using arch::EventType;
using arch::Field;

constexpr bool implies(bool condition, bool rule) { return !condition || rule; }
constexpr u64 kNoLink = ~u64{0};
constexpr u64 kDebugctlBtf = 2;
constexpr u64 kPendingBs = u64{1} << 14, kPendingRtm = u64{1} << 16;

u64 activity(const EntryContext& c) { return c.get(Field::GUEST_ACTIVITY_STATE); }
bool is(const EntryContext& c, ActivityState s) { return activity(c) == static_cast<u64>(s); }
u64 blocked(const EntryContext& c) { return c.get(Field::GUEST_INTERRUPTIBILITY_INFO); }
u64 rflags_of(const EntryContext& c) { return c.get(Field::GUEST_RFLAGS); }
u64 pending(const EntryContext& c) { return c.get(Field::GUEST_PENDING_DBG_EXCEPTIONS); }
u64 link(const EntryContext& c) { return c.get(Field::VMCS_LINK_POINTER); }
bool linked(const EntryContext& c) { return link(c) != kNoLink; }

bool activity_supported(const EntryContext& c) {  // IA32_VMX_MISC[8:6]: HLT, shutdown, wait-for-SIPI (SDM A.6)
    if (activity(c) > 3) return false;
    return activity(c) == 0 || (c.caps.get(arch::msr::IA32_VMX_MISC) >> (5 + activity(c)) & 1);
}

bool hlt_takes(const EntryContext& c) {
    switch (c.inject.type()) {
        case EventType::ExternalInterrupt:
        case EventType::Nmi: return true;
        case EventType::HardwareException: return c.inject.vector() == 1 || c.inject.vector() == 18;
        case EventType::Other: return c.inject.vector() == 0;
        default: return false;
    }
}

/// Single-step traps pending behind STI, MOV SS or HLT: BS must say what TF and BTF imply.
bool may_hold_single_step(const EntryContext& c) {
    return (blocked(c) & (blocking::STI | blocking::MOV_SS)) || is(c, ActivityState::Hlt);
}
/// Without "load debug controls" the DEBUGCTL that counts is the one in the register.
bool single_stepping(const EntryContext& c) {
    const u64 debugctl =
        c.has(EntryControl::LoadDebugControls) ? c.get(Field::GUEST_IA32_DEBUGCTL) : c.cpu().debugctl;
    return (rflags_of(c) & rflags::TF) && !(debugctl & kDebugctlBtf);
}

bool pae_paging(const EntryContext& c) {
    return (c.get(Field::GUEST_CR0) & cr0::PG) && (c.get(Field::GUEST_CR4) & cr4::PAE) && !c.guest64();
}
bool pdptes_in_memory_ok(const EntryContext& c) {
    const u64 table = c.get(Field::GUEST_CR3) & 0xffffffe0;
    for (unsigned i = 0; i < 4; ++i)
        if (!pdpte_ok(c.caps, c.read(table + 8 * i, 8))) return false;
    return true;
}
bool pdpte_fields_ok(const EntryContext& c) {
    return pdpte_ok(c.caps, c.get(Field::GUEST_PDPTR0)) && pdpte_ok(c.caps, c.get(Field::GUEST_PDPTR1)) &&
           pdpte_ok(c.caps, c.get(Field::GUEST_PDPTR2)) && pdpte_ok(c.caps, c.get(Field::GUEST_PDPTR3));
}

#define ROW(id, ...) VMXSIM_CHECK("GUEST-" id, "29.3.1.5", __VA_ARGS__)
#define LINK_ROW(id, ...) VMXSIM_CHECK_Q("GUEST-LINK-" id, "29.3.1.5", 4, implies(linked(c), __VA_ARGS__))

constexpr EntryCheck kChecks[] = {
    ROW("ACT-RANGE", activity_supported(c)),
    ROW("ACT-HLT-DPL", implies((c.get(Field::GUEST_SS_AR_BYTES) >> 5 & 3) != 0, !is(c, ActivityState::Hlt))),
    ROW("ACT-BLOCK", implies(blocked(c) & (blocking::STI | blocking::MOV_SS), is(c, ActivityState::Active))),
    ROW("ACT-HLT-INJ", implies(c.inject.valid() && is(c, ActivityState::Hlt), hlt_takes(c))),
    ROW("ACT-SHUT-INJ",
        implies(c.inject.valid() && is(c, ActivityState::Shutdown),
                c.injects(EventType::Nmi) || (c.injects(EventType::HardwareException) && c.inject.vector() == 18))),
    ROW("ACT-SIPI-INJ", implies(is(c, ActivityState::WaitForSipi), !c.inject.valid())),
    ROW("INT-RSVD", (blocked(c) & ~u64{0x1f}) == 0),
    ROW("INT-STI-MOVSS", (blocked(c) & 3) != 3),
    ROW("INT-STI-IF", implies(!(rflags_of(c) & rflags::IF), !(blocked(c) & blocking::STI))),
    ROW("INT-EXTINT", implies(c.injects(EventType::ExternalInterrupt), (blocked(c) & 3) == 0)),
    VMXSIM_CHECK_Q("GUEST-INT-NMI-STI", "29.3.1.5", 3,
                   implies(c.injects(EventType::Nmi), !(blocked(c) & blocking::STI))),
    ROW("INT-NMI-MOVSS", implies(c.injects(EventType::Nmi), !(blocked(c) & blocking::MOV_SS))),
    ROW("INT-SMI-OUT", !(blocked(c) & blocking::SMI)),
    ROW("INT-VNMI", implies(c.injects(EventType::Nmi) && c.has(arch::PinControl::VirtualNMIs),
                            !(blocked(c) & blocking::NMI))),
    ROW("INT-ENCLAVE", !(blocked(c) & 0x10)),  // no SGX in this model
    ROW("PDE-RSVD", (pending(c) & ~u64{0x1500f}) == 0),
    ROW("PDE-BS1", implies(may_hold_single_step(c) && single_stepping(c), pending(c) & kPendingBs)),
    ROW("PDE-BS0", implies(may_hold_single_step(c) && !single_stepping(c), !(pending(c) & kPendingBs))),
    // A pending RTM debug exception needs CPUID's RTM, which the model does not have.
    ROW("PDE-RTM-CPUID", !(pending(c) & kPendingRtm)),
    LINK_ROW("ALIGN", c.aligned(Field::VMCS_LINK_POINTER, 0xfff)),
    LINK_ROW("WIDTH", c.in_width(link(c))),
    LINK_ROW("REV", (c.read(link(c), 4) & 0x7fffffff) == c.caps.revision_id()),
    LINK_ROW("SHADOW", (c.read(link(c), 4) >> 31 != 0) == c.has(arch::SecondaryControl::VMCSShadowing)),
    LINK_ROW("CURRENT", link(c) != c.current_vmcs),
    VMXSIM_CHECK_Q("GUEST-PDPTE-MEM", "29.3.1.6", 2,
                   implies(pae_paging(c) && !c.has(arch::SecondaryControl::EnableEPT), pdptes_in_memory_ok(c))),
    VMXSIM_CHECK_Q("GUEST-PDPTE-FIELDS", "29.3.1.6", 2,
                   implies(pae_paging(c) && c.has(arch::SecondaryControl::EnableEPT), pdpte_fields_ok(c))),
};

#undef ROW
#undef LINK_ROW

}  // namespace

std::span<const EntryCheck> guest_other_checks() { return kChecks; }

}  // namespace vmxsim::vmx
