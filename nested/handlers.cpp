// SPDX-License-Identifier: Apache-2.0
// Exits that L0 handles itself: all of L1's, and those of L2 that are not L1's.
#include "model/arch/xsave.hpp"
#include "nested/l0.hpp"

namespace vmxsim::nested {

using arch::ExitReason;
using arch::Field;
using namespace vmx;

void L0::dispatch(ExitFacts& facts) {
    if (facts.entry_failure()) return stop("VM entry failed, exit reason " + std::to_string(facts.raw_reason & 0xffff));
    switch (facts.reason()) {
        case ExitReason::EXCEPTION_NMI:
            return handle_exception(facts);
        case ExitReason::EXTERNAL_INTERRUPT:
            return;
        case ExitReason::TRIPLE_FAULT:
            return stop("triple fault of L1");
        case ExitReason::CPUID:
            return handle_cpuid();
        case ExitReason::HLT:
            // No device of this machine interrupts: whoever halts never runs again.
            return stop(nested.guest_mode ? "L2 halted, and L1 did not ask for the exit" : "L1 halted");
        case ExitReason::INVD:
        case ExitReason::WBINVD:
            return skip_instruction();
        case ExitReason::INVLPG:
            return handle_invlpg();
        case ExitReason::VMCALL: {
            constexpr s64 kNoSuchCall = -1000;  // KVM_ENOSYS: L0 has no hypercall
            set_gpr(RAX, code64() ? static_cast<u64>(kNoSuchCall) : static_cast<u32>(kNoSuchCall));
            return skip_instruction();
        }
        case ExitReason::VMXON:
            return handle_vmon();
        case ExitReason::VMXOFF:
            return handle_vmoff();
        case ExitReason::VMCLEAR:
            return handle_vmclear();
        case ExitReason::VMPTRLD:
            return handle_vmptrld();
        case ExitReason::VMPTRST:
            return handle_vmptrst();
        case ExitReason::VMREAD:
            return handle_vmcs_access(false);
        case ExitReason::VMWRITE:
            return handle_vmcs_access(true);
        case ExitReason::VMLAUNCH:
            return run_l2(true);
        case ExitReason::VMRESUME:
            return run_l2(false);
        case ExitReason::CR_ACCESS:
            return handle_cr(facts);
        case ExitReason::DR_ACCESS:
            return handle_dr();
        case ExitReason::IO_INSTRUCTION:
            return handle_io();
        case ExitReason::MSR_READ:
            return handle_msr(false);
        case ExitReason::MSR_WRITE:
            return handle_msr(true);
        case ExitReason::EPT_VIOLATION:
            return handle_ept_violation();
        case ExitReason::XSETBV:
            return handle_xsetbv();
        case ExitReason::RDPMC:
            return general_protection();  // no counters
        case ExitReason::PAUSE_INSTRUCTION:
        case ExitReason::RDTSC:
            return skip_instruction();
        case ExitReason::TPR_BELOW_THRESHOLD:
            return;
        case ExitReason::MWAIT_INSTRUCTION:
        case ExitReason::MONITOR_INSTRUCTION:
        case ExitReason::GETSEC:
        case ExitReason::INVEPT:
        case ExitReason::INVVPID:
        case ExitReason::VMFUNC:
        case ExitReason::RDTSCP:
        case ExitReason::INVPCID:
            return undefined();  // not offered
        case ExitReason::TASK_SWITCH:
            return stop("L1 switches tasks by a TSS, which L0 does not emulate");
        default:
            break;
    }
    stop("VM exit that L0 does not handle: " + std::string(arch::exit_reason_name(facts.raw_reason & 0xffff)));
}

void L0::handle_exception(ExitFacts& facts) {
    enum : u8 { kDebug = 1, kNoDevice = 7, kPageFault = 14 };
    const arch::EventInfo event{facts.intr_info};
    if (event.type() == arch::EventType::Nmi) return;
    std::optional<u32> error_code;
    if (event.has_error_code()) error_code = static_cast<u32>(read(Field::VM_EXIT_INTR_ERROR_CODE));
    switch (event.vector()) {
        case kNoDevice:
            if (!fpu_active) return activate_fpu();
            return queue_exception(kNoDevice);
        case kPageFault: {
            const GuestVirtual at{read(Field::EXIT_QUALIFICATION)};
            if (!shadow) return queue_exception(kPageFault, error_code, at.raw);
            const Charge charge(d.ledger, buckets.page_fill, cpu.cycles);
            const HostPhysical root = shadow->root(vcpu.efer & efer::LMA);
            const auto fault = shadow->resolve(paging(), at, error_code.value_or(0));
            if (fault.guests) return queue_exception(kPageFault, fault.error_code, at.raw);
            cpu.cycles += d.params.page_fill;
            if (shadow->root(vcpu.efer & efer::LMA) != root) {  // it ran out of pages and began anew
                mmu_root_valid = false;
                tlb_flush_requested = true;
            }
            return;
        }
        case kDebug: {
            constexpr u64 kDr6Fixed = 0xffff0ff0;
            const u64 qualification = read(Field::EXIT_QUALIFICATION);
            cpu.dr6 = (qualification & 0xe00f) | kDr6Fixed;
            return queue_exception(kDebug);
        }
        default:
            return queue_exception(event.vector(), error_code);
    }
}

u32 L0::xsave_area(bool compacted, u64 components) const {
    const auto place = [&](u32 component) {
        u32 r[4] = {};
        d.cpuid.cpuid(0xd, component, r);
        return arch::xsave::place_of(r[0], r[1], r[2]);
    };
    return arch::xsave::area_bytes(place, components, compacted);
}

void L0::handle_cpuid() {
    const auto leaf = static_cast<u32>(cpu.r[RAX]), subleaf = static_cast<u32>(cpu.r[RCX]);
    u32 regs[4] = {};
    d.cpuid.cpuid(leaf, subleaf, regs);
    enum { A, B, C, D };
    const auto bit = [&](unsigned reg, unsigned position, bool on) {
        regs[reg] = on ? regs[reg] | 1u << position : regs[reg] & ~(1u << position);
    };
    // What follows the state of the processor that L1 sees, and what L0 cannot give (SDM 2A, CPUID).
    switch (leaf) {
        case 1:
            bit(C, 27, vcpu.cr4 & cr4::OSXSAVE);
            bit(C, 3, false);  // MONITOR
            if (!(cpu.apic_base >> 11 & 1)) bit(D, 9, false);
            break;
        case 7:
            if (subleaf != 0) break;
            bit(B, 10, false);  // INVPCID
            for (const unsigned unknown : {3u, 4u, 16u}) bit(C, unknown, false);  // PKU, OSPKE, LA57: KVM had neither
            if (!config.rdtscp) bit(C, 22, false);  // RDPID
            break;
        case 0xd:
            if (subleaf == 1) bit(A, 3, false);  // XSAVES
            // No protection keys, so no state of theirs.
            if (subleaf == 0) bit(A, arch::xsave::kPkruNumber, false), regs[C] = xsave_area(false, regs[A]);
            if (subleaf == arch::xsave::kPkruNumber) regs[A] = regs[B] = regs[C] = regs[D] = 0;
            // EBX follows XCR0, as on the processor itself (SDM 2A, CPUID).
            if (subleaf < 2 && (subleaf == 0 ? regs[B] : regs[A] & 2)) regs[B] = xsave_area(subleaf == 1, cpu.xcr0);
            break;
        case 0x80000008:
            if ((regs[A] >> 8 & 0xff) > 48) regs[A] = (regs[A] & ~0xff00u) | 48u << 8;  // linear addresses without LA57
            break;
        case 0x80000001: {
            if (!config.rdtscp) bit(D, 27, false);
            const AccessRights cs{static_cast<u32>(d.vmx.peek(Field::GUEST_CS_AR_BYTES))};
            if (!((vcpu.efer & efer::LMA) && cs.long_mode())) bit(D, 11, false);
            break;
        }
        default:
            break;
    }
    cpu.r[RAX] = regs[A];
    cpu.r[RBX] = regs[B];
    cpu.r[RCX] = regs[C];
    cpu.r[RDX] = regs[D];
    skip_instruction();
}

void L0::handle_ept_violation() {
    read(Field::EXIT_QUALIFICATION);
    const GuestPhysical at{read(Field::GUEST_PHYSICAL_ADDRESS)};
    const Charge charge(d.ledger, buckets.page_fill, cpu.cycles);
    cpu.cycles += d.params.page_fill;
    if (!ept || !ept->fill(at)) stop("EPT violation of a mapped page");
}

void L0::handle_invlpg() {
    const GuestVirtual at{read(Field::EXIT_QUALIFICATION)};
    if (shadow) shadow->flush_page(at);
    invvpid();
    skip_instruction();
}

void L0::handle_xsetbv() {
    constexpr u64 kX87 = 1, kSse = 2, kAvx = 4;
    u32 regs[4] = {};
    d.cpuid.cpuid(0, 0, regs);
    u64 supported = kX87;
    if (regs[0] >= 0xd) {
        d.cpuid.cpuid(0xd, 0, regs);
        supported |= (regs[0] | u64{regs[3]} << 32) & arch::xsave::kModelled & ~arch::xsave::kPkru;
    }
    const u64 value = (cpu.r[RAX] & 0xffffffff) | cpu.r[RDX] << 32;
    if (cpl() != 0 || static_cast<u32>(cpu.r[RCX]) != 0 || !(value & kX87) || (value & ~supported) ||
        ((value & kAvx) && !(value & kSse)))
        return general_protection();
    cpu.xcr0 = value;
    skip_instruction();
}

}  // namespace vmxsim::nested
