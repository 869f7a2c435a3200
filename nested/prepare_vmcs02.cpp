// SPDX-License-Identifier: Apache-2.0
// prepare_vmcs02: vmcs02 := what L1 asks for in vmcs12, merged with what L0 wants of its own guests. An explicit list
// of steps, each with a ledger bucket of its own; under kvm-2011 every field is written on every entry, one VMWRITE
// each.
#include "nested/l0.hpp"

namespace vmxsim::nested {

using arch::Field;
using arch::PrimaryControl;
using arch::SecondaryControl;
using namespace vmx;

namespace {

Field nth(Field first, unsigned n) { return static_cast<Field>(arch::index_of(first) + n); }
void copy(L0& l0, Field f) { l0.write(f, l0.read12(f)); }
void copy_run(L0& l0, Field first, unsigned count) {
    for (unsigned i = 0; i < count; ++i) copy(l0, nth(first, i));
}

// Selectors of ES to TR; limits and bases of these, GDTR, IDTR; access rights. The table has them in this order.
static_assert(arch::index_of(Field::GUEST_TR_SELECTOR) == arch::index_of(Field::GUEST_ES_SELECTOR) + 7);
static_assert(arch::index_of(Field::GUEST_IDTR_LIMIT) == arch::index_of(Field::GUEST_ES_LIMIT) + 9);
static_assert(arch::index_of(Field::GUEST_TR_AR_BYTES) == arch::index_of(Field::GUEST_ES_AR_BYTES) + 7);
static_assert(arch::index_of(Field::GUEST_IDTR_BASE) == arch::index_of(Field::GUEST_ES_BASE) + 9);
void guest_segments(L0& l0) {
    copy_run(l0, Field::GUEST_ES_SELECTOR, 8);
    copy_run(l0, Field::GUEST_ES_LIMIT, 10);
    copy_run(l0, Field::GUEST_ES_AR_BYTES, 8);
    copy_run(l0, Field::GUEST_ES_BASE, 10);
}

void debugctl(L0& l0) { copy(l0, Field::GUEST_IA32_DEBUGCTL); }

void event_injection(L0& l0) {
    copy(l0, Field::VM_ENTRY_INTR_INFO_FIELD);
    copy(l0, Field::VM_ENTRY_EXCEPTION_ERROR_CODE);
    copy(l0, Field::VM_ENTRY_INSTRUCTION_LEN);
}

void non_register_state(L0& l0) {
    copy(l0, Field::GUEST_INTERRUPTIBILITY_INFO);
    copy(l0, Field::GUEST_ACTIVITY_STATE);
}

void guest_registers(L0& l0) {
    copy(l0, Field::GUEST_SYSENTER_CS);
    copy(l0, Field::GUEST_DR7);
    l0.vcpu.dr7 = l0.vmcs12().get(Field::GUEST_DR7);
    copy(l0, Field::GUEST_RFLAGS);
    copy(l0, Field::GUEST_PENDING_DBG_EXCEPTIONS);
    copy(l0, Field::GUEST_SYSENTER_ESP);
    copy(l0, Field::GUEST_SYSENTER_EIP);
}

/// All ones: L2 has no shadow VMCS. Where L1 has put anything else there, an address that the CPU refuses as it would
/// have refused L1's: so its checks keep their order.
void link_pointer(L0& l0) {
    constexpr u64 kNone = ~u64{0}, kRefused = 1;
    l0.write(Field::VMCS_LINK_POINTER, l0.read12(Field::VMCS_LINK_POINTER) == kNone ? kNone : kRefused);
}

void pin_controls(L0& l0) {
    l0.write(Field::PIN_BASED_VM_EXEC_CONTROL, l0.config.pin.raw | l0.read12(Field::PIN_BASED_VM_EXEC_CONTROL));
}

/// Under EPT page faults are L1's alone. Under shadow paging L0 has to see every one of L2: with mask = match = 0 and
/// the bitmap's bit set, each exits.
void page_fault_filter(L0& l0) {
    const bool ept = l0.config.ept;
    l0.write(Field::PAGE_FAULT_ERROR_CODE_MASK, ept ? l0.read12(Field::PAGE_FAULT_ERROR_CODE_MASK) : 0);
    l0.write(Field::PAGE_FAULT_ERROR_CODE_MATCH, ept ? l0.read12(Field::PAGE_FAULT_ERROR_CODE_MATCH) : 0);
}

void secondary_controls(L0& l0) {
    if (!l0.config.secondary_word) return;
    auto c = l0.secondary_controls().without(SecondaryControl::VirtualizeAPICAccesses);
    if (l0.has12(PrimaryControl::ActivateSecondaryControls)) c.raw |= l0.read12(Field::SECONDARY_VM_EXEC_CONTROL);
    if (c.has(SecondaryControl::VirtualizeAPICAccesses)) {
        l0.release_apic_page();
        const GuestPhysical page{l0.read12(Field::APIC_ACCESS_ADDR)};
        if (l0.memory.contains(page, 4096)) {
            l0.nested.apic_access_page = l0.memory.host(page);
            ++l0.stats.pages_pinned;
            l0.write(Field::APIC_ACCESS_ADDR, l0.nested.apic_access_page->raw);
        } else {
            // No memory there: nobody can ever access it, so there is nothing to exit for.
            c.clear(SecondaryControl::VirtualizeAPICAccesses);
        }
    }
    l0.write(Field::SECONDARY_VM_EXEC_CONTROL, c.raw);
}

/// L1's host state is for the exit that L0 emulates; the CPU's exits of L2 go to L0.
void host_state(L0& l0) { l0.write_constant_host_state(); }

/// What HOST_RSP holds is known for the VMCS loaded before only: the entry is to write it.
void host_rsp(L0& l0) { l0.host_rsp = 0; }

void primary_controls(L0& l0) {
    auto c = l0.config.primary;
    // Windows and TPR shadow are only as L1 wants them: L0 has no event of its own for L2.
    c.clear(PrimaryControl::InterruptWindowExiting)
        .clear(PrimaryControl::NMIWindowExiting)
        .clear(PrimaryControl::UseTPRShadow);
    c.raw |= l0.read12(Field::CPU_BASED_VM_EXEC_CONTROL);
    // L1's bitmaps hold L1's addresses; without merged ones every access exits, and route.cpp looks into L1's.
    c.clear(PrimaryControl::UseMSRBitmaps).clear(PrimaryControl::UseIOBitmaps);
    c.set(PrimaryControl::UnconditionalIOExiting);
    l0.write(Field::CPU_BASED_VM_EXEC_CONTROL, c.raw);
}

void exception_bitmap(L0& l0) { l0.write_exception_bitmap(); }

void cr0_mask(L0& l0) {
    l0.vcpu.cr0_owned &= ~l0.read12(Field::CR0_GUEST_HOST_MASK);
    l0.write(Field::CR0_GUEST_HOST_MASK, ~l0.vcpu.cr0_owned);
}

/// "Load IA32_EFER" and "IA-32e mode guest" are seen to by the EFER step.
void exit_controls(L0& l0) {
    l0.write(Field::VM_EXIT_CONTROLS, l0.read12(Field::VM_EXIT_CONTROLS) | l0.config.exit.raw);
}
void entry_controls(L0& l0) {
    const auto l0s = l0.config.entry.without(arch::EntryControl::IA32eModeGuest);
    l0.write(Field::VM_ENTRY_CONTROLS, l0.read12(Field::VM_ENTRY_CONTROLS) | l0s.raw);
}

void pat(L0& l0) {
    const arch::EntryControls entry{l0.read12(Field::VM_ENTRY_CONTROLS)};
    if (entry.has(arch::EntryControl::LoadIA32PAT)) l0.vcpu.pat = l0.read12(Field::GUEST_IA32_PAT);
    if (l0.config.load_pat_entry) l0.write(Field::GUEST_IA32_PAT, l0.vcpu.pat);
}

void cr4_mask(L0& l0) { l0.write_cr4_mask(); }

void tsc_offset(L0& l0) {
    const u64 l1s = l0.has12(PrimaryControl::UseTSCOffsetting) ? l0.read12(Field::TSC_OFFSET) : 0;
    l0.write(Field::TSC_OFFSET, l0.nested.vmcs01_tsc_offset + l1s);
}

/// L2 shares L1's VPID, so nothing of L1's may be left in the TLB.
void vpid(L0& l0) {
    if (!l0.config.vpid) return;
    l0.write(Field::VIRTUAL_PROCESSOR_ID, L0::kVpid);
    l0.flush_tlb();
}

void efer_step(L0& l0) {
    const arch::EntryControls entry{l0.read12(Field::VM_ENTRY_CONTROLS)};
    u64 value = l0.vcpu.efer;
    if (entry.has(arch::EntryControl::LoadIA32EFER)) value = l0.read12(Field::GUEST_IA32_EFER);
    constexpr u64 kLong = efer::LMA | efer::LME;
    value = entry.has(arch::EntryControl::IA32eModeGuest) ? value | kLong : value & ~kLong;
    l0.write_efer(value);
}

/// GUEST_CR0 has L0's mandatory bits, so what L2 reads back is not L1's shadow alone.
void cr0_step(L0& l0) {
    l0.write_cr0(l0.read12(Field::GUEST_CR0));
    l0.write(Field::CR0_READ_SHADOW, nested_read_cr0(l0.vmcs12()));
}
void cr4_step(L0& l0) {
    l0.write_cr4(l0.read12(Field::GUEST_CR4));
    l0.write(Field::CR4_READ_SHADOW, nested_read_cr4(l0.vmcs12()));
}

void cr3_and_mmu(L0& l0) {
    l0.vcpu.cr3 = l0.read12(Field::GUEST_CR3);
    l0.cache.cr3 = true;
    GuestPaging p = l0.paging_in_memory();
    if (p.pae() && load_pdptes(l0.memory, p, p.cr3)) l0.vcpu.pdpte = p.pdpte;
    l0.tlb_flush_requested = true;
    l0.reset_mmu();
}

void rsp_and_rip(L0& l0) {
    l0.set_rsp(l0.read12(Field::GUEST_RSP));
    l0.set_rip(l0.read12(Field::GUEST_RIP));
}

constexpr Step kSteps[] = {
    {"guest segments", guest_segments},
    {"guest DEBUGCTL", debugctl},
    {"event injection", event_injection},
    {"interruptibility and activity", non_register_state},
    {"SYSENTER, DR7, RFLAGS, pending debug", guest_registers},
    {"link pointer", link_pointer},
    {"pin controls", pin_controls},
    {"page-fault mask and match", page_fault_filter},
    {"secondary controls, APIC page", secondary_controls},
    {"host state", host_state},
    {"host RSP", host_rsp},
    {"primary controls", primary_controls},
    {"exception bitmap", exception_bitmap},
    {"CR0 mask", cr0_mask},
    {"exit controls", exit_controls},
    {"entry controls", entry_controls},
    {"PAT", pat},
    {"CR4 mask", cr4_mask},
    {"TSC offset", tsc_offset},
    {"VPID and TLB", vpid},
    {"EFER", efer_step},
    {"CR0", cr0_step},
    {"CR4", cr4_step},
    {"CR3 and MMU", cr3_and_mmu},
    {"RSP and RIP", rsp_and_rip},
};

}  // namespace

std::span<const Step> prepare_vmcs02_steps() { return kSteps; }

void L0::prepare_vmcs02() {
    for (std::size_t i = 0; i < std::size(kSteps); ++i) {
        const Charge charge(d.ledger, buckets.steps[i], cpu.cycles);
        kSteps[i].run(*this);
    }
}

u64 nested_read_cr0(const Vmcs12& v) {
    const u64 mask = v.get(Field::CR0_GUEST_HOST_MASK);
    return (v.get(Field::GUEST_CR0) & ~mask) | (v.get(Field::CR0_READ_SHADOW) & mask);
}
u64 nested_read_cr4(const Vmcs12& v) {
    const u64 mask = v.get(Field::CR4_GUEST_HOST_MASK);
    return (v.get(Field::GUEST_CR4) & ~mask) | (v.get(Field::CR4_READ_SHADOW) & mask);
}

}  // namespace vmxsim::nested
