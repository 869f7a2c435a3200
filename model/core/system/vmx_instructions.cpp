// SPDX-License-Identifier: Apache-2.0
// The VMX instructions: gates, operands and their faults; what they do is model/vmx's (SDM 33.3).
#include <array>

#include "model/core/system/handlers.hpp"

namespace vmxsim::core {

using namespace vmx;
using arch::ExitReason;

namespace {

struct Row {
    ZydisMnemonic mnemonic;
    VmxInstruction which;
    ExitReason reason;
};

constexpr Row kRows[] = {
    {ZYDIS_MNEMONIC_VMREAD, VmxInstruction::Vmread, ExitReason::VMREAD},
    {ZYDIS_MNEMONIC_VMWRITE, VmxInstruction::Vmwrite, ExitReason::VMWRITE},
    {ZYDIS_MNEMONIC_VMRESUME, VmxInstruction::Vmresume, ExitReason::VMRESUME},
    {ZYDIS_MNEMONIC_VMCALL, VmxInstruction::Vmcall, ExitReason::VMCALL},
    {ZYDIS_MNEMONIC_VMCLEAR, VmxInstruction::Vmclear, ExitReason::VMCLEAR},
    {ZYDIS_MNEMONIC_VMLAUNCH, VmxInstruction::Vmlaunch, ExitReason::VMLAUNCH},
    {ZYDIS_MNEMONIC_VMPTRLD, VmxInstruction::Vmptrld, ExitReason::VMPTRLD},
    {ZYDIS_MNEMONIC_VMPTRST, VmxInstruction::Vmptrst, ExitReason::VMPTRST},
    {ZYDIS_MNEMONIC_VMXOFF, VmxInstruction::Vmxoff, ExitReason::VMXOFF},
    {ZYDIS_MNEMONIC_VMXON, VmxInstruction::Vmxon, ExitReason::VMXON},
    {ZYDIS_MNEMONIC_INVEPT, VmxInstruction::Invept, ExitReason::INVEPT},
    {ZYDIS_MNEMONIC_INVVPID, VmxInstruction::Invvpid, ExitReason::INVVPID},
    {ZYDIS_MNEMONIC_VMFUNC, VmxInstruction::Vmfunc, ExitReason::VMFUNC},
};

const Row& row_of(const Insn& insn) {
    for (const Row& r : kRows)
        if (r.mnemonic == insn.z.mnemonic) return r;
    return kRows[0];  // not reached: handler_of() names these mnemonics only
}

/// The operand that exit qualification and instruction information describe, and Reg2's.
struct Operands {
    const ZydisDecodedOperand* rm = nullptr;
    const ZydisDecodedOperand* reg = nullptr;
};

Operands operands_of(const Insn& insn, VmxInstruction which) {
    switch (which) {
        case VmxInstruction::Vmclear:
        case VmxInstruction::Vmptrld:
        case VmxInstruction::Vmptrst:
        case VmxInstruction::Vmxon:
            return {&insn.op[0], nullptr};
        case VmxInstruction::Vmread:
            return {&insn.op[0], &insn.op[1]};
        case VmxInstruction::Vmwrite:
        case VmxInstruction::Invept:
        case VmxInstruction::Invvpid:
            return {&insn.op[1], &insn.op[0]};
        default:
            return {};
    }
}

/// Fault or exit that the gate found.
Outcome refuse(Core& core, const Insn& insn, const Row& row, Gate gate) {
    if (gate == Gate::UndefinedOpcode) return core.raise(vector::UD);
    if (gate == Gate::GeneralProtection) return core.raise(vector::GP, 0);
    ExitInfo exit;
    exit.reason = row.reason;
    u32 info = 0;
    const Operands ops = operands_of(insn, row.which);
    if (ops.rm) {
        exit.qualification = displacement(core, insn, *ops.rm);
        info = operand_information(insn, *ops.rm);
        if (ops.reg) info |= second_register(ops.reg->reg.value);
    }
    return exit_with(core, insn, exit, info);
}

/// Flags and error number, or the fault; then the next instruction. Modes may have changed.
Outcome finish(Core& core, const Insn& insn, const VmxResult& result) {
    if (result.kind == VmxResult::GeneralProtection) return core.raise(vector::GP, 0);
    if (result.kind == VmxResult::UndefinedOpcode) return core.raise(vector::UD);
    core.vmx().conclude(result);
    return jump_next(core, insn);
}

Outcome vmread(Core& core, const Insn& insn, u64 encoding) {
    const ZydisDecodedOperand& destination = insn.op[0];
    u64 value = 0;
    const VmxResult result = core.vmx().vmread(encoding, value);
    // A fault of the destination comes last, with nothing changed but time (SDM 33.3, VMREAD).
    if (result.kind == VmxResult::Succeed)
        VMXSIM_TRY(write_operand(core, insn, destination, destination.size / 8u, value));
    return finish(core, insn, result);
}

Outcome vmwrite(Core& core, const Insn& insn, u64 encoding) {
    const ZydisDecodedOperand& source = insn.op[1];
    u64 value = 0;
    // Without a current VMCS the source is not read (SDM 33.3, VMWRITE).
    const CpuState& state = core.state;
    const u64 target = state.vmx.non_root ? core.vmx().controls().link_pointer : state.vmx.current_vmcs;
    if (target != ~u64{0}) VMXSIM_TRY(read_operand(core, insn, source, source.size / 8u, value));
    return finish(core, insn, core.vmx().vmwrite(encoding, value));
}

/// INVEPT and INVVPID: the type is tested before the descriptor is read.
Outcome invalidate(Core& core, const Insn& insn, bool ept) {
    const u64 type = read_gpr(core, insn.op[0].reg.value);
    const u64 cap = core.capabilities().get(arch::msr::IA32_VMX_EPT_VPID_CAP);
    // IA32_VMX_EPT_VPID_CAP: bits 25 and 26 INVEPT types 1 and 2, bits 43:40 INVVPID types 0 to 3 (SDM A.10).
    const bool supported =
        ept ? (type == 1 && (cap >> 25 & 1)) || (type == 2 && (cap >> 26 & 1)) : type <= 3 && (cap >> (40 + type) & 1);
    std::array<u64, 2> descriptor{};
    if (supported) VMXSIM_TRY(read_memory(core, insn, insn.op[1], descriptor.data(), 16));
    return finish(
        core, insn,
        ept ? core.vmx().invept(type, descriptor[0]) : core.vmx().invvpid(type, descriptor[0], descriptor[1]));
}

Outcome enter(Core& core, const Insn& insn, bool launch) {
    const EntryResult result = launch ? core.vmx().vmlaunch() : core.vmx().vmresume();
    if (result.kind == EntryResult::Failed) return finish(core, insn, result.result);
    core.after_vm_entry(result);
    return Outcome::Jump;
}

Outcome vmfunc(Core& core, const Insn& insn) {
    ExitInfo exit;
    bool exits = false;
    const VmxResult result = core.vmx().vmfunc(exit, exits);
    if (exits) return exit_with(core, insn, exit);
    if (result.kind != VmxResult::Succeed) return finish(core, insn, result);
    core.context_changed();  // flags stay as they are
    return jump_next(core, insn);
}

Outcome read_pointer(Core& core, const Insn& insn, u64& pointer) {
    return read_memory(core, insn, insn.op[0], &pointer, 8);
}

}  // namespace

Outcome vmx_instruction(Core& core, const Insn& insn) {
    const Row& row = row_of(insn);
    Vmx& vmx = core.vmx();
    const bool vmcs_access = row.which == VmxInstruction::Vmread || row.which == VmxInstruction::Vmwrite;
    const u64 encoding = vmcs_access ? read_gpr(core, operands_of(insn, row.which).reg->reg.value) : 0;
    const Gate gate =
        vmcs_access ? vmx.gate_vmcs_access(row.which == VmxInstruction::Vmwrite, encoding) : vmx.gate(row.which);
    if (gate != Gate::Proceed) return refuse(core, insn, row, gate);

    u64 pointer = 0;
    switch (row.which) {
        case VmxInstruction::Vmxon: {
            if (!core.state.vmx.on) VMXSIM_TRY(read_pointer(core, insn, pointer));  // in root operation: VMfail at once
            const VmxResult result = vmx.vmxon(pointer);
            core.system.monitor_armed = false;
            core.context_changed();
            return finish(core, insn, result);
        }
        case VmxInstruction::Vmxoff: {
            const VmxResult result = vmx.vmxoff();
            core.system.monitor_armed = false;
            core.context_changed();
            return finish(core, insn, result);
        }
        case VmxInstruction::Vmclear:
            VMXSIM_TRY(read_pointer(core, insn, pointer));
            return finish(core, insn, vmx.vmclear(pointer));
        case VmxInstruction::Vmptrld:
            VMXSIM_TRY(read_pointer(core, insn, pointer));
            return finish(core, insn, vmx.vmptrld(pointer));
        case VmxInstruction::Vmptrst:
            pointer = vmx.vmptrst();
            VMXSIM_TRY(write_memory(core, insn, insn.op[0], &pointer, 8));
            return finish(core, insn, {});
        case VmxInstruction::Vmread:
            return vmread(core, insn, encoding);
        case VmxInstruction::Vmwrite:
            return vmwrite(core, insn, encoding);
        case VmxInstruction::Vmcall:
            return finish(core, insn, vmx.vmcall_in_root());
        case VmxInstruction::Invept:
            return invalidate(core, insn, true);
        case VmxInstruction::Invvpid:
            return invalidate(core, insn, false);
        case VmxInstruction::Vmlaunch:
            return enter(core, insn, true);
        case VmxInstruction::Vmresume:
            return enter(core, insn, false);
        case VmxInstruction::Vmfunc:
            return vmfunc(core, insn);
    }
    return core.raise(vector::UD);
}

}  // namespace vmxsim::core
