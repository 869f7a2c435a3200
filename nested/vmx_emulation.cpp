// SPDX-License-Identifier: Apache-2.0
// VMX instructions of L1, on vmcs12 in its memory (SDM 33.3, with its error numbers and flags).
#include "nested/l0.hpp"

namespace vmxsim::nested {

using arch::Field;
using namespace vmx;

namespace {
enum : u32 {
    kVmclearBadAddress = 2,
    kVmclearVmxon = 3,
    kVmptrldBadAddress = 9,
    kVmptrldVmxon = 10,
    kVmptrldRevision = 11,
    kUnsupportedField = 12,
    kReadOnlyField = 13,
    kVmxonInRoot = 15
};
}  // namespace

bool L0::vmx_permitted() {
    segment(Field::GUEST_CS_BASE);
    segment(Field::GUEST_CS_LIMIT);
    segment(Field::GUEST_CS_SELECTOR);
    const AccessRights cs{static_cast<u32>(segment(Field::GUEST_CS_AR_BYTES))};
    const bool v8086 = rflags() & rflags::VM;
    if (!nested.vmxon || !(vcpu.cr0 & cr0::PE) || v8086 || ((vcpu.efer & efer::LMA) && !cs.long_mode()))
        return undefined(), false;
    if (cpl() != 0) return general_protection(), false;
    return true;
}

void L0::vmx_succeed() { set_rflags(rflags() & ~rflags::kArithmetic); }
void L0::vmx_fail_invalid() { set_rflags((rflags() & ~rflags::kArithmetic) | rflags::CF); }
void L0::vmx_fail_valid(u32 error) {
    set_rflags((rflags() & ~rflags::kArithmetic) | rflags::ZF);
    write12(Field::VM_INSTRUCTION_ERROR, error);
}
void L0::vmx_fail(u32 error) { nested.current_vmptr ? vmx_fail_valid(error) : vmx_fail_invalid(); }

/// The 8-byte memory operand of VMXON, VMCLEAR, VMPTRLD. Empty: a fault is queued.
std::optional<u64> L0::pointer_operand() {
    const u64 displacement = read(Field::EXIT_QUALIFICATION);
    const auto info = static_cast<u32>(read(Field::VMX_INSTRUCTION_INFO));
    GuestVirtual at;
    u64 pointer = 0;
    if (!operand_address(displacement, info, 8, at) || !access_guest(at, &pointer, 8, false)) return std::nullopt;
    return pointer;
}

bool L0::acceptable_region(u64 pointer) const {
    return (pointer & 0xfff) == 0 && (pointer >> d.capabilities.physical_address_bits) == 0;
}

void L0::handle_vmon() {
    // The instruction's own conditions first (SDM 33.3): outside VMX operation it needs CR4.VMXE, not VMX operation.
    const AccessRights cs{static_cast<u32>(segment(Field::GUEST_CS_AR_BYTES))};
    segment(Field::GUEST_CS_BASE);
    segment(Field::GUEST_CS_LIMIT);
    segment(Field::GUEST_CS_SELECTOR);
    const u64 cr4 = read_cr4(), cr0 = read_cr0();
    if (!(cr4 & cr4::VMXE) || !(cr0 & cr0::PE) || (rflags() & rflags::VM) ||
        ((vcpu.efer & efer::LMA) && !cs.long_mode()))
        return undefined();
    if (cpl() != 0) return general_protection();
    if (nested.vmxon) {
        vmx_fail(kVmxonInRoot);
        return skip_instruction();
    }
    using namespace arch::msr;
    const auto fixed = [&](u64 value, u32 f0, u32 f1) {
        return (offered.get(f0) & ~value) == 0 && (value & ~offered.get(f1)) == 0;
    };
    if (!fixed(cr0, IA32_VMX_CR0_FIXED0, IA32_VMX_CR0_FIXED1) || !fixed(cr4, IA32_VMX_CR4_FIXED0, IA32_VMX_CR4_FIXED1))
        return general_protection();
    const auto pointer = pointer_operand();
    if (!pointer) return;
    if (!acceptable_region(*pointer) || memory.read({*pointer}, 4) != kVmcs12Revision) {
        vmx_fail_invalid();
    } else {
        nested.vmxon = true;
        nested.vmxon_pointer = {*pointer};
        nested.current_vmptr.reset();
        vmx_succeed();
    }
    skip_instruction();
}

void L0::handle_vmoff() {
    if (!vmx_permitted()) return;
    free_nested();
    vmx_succeed();
    skip_instruction();
}

void L0::free_nested() {
    nested.vmxon = false;
    nested.current_vmptr.reset();
    release_apic_page();
    while (!nested.pool.empty()) free_vmcs02(nested.pool.front().vmcs12);
}

void L0::release_apic_page() {
    if (!nested.apic_access_page) return;
    nested.apic_access_page.reset();
    ++stats.pages_released;
}

void L0::handle_vmclear() {
    if (!vmx_permitted()) return;
    const auto pointer = pointer_operand();
    if (!pointer) return;
    if (!acceptable_region(*pointer)) {
        vmx_fail(kVmclearBadAddress);
    } else if (*pointer == nested.vmxon_pointer.raw) {
        vmx_fail(kVmclearVmxon);
    } else {
        const GuestPhysical at{*pointer};
        if (nested.current_vmptr == at) nested.current_vmptr.reset();
        cpu.cycles += d.params.vmcs12_access;
        Vmcs12(memory, at).set_launched(false);
        free_vmcs02(at);
        vmx_succeed();
    }
    skip_instruction();
}

void L0::handle_vmptrld() {
    if (!vmx_permitted()) return;
    const auto pointer = pointer_operand();
    if (!pointer) return;
    if (!acceptable_region(*pointer)) {
        vmx_fail(kVmptrldBadAddress);
    } else if (*pointer == nested.vmxon_pointer.raw) {
        vmx_fail(kVmptrldVmxon);
    } else if (memory.read({*pointer}, 4) != kVmcs12Revision) {
        vmx_fail(kVmptrldRevision);
    } else {
        nested.current_vmptr = GuestPhysical{*pointer};
        vmx_succeed();
    }
    skip_instruction();
}

void L0::handle_vmptrst() {
    if (!vmx_permitted()) return;
    const u64 displacement = read(Field::EXIT_QUALIFICATION);
    const auto info = static_cast<u32>(read(Field::VMX_INSTRUCTION_INFO));
    GuestVirtual at;
    u64 pointer = nested.current_vmptr ? nested.current_vmptr->raw : ~u64{0};
    if (!operand_address(displacement, info, 8, at) || !access_guest(at, &pointer, 8, true)) return;
    vmx_succeed();
    skip_instruction();
}

void L0::handle_vmcs_access(bool write_access) {
    ++(write_access ? stats.l1_vmwrite : stats.l1_vmread);
    cpu.cycles += d.params.emulate_access;
    const u64 displacement = read(Field::EXIT_QUALIFICATION);
    const auto info = static_cast<u32>(read(Field::VMX_INSTRUCTION_INFO));
    if (!vmx_permitted()) return;
    const auto done = [this](u32 error) {
        error ? vmx_fail_valid(error) : vmx_succeed();
        skip_instruction();
    };
    if (!nested.current_vmptr) {
        vmx_fail_invalid();
        return skip_instruction();
    }
    const bool wide = code64(), in_register = info >> 10 & 1;
    const unsigned bytes = wide ? 8 : 4;
    u64 encoding = gpr(info >> 28 & 15);
    if (!wide) encoding &= 0xffffffff;
    const auto access = arch::decode_encoding(encoding);
    const bool known = access && vmcs12_has(access->field);

    u64 value = 0;
    GuestVirtual at;
    if (write_access) {  // the source is read before the field is looked at, the destination is written behind it
        if (in_register)
            value = gpr(info >> 3 & 15);
        else if (!operand_address(displacement, info, bytes, at) || !access_guest(at, &value, bytes, false))
            return;
        if (!wide) value &= 0xffffffff;
        if (!known) return done(kUnsupportedField);
        if (arch::info(access->field).type == arch::FieldType::ReadOnly) return done(kReadOnlyField);
        if (access->high) value = (vmcs12().get(access->field) & 0xffffffff) | value << 32;
        write12(access->field, value);
        return done(0);
    }
    if (!known) return done(kUnsupportedField);
    value = read12(access->field);
    if (access->high) value >>= 32;
    if (!wide) value &= 0xffffffff;
    if (in_register)
        set_gpr(info >> 3 & 15, value);
    else if (!operand_address(displacement, info, bytes, at) || !access_guest(at, &value, bytes, true))
        return;
    done(0);
}

}  // namespace vmxsim::nested
