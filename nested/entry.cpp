// SPDX-License-Identifier: Apache-2.0
// L0's host state, and the way back into a guest.
#include "nested/l0.hpp"

namespace vmxsim::nested {

using arch::Field;
using namespace vmx;

namespace {
// L0 is no code of an image: its own registers only have to be a 64-bit host's (SDM 29.2.2).
constexpr u16 kHostCs = 0x10, kHostSs = 0x18, kHostTr = 0x40;
constexpr u64 kHostCr0 = cr0::PE | cr0::MP | cr0::ET | cr0::NE | cr0::WP | cr0::AM | cr0::PG;
constexpr u64 kHostCr4 = cr4::PSE | cr4::PAE | cr4::MCE | cr4::PGE | cr4::OSFXSR | cr4::OSXMMEXCPT | cr4::VMXE;
constexpr u64 kHostText = 0xffffffff81000000, kHostData = 0xffffffff82000000;
constexpr u64 kHostStack = 0xffff880000008000;
constexpr u64 kHostPat = 0x0007010600070106;
}  // namespace

void L0::write_constant_host_state() {
    write(Field::HOST_CR0, kHostCr0 | cr0::TS);
    write(Field::HOST_CR4, kHostCr4);
    write(Field::HOST_CR3, vmcs01.raw);  // any page: L0 never translates an address
    write(Field::HOST_CS_SELECTOR, kHostCs);
    write(Field::HOST_DS_SELECTOR, 0);
    write(Field::HOST_ES_SELECTOR, 0);
    write(Field::HOST_SS_SELECTOR, kHostSs);
    write(Field::HOST_TR_SELECTOR, kHostTr);
    write(Field::HOST_IDTR_BASE, kHostData);
    write(Field::HOST_RIP, kHostText);
    rdmsr(2);  // SYSENTER_CS and _EIP
    write(Field::HOST_IA32_SYSENTER_CS, kHostCs);
    write(Field::HOST_IA32_SYSENTER_EIP, kHostText + 0x1000);
    if (config.load_pat_exit) {
        rdmsr();
        write(Field::HOST_IA32_PAT, kHostPat);
    }
}

void L0::write_per_cpu_host_state() {
    rdmsr();  // SYSENTER_ESP
    write(Field::HOST_TR_BASE, kHostData + 0x2000);
    write(Field::HOST_GDTR_BASE, kHostData + 0x1000);
    write(Field::HOST_IA32_SYSENTER_ESP, kHostStack);
}

void L0::save_host_state() {
    write(Field::HOST_FS_SELECTOR, 0);
    write(Field::HOST_GS_SELECTOR, 0);
    rdmsr(3);  // FS_BASE, GS_BASE, KERNEL_GS_BASE
    write(Field::HOST_FS_BASE, 0);
    write(Field::HOST_GS_BASE, kHostData + 0x3000);
    wrmsr();  // the guest's KERNEL_GS_BASE
    guest_msrs_loaded = true;
}

void L0::prepare_switch() {
    if (guest_msrs_loaded) {
        rdmsr();  // the guest's KERNEL_GS_BASE
        wrmsr();  // L0's
        guest_msrs_loaded = false;
    }
    cpu.cycles += d.params.switch_software;
}

void L0::load_mmu() {
    mmu_root_valid = true;
    u64 cr3 = vcpu.cr3;
    if (config.ept) {
        write(Field::EPT_POINTER, ept->pointer().raw);
        if (!(vcpu.cr0 & cr0::PG) && !config.unrestricted) cr3 = kIdentityTable;
    } else {
        cr3 = shadow->root(vcpu.efer & efer::LMA).raw;
    }
    flush_tlb();
    if (config.ept && paging_in_memory().pae())  // with EPT the VM entry takes them from the VMCS (SDM 29.3.2.4)
        for (u64 i = 0; i < 4; ++i) write(static_cast<Field>(arch::index_of(Field::GUEST_PDPTR0) + i), vcpu.pdpte[i]);
    write(Field::GUEST_CR3, cr3);
}

void L0::inject_pending() {
    if (!pending) return;
    write(Field::VM_ENTRY_INTR_INFO_FIELD, pending->info.raw);
    if (pending->info.has_error_code()) write(Field::VM_ENTRY_EXCEPTION_ERROR_CODE, pending->error_code);
    const auto type = pending->info.type();
    if (type == arch::EventType::SoftwareInterrupt || type == arch::EventType::SoftwareException ||
        type == arch::EventType::PrivilegedSoftwareException)
        write(Field::VM_ENTRY_INSTRUCTION_LEN, pending->instruction_length);
    pending.reset();
}

std::optional<Event> L0::enter() {
    for (;;) {
        d.ledger.charge(buckets.entry, cpu.cycles);
        if (tlb_flush_requested) flush_tlb();
        tlb_flush_requested = false;
        if (!mmu_root_valid) load_mmu();
        inject_pending();
        if (event_requested && config.tpr_shadow) write(Field::TPR_THRESHOLD, 0);
        event_requested = false;
        if (!guest_msrs_loaded) save_host_state();
        if (cache.rsp_dirty) write(Field::GUEST_RSP, *cache.rsp);
        if (cache.rip_dirty) write(Field::GUEST_RIP, *cache.rip);
        if (host_rsp == 0) write(Field::HOST_RSP, host_rsp = kHostStack);
        cache.rsp_dirty = cache.rip_dirty = false;

        // EFER's bits that the VM entry does not load are the guest's already: a WRMSR where they differ from L0's.
        const u64 shared = (vcpu.efer | (config.ept ? 0 : efer::NXE)) & (efer::SCE | efer::NXE);
        const u64 mask = config.ept && config.load_efer ? efer::SCE : efer::SCE | efer::NXE;
        if ((cpu.efer ^ shared) & mask) {
            wrmsr();
            cpu.efer = (cpu.efer & ~mask) | (shared & mask);
        }

        const bool l2 = nested.guest_mode;
        d.vmx.set_guest_level(l2 ? 2 : 1);
        bool& launched = l2 ? nested.pool.front().launched : vmcs01_launched;
        const EntryResult result = launched ? d.vmx.vmresume() : d.vmx.vmlaunch();
        if (result.kind == EntryResult::Entered) {
            launched = true;
            if (l2 && nested.run_pending) ++stats.nested_entries;
            return result.inject;
        }
        if (!l2) {
            stop(std::string("VM entry of L1 failed: ") + (result.violated ? result.violated : "?"));
            return std::nullopt;
        }
        hardware_refused(result);
    }
}

void enter_root_mode(CpuState& cpu) {
    cpu.cr0 = kHostCr0;
    cpu.cr4 = kHostCr4;
    cpu.efer = efer::SCE | efer::LME | efer::LMA | efer::NXE;
    cpu.rflags = 2;
    cpu.seg = {};
    for (auto& s : cpu.seg) s.limit = 0xffffffff;
    cpu.seg[CS].selector = kHostCs;
    cpu.seg[CS].ar = {0xa09b};
    cpu.seg[SS].selector = kHostSs;
    cpu.seg[SS].ar = {0xc093};
    cpu.seg[TR].selector = kHostTr;
    cpu.seg[TR].ar = {0x8b};
    cpu.activity = ActivityState::Active;
    cpu.blocking = 0;
    cpu.pending_debug = 0;
    cpu.vmx = {};
}

}  // namespace vmxsim::nested
