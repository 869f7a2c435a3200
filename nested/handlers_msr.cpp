// SPDX-License-Identifier: Apache-2.0
// RDMSR and WRMSR of a guest.
#include "nested/l0.hpp"

namespace vmxsim::nested {

using arch::Field;
using namespace vmx;
namespace msr = arch::msr;

namespace {
bool canonical(u64 a) { return static_cast<u64>(static_cast<s64>(a << 16) >> 16) == a; }
// As the bare processor has them, so that L1 finds the same.
constexpr u32 kPlatformId = 0x17, kBiosUpdateTrigger = 0x79, kMcgCap = 0x179, kMcgStatus = 0x17a;
constexpr u64 kMtrrCapabilities = 0x508;
constexpr u64 kHiddenMiscEnable = 1u << 7 | 1u << 18;  ///< no performance counters, no MONITOR (CPUID says so, too)
bool is_mtrr(u32 index) {
    return (index >= 0x200 && index <= 0x20f) || index == 0x250 || index == 0x258 || index == 0x259 ||
           (index >= 0x268 && index <= 0x26f) || index == msr::MTRR_DEF_TYPE;
}
bool has_mtrrs(const CpuidSource& source) {
    u32 regs[4] = {};
    source.cpuid(1, 0, regs);
    return regs[3] >> 12 & 1;
}
bool memory_types_valid(u64 pat) {
    for (unsigned i = 0; i < 64; i += 8) {
        const u64 type = pat >> i & 0xff;
        if (type > 7 || type == 2 || type == 3) return false;
    }
    return true;
}
}  // namespace

void L0::handle_msr(bool is_write) {
    cpu.cycles += d.params.handle_msr;
    const auto index = static_cast<u32>(cpu.r[RCX]);
    u64 value = (cpu.r[RAX] & 0xffffffff) | cpu.r[RDX] << 32;
    if (!(is_write ? set_msr(index, value) : get_msr(index, value))) return general_protection();
    if (!is_write) {
        cpu.r[RAX] = value & 0xffffffff;
        cpu.r[RDX] = value >> 32;
    }
    skip_instruction();
}

bool L0::get_msr(u32 index, u64& value) {
    if (capability_offered(index)) return value = offered.get(index), true;
    if (is_mtrr(index)) return value = mtrrs[index], has_mtrrs(d.cpuid);
    switch (index) {
        case msr::TSC:
            value = d.vmx.guest_tsc() + d.vmx.peek(Field::TSC_OFFSET);
            return true;
        case msr::APIC_BASE:
            value = cpu.apic_base;
            return true;
        case msr::FEATURE_CONTROL:
            value = offered.feature_control;
            return true;
        case msr::TSC_ADJUST:
            value = cpu.tsc_adjust;
            return true;
        case kPlatformId:
        case msr::BIOS_SIGN_ID:
            value = 0;
            return true;
        case kMcgCap:
            value = 0;  // no banks
            return true;
        case kMcgStatus:
            value = mcg_status;
            return true;
        case msr::MTRRCAP:
            value = kMtrrCapabilities;
            return has_mtrrs(d.cpuid);
        case msr::SYSENTER_CS:
            value = read(Field::GUEST_SYSENTER_CS);
            return true;
        case msr::SYSENTER_ESP:
            value = read(Field::GUEST_SYSENTER_ESP);
            return true;
        case msr::SYSENTER_EIP:
            value = read(Field::GUEST_SYSENTER_EIP);
            return true;
        case msr::MISC_ENABLE:
            value = cpu.misc_enable & ~kHiddenMiscEnable;
            return true;
        case msr::DEBUGCTL:
            value = read(Field::GUEST_IA32_DEBUGCTL);
            return true;
        case msr::PAT:
            value = config.load_pat_entry ? vcpu.pat : cpu.pat;
            return true;
        case msr::EFER:
            value = vcpu.efer;
            return true;
        case msr::STAR:
            value = cpu.star;
            return true;
        case msr::LSTAR:
            value = cpu.lstar;
            return true;
        case msr::CSTAR:
            value = cpu.cstar;
            return true;
        case msr::FMASK:
            value = cpu.fmask;
            return true;
        case msr::FS_BASE:
            value = read(Field::GUEST_FS_BASE);
            return true;
        case msr::GS_BASE:
            value = read(Field::GUEST_GS_BASE);
            return true;
        case msr::KERNEL_GS_BASE:
            value = cpu.kernel_gs_base;
            return true;
        case msr::TSC_AUX:
            value = cpu.tsc_aux;
            return config.rdtscp;
        default:
            return false;
    }
}

bool L0::set_msr(u32 index, u64 value) {
    const auto address = [&](auto&& store) {
        if (!canonical(value)) return false;
        store();
        return true;
    };
    if (is_mtrr(index)) {  // memory types mean nothing to this machine
        if (has_mtrrs(d.cpuid)) mtrrs[index] = value;
        return has_mtrrs(d.cpuid);
    }
    switch (index) {
        case msr::TSC:
            write(Field::TSC_OFFSET, value - d.vmx.guest_tsc());
            return true;
        case msr::APIC_BASE: {
            const u64 settable = ((u64{1} << d.capabilities.physical_address_bits) - 1) & ~u64{0xfff};
            constexpr u64 kBsp = 1u << 8, kEnable = 1u << 11;
            if (value & ~(settable | kBsp | kEnable)) return false;
            cpu.apic_base = value;
            return true;
        }
        case msr::TSC_ADJUST:
            cpu.tsc_adjust = value;
            return true;
        case kMcgStatus:
            if (value & ~u64{7}) return false;
            mcg_status = value;
            return true;
        case kBiosUpdateTrigger:
        case msr::BIOS_SIGN_ID:
            return true;  // no update to load
        case msr::SYSENTER_CS:
            write(Field::GUEST_SYSENTER_CS, value & 0xffffffff);
            return true;
        case msr::SYSENTER_ESP:
            return address([&] { write(Field::GUEST_SYSENTER_ESP, value); });
        case msr::SYSENTER_EIP:
            return address([&] { write(Field::GUEST_SYSENTER_EIP, value); });
        case msr::MISC_ENABLE:
            cpu.misc_enable = value;
            return true;
        case msr::DEBUGCTL: {
            if (value & ~d.capabilities.debugctl_bits) return false;
            write(Field::GUEST_IA32_DEBUGCTL, value);
            return true;
        }
        case msr::PAT:
            if (!memory_types_valid(value)) return false;
            vcpu.pat = value;
            if (config.load_pat_entry)
                write(Field::GUEST_IA32_PAT, value);
            else
                cpu.pat = value;
            return true;
        case msr::EFER:
            return set_efer(value);
        case msr::STAR:
            cpu.star = value;
            return true;
        case msr::LSTAR:
            return address([&] { cpu.lstar = value; });
        case msr::CSTAR:
            return address([&] { cpu.cstar = value; });
        case msr::FMASK:
            cpu.fmask = value & 0xffffffff;
            return true;
        case msr::FS_BASE:
            return address([&] { write(Field::GUEST_FS_BASE, value); });
        case msr::GS_BASE:
            return address([&] { write(Field::GUEST_GS_BASE, value); });
        case msr::KERNEL_GS_BASE:
            return address([&] { cpu.kernel_gs_base = value; });
        case msr::TSC_AUX:
            if (!config.rdtscp || value >> 32) return false;
            cpu.tsc_aux = value;
            return true;
        default:
            return false;  // capability MSRs and a locked IA32_FEATURE_CONTROL among them
    }
}

bool L0::set_efer(u64 value) {
    u32 regs[4] = {};
    d.cpuid.cpuid(0x80000001, 0, regs);
    u64 allowed = efer::SCE | efer::LMA;
    if (regs[3] >> 20 & 1) allowed |= efer::NXE;
    if (regs[3] >> 29 & 1) allowed |= efer::LME;
    if (value & ~allowed) return false;
    const bool paging_on = read_cr0() & cr0::PG;
    if (paging_on && ((value ^ vcpu.efer) & efer::LME)) return false;  // SDM 10.8.5
    const u64 old = vcpu.efer;
    write_efer((value & ~efer::LMA) | (vcpu.efer & efer::LMA));
    if ((old ^ value) & efer::NXE) {
        read_cr3();
        tlb_flush_requested = true;
        reset_mmu();
    }
    return true;
}

}  // namespace vmxsim::nested
