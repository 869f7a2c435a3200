// SPDX-License-Identifier: Apache-2.0
// Checks on guest control registers, debug registers and MSRs (SDM 29.3.1.1), descriptor tables (29.3.1.3), RIP, RFLAGS
// and SSP (29.3.1.4). Failure: VM exit 33, qualification 0.
#include "model/vmx/entry_checks.hpp"

namespace vmxsim::vmx {
namespace {

using arch::EntryControl;
using arch::EventType;
using arch::Field;

constexpr u64 kCet = u64{1} << 23, kFred = u64{1} << 32;  // CR4 bits
constexpr bool implies(bool condition, bool rule) { return !condition || rule; }
constexpr u64 high(u64 v) { return v >> 32; }
bool cet(const EntryContext& c) { return c.has(EntryControl::LoadCETState); }
bool fred(const EntryContext& c) { return c.has(EntryControl::LoadFRED); }
bool efer_loaded(const EntryContext& c) { return c.has(EntryControl::LoadIA32EFER); }
u64 cr0_of(const EntryContext& c) { return c.get(Field::GUEST_CR0); }
u64 cr4_of(const EntryContext& c) { return c.get(Field::GUEST_CR4); }
u64 rflags_of(const EntryContext& c) { return c.get(Field::GUEST_RFLAGS); }
/// NW and CD are never checked; unrestricted guest exempts PE and PG (SDM 29.3.1.1).
u64 cr0_exempt(const EntryContext& c) {
    return cr0::NW | cr0::CD | (c.unrestricted() ? cr0::PE | cr0::PG : u64{0});
}
bool to_64bit_code(const EntryContext& c) {
    return c.guest64() && AccessRights{static_cast<u32>(c.get(Field::GUEST_CS_AR_BYTES))}.long_mode();
}
/// Bits 63:N all equal, N the linear-address width: weaker than canonical.
bool sign_bits_equal(const EntryContext& c, u64 v) {
    const unsigned n = linear_address_bits(c.caps);
    return v >> n == 0 || v >> n == ~u64{0} >> n;
}

#define FRED_ROWS(n)                                                                                     \
    VMXSIM_CHECK("GUEST-FRED-RSP" #n, "29.3.1.1",                                                        \
                 implies(fred(c), c.is_canonical(Field::GUEST_IA32_FRED_RSP##n) &&                       \
                                      c.aligned(Field::GUEST_IA32_FRED_RSP##n, 63))),                    \
        VMXSIM_CHECK("GUEST-FRED-SSP" #n, "29.3.1.1",                                                    \
                     implies(fred(c), c.is_canonical(Field::GUEST_IA32_FRED_SSP##n) &&                   \
                                          c.aligned(Field::GUEST_IA32_FRED_SSP##n, 7)))

constexpr EntryCheck kChecks[] = {
    VMXSIM_CHECK("GUEST-CR0-FIXED0", "29.3.1.1",
                 (c.caps.get(arch::msr::IA32_VMX_CR0_FIXED0) & ~cr0_of(c) & ~cr0_exempt(c)) == 0),
    VMXSIM_CHECK("GUEST-CR0-FIXED1", "29.3.1.1",
                 (cr0_of(c) & ~c.caps.get(arch::msr::IA32_VMX_CR0_FIXED1) & ~(cr0::NW | cr0::CD)) == 0),
    VMXSIM_CHECK("GUEST-CR0-PG-PE", "29.3.1.1", implies(cr0_of(c) & cr0::PG, cr0_of(c) & cr0::PE)),
    VMXSIM_CHECK("GUEST-CR4-FIXED0", "29.3.1.1", (c.caps.get(arch::msr::IA32_VMX_CR4_FIXED0) & ~cr4_of(c)) == 0),
    VMXSIM_CHECK("GUEST-CR4-FIXED1", "29.3.1.1", (cr4_of(c) & ~c.caps.get(arch::msr::IA32_VMX_CR4_FIXED1)) == 0),
    VMXSIM_CHECK("GUEST-CET-WP", "29.3.1.1", implies(cr4_of(c) & kCet, cr0_of(c) & cr0::WP)),
    VMXSIM_CHECK(
        "GUEST-DEBUGCTL", "29.3.1.1",
        implies(c.has(EntryControl::LoadDebugControls), (c.get(Field::GUEST_IA32_DEBUGCTL) & ~c.caps.debugctl_bits) == 0)),
    VMXSIM_CHECK("GUEST-64-PG", "29.3.1.1", implies(c.guest64(), cr0_of(c) & cr0::PG)),
    VMXSIM_CHECK("GUEST-64-PAE", "29.3.1.1", implies(c.guest64(), cr4_of(c) & cr4::PAE)),
    VMXSIM_CHECK("GUEST-32-PCIDE", "29.3.1.1", implies(!c.guest64(), !(cr4_of(c) & cr4::PCIDE))),
    VMXSIM_CHECK("GUEST-32-FRED", "29.3.1.1", implies(!c.guest64(), !(cr4_of(c) & kFred))),
    VMXSIM_CHECK("GUEST-CR3-WIDTH", "29.3.1.1", (c.get(Field::GUEST_CR3) & beyond_physical_width(c.caps)) == 0),
    VMXSIM_CHECK("GUEST-DR7-HIGH", "29.3.1.1",
                 implies(c.has(EntryControl::LoadDebugControls), high(c.get(Field::GUEST_DR7)) == 0)),
    VMXSIM_CHECK("GUEST-SYSENTER-ESP", "29.3.1.1", c.is_canonical(Field::GUEST_SYSENTER_ESP)),
    VMXSIM_CHECK("GUEST-SYSENTER-EIP", "29.3.1.1", c.is_canonical(Field::GUEST_SYSENTER_EIP)),
    VMXSIM_CHECK("GUEST-SCET-CANON", "29.3.1.1", implies(cet(c), c.is_canonical(Field::GUEST_S_CET))),
    VMXSIM_CHECK("GUEST-ISST", "29.3.1.1", implies(cet(c), c.is_canonical(Field::GUEST_INTR_SSP_TABLE))),
    VMXSIM_CHECK("GUEST-PERF", "29.3.1.1",
                 implies(c.has(EntryControl::LoadIA32PERFGLOBALCTRL),
                         (c.get(Field::GUEST_IA32_PERF_GLOBAL_CTRL) & ~c.caps.perf_global_bits) == 0)),
    VMXSIM_CHECK("GUEST-PAT", "29.3.1.1",
                 implies(c.has(EntryControl::LoadIA32PAT), pat_ok(c.get(Field::GUEST_IA32_PAT)))),
    VMXSIM_CHECK("GUEST-EFER-RSVD", "29.3.1.1",
                 implies(efer_loaded(c), (c.get(Field::GUEST_IA32_EFER) & ~kEferDefined) == 0)),
    VMXSIM_CHECK("GUEST-EFER-LMA", "29.3.1.1",
                 implies(efer_loaded(c), ((c.get(Field::GUEST_IA32_EFER) & efer::LMA) != 0) == c.guest64())),
    VMXSIM_CHECK(
        "GUEST-EFER-LME", "29.3.1.1",
        implies(efer_loaded(c) && (cr0_of(c) & cr0::PG), ((c.get(Field::GUEST_IA32_EFER) & efer::LMA) != 0) ==
                                                             ((c.get(Field::GUEST_IA32_EFER) & efer::LME) != 0))),
    VMXSIM_CHECK("GUEST-BNDCFGS-RSVD", "29.3.1.1",
                 implies(c.has(EntryControl::LoadIA32BNDCFGS), c.aligned(Field::GUEST_BNDCFGS, 0xffc))),
    VMXSIM_CHECK(
        "GUEST-BNDCFGS-CANON", "29.3.1.1",
        implies(c.has(EntryControl::LoadIA32BNDCFGS), canonical(c.caps, c.get(Field::GUEST_BNDCFGS) & ~u64{0xfff}))),
    VMXSIM_CHECK("GUEST-SCET-RSVD", "29.3.1.1", implies(cet(c), (c.get(Field::GUEST_S_CET) & 0x3c0) == 0)),
    VMXSIM_CHECK("GUEST-SCET-SUPTRK", "29.3.1.1", implies(cet(c), (c.get(Field::GUEST_S_CET) >> 10 & 3) != 3)),
    VMXSIM_CHECK("GUEST-PKRS", "29.3.1.1",
                 implies(c.has(EntryControl::LoadPKRS), high(c.get(Field::GUEST_IA32_PKRS)) == 0)),
    VMXSIM_CHECK("GUEST-UINV", "29.3.1.1", implies(c.has(EntryControl::LoadUINV), c.get(Field::GUEST_UINV) <= 0xff)),
    VMXSIM_CHECK("GUEST-FRED-CONFIG-RSVD", "29.3.1.1",
                 implies(fred(c), c.aligned(Field::GUEST_IA32_FRED_CONFIG, 0x834))),
    VMXSIM_CHECK("GUEST-FRED-CONFIG-CANON", "29.3.1.1",
                 implies(fred(c), c.is_canonical(Field::GUEST_IA32_FRED_CONFIG))),
    FRED_ROWS(1),
    FRED_ROWS(2),
    FRED_ROWS(3),
    // Descriptor tables
    VMXSIM_CHECK("GUEST-GDTR-BASE", "29.3.1.3", c.is_canonical(Field::GUEST_GDTR_BASE)),
    VMXSIM_CHECK("GUEST-GDTR-LIMIT", "29.3.1.3", c.get(Field::GUEST_GDTR_LIMIT) <= 0xffff),
    VMXSIM_CHECK("GUEST-IDTR-BASE", "29.3.1.3", c.is_canonical(Field::GUEST_IDTR_BASE)),
    VMXSIM_CHECK("GUEST-IDTR-LIMIT", "29.3.1.3", c.get(Field::GUEST_IDTR_LIMIT) <= 0xffff),
    // RIP, RFLAGS, SSP
    VMXSIM_CHECK("GUEST-RIP-HIGH", "29.3.1.4", implies(!to_64bit_code(c), high(c.get(Field::GUEST_RIP)) == 0)),
    VMXSIM_CHECK("GUEST-RIP-SIGN", "29.3.1.4", implies(to_64bit_code(c), sign_bits_equal(c, c.get(Field::GUEST_RIP)))),
    VMXSIM_CHECK("GUEST-RFLAGS-RSVD0", "29.3.1.4", (rflags_of(c) & ~u64{0x3f7fd7}) == 0),
    VMXSIM_CHECK("GUEST-RFLAGS-RSVD1", "29.3.1.4", rflags_of(c) & 2),
    VMXSIM_CHECK("GUEST-RFLAGS-VM-64", "29.3.1.4", implies(c.guest64(), !(rflags_of(c) & rflags::VM))),
    VMXSIM_CHECK("GUEST-RFLAGS-VM-RM", "29.3.1.4", implies(!(cr0_of(c) & cr0::PE), !(rflags_of(c) & rflags::VM))),
    VMXSIM_CHECK("GUEST-RFLAGS-IF-EXTINT", "29.3.1.4",
                 implies(c.injects(EventType::ExternalInterrupt), rflags_of(c) & rflags::IF)),
    VMXSIM_CHECK("GUEST-SSP-ALIGN", "29.3.1.4", implies(cet(c), c.aligned(Field::GUEST_SSP, 3))),
    VMXSIM_CHECK("GUEST-SSP-SIGN", "29.3.1.4", implies(cet(c), sign_bits_equal(c, c.get(Field::GUEST_SSP)))),
    VMXSIM_CHECK("GUEST-SSP-HIGH", "29.3.1.4",
                 implies(cet(c) && !to_64bit_code(c), high(c.get(Field::GUEST_SSP)) == 0)),
};

#undef FRED_ROWS

}  // namespace

std::span<const EntryCheck> guest_register_checks() { return kChecks; }

}  // namespace vmxsim::vmx
