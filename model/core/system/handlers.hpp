// SPDX-License-Identifier: Apache-2.0
// System instructions by kind, one function a file's subject; execute_system() in system.cpp picks.
#pragma once
#include "model/core/operand.hpp"

namespace vmxsim::core {

// control_registers.cpp
Outcome mov_to_cr(Core& core, const Insn& insn);
Outcome mov_from_cr(Core& core, const Insn& insn);
Outcome clts(Core& core, const Insn& insn);
Outcome lmsw(Core& core, const Insn& insn);
Outcome smsw(Core& core, const Insn& insn);
// debug_registers.cpp
Outcome mov_dr(Core& core, const Insn& insn);
// segment_moves.cpp
Outcome mov_to_segment(Core& core, const Insn& insn);
Outcome mov_from_segment(Core& core, const Insn& insn);
Outcome load_far_pointer(Core& core, const Insn& insn);
Outcome push_segment(Core& core, const Insn& insn);
Outcome pop_segment(Core& core, const Insn& insn);
Outcome fs_gs_base(Core& core, const Insn& insn);
Outcome swapgs(Core& core, const Insn& insn);
// descriptor_tables.cpp
Outcome gdt_idt(Core& core, const Insn& insn);
Outcome ldt_tr(Core& core, const Insn& insn);
Outcome lar_lsl(Core& core, const Insn& insn);
Outcome verr_verw(Core& core, const Insn& insn);
Outcome arpl(Core& core, const Insn& insn);
// far_transfers.cpp, far_returns.cpp
Outcome far_jump(Core& core, const Insn& insn);
Outcome far_call(Core& core, const Insn& insn);
Outcome far_return(Core& core, const Insn& insn);
Outcome iret(Core& core, const Insn& insn);
// fast_calls.cpp
Outcome syscall(Core& core, const Insn& insn);
Outcome sysret(Core& core, const Insn& insn);
Outcome sysenter(Core& core, const Insn& insn);
Outcome sysexit(Core& core, const Insn& insn);
// software_interrupts.cpp
Outcome software_interrupt(Core& core, const Insn& insn);
Outcome cli(Core& core, const Insn& insn);
Outcome sti(Core& core, const Insn& insn);
// port_io.cpp
Outcome in_out(Core& core, const Insn& insn);
Outcome ins_outs(Core& core, const Insn& insn);
// identification.cpp
Outcome cpuid(Core& core, const Insn& insn);
Outcome rdtsc(Core& core, const Insn& insn);
Outcome rdpmc(Core& core, const Insn& insn);
Outcome rdpid(Core& core, const Insn& insn);
Outcome rdpkru(Core& core, const Insn& insn);
Outcome wrpkru(Core& core, const Insn& insn);
Outcome rdrand(Core& core, const Insn& insn);
Outcome xgetbv(Core& core, const Insn& insn);
Outcome xsetbv(Core& core, const Insn& insn);
// msr_access.cpp
Outcome rdmsr(Core& core, const Insn& insn);
Outcome wrmsr(Core& core, const Insn& insn);
// processor_control.cpp
Outcome hlt(Core& core, const Insn& insn);
Outcome invd(Core& core, const Insn& insn);
Outcome invlpg(Core& core, const Insn& insn);
Outcome invpcid(Core& core, const Insn& insn);
Outcome monitor(Core& core, const Insn& insn);
Outcome mwait(Core& core, const Insn& insn);
Outcome pause(Core& core, const Insn& insn);
Outcome clac_stac(Core& core, const Insn& insn);
Outcome undefined(Core& core, const Insn& insn);
// vmx_instructions.cpp
Outcome vmx_instruction(Core& core, const Insn& insn);

/// The unprivileged half of a test: #GP(0) unless CPL is 0 (which it is in real-address mode).
inline Outcome require_cpl0(Core& core) { return core.state.cpl() == 0 ? Outcome::Next : core.raise(vector::GP, 0); }

/// MSRs that RDMSR, WRMSR and MSR areas share. False: #GP(0). msrs.cpp
bool read_msr(Core& core, u32 index, u64& value);
bool write_msr(Core& core, u32 index, u64 value);

/// CR3 as MOV loads it, PDPTEs included. control_registers.cpp
Outcome load_cr3(Core& core, u64 value);

/// CR4 bits that CPUID allows; the others are reserved. control_registers.cpp
u64 supported_cr4(const CpuidTable& cpuid);

}  // namespace vmxsim::core
