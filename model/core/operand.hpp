// SPDX-License-Identifier: Apache-2.0
// Operands of system instructions: registers and memory by Zydis's description, and what a VM exit says about them.
#pragma once
#include "model/core/core.hpp"
#include "model/core/insn.hpp"

/// Returns from the current function unless the step completed.
#define VMXSIM_TRY(step) \
    if (const ::vmxsim::core::Outcome outcome_ = (step); outcome_ != ::vmxsim::core::Outcome::Next) return outcome_

namespace vmxsim::core {

namespace vector {
inline constexpr u8 DE = 0, DB = 1, NMI = 2, BP = 3, OF = 4, UD = 6, DF = 8, TS = 10, NP = 11, SS = 12, GP = 13,
                    PF = 14;
}

/// Number of a general-purpose register, 0 to 15, as instruction encodings and exit qualifications have it.
unsigned gpr_number(ZydisRegister reg);
u64 read_gpr(const Core& core, ZydisRegister reg);
/// A 32-bit write clears bits 63:32, 8- and 16-bit writes keep the rest.
void write_gpr(Core& core, ZydisRegister reg, u64 value);

struct EffectiveAddress {
    vmx::Seg seg;
    u64 offset;  ///< within the address size
};
EffectiveAddress effective_address(const Core& core, const Insn& insn, const ZydisDecodedOperand& op);
inline bool is_memory(const ZydisDecodedOperand& op) { return op.type == ZYDIS_OPERAND_TYPE_MEMORY; }
inline bool is_register(const ZydisDecodedOperand& op) { return op.type == ZYDIS_OPERAND_TYPE_REGISTER; }

Outcome read_memory(Core& core, const Insn& insn, const ZydisDecodedOperand& op, void* out, unsigned bytes);
Outcome write_memory(Core& core, const Insn& insn, const ZydisDecodedOperand& op, const void* in, unsigned bytes);
/// A register's low `bytes`, or memory.
Outcome read_operand(Core& core, const Insn& insn, const ZydisDecodedOperand& op, unsigned bytes, u64& out);
Outcome write_operand(Core& core, const Insn& insn, const ZydisDecodedOperand& op, unsigned bytes, u64 value);

/// Instruction information (SDM tables 30-8 ff): the bits that all formats with a memory operand share; register
/// operand: bit 10 and Reg1.
u32 operand_information(const Insn& insn, const ZydisDecodedOperand& op);
/// Reg2, bits 31:28.
u32 second_register(ZydisRegister reg);
/// Exit qualification of instructions with a memory operand: the displacement (SDM 30.2.1, "Q_DISP").
u64 displacement(const Core& core, const Insn& insn, const ZydisDecodedOperand& op);

/// Fills in the instruction's part of an exit that an intercept has described.
Outcome exit_with(Core& core, const Insn& insn, const vmx::ExitInfo& info, u32 instruction_info = 0);

/// RIP behind the instruction, cut to the code segment's width.
u64 next_rip(const Core& core, const Insn& insn);
/// Ends an instruction after which the caller must look at modes and events again.
Outcome jump_next(Core& core, const Insn& insn);

/// Linear addresses of implicit accesses: 32 bits wide outside IA-32e mode.
GuestVirtual system_address(const Core& core, u64 address);
/// Of an access or a branch: 48 bits, or 57 with CR4.LA57 (SDM 4.5.2).
bool canonical(const Core& core, u64 address);
/// Of what is loaded into a segment or table base, written to an MSR, or named by an invalidation: as wide as the processor's
/// addresses can be, whatever CR4.LA57 says (SDM 4.5.2; Linux, KVM: is_noncanonical_base_address).
bool canonical_base(const Core& core, u64 address);
/// Tag of the translations in use (SDM 31.1).
Vpid current_vpid(Core& core);
inline bool real_mode(const Core& core) { return !core.state.protected_mode(); }
/// Neither real-address nor virtual-8086 mode.
inline bool selectors_mode(const Core& core) { return core.state.protected_mode() && !core.state.v8086(); }

/// A feature bit of CPUID: register 0 to 3 = EAX to EDX.
bool cpuid_has(const Core& core, u32 leaf, u32 subleaf, unsigned reg, unsigned bit);

}  // namespace vmxsim::core
