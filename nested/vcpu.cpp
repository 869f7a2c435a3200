// SPDX-License-Identifier: Apache-2.0
// Control registers of the guest that runs: what it sees, and what the CPU runs it with.
#include "nested/l0.hpp"

namespace vmxsim::nested {

using arch::Field;
using namespace vmx;

u64 L0::hardware_cr0(u64 value) const {
    u64 hw = (value & ~(cr0::CD | cr0::NW)) | cr0::NE;  // caches stay on for every guest
    if (!config.unrestricted) hw |= cr0::PE | cr0::PG;
    if (!config.ept) hw |= cr0::WP;            // shadow pages tell read-only from clean
    if (!fpu_active) hw |= cr0::TS | cr0::MP;  // the first use of the FPU is to exit
    return hw;
}

u64 L0::hardware_cr4(u64 value, u64 cr0_value) const {
    u64 hw = value | cr4::VMXE;
    const bool paging = cr0_value & cr0::PG;
    if (!config.ept) {  // shadow tables are PAE or 4-level, without PCIDs
        hw = (hw | cr4::PAE) & ~cr4::PCIDE;
        if (!paging) hw &= ~(cr4::SMEP | cr4::SMAP);
    } else if (!paging) {  // the identity table has 4-MiB pages, which are user pages
        hw = (hw | cr4::PSE) & ~(cr4::PAE | cr4::SMEP | cr4::SMAP);
    }
    return hw;
}

u64 L0::read_cr0() {
    if (vcpu.cr0_owned) {
        const u64 hw = read(Field::GUEST_CR0);
        vcpu.cr0 = (vcpu.cr0 & ~vcpu.cr0_owned) | (hw & vcpu.cr0_owned);
    }
    return vcpu.cr0;
}

u64 L0::read_cr3() {
    if (!cache.cr3 && guest_cr3_in_vmcs()) vcpu.cr3 = read(Field::GUEST_CR3);
    cache.cr3 = true;
    return vcpu.cr3;
}

u64 L0::read_cr4() {
    if (!cache.cr4) {
        const u64 hw = read(Field::GUEST_CR4);
        vcpu.cr4 = (vcpu.cr4 & ~vcpu.cr4_owned) | (hw & vcpu.cr4_owned);
        cache.cr4 = true;
    }
    return vcpu.cr4;
}

void L0::write_cr0(u64 value) {
    if (config.ept) read_cr3();
    const bool was_paging = vcpu.cr0 & cr0::PG, paging = value & cr0::PG;
    vcpu.cr0 = value;
    if (config.ept && !config.unrestricted && was_paging != paging) {
        // Without paging of its own the guest runs on the identity table: its CR3 accesses must exit.
        using P = arch::PrimaryControls;
        constexpr u64 kCr3Exits =
            P::mask(arch::PrimaryControl::CR3LoadExiting) | P::mask(arch::PrimaryControl::CR3StoreExiting);
        rmw(Field::CPU_BASED_VM_EXEC_CONTROL, kCr3Exits, paging ? 0 : kCr3Exits);
    }
    if (was_paging != paging) write_cr4(read_cr4());
    write(Field::CR0_READ_SHADOW, value);
    write(Field::GUEST_CR0, hardware_cr0(value));
}

void L0::write_cr4(u64 value) {
    vcpu.cr4 = value;
    cache.cr4 = true;
    write(Field::CR4_READ_SHADOW, value);
    write(Field::GUEST_CR4, hardware_cr4(value, vcpu.cr0));
}

void L0::write_efer(u64 value) {
    using E = arch::EntryControls;
    using X = arch::ExitControls;
    constexpr u64 kIa32e = E::mask(arch::EntryControl::IA32eModeGuest);
    constexpr u64 kEntryEfer = E::mask(arch::EntryControl::LoadIA32EFER);
    constexpr u64 kExitEfer = X::mask(arch::ExitControl::LoadIA32EFER);
    vcpu.efer = value;
    rmw(Field::VM_ENTRY_CONTROLS, kIa32e, value & efer::LMA ? kIa32e : 0);
    rmw(Field::VM_ENTRY_CONTROLS, kEntryEfer, 0);
    rmw(Field::VM_EXIT_CONTROLS, kExitEfer, 0);
    // L0 has NXE on. Under EPT a guest without it must be given its own value by the VM entry itself.
    if (config.ept && config.load_efer && !(value & efer::NXE)) {
        write(Field::GUEST_IA32_EFER, value & efer::LMA ? value : value & ~efer::LME);
        write(Field::HOST_IA32_EFER, efer::SCE | efer::LME | efer::LMA | efer::NXE);
        rmw(Field::VM_ENTRY_CONTROLS, 0, kEntryEfer);
        rmw(Field::VM_EXIT_CONTROLS, 0, kExitEfer);
    }
    if (config.msr_bitmaps) write(Field::MSR_BITMAP, msr_bitmap.raw);
}

void L0::write_exception_bitmap() {
    constexpr u32 kDebug = 1u << 1, kInvalidOpcode = 1u << 6, kNoDevice = 1u << 7, kPageFault = 1u << 14,
                  kMachineCheck = 1u << 18;
    u64 bits = kDebug | kInvalidOpcode | kMachineCheck;
    if (!config.ept) bits |= kPageFault;
    if (!fpu_active) bits |= kNoDevice;
    if (nested.guest_mode) bits |= read12(Field::EXCEPTION_BITMAP);
    write(Field::EXCEPTION_BITMAP, bits);
}

void L0::write_cr4_mask() {
    vcpu.cr4_owned = cr4::PVI | cr4::DE | cr4::PCE | cr4::OSFXSR | cr4::OSXMMEXCPT | (config.ept ? cr4::PGE : 0);
    if (nested.guest_mode) vcpu.cr4_owned &= ~read12(Field::CR4_GUEST_HOST_MASK);
    write(Field::CR4_GUEST_HOST_MASK, ~vcpu.cr4_owned);
}

void L0::reset_mmu() {
    mmu_root_valid = false;
    if (shadow) shadow->flush();
}

GuestPaging L0::paging_in_memory() const {
    GuestPaging p;
    p.cr0 = vcpu.cr0;
    p.cr3 = vcpu.cr3;
    p.cr4 = vcpu.cr4;
    p.efer = vcpu.efer;
    p.address_bits = d.capabilities.physical_address_bits;
    p.pdpte = vcpu.pdpte;
    return p;
}

GuestPaging L0::paging() {
    read_cr0();
    read_cr3();
    read_cr4();
    GuestPaging p = paging_in_memory();
    if (config.ept && p.pae())  // MOV to CR3 loaded them without an exit, and the exit saved them
        for (u64 i = 0; i < 4; ++i) p.pdpte[i] = read(static_cast<Field>(arch::index_of(Field::GUEST_PDPTR0) + i));
    return p;
}

void L0::activate_fpu() {
    fpu_active = true;
    vcpu.cr0_owned = cr0::TS;
    if (nested.guest_mode) vcpu.cr0_owned &= ~read12(Field::CR0_GUEST_HOST_MASK);
    const u64 guest = nested.guest_mode ? vmcs12().get(Field::GUEST_CR0) : vcpu.cr0;
    vcpu.cr0 = (vcpu.cr0 & ~cr0::TS) | (guest & cr0::TS);
    write(Field::GUEST_CR0, hardware_cr0(vcpu.cr0));
    write_exception_bitmap();
    write(Field::CR0_GUEST_HOST_MASK, ~vcpu.cr0_owned);
}

}  // namespace vmxsim::nested
