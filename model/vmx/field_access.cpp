// SPDX-License-Identifier: Apache-2.0
// VMREAD and VMWRITE (SDM 33.3, 27.11.2). gate_vmcs_access() has been passed.
#include "model/vmx/vmx.hpp"

namespace vmxsim::vmx {
namespace {

/// VMCS that the access concerns: the current one, in non-root operation the one that the link pointer names
/// (SDM 27.10).
u64 target(const CpuState& cpu, const ActiveControls& controls) {
    return cpu.vmx.non_root ? controls.link_pointer : cpu.vmx.current_vmcs;
}

}  // namespace

VmxResult Vmx::vmread(u64 encoding, u64& value) {
    cpu_.cycles += timing_.vmread;
    const u64 vmcs = target(cpu_, controls_);
    if (vmcs == ~u64{0}) return {VmxResult::FailInvalid, 0};
    const auto access = arch::decode_encoding(encoding);
    if (!access || !field_exists(access->field)) return fail(12);
    const auto reply =
        transact({.op = arch::VmcsOp::Read, .vmcs = {vmcs}, .encoding = static_cast<u32>(encoding)});
    if (reply.status != arch::VmcsStatus::Ok) return fail(12);
    value = reply.data;
    return {};
}

VmxResult Vmx::vmwrite(u64 encoding, u64 value) {
    cpu_.cycles += timing_.vmwrite;
    const u64 vmcs = target(cpu_, controls_);
    if (vmcs == ~u64{0}) return {VmxResult::FailInvalid, 0};
    const auto access = arch::decode_encoding(encoding);
    if (!access || !field_exists(access->field)) return fail(12);
    // IA32_VMX_MISC[29]: VMWRITE may write VM-exit information fields (SDM A.6).
    const bool may_write_all = capabilities_.get(arch::msr::IA32_VMX_MISC) >> 29 & 1;
    if (arch::info(access->field).type == arch::FieldType::ReadOnly && !may_write_all) return fail(13);
    if (access->high) value &= 0xffffffff;
    const auto reply = transact(
        {.op = arch::VmcsOp::Write, .vmcs = {vmcs}, .encoding = static_cast<u32>(encoding), .data = value});
    if (reply.status != arch::VmcsStatus::Ok) return fail(12);
    return {};
}

u64 Vmx::peek(arch::Field field) {
    return vmcs_.transact({.op = arch::VmcsOp::Read, .vmcs = {cpu_.vmx.current_vmcs},
                           .encoding = arch::encoding_of(field)}).data;
}

}  // namespace vmxsim::vmx
