// SPDX-License-Identifier: Apache-2.0
// What L0 checks of vmcs12 itself, in memory: what the CPU cannot see in vmcs02, because L0's own values stand there.
// The rest of the guest state is left to the CPU's checks of vmcs02.
#include <algorithm>

#include "nested/l0.hpp"

namespace vmxsim::nested {

using arch::Field;
using arch::PrimaryControl;
using arch::SecondaryControl;
using namespace vmx;

namespace {
enum : u32 { kBadControls = 7, kBadHostState = 8 };

bool word_allowed(u64 value, u64 capability) {
    const u64 must = capability & 0xffffffff, may = capability >> 32;
    return (must & ~value) == 0 && (value & ~may) == 0;
}
bool cr_allowed(u64 value, u64 fixed0, u64 fixed1) { return (fixed0 & ~value) == 0 && (value & ~fixed1) == 0; }
bool canonical(u64 a) { return static_cast<u64>(static_cast<s64>(a << 16) >> 16) == a; }
}  // namespace

u32 L0::check_vmcs12() {
    const auto get = [this](Field f) { return read12(f); };
    const auto offer = [this](u32 index) { return offered.get(index); };
    const u64 beyond = ~((u64{1} << d.capabilities.physical_address_bits) - 1);
    const auto page = [&](Field f) { return (get(f) & (0xfff | beyond)) == 0; };

    // Controls (SDM 29.2.1.1 to 29.2.1.3)
    if (!word_allowed(get(Field::PIN_BASED_VM_EXEC_CONTROL), offer(arch::msr::IA32_VMX_PINBASED_CTLS)) ||
        !word_allowed(get(Field::CPU_BASED_VM_EXEC_CONTROL), offer(arch::msr::IA32_VMX_PROCBASED_CTLS)) ||
        !word_allowed(get(Field::VM_EXIT_CONTROLS), offer(arch::msr::IA32_VMX_EXIT_CTLS)) ||
        !word_allowed(get(Field::VM_ENTRY_CONTROLS), offer(arch::msr::IA32_VMX_ENTRY_CTLS)))
        return kBadControls;
    if (has12(PrimaryControl::ActivateSecondaryControls) &&
        !word_allowed(get(Field::SECONDARY_VM_EXEC_CONTROL), offer(arch::msr::IA32_VMX_PROCBASED_CTLS2)))
        return kBadControls;
    if (has12(PrimaryControl::UseMSRBitmaps) && !page(Field::MSR_BITMAP)) return kBadControls;
    if (has12(PrimaryControl::UseIOBitmaps) && (!page(Field::IO_BITMAP_A) || !page(Field::IO_BITMAP_B)))
        return kBadControls;
    if (has12(SecondaryControl::VirtualizeAPICAccesses) && !page(Field::APIC_ACCESS_ADDR)) return kBadControls;
    const arch::PinControls pin{get(Field::PIN_BASED_VM_EXEC_CONTROL)};
    if (pin.has(arch::PinControl::VirtualNMIs) && !pin.has(arch::PinControl::NMIExiting)) return kBadControls;
    // MSR areas are not supported, which L0 can only say so. IA32_VMX_MISC offers no CR3 targets.
    for (const Field f : {Field::VM_EXIT_MSR_STORE_COUNT, Field::VM_EXIT_MSR_LOAD_COUNT, Field::VM_ENTRY_MSR_LOAD_COUNT,
                          Field::CR3_TARGET_COUNT})
        if (get(f) != 0) return kBadControls;

    // Host state (29.2.2, 29.2.3): the CPU checks L0's, never L1's.
    if (!cr_allowed(get(Field::HOST_CR0), offer(arch::msr::IA32_VMX_CR0_FIXED0),
                    offer(arch::msr::IA32_VMX_CR0_FIXED1)) ||
        !cr_allowed(get(Field::HOST_CR4), offer(arch::msr::IA32_VMX_CR4_FIXED0), offer(arch::msr::IA32_VMX_CR4_FIXED1)))
        return kBadHostState;
    if (get(Field::HOST_CR3) & beyond) return kBadHostState;
    for (const Field f : {Field::HOST_IA32_SYSENTER_ESP, Field::HOST_IA32_SYSENTER_EIP, Field::HOST_FS_BASE,
                          Field::HOST_GS_BASE, Field::HOST_GDTR_BASE, Field::HOST_IDTR_BASE, Field::HOST_TR_BASE})
        if (!canonical(get(f))) return kBadHostState;
    for (const Field f :
         {Field::HOST_CS_SELECTOR, Field::HOST_SS_SELECTOR, Field::HOST_DS_SELECTOR, Field::HOST_ES_SELECTOR,
          Field::HOST_FS_SELECTOR, Field::HOST_GS_SELECTOR, Field::HOST_TR_SELECTOR})
        if (get(f) & 7) return kBadHostState;
    const arch::ExitControls exit{get(Field::VM_EXIT_CONTROLS)};
    const bool host64 = exit.has(arch::ExitControl::HostAddressSpaceSize);
    if (get(Field::HOST_CS_SELECTOR) == 0 || get(Field::HOST_TR_SELECTOR) == 0) return kBadHostState;
    if (!host64 && get(Field::HOST_SS_SELECTOR) == 0) return kBadHostState;
    const arch::EntryControls entry{get(Field::VM_ENTRY_CONTROLS)};
    const bool l1_long = vcpu.efer & efer::LMA;
    if (host64 != l1_long) return kBadHostState;  // 29.2.4
    if (!l1_long && entry.has(arch::EntryControl::IA32eModeGuest)) return kBadHostState;
    if (!host64 && ((get(Field::HOST_CR4) & cr4::PCIDE) || get(Field::HOST_RIP) >> 32)) return kBadHostState;
    if (host64 && (!(get(Field::HOST_CR4) & cr4::PAE) || !canonical(get(Field::HOST_RIP)))) return kBadHostState;
    return 0;
}

std::optional<u64> L0::check_vmcs12_guest() {
    constexpr u64 kDefault = 0, kBadPdpte = 2;
    const auto offer = [this](u32 index) { return offered.get(index); };
    const u64 g0 = read12(Field::GUEST_CR0), g4 = read12(Field::GUEST_CR4);
    if (!cr_allowed(g0, offer(arch::msr::IA32_VMX_CR0_FIXED0), offer(arch::msr::IA32_VMX_CR0_FIXED1)) ||
        !cr_allowed(g4, offer(arch::msr::IA32_VMX_CR4_FIXED0), offer(arch::msr::IA32_VMX_CR4_FIXED1)))
        return kDefault;
    // With shadow paging GUEST_CR3 of vmcs02 is L0's, and so is CR4.PAE.
    if (read12(Field::GUEST_CR3) & ~((u64{1} << d.capabilities.physical_address_bits) - 1)) return kDefault;
    const arch::EntryControls entry{read12(Field::VM_ENTRY_CONTROLS)};
    const bool ia32e = entry.has(arch::EntryControl::IA32eModeGuest);
    if (ia32e && !(g4 & cr4::PAE)) return kDefault;
    if (!ia32e && (g4 & cr4::PCIDE)) return kDefault;
    GuestPaging p = paging_in_memory();
    p.cr0 = g0;
    p.cr4 = g4;
    p.efer = ia32e ? efer::LMA : 0;
    if (p.pae() && !load_pdptes(memory, p, read12(Field::GUEST_CR3))) return kBadPdpte;
    return std::nullopt;
}

}  // namespace vmxsim::nested
