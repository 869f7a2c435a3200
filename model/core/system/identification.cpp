// SPDX-License-Identifier: Apache-2.0
// CPUID, time stamps, performance counters, random numbers, XCR0.
#include <algorithm>

#include "model/arch/xsave.hpp"
#include "model/core/fpu.hpp"
#include "model/core/system/handlers.hpp"

namespace vmxsim::core {

using namespace vmx;
using arch::SecondaryControl;

namespace {

void write_edx_eax(CpuState& state, u64 value) {
    state.r[RAX] = value & 0xffffffff;
    state.r[RDX] = value >> 32;
}

void set_bit(u32& word, unsigned bit, bool value) { word = value ? word | 1u << bit : word & ~(1u << bit); }

/// XCR0 bits that CPUID.0DH.0 allows.
u64 supported_xcr0(const Core& core) {
    if (core.cpuid().max_basic() < 0xd) return 1;
    const CpuidLeaf leaf = core.cpuid().find(0xd, 0);
    return ((leaf.eax | u64{leaf.edx} << 32) & arch::xsave::kModelled) | 1;
}

/// Numbers for RDRAND and RDSEED: SplitMix64 from a fixed seed, so that runs repeat.
u64 draw(Core& core) {
    u64 z = ++core.system.random * 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/// Absent in non-root operation without "enable RDTSCP" (SDM 28.3).
bool rdtscp_enabled(Core& core) {
    return !core.state.vmx.non_root || core.vmx().controls().has(SecondaryControl::EnableRDTSCP);
}

}  // namespace

Outcome cpuid(Core& core, const Insn& insn) {
    CpuState& state = core.state;
    ExitInfo exit;
    if (core.vmx().intercept_cpuid(exit)) return exit_with(core, insn, exit);
    core.spend(core.params().cpuid);
    u32 leaf = static_cast<u32>(state.r[RAX]);
    // IA32_MISC_ENABLE "limit CPUID maxval": leaves 3 and above are not visible (SDM 2A, CPUID; volume 4).
    constexpr unsigned kLimitMaxval = 22, kMonitorEnable = 18, kXdDisable = 34;
    const bool limited = state.misc_enable >> kLimitMaxval & 1;
    if (limited && leaf > 2 && leaf < 0x80000000) leaf = 2;
    CpuidLeaf found = core.cpuid().find(leaf, static_cast<u32>(state.r[RCX]));
    // Bits that follow the processor's state (SDM 2A, CPUID).
    switch (found.leaf) {
        case 0:
            if (limited) found.eax = std::min(found.eax, 2u);
            break;
        case 1:
            if (!(state.misc_enable >> kMonitorEnable & 1)) set_bit(found.ecx, 3, false);
            // The signature of the microcode update that is loaded, if one is (SDM 10.11.7.1).
            if (core.cpuid().microcode) core.system.update_signature = u64{core.cpuid().microcode} << 32;
            set_bit(found.ecx, 27, state.cr4 & cr4::OSXSAVE);
            if (!(state.apic_base >> 11 & 1)) set_bit(found.edx, 9, false);
            break;
        case 7:
            if (found.subleaf == 0 && (found.ecx >> 3 & 1)) set_bit(found.ecx, 4, state.cr4 & cr4::PKE);
            break;
        case 0xd: {
            // EBX: the area of what XCR0 enables; in subleaf 1 compacted, where the CPU can (SDM 2A, CPUID).
            const auto place = [&](u32 i) {
                const CpuidLeaf l = core.cpuid().find(0xd, i);
                return arch::xsave::place_of(l.eax, l.ebx, l.ecx);
            };
            constexpr u32 kXsavec = 2, kXsaves = 8;
            if (found.subleaf == 0 && found.ebx) found.ebx = arch::xsave::area_bytes(place, state.xcr0, false);
            if (found.subleaf == 1 && found.eax & (kXsavec | kXsaves))
                found.ebx = arch::xsave::area_bytes(place, state.xcr0, true);
            break;
        }
        case 0x80000001:
            if (!state.code64()) set_bit(found.edx, 11, false);  // SYSCALL exists in 64-bit mode only
            if (state.misc_enable >> kXdDisable & 1) set_bit(found.edx, 20, false);
            break;
        default:
            break;
    }
    state.r[RAX] = found.eax;
    state.r[RBX] = found.ebx;
    state.r[RCX] = found.ecx;
    state.r[RDX] = found.edx;
    return Outcome::Next;
}

Outcome rdtsc(Core& core, const Insn& insn) {
    CpuState& state = core.state;
    const bool with_aux = insn.z.mnemonic == ZYDIS_MNEMONIC_RDTSCP;
    if (with_aux && (!rdtscp_enabled(core) || !cpuid_has(core, 0x80000001, 0, 3, 27))) return core.raise(vector::UD);
    if ((state.cr4 & cr4::TSD) && state.cpl() > 0) return core.raise(vector::GP, 0);
    ExitInfo exit;
    if (with_aux ? core.vmx().intercept_rdtscp(exit) : core.vmx().intercept_rdtsc(exit))
        return exit_with(core, insn, exit);
    if (!core.others_have_come(core.params().rdtsc)) return Outcome::Yield;
    core.spend(core.params().rdtsc);
    write_edx_eax(state, core.vmx().guest_tsc());
    if (with_aux) state.r[RCX] = state.tsc_aux & 0xffffffff;
    return Outcome::Next;
}

Outcome rdpmc(Core& core, const Insn& insn) {
    CpuState& state = core.state;
    if (!(state.cr4 & cr4::PCE)) VMXSIM_TRY(require_cpl0(core));
    ExitInfo exit;
    if (core.vmx().intercept_rdpmc(exit)) return exit_with(core, insn, exit);
    core.spend(core.params().rdtsc);
    u64 value = 0;
    if (!core.counters.read_counter(static_cast<u32>(state.r[RCX]), value)) return core.raise(vector::GP, 0);
    write_edx_eax(state, value);
    return Outcome::Next;
}

Outcome rdpid(Core& core, const Insn& insn) {
    if (!rdtscp_enabled(core) || !cpuid_has(core, 7, 0, 2, 22)) return core.raise(vector::UD);
    write_gpr(core, insn.op[0].reg.value, core.state.tsc_aux & 0xffffffff);
    return Outcome::Next;
}

Outcome rdrand(Core& core, const Insn& insn) {
    const bool seed = insn.z.mnemonic == ZYDIS_MNEMONIC_RDSEED;
    if (seed ? !cpuid_has(core, 7, 0, 1, 18) : !cpuid_has(core, 1, 0, 2, 30)) return core.raise(vector::UD);
    ExitInfo exit;
    if (seed ? core.vmx().intercept_rdseed(exit) : core.vmx().intercept_rdrand(exit)) {
        const u32 size_code = insn.z.operand_width == 16 ? 0u : insn.z.operand_width == 32 ? 1u : 2u;
        return exit_with(core, insn, exit, gpr_number(insn.op[0].reg.value) << 3 | size_code << 11);
    }
    write_gpr(core, insn.op[0].reg.value, draw(core));
    core.state.rflags = (core.state.rflags & ~rflags::kArithmetic) | rflags::CF;
    return Outcome::Next;
}

Outcome xgetbv(Core& core, const Insn&) {
    CpuState& state = core.state;
    if (!(state.cr4 & cr4::OSXSAVE)) return core.raise(vector::UD);
    const u32 index = static_cast<u32>(state.r[RCX]);
    if (index == 1 && core.fpu.offered & offers::XGETBV1) {
        // XCR0 and XINUSE, where a changed MXCSR counts as SSE state in use (SDM 1, 13.2).
        const u64 used = xsave_in_use(core) | (core.fpu.mxcsr != kInitialMxcsr ? arch::xsave::kSse : 0);
        write_edx_eax(state, state.xcr0 & used);
        return Outcome::Next;
    }
    if (index != 0) return core.raise(vector::GP, 0);
    write_edx_eax(state, state.xcr0);
    return Outcome::Next;
}

Outcome xsetbv(Core& core, const Insn& insn) {
    CpuState& state = core.state;
    if (!(state.cr4 & cr4::OSXSAVE)) return core.raise(vector::UD);
    VMXSIM_TRY(require_cpl0(core));
    ExitInfo exit;
    if (core.vmx().intercept_xsetbv(exit)) return exit_with(core, insn, exit);
    using namespace arch::xsave;
    const u64 value = (state.r[RAX] & 0xffffffff) | state.r[RDX] << 32;
    const bool bad = static_cast<u32>(state.r[RCX]) != 0 || !(value & kX87) || (value & ~supported_xcr0(core)) ||
                     ((value & kAvx) && !(value & kSse));
    if (bad) return core.raise(vector::GP, 0);
    state.xcr0 = value;
    return jump_next(core, insn);
}

}  // namespace vmxsim::core
