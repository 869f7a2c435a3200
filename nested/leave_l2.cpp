// SPDX-License-Identifier: Apache-2.0
// From L2 to L1: what L1 is to see of the exit goes to vmcs12, what vmcs12 says of the host becomes L1's state.
#include "nested/l0.hpp"

namespace vmxsim::nested {

using arch::Field;
using namespace vmx;

namespace {
Field nth(Field first, unsigned n) { return static_cast<Field>(arch::index_of(first) + n); }

/// A control register of L2 as L1 must find it: L2's own bits from the CPU, L1's from what L1 wrote, those that L0
/// alone traps from what L2 believes.
u64 merged(u64 hardware, u64 shadow, u64 old, u64 l1_mask, u64 owned) {
    return (hardware & owned) | (old & l1_mask) | (shadow & ~(l1_mask | owned));
}
}  // namespace

void L0::prepare_vmcs12() {
    const auto sync = [this](Field f) { write12(f, read(f)); };
    const auto sync_run = [&](Field first, unsigned count) {
        for (unsigned i = 0; i < count; ++i) sync(nth(first, i));
    };
    const u64 cr0_hw = read(Field::GUEST_CR0), cr0_shadow = read(Field::CR0_READ_SHADOW);
    const u64 cr4_hw = read(Field::GUEST_CR4), cr4_shadow = read(Field::CR4_READ_SHADOW);
    Vmcs12 v = vmcs12();
    write12(Field::GUEST_CR0,
            merged(cr0_hw, cr0_shadow, v.get(Field::GUEST_CR0), v.get(Field::CR0_GUEST_HOST_MASK), vcpu.cr0_owned));
    write12(Field::GUEST_CR4,
            merged(cr4_hw, cr4_shadow, v.get(Field::GUEST_CR4), v.get(Field::CR4_GUEST_HOST_MASK), vcpu.cr4_owned));
    // An L1 with shadow paging, the series' only one, has seen each MOV to CR3. For another one the field is kept
    // exact.
    if (!has12(arch::PrimaryControl::CR3LoadExiting)) write12(Field::GUEST_CR3, read_cr3());
    write12(Field::GUEST_DR7, vcpu.dr7);
    write12(Field::GUEST_RSP, rsp());
    write12(Field::GUEST_RIP, rip());
    sync(Field::GUEST_RFLAGS);
    sync_run(Field::GUEST_ES_SELECTOR, 8);
    sync_run(Field::GUEST_ES_LIMIT, 10);
    sync_run(Field::GUEST_ES_AR_BYTES, 8);
    sync_run(Field::GUEST_ES_BASE, 10);
    sync(Field::GUEST_ACTIVITY_STATE);
    sync(Field::GUEST_INTERRUPTIBILITY_INFO);
    sync(Field::GUEST_PENDING_DBG_EXCEPTIONS);
    sync(Field::GUEST_IA32_DEBUGCTL);
    sync(Field::GUEST_SYSENTER_CS);
    sync(Field::GUEST_SYSENTER_ESP);
    sync(Field::GUEST_SYSENTER_EIP);
    for (const Field f : {Field::VM_EXIT_REASON, Field::EXIT_QUALIFICATION, Field::VM_EXIT_INTR_INFO,
                          Field::VM_EXIT_INTR_ERROR_CODE, Field::IDT_VECTORING_INFO_FIELD,
                          Field::IDT_VECTORING_ERROR_CODE, Field::VM_EXIT_INSTRUCTION_LEN, Field::VMX_INSTRUCTION_INFO})
        sync(f);
    // 30.2: the injected event's valid bit is cleared by the exit.
    write12(Field::VM_ENTRY_INTR_INFO_FIELD, v.get(Field::VM_ENTRY_INTR_INFO_FIELD) & 0x7fffffff);
}

void L0::exit_to_l1(const ExitFacts& facts) {
    ++stats.reflected;
    {
        const Charge charge(d.ledger, buckets.sync, cpu.cycles);
        prepare_vmcs12();
        // The linear address belongs to INS, OUTS, and LMSW of memory (30.2.1); the series left it out.
        const u64 q = vmcs12().get(Field::EXIT_QUALIFICATION);
        const bool string_io = facts.reason() == arch::ExitReason::IO_INSTRUCTION && (q >> 4 & 1);
        const bool lmsw_memory = facts.reason() == arch::ExitReason::CR_ACCESS && (q >> 4 & 3) == 3 && (q >> 6 & 1);
        if (string_io || lmsw_memory) write12(Field::GUEST_LINEAR_ADDRESS, read(Field::GUEST_LINEAR_ADDRESS));
    }
    const Charge charge(d.ledger, buckets.to_l1, cpu.cycles);
    nested.guest_mode = false;
    prepare_switch();
    load_vmcs(vmcs01);
    host_rsp = 0;  // what HOST_RSP holds is known of the other VMCS only
    load_vmcs12_host_state();
    write(Field::TSC_OFFSET, nested.vmcs01_tsc_offset);
    release_apic_page();
    read(Field::GUEST_RFLAGS);
    set_rflags(2);  // 30.5.3: all flags clear
}

void L0::exit_to_l1_with_exception(u8 vector, std::optional<u32> error_code, u64 qualification) {
    pending.reset();
    ExitFacts facts;
    facts.raw_reason = static_cast<u32>(arch::ExitReason::EXCEPTION_NMI);
    exit_to_l1(facts);
    Vmcs12 v = vmcs12();
    v.set(Field::VM_EXIT_REASON, 0);
    v.set(Field::EXIT_QUALIFICATION, qualification);
    v.set(Field::VM_EXIT_INTR_INFO,
          arch::EventInfo::make(vector, arch::EventType::HardwareException, error_code.has_value()).raw);
    v.set(Field::VM_EXIT_INTR_ERROR_CODE, error_code.value_or(0));
    v.set(Field::VM_EXIT_INSTRUCTION_LEN, 0);
    v.set(Field::VMX_INSTRUCTION_INFO, 0);
}

void L0::load_vmcs12_host_state() {
    const u64 l2_cr0 = vcpu.cr0;
    const arch::ExitControls exit{read12(Field::VM_EXIT_CONTROLS)};
    const bool host64 = exit.has(arch::ExitControl::HostAddressSpaceSize);
    constexpr u64 kLong = efer::LMA | efer::LME;
    write_efer(host64 ? vcpu.efer | kLong : vcpu.efer & ~kLong);
    set_rsp(read12(Field::HOST_RSP));
    set_rip(read12(Field::HOST_RIP));

    // 30.5.1: some bits of CR0 stay as they are; host address-space size decides on PAE and PCIDE.
    constexpr u64 kKept = cr0::ET | cr0::NW | cr0::CD;
    if (fpu_active) read(Field::GUEST_CR0);  // TS is L1's own
    write_cr0((read12(Field::HOST_CR0) & ~kKept & 0xffffffff) | (l2_cr0 & kKept));
    write_exception_bitmap();
    vcpu.cr0_owned = fpu_active ? cr0::TS : 0;
    write(Field::CR0_GUEST_HOST_MASK, ~vcpu.cr0_owned);
    vcpu.cr4_owned = ~read(Field::CR4_GUEST_HOST_MASK);
    cache.cr4 = false;
    read_cr4();
    const u64 cr4 = read12(Field::HOST_CR4);
    write_cr4(host64 ? cr4 | cr4::PAE : cr4 & ~cr4::PCIDE);

    vcpu.cr3 = read12(Field::HOST_CR3);
    cache.cr3 = true;
    GuestPaging p = paging_in_memory();
    if (p.pae()) {
        if (!load_pdptes(memory, p, p.cr3)) return stop("VMX abort of L1: its host PDPTEs are invalid");
        vcpu.pdpte = p.pdpte;
    }
    tlb_flush_requested = true;
    reset_mmu();
    if (config.vpid) flush_tlb();

    const auto host = [this](Field guest_field, Field host_field) { write(guest_field, read12(host_field)); };
    host(Field::GUEST_SYSENTER_CS, Field::HOST_IA32_SYSENTER_CS);
    host(Field::GUEST_SYSENTER_ESP, Field::HOST_IA32_SYSENTER_ESP);
    host(Field::GUEST_SYSENTER_EIP, Field::HOST_IA32_SYSENTER_EIP);
    host(Field::GUEST_IDTR_BASE, Field::HOST_IDTR_BASE);
    host(Field::GUEST_GDTR_BASE, Field::HOST_GDTR_BASE);
    host(Field::GUEST_TR_BASE, Field::HOST_TR_BASE);
    host(Field::GUEST_GS_BASE, Field::HOST_GS_BASE);
    host(Field::GUEST_FS_BASE, Field::HOST_FS_BASE);
    host(Field::GUEST_ES_SELECTOR, Field::HOST_ES_SELECTOR);
    host(Field::GUEST_CS_SELECTOR, Field::HOST_CS_SELECTOR);
    host(Field::GUEST_SS_SELECTOR, Field::HOST_SS_SELECTOR);
    host(Field::GUEST_DS_SELECTOR, Field::HOST_DS_SELECTOR);
    host(Field::GUEST_FS_SELECTOR, Field::HOST_FS_SELECTOR);
    host(Field::GUEST_GS_SELECTOR, Field::HOST_GS_SELECTOR);
    host(Field::GUEST_TR_SELECTOR, Field::HOST_TR_SELECTOR);
    match_exit_state(host64);
}

/// The series relied on vmcs01 still holding L1's limits, access rights and the like. Where they are not what an exit
/// leaves (SDM 30.5.1 to 30.5.3), the unit, which has vmcs01 on chip and sees it, writes them: nothing in steady state.
void L0::match_exit_state(bool host64) {
    const auto match = [this](Field f, u64 wanted) {
        if (d.vmx.peek(f) != wanted) write(f, wanted);
    };
    constexpr u32 kUnusable = 1u << 16, kBig = 1u << 14;
    for (unsigned i = ES; i <= GS; ++i) {
        const u64 selector = d.vmx.peek(nth(Field::GUEST_ES_SELECTOR, i));
        const u64 rights = i == CS         ? (host64 ? 0xa09b : 0xc09b)
                           : selector == 0 ? kUnusable | (i == SS ? kBig : 0)
                                           : 0xc093;
        match(nth(Field::GUEST_ES_LIMIT, i), 0xffffffff);
        match(nth(Field::GUEST_ES_AR_BYTES, i), rights);
        if (i < FS) match(nth(Field::GUEST_ES_BASE, i), 0);
    }
    match(Field::GUEST_LDTR_SELECTOR, 0);
    match(Field::GUEST_LDTR_AR_BYTES, kUnusable);
    match(Field::GUEST_TR_LIMIT, 0x67);
    match(Field::GUEST_TR_AR_BYTES, 0x8b);
    match(Field::GUEST_GDTR_LIMIT, 0xffff);
    match(Field::GUEST_IDTR_LIMIT, 0xffff);
    vcpu.dr7 = 0x400;
    match(Field::GUEST_DR7, 0x400);
    match(Field::GUEST_IA32_DEBUGCTL, 0);
    match(Field::GUEST_PENDING_DBG_EXCEPTIONS, 0);
    match(Field::GUEST_INTERRUPTIBILITY_INFO, d.vmx.peek(Field::GUEST_INTERRUPTIBILITY_INFO) & blocking::NMI);
    if (config.load_pat_entry) match(Field::GUEST_IA32_PAT, vcpu.pat);  // L1 cannot ask for its own: L2's stays
}

void L0::fail_entry(u32 failure, u64 qualification) {
    load_vmcs12_host_state();
    write12(Field::VM_EXIT_REASON, failure | arch::kExitReasonEntryFailure);
    write12(Field::EXIT_QUALIFICATION, qualification);
    read(Field::GUEST_RFLAGS);
    set_rflags(2);
}

void L0::hardware_refused(const EntryResult& result) {
    const Charge charge(d.ledger, buckets.to_l1, cpu.cycles);
    const bool first = nested.run_pending;
    nested.run_pending = false;
    pending.reset();
    u32 failure = 0, error = 0;
    u64 qualification = 0;
    if (result.kind == EntryResult::FailedExit) {
        failure = static_cast<u32>(read(Field::VM_EXIT_REASON)) & 0xffff;
        qualification = read(Field::EXIT_QUALIFICATION);
    } else {
        d.vmx.conclude(result.result);
        error = static_cast<u32>(read(Field::VM_INSTRUCTION_ERROR));
    }
    nested.guest_mode = false;
    prepare_switch();
    load_vmcs(vmcs01);
    host_rsp = 0;  // what HOST_RSP holds is known of the other VMCS only
    release_apic_page();
    vcpu = nested.l1;
    cache.cr3 = true;  // as of L1's VMLAUNCH or VMRESUME
    if (nested.launching) vmcs12().set_launched(false);
    write(Field::TSC_OFFSET, nested.vmcs01_tsc_offset);
    if (!first)
        return stop(std::string("VM entry of L2 failed after an exit that L0 handled: ") +
                    (result.violated ? result.violated : "?"));
    if (failure) return fail_entry(failure, qualification);
    reset_mmu();
    tlb_flush_requested = true;
    set_rip(nested.l1_next_rip);
    vmx_fail_valid(error);
}

}  // namespace vmxsim::nested
