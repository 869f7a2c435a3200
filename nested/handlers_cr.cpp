// SPDX-License-Identifier: Apache-2.0
// Control and debug registers of the guest: the exits, and the rules that the CPU would apply (SDM 2.5, 4.1.2, 4.4.1).
#include "nested/l0.hpp"

namespace vmxsim::nested {

using arch::Field;
using namespace vmx;

namespace {
/// CR4 bits that CPUID allows, but for VMXE's own rules.
u64 supported_cr4(const CpuidSource& source) {
    enum { B = 1, C = 2, D = 3 };
    struct Row {
        u64 bits;
        u32 leaf;
        u8 reg, position;
    };
    static constexpr Row kRows[] = {
        {cr4::VME | cr4::PVI, 1, D, 1},
        {cr4::TSD, 1, D, 4},
        {cr4::DE, 1, D, 2},
        {cr4::PSE, 1, D, 3},
        {cr4::PAE, 1, D, 6},
        {cr4::MCE, 1, D, 7},
        {cr4::PGE, 1, D, 13},
        {cr4::OSFXSR, 1, D, 24},
        {cr4::OSXMMEXCPT, 1, D, 25},
        {cr4::VMXE, 1, C, 5},
        {cr4::PCIDE, 1, C, 17},
        {cr4::OSXSAVE, 1, C, 26},
        {cr4::FSGSBASE, 7, B, 0},
        {cr4::SMEP, 7, B, 7},
        {cr4::SMAP, 7, B, 20},
        {cr4::UMIP, 7, C, 2},
        {cr4::PKE, 7, C, 3},
        {cr4::LA57, 7, C, 16},
    };
    u32 basic[4] = {}, one[4] = {}, seven[4] = {};
    source.cpuid(0, 0, basic);
    source.cpuid(1, 0, one);
    if (basic[0] >= 7) source.cpuid(7, 0, seven);
    u64 mask = cr4::PCE;
    for (const Row& r : kRows)
        if ((r.leaf == 1 ? one : seven)[r.reg] >> r.position & 1) mask |= r.bits;
    return mask;
}
}  // namespace

void L0::handle_cr(ExitFacts& facts) {
    if (!nested.guest_mode) facts.qualification = read(Field::EXIT_QUALIFICATION);  // routing has read L2's
    enum { kMovTo, kMovFrom, kClts, kLmsw };
    const u64 q = facts.qualification;
    const unsigned cr = q & 15, reg = q >> 8 & 15;
    bool ok = true;
    switch (q >> 4 & 3) {
        case kMovTo: {
            const u64 value = gpr(reg);
            if (cr == 0) ok = set_cr0(value);
            if (cr == 3) ok = set_cr3(value);
            if (cr == 4) ok = set_cr4(value);
            if (cr == 8) {
                ok = (value >> 4) == 0;
                if (ok) cpu.cr8 = value;
            }
            break;
        }
        case kMovFrom:
            set_gpr(reg, cr == 3 ? read_cr3() : cpu.cr8);
            break;
        case kClts:
            ok = set_cr0(read_cr0() & ~cr0::TS);
            break;
        default: {
            constexpr u64 kLoaded = cr0::MP | cr0::EM | cr0::TS;
            const u64 source = q >> 16 & 0xffff;
            ok = set_cr0((read_cr0() & ~kLoaded) | (source & (kLoaded | cr0::PE)));
        }
    }
    if (!ok) return general_protection();
    skip_instruction();
}

bool L0::set_cr0(u64 wanted) {
    constexpr u64 kDefined =
        cr0::PE | cr0::MP | cr0::EM | cr0::TS | cr0::NE | cr0::WP | cr0::AM | cr0::NW | cr0::CD | cr0::PG;
    if (wanted >> 32) return false;
    wanted = (wanted & kDefined) | cr0::ET;
    u64 value = wanted;
    // L2 changed what L0 alone traps: L1's bits stay as L1 has them (SDM 28.3), in the register and in the shadow.
    u64 shadow_value = wanted;
    if (nested.guest_mode) {
        const u64 mask = read12(Field::CR0_GUEST_HOST_MASK);
        value = (wanted & ~mask) | (read12(Field::GUEST_CR0) & mask);
        shadow_value = (wanted & ~mask) | (read12(Field::CR0_READ_SHADOW) & mask);
    }
    const u64 old = read_cr0();
    if ((value & cr0::PG) && !(value & cr0::PE)) return false;
    if ((value & cr0::NW) && !(value & cr0::CD)) return false;
    if ((nested.vmxon || nested.guest_mode) && (offered.get(arch::msr::IA32_VMX_CR0_FIXED0) & ~value)) return false;
    if (!(value & cr0::PE) && !config.unrestricted) {
        stop("L1 leaves protected mode, which this CPU cannot run under VMX");
        return true;
    }
    u64 efer_value = vcpu.efer;
    if (!(old & cr0::PG) && (value & cr0::PG) && (vcpu.efer & efer::LME)) {  // IA-32e mode begins (SDM 10.8.5)
        const AccessRights cs{static_cast<u32>(segment(Field::GUEST_CS_AR_BYTES))};
        if (!(read_cr4() & cr4::PAE) || cs.long_mode()) return false;
        efer_value |= efer::LMA;
    }
    if ((old & cr0::PG) && !(value & cr0::PG)) {
        if (code64() || (read_cr4() & cr4::PCIDE)) return false;
        efer_value &= ~efer::LMA;
    }
    GuestPaging p = paging();
    p.cr0 = value;
    p.efer = efer_value;
    constexpr u64 kPaging = cr0::PG | cr0::CD | cr0::NW;
    const bool reload = p.pae() && ((old ^ value) & kPaging);
    if (reload) {
        if (!load_pdptes(memory, p, read_cr3())) return false;
        vcpu.pdpte = p.pdpte;
    }
    if (efer_value != vcpu.efer) write_efer(efer_value);
    write_cr0(value);
    if (nested.guest_mode) write(Field::CR0_READ_SHADOW, shadow_value);
    if (((old ^ value) & (cr0::PG | cr0::WP | cr0::PE)) || reload) {
        tlb_flush_requested = true;
        reset_mmu();
    }
    return true;
}

bool L0::set_cr3(u64 value) {
    constexpr u64 kNoFlush = u64{1} << 63;
    if (read_cr4() & cr4::PCIDE) value &= ~kNoFlush;
    if (vcpu.efer & efer::LMA) {
        if (value >> d.capabilities.physical_address_bits) return false;
    } else {
        value &= 0xffffffff;
    }
    GuestPaging p = paging();
    if (p.pae()) {
        if (!load_pdptes(memory, p, value)) return false;
        vcpu.pdpte = p.pdpte;
    }
    vcpu.cr3 = value;
    cache.cr3 = true;
    tlb_flush_requested = true;
    reset_mmu();
    return true;
}

bool L0::set_cr4(u64 wanted) {
    if (wanted & ~supported_cr4(d.cpuid)) return false;
    u64 value = wanted, shadow_value = wanted;
    if (nested.guest_mode) {
        const u64 mask = read12(Field::CR4_GUEST_HOST_MASK);
        value = (wanted & ~mask) | (read12(Field::GUEST_CR4) & mask);
        shadow_value = (wanted & ~mask) | (read12(Field::CR4_READ_SHADOW) & mask);
    }
    const u64 old = read_cr4();
    if ((nested.vmxon || nested.guest_mode) && (offered.get(arch::msr::IA32_VMX_CR4_FIXED0) & ~value)) return false;
    const bool long_mode = vcpu.efer & efer::LMA;
    if (long_mode && (!(value & cr4::PAE) || ((value ^ old) & cr4::LA57))) return false;
    if ((value & cr4::PCIDE) && !(old & cr4::PCIDE) && (!long_mode || (read_cr3() & 0xfff))) return false;
    GuestPaging p = paging();
    p.cr4 = value;
    constexpr u64 kPaging = cr4::PGE | cr4::PSE | cr4::PAE | cr4::SMEP;
    const bool reload = p.pae() && ((old ^ value) & kPaging);
    if (reload) {
        if (!load_pdptes(memory, p, read_cr3())) return false;
        vcpu.pdpte = p.pdpte;
    }
    read_cr3();  // what the CPU has now: reset_mmu() makes the next entry write it back
    write_cr4(value);
    if (nested.guest_mode) write(Field::CR4_READ_SHADOW, shadow_value);
    if (((old ^ value) & (kPaging | cr4::SMAP | cr4::PCIDE)) || reload) {
        tlb_flush_requested = true;
        reset_mmu();
    }
    return true;
}

void L0::handle_dr() {
    enum : u8 { kDebugException = 1 };
    const u64 q = read(Field::EXIT_QUALIFICATION);
    unsigned dr = q & 7;
    const bool from = q >> 4 & 1;
    const unsigned reg = q >> 8 & 15;
    // The exit precedes the instruction's own faults (SDM 28.1.3).
    if (dr == 4 || dr == 5) {
        if (read_cr4() & cr4::DE) return undefined();
        dr += 2;
    }
    if (cpl() != 0) return general_protection();
    constexpr u64 kGeneralDetect = 1u << 13;
    if (vcpu.dr7 & kGeneralDetect) {
        cpu.dr6 |= kGeneralDetect;
        vcpu.dr7 &= ~kGeneralDetect;
        write(Field::GUEST_DR7, vcpu.dr7);
        return queue_exception(kDebugException);
    }
    if (from) {
        set_gpr(reg, dr < 4 ? cpu.dr[dr] : dr == 6 ? cpu.dr6 : vcpu.dr7);
        return skip_instruction();
    }
    constexpr u64 kDr6Settable = 0xe00f, kDr6Ones = 0xffff0ff0, kDr7Settable = 0xffff23ff, kDr7Ones = 0x400;
    const u64 value = gpr(reg);
    if (dr < 4) {
        cpu.dr[dr] = value;
    } else {
        if (value >> 32) return general_protection();
        if (dr == 6)
            cpu.dr6 = (value & kDr6Settable) | kDr6Ones;
        else
            write(Field::GUEST_DR7, vcpu.dr7 = (value & kDr7Settable) | kDr7Ones);
    }
    skip_instruction();
}

}  // namespace vmxsim::nested
