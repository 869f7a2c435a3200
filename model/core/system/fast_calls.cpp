// SPDX-License-Identifier: Apache-2.0
// SYSCALL, SYSRET, SYSENTER, SYSEXIT: flat segments of fixed shape, without descriptors (SDM 5.8.7, 5.8.8).
#include "model/core/segments.hpp"
#include "model/core/system/handlers.hpp"

namespace vmxsim::core {

using namespace vmx;

namespace {

enum class Width : u8 { Bits32, Bits64 };

void flat_code(CpuState& state, u16 selector, u8 dpl, Width width) {
    constexpr u32 kCode = 0x809b, kLong = 1u << 13, kBig = 1u << 14;  // G, P, S, execute/read, accessed
    state.seg[CS] = {selector, {kCode | u32{dpl} << 5 | (width == Width::Bits64 ? kLong : kBig)}, 0xffffffff, 0};
}

void flat_stack(CpuState& state, u16 selector, u8 dpl) {
    constexpr u32 kData = 0xc093;  // G, B, P, S, read/write, accessed
    state.seg[SS] = {selector, {kData | u32{dpl} << 5}, 0xffffffff, 0};
}

Outcome arrive(Core& core, u64 rip) {
    core.state.rip = rip;
    core.spend(core.params().far_transfer);
    core.context_changed();
    return Outcome::Jump;
}

bool operand64(const Insn& insn) { return insn.z.attributes & ZYDIS_ATTRIB_HAS_REX && insn.z.raw.rex.W; }

u16 star(const CpuState& state, unsigned shift, unsigned add) {
    return static_cast<u16>((state.star >> shift & 0xffff) + add);
}

}  // namespace

Outcome syscall(Core& core, const Insn& insn) {
    CpuState& state = core.state;
    if (!state.code64() || !(state.efer & efer::SCE)) return core.raise(vector::UD);
    state.r[RCX] = next_rip(core, insn);
    state.r[R11] = state.rflags & ~rflags::RF;
    state.rflags = (state.rflags & ~state.fmask & ~rflags::RF) | 2;
    const u16 selector = star(state, 32, 0) & 0xfffc;
    flat_code(state, selector, 0, Width::Bits64);
    flat_stack(state, static_cast<u16>(selector + 8), 0);
    return arrive(core, state.lstar);
}

Outcome sysret(Core& core, const Insn& insn) {
    CpuState& state = core.state;
    if (!state.code64() || !(state.efer & efer::SCE)) return core.raise(vector::UD);
    VMXSIM_TRY(require_cpl0(core));
    const bool to_64 = operand64(insn);
    const u64 rip = to_64 ? state.r[RCX] : state.r[RCX] & 0xffffffff;
    if (to_64 && !canonical(core, rip)) return core.raise(vector::GP, 0);
    constexpr u64 kLoaded = 0x3c7fd7;  // SDM 2B, SYSRET
    state.rflags = (state.r[R11] & kLoaded) | 2;
    flat_code(state, star(state, 48, to_64 ? 16 : 0) | 3, 3, to_64 ? Width::Bits64 : Width::Bits32);
    flat_stack(state, star(state, 48, 8) | 3, 3);
    // Unlike POPF and IRET, SYSRET traps at once where it sets TF, as if the stepped SYSCALL had just ended: SYSCALL and
    // SYSRET look at TF behind themselves (Linux, "KVM: x86: fix singlestepping over syscall").
    constexpr u64 kSingleStep = u64{1} << 14;
    if (state.rflags & rflags::TF) state.pending_debug |= kSingleStep;
    return arrive(core, rip);
}

Outcome sysenter(Core& core, const Insn&) {
    CpuState& state = core.state;
    if (!state.protected_mode() || (state.sysenter_cs & 0xfffc) == 0) return core.raise(vector::GP, 0);
    state.rflags &= ~(rflags::VM | rflags::IF | rflags::RF);
    const bool in_long = state.long_mode();
    const u16 selector = static_cast<u16>(state.sysenter_cs & 0xfffc);
    flat_code(state, selector, 0, in_long ? Width::Bits64 : Width::Bits32);
    flat_stack(state, static_cast<u16>(selector + 8), 0);
    state.r[RSP] = in_long ? state.sysenter_esp : state.sysenter_esp & 0xffffffff;
    return arrive(core, in_long ? state.sysenter_eip : state.sysenter_eip & 0xffffffff);
}

Outcome sysexit(Core& core, const Insn& insn) {
    CpuState& state = core.state;
    if (!state.protected_mode() || (state.sysenter_cs & 0xfffc) == 0) return core.raise(vector::GP, 0);
    VMXSIM_TRY(require_cpl0(core));
    const bool to_64 = operand64(insn);
    if (to_64 && (!canonical(core, state.r[RCX]) || !canonical(core, state.r[RDX]))) return core.raise(vector::GP, 0);
    const u64 mask = to_64 ? ~u64{0} : 0xffffffff;
    const u64 base = state.sysenter_cs & 0xfffc;
    state.r[RSP] = state.r[RCX] & mask;
    const u64 rip = state.r[RDX] & mask;
    flat_code(state, static_cast<u16>((base + (to_64 ? 32 : 16)) | 3), 3, to_64 ? Width::Bits64 : Width::Bits32);
    flat_stack(state, static_cast<u16>((base + (to_64 ? 40 : 24)) | 3), 3);
    return arrive(core, rip);
}

}  // namespace vmxsim::core
