// SPDX-License-Identifier: Apache-2.0
// VMXON, VMXOFF, VMCLEAR, VMPTRLD, VMPTRST, VMCALL in VMX root operation (SDM 33.3). gate() has been passed.
#include "model/vmx/allowed.hpp"
#include "model/vmx/entry_memo.hpp"
#include "model/vmx/field_support.hpp"
#include "model/vmx/vmx.hpp"

namespace vmxsim::vmx {
namespace {

constexpr u32 kShadowBit = u32{1} << 31;  ///< shadow-VMCS indicator in a region's first dword (SDM 27.2)

}  // namespace

Vmx::Vmx(const Dependencies& d)
    : cpu_(d.cpu), vmcs_(d.vmcs), ram_(d.ram), translations_(d.translations), capabilities_(d.capabilities),
      timing_(d.timing), ledger_(d.ledger), exists_(supported_fields(d.capabilities)), layout_(*d.layout),
      checker_(std::make_unique<EntryChecker>()) {}

Vmx::~Vmx() = default;

arch::VmcsReply Vmx::transact(const arch::VmcsRequest& request) {
    const arch::VmcsReply reply = vmcs_.transact(request);
    cpu_.cycles += reply.cycles.raw;
    return reply;
}

VmxResult Vmx::fail(u8 error) const {
    if (cpu_.vmx.current_vmcs == ~u64{0}) return {VmxResult::FailInvalid, 0};
    return {VmxResult::FailValid, error};
}

void Vmx::conclude(const VmxResult& result) {
    if (result.kind == VmxResult::GeneralProtection || result.kind == VmxResult::UndefinedOpcode) return;
    cpu_.rflags &= ~rflags::kArithmetic;
    if (result.kind == VmxResult::FailInvalid) cpu_.rflags |= rflags::CF;
    if (result.kind == VmxResult::FailValid) {
        cpu_.rflags |= rflags::ZF;
        transact({.op = arch::VmcsOp::Write, .vmcs = {cpu_.vmx.current_vmcs},
                  .encoding = arch::encoding_of(arch::Field::VM_INSTRUCTION_ERROR), .data = result.error});
    }
}

bool Vmx::acceptable_region(u64 pointer) const {
    return (pointer & 0xfff) == 0 && (pointer & beyond_structure_width(capabilities_)) == 0;
}

VmxResult Vmx::vmxon(u64 pointer) {
    cpu_.cycles += timing_.vmxon;
    if (cpu_.vmx.on) return fail(15);
    if (!acceptable_region(pointer)) return {VmxResult::FailInvalid, 0};
    // Bits 30:0 are the revision identifier; bit 31 must be clear as well.
    if (ram_.read({pointer}, 4) != capabilities_.revision_id()) return {VmxResult::FailInvalid, 0};
    cpu_.vmx = {.on = true, .non_root = false, .vmxon_pointer = pointer, .current_vmcs = ~u64{0}};
    current_is_shadow_ = false;
    return {};
}

VmxResult Vmx::vmxoff() {
    cpu_.cycles += timing_.vmxoff;
    transact({.op = arch::VmcsOp::FlushAll});
    cpu_.vmx = {};
    current_is_shadow_ = false;
    return {};
}

VmxResult Vmx::vmclear(u64 pointer) {
    cpu_.cycles += timing_.vmclear;
    if (!acceptable_region(pointer)) return fail(2);
    if (pointer == cpu_.vmx.vmxon_pointer) return fail(3);
    transact({.op = arch::VmcsOp::Clear, .vmcs = {pointer}});
    if (pointer == cpu_.vmx.current_vmcs) cpu_.vmx.current_vmcs = ~u64{0};
    return {};
}

VmxResult Vmx::vmptrld(u64 pointer) {
    cpu_.cycles += timing_.vmptrld;
    if (!acceptable_region(pointer)) return fail(9);
    if (pointer == cpu_.vmx.vmxon_pointer) return fail(10);
    const auto first = static_cast<u32>(ram_.read({pointer}, 4));
    const bool shadowing = may_set(allowed_secondary(capabilities_), arch::SecondaryControl::VMCSShadowing);
    if ((first & ~kShadowBit) != capabilities_.revision_id() || ((first & kShadowBit) && !shadowing)) return fail(11);
    cpu_.vmx.current_vmcs = pointer;
    current_is_shadow_ = first & kShadowBit;
    transact({.op = arch::VmcsOp::Activate, .vmcs = {pointer}});
    return {};
}

u64 Vmx::vmptrst() {
    cpu_.cycles += timing_.vmptrst;
    return cpu_.vmx.current_vmcs;
}

VmxResult Vmx::vmcall_in_root() {
    // No SMM in this model, hence no dual-monitor treatment to activate.
    cpu_.cycles += timing_.vmcall;
    return fail(1);
}

}  // namespace vmxsim::vmx
