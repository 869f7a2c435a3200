// SPDX-License-Identifier: Apache-2.0
// vmcs01: L0's controls for L1, and L1's first state, as a loader leaves a bare machine.
#include "nested/l0.hpp"

namespace vmxsim::nested {

using arch::Field;
using namespace vmx;

void L0::make_msr_bitmap() {
    msr_bitmap = pages.take();
    for (u64 i = 0; i < 4096; i += 8) d.ram.write(msr_bitmap + i, 8, ~u64{0});
    // Those that the VMCS switches, or that L0 has no use for, L1 reaches without an exit. SDM 27.6.9.
    constexpr u32 kDirect[] = {arch::msr::SYSENTER_CS, arch::msr::SYSENTER_ESP, arch::msr::SYSENTER_EIP,
                               arch::msr::FS_BASE,     arch::msr::GS_BASE,      arch::msr::KERNEL_GS_BASE};
    for (const u32 index : kDirect)
        for (const u64 part : {0u, 2048u}) {  // reads, writes
            const u64 at = part + (index >> 31 ? 1024 : 0) + (index & 0x1fff) / 8;
            const u64 byte = d.ram.read(msr_bitmap + at, 1);
            d.ram.write(msr_bitmap + at, 1, byte & ~(u64{1} << (index & 7)));
        }
}

void L0::build_vmcs01(const CpuState& l1) {
    vcpu.cr0 = l1.cr0 & ~cr0::PG;  // so that write_cr0() sees paging begin, where L1 starts with it
    vcpu.cr3 = l1.cr3;
    vcpu.cr4 = l1.cr4;
    vcpu.efer = l1.efer;
    vcpu.pat = l1.pat;
    vcpu.dr7 = l1.dr7;
    vcpu.pdpte = l1.pdpte;
    cache.cr3 = cache.cr4 = true;

    write(Field::PIN_BASED_VM_EXEC_CONTROL, config.pin.raw);
    auto primary = config.primary;
    if (config.ept && !config.unrestricted)
        primary.set(arch::PrimaryControl::CR3LoadExiting).set(arch::PrimaryControl::CR3StoreExiting);
    write(Field::CPU_BASED_VM_EXEC_CONTROL, primary.raw);
    if (config.secondary_word) write(Field::SECONDARY_VM_EXEC_CONTROL, secondary_controls().raw);
    write(Field::VM_EXIT_CONTROLS, config.exit.raw);
    write(Field::VM_ENTRY_CONTROLS, config.entry.raw);
    for (const Field f :
         {Field::PAGE_FAULT_ERROR_CODE_MASK, Field::PAGE_FAULT_ERROR_CODE_MATCH, Field::CR3_TARGET_COUNT,
          Field::VM_EXIT_MSR_STORE_COUNT, Field::VM_EXIT_MSR_LOAD_COUNT, Field::VM_ENTRY_MSR_LOAD_COUNT,
          Field::VM_ENTRY_INTR_INFO_FIELD, Field::TSC_OFFSET, Field::GUEST_INTERRUPTIBILITY_INFO,
          Field::GUEST_ACTIVITY_STATE, Field::GUEST_PENDING_DBG_EXCEPTIONS})
        write(f, 0);
    write(Field::VMCS_LINK_POINTER, ~u64{0});
    if (config.tpr_shadow) {
        write(Field::VIRTUAL_APIC_PAGE_ADDR, virtual_apic.raw);
        write(Field::TPR_THRESHOLD, 0);
    }
    if (config.secondary.has(arch::SecondaryControl::VirtualizeAPICAccesses))
        write(Field::APIC_ACCESS_ADDR, l0_apic_page.raw);
    if (config.vpid) write(Field::VIRTUAL_PROCESSOR_ID, kVpid);

    for (unsigned i = 0; i < kSegCount; ++i) {
        Segment s = l1.seg[i];
        if (i == TR && s.ar.unusable()) s = {0, {0x8b}, 0xffff, 0};  // a VM entry wants a task register (SDM 29.3.1.2)
        write(static_cast<Field>(arch::index_of(Field::GUEST_ES_SELECTOR) + i), s.selector);
        write(static_cast<Field>(arch::index_of(Field::GUEST_ES_LIMIT) + i), s.limit);
        write(static_cast<Field>(arch::index_of(Field::GUEST_ES_AR_BYTES) + i), s.ar.raw);
        write(static_cast<Field>(arch::index_of(Field::GUEST_ES_BASE) + i), s.base);
    }
    write(Field::GUEST_GDTR_LIMIT, l1.gdtr.limit);
    write(Field::GUEST_IDTR_LIMIT, l1.idtr.limit);
    write(Field::GUEST_GDTR_BASE, l1.gdtr.base);
    write(Field::GUEST_IDTR_BASE, l1.idtr.base);
    write(Field::GUEST_IA32_DEBUGCTL, l1.debugctl);
    write(Field::GUEST_SYSENTER_CS, l1.sysenter_cs);
    write(Field::GUEST_SYSENTER_ESP, l1.sysenter_esp);
    write(Field::GUEST_SYSENTER_EIP, l1.sysenter_eip);
    write(Field::GUEST_DR7, l1.dr7);
    if (config.load_pat_entry) write(Field::GUEST_IA32_PAT, l1.pat);
    set_rflags(l1.rflags);
    set_rsp(l1.r[RSP]);
    set_rip(l1.rip);

    write_constant_host_state();
    write_per_cpu_host_state();
    write_efer(l1.efer);
    write_cr0(l1.cr0);
    write_cr4(l1.cr4);
    write_exception_bitmap();
    write(Field::CR0_GUEST_HOST_MASK, ~vcpu.cr0_owned);
    write_cr4_mask();
}

arch::SecondaryControls L0::secondary_controls() const {
    auto c = config.secondary;
    if (!config.rdtscp) c.clear(arch::SecondaryControl::EnableRDTSCP);
    return c;
}

}  // namespace vmxsim::nested
