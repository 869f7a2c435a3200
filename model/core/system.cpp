// SPDX-License-Identifier: Apache-2.0
// Which instructions are system instructions, and who executes them.
#include "model/core/system.hpp"

#include "model/core/system/handlers.hpp"

namespace vmxsim::core {

namespace {

bool is_class(const ZydisDecodedOperand& op, ZydisRegisterClass which) {
    return op.type == ZYDIS_OPERAND_TYPE_REGISTER && ZydisRegisterGetClass(op.reg.value) == which;
}

Handler mov_handler(const Insn& insn) {
    if (is_class(insn.op[0], ZYDIS_REGCLASS_CONTROL)) return mov_to_cr;
    if (is_class(insn.op[1], ZYDIS_REGCLASS_CONTROL)) return mov_from_cr;
    if (is_class(insn.op[0], ZYDIS_REGCLASS_DEBUG) || is_class(insn.op[1], ZYDIS_REGCLASS_DEBUG)) return mov_dr;
    if (is_class(insn.op[0], ZYDIS_REGCLASS_SEGMENT)) return mov_to_segment;
    if (is_class(insn.op[1], ZYDIS_REGCLASS_SEGMENT)) return mov_from_segment;
    return nullptr;
}

bool is_far(const Insn& insn) { return insn.z.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR; }

/// Null: not a system instruction.
Handler handler_of(const Insn& insn) {
    switch (insn.z.mnemonic) {
        case ZYDIS_MNEMONIC_MOV:
            return mov_handler(insn);
        case ZYDIS_MNEMONIC_PUSH:
            return is_class(insn.op[0], ZYDIS_REGCLASS_SEGMENT) ? push_segment : nullptr;
        case ZYDIS_MNEMONIC_POP:
            return is_class(insn.op[0], ZYDIS_REGCLASS_SEGMENT) ? pop_segment : nullptr;
        case ZYDIS_MNEMONIC_JMP:
            return is_far(insn) ? far_jump : nullptr;
        case ZYDIS_MNEMONIC_CALL:
            return is_far(insn) ? far_call : nullptr;
        case ZYDIS_MNEMONIC_RET:
            return is_far(insn) ? far_return : nullptr;
        case ZYDIS_MNEMONIC_IRET:
        case ZYDIS_MNEMONIC_IRETD:
        case ZYDIS_MNEMONIC_IRETQ:
            return iret;

        case ZYDIS_MNEMONIC_CLTS:
            return clts;
        case ZYDIS_MNEMONIC_LMSW:
            return lmsw;
        case ZYDIS_MNEMONIC_SMSW:
            return smsw;
        case ZYDIS_MNEMONIC_LDS:
        case ZYDIS_MNEMONIC_LES:
        case ZYDIS_MNEMONIC_LFS:
        case ZYDIS_MNEMONIC_LGS:
        case ZYDIS_MNEMONIC_LSS:
            return load_far_pointer;
        case ZYDIS_MNEMONIC_RDFSBASE:
        case ZYDIS_MNEMONIC_RDGSBASE:
        case ZYDIS_MNEMONIC_WRFSBASE:
        case ZYDIS_MNEMONIC_WRGSBASE:
            return fs_gs_base;
        case ZYDIS_MNEMONIC_SWAPGS:
            return swapgs;

        case ZYDIS_MNEMONIC_LGDT:
        case ZYDIS_MNEMONIC_LIDT:
        case ZYDIS_MNEMONIC_SGDT:
        case ZYDIS_MNEMONIC_SIDT:
            return gdt_idt;
        case ZYDIS_MNEMONIC_LLDT:
        case ZYDIS_MNEMONIC_LTR:
        case ZYDIS_MNEMONIC_SLDT:
        case ZYDIS_MNEMONIC_STR:
            return ldt_tr;
        case ZYDIS_MNEMONIC_LAR:
        case ZYDIS_MNEMONIC_LSL:
            return lar_lsl;
        case ZYDIS_MNEMONIC_VERR:
        case ZYDIS_MNEMONIC_VERW:
            return verr_verw;
        case ZYDIS_MNEMONIC_ARPL:
            return arpl;

        case ZYDIS_MNEMONIC_INT:
        case ZYDIS_MNEMONIC_INT3:
        case ZYDIS_MNEMONIC_INTO:
        case ZYDIS_MNEMONIC_INT1:
            return software_interrupt;
        case ZYDIS_MNEMONIC_CLI:
            return cli;
        case ZYDIS_MNEMONIC_STI:
            return sti;
        case ZYDIS_MNEMONIC_SYSCALL:
            return syscall;
        case ZYDIS_MNEMONIC_SYSRET:
            return sysret;
        case ZYDIS_MNEMONIC_SYSENTER:
            return sysenter;
        case ZYDIS_MNEMONIC_SYSEXIT:
            return sysexit;

        case ZYDIS_MNEMONIC_IN:
        case ZYDIS_MNEMONIC_OUT:
            return in_out;
        case ZYDIS_MNEMONIC_INSB:
        case ZYDIS_MNEMONIC_INSW:
        case ZYDIS_MNEMONIC_INSD:
        case ZYDIS_MNEMONIC_OUTSB:
        case ZYDIS_MNEMONIC_OUTSW:
        case ZYDIS_MNEMONIC_OUTSD:
            return ins_outs;

        case ZYDIS_MNEMONIC_CPUID:
            return cpuid;
        case ZYDIS_MNEMONIC_RDTSC:
        case ZYDIS_MNEMONIC_RDTSCP:
            return rdtsc;
        case ZYDIS_MNEMONIC_RDPMC:
            return rdpmc;
        case ZYDIS_MNEMONIC_RDPID:
            return rdpid;
        case ZYDIS_MNEMONIC_RDPKRU:
            return rdpkru;
        case ZYDIS_MNEMONIC_WRPKRU:
            return wrpkru;
        case ZYDIS_MNEMONIC_RDRAND:
        case ZYDIS_MNEMONIC_RDSEED:
            return rdrand;
        case ZYDIS_MNEMONIC_XGETBV:
            return xgetbv;
        case ZYDIS_MNEMONIC_XSETBV:
            return xsetbv;
        case ZYDIS_MNEMONIC_RDMSR:
            return rdmsr;
        case ZYDIS_MNEMONIC_WRMSR:
            return wrmsr;

        case ZYDIS_MNEMONIC_HLT:
            return hlt;
        case ZYDIS_MNEMONIC_INVD:
        case ZYDIS_MNEMONIC_WBINVD:
            return invd;
        case ZYDIS_MNEMONIC_INVLPG:
            return invlpg;
        case ZYDIS_MNEMONIC_INVPCID:
            return invpcid;
        case ZYDIS_MNEMONIC_MONITOR:
            return monitor;
        case ZYDIS_MNEMONIC_MWAIT:
            return mwait;
        case ZYDIS_MNEMONIC_PAUSE:
            return pause;
        case ZYDIS_MNEMONIC_CLAC:
        case ZYDIS_MNEMONIC_STAC:
            return clac_stac;
        case ZYDIS_MNEMONIC_RSM:
        case ZYDIS_MNEMONIC_UD0:
        case ZYDIS_MNEMONIC_UD1:
        case ZYDIS_MNEMONIC_UD2:
        case ZYDIS_MNEMONIC_GETSEC:  // neither SMM nor SMX exist here
            return undefined;

        case ZYDIS_MNEMONIC_VMCALL:
        case ZYDIS_MNEMONIC_VMCLEAR:
        case ZYDIS_MNEMONIC_VMFUNC:
        case ZYDIS_MNEMONIC_VMLAUNCH:
        case ZYDIS_MNEMONIC_VMPTRLD:
        case ZYDIS_MNEMONIC_VMPTRST:
        case ZYDIS_MNEMONIC_VMREAD:
        case ZYDIS_MNEMONIC_VMRESUME:
        case ZYDIS_MNEMONIC_VMWRITE:
        case ZYDIS_MNEMONIC_VMXOFF:
        case ZYDIS_MNEMONIC_VMXON:
        case ZYDIS_MNEMONIC_INVEPT:
        case ZYDIS_MNEMONIC_INVVPID:
            return vmx_instruction;
        default:
            return nullptr;
    }
}

}  // namespace

bool is_system(const Insn& insn) { return handler_of(insn) != nullptr; }

Handler system_handler(const Insn& insn) { return handler_of(insn); }

Outcome execute_system(Core& core, const Insn& insn) {
    const Handler handler = insn.system ? insn.system : handler_of(insn);
    return handler ? handler(core, insn) : core.raise(vector::UD);
}

}  // namespace vmxsim::core
