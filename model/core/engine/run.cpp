// SPDX-License-Identifier: Apache-2.0
// The run loop: what happens between blocks.
#include <algorithm>

#include "model/core/breakpoints.hpp"
#include "model/core/engine/handler.hpp"
#include "model/core/engine/engine.hpp"
#include "model/core/interrupts.hpp"
#include "model/core/operand.hpp"
#include "model/core/system.hpp"

namespace vmxsim::core {

using engine::Block;
using engine::Leave;
using vmx::ActivityState;

namespace {

constexpr u64 kSingleStep = u64{1} << 14;   ///< DR6.BS, and the same bit of pending debug exceptions
constexpr u64 kTaskSwitch = u64{1} << 15;   ///< DR6.BT: the T flag of a new TSS
constexpr u64 kPendingTraps = kSingleStep | kTaskSwitch | 0xf;
constexpr u64 kLbr = 1, kBtf = 2;           ///< of IA32_DEBUGCTL
constexpr u32 kShadows = vmx::blocking::STI | vmx::blocking::MOV_SS;

}  // namespace

void Engine::back_to(const engine::Op& op) {
    const Block& b = *hot_.block;
    vmx::CpuState& s = core_.state;
    s.rip = rip_of(b.va + op.offset);
    s.cycles -= b.cycles - op.cycles_before;
    hot_.instructions -= b.instructions - op.index;
}

void Engine::stop_behind(const engine::Op& op, unsigned length) {
    const Block& b = *hot_.block;
    vmx::CpuState& s = core_.state;
    s.rip = rip_of(b.va + op.offset + length);
    // The operation behind it tells the cycles up to there; the last one has all.
    if (op.index + 1u < b.instructions) s.cycles -= b.cycles - (&op)[1].cycles_before;
    hot_.instructions -= b.instructions - (op.index + 1u);
}

bool Engine::observe(const engine::Op& op) {
    // The block's cycles and instructions were added when it was entered: off with those that lie ahead, for the moment.
    const Block& b = *hot_.block;
    vmx::CpuState& s = core_.state;
    const u64 va = b.va, cycles = b.cycles - op.cycles_before, instructions = b.instructions - op.index;
    s.rip = rip_of(va + op.offset);
    s.cycles -= cycles;
    hot_.instructions -= instructions;
    sync_out();
    if (core_.observer()->before_instruction(core_) || block_died()) {
        sync_in();
        return true;
    }
    s.rip = va;
    s.cycles += cycles;
    hot_.instructions += instructions;
    return false;
}

void Engine::fetch_block_lines(const Block& b) {
    for (u64 l = b.line; l != b.line + b.lines; ++l) {
        u64& last = hot_.fetched[l & (engine::kFetchLines - 1)];
        if (last == l) continue;
        last = l;
        core_.state.cycles += core_.caches().access({l << 6}, memory::MemoryAccess::Fetch).raw;
    }
}

void Engine::predict(const engine::Op& op, const Insn& insn, Outcome outcome) {
    if (!timed_ || insn.z.meta.branch_type == ZYDIS_BRANCH_TYPE_NONE) return;
    const bool jumped = outcome == Outcome::Jump;
    if (!jumped && outcome != Outcome::Next) return;
    const vmx::CpuState& s = core_.state;
    const u64 at = hot_.block->va + op.offset;
    const u64 target = code64_ ? s.rip : (s.seg[vmx::CS].base + s.rip) & 0xffffffff;
    const bool direct = insn.op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
    u64 cycles = 0;
    switch (insn.z.meta.category) {
        case ZYDIS_CATEGORY_COND_BR: cycles = hot_.predictor.conditional(at, jumped); break;
        case ZYDIS_CATEGORY_RET: cycles = hot_.predictor.ret(target); break;
        case ZYDIS_CATEGORY_CALL:
            if (!direct) cycles = hot_.predictor.indirect(at, target);
            hot_.predictor.call(code64_ ? at + insn.length() : (at + insn.length()) & 0xffffffff);
            break;
        default: if (!direct) cycles = hot_.predictor.indirect(at, target); break;
    }
    core_.state.cycles += cycles;
}

void Engine::enter(Block* b) {
    vmx::CpuState& s = core_.state;
    hot_.block = b;
    leave_block_ = false;
    s.rip = b->va;
    s.cycles += b->cycles;
    hot_.instructions += b->instructions;
    if (timed_) {
        fetch_block_lines(*b);
        if (b->second_bytes) {
            Block second;
            second.line = b->second_ppage >> 6;
            second.lines = 1;
            fetch_block_lines(second);
        }
    }
#if VMXSIM_THREADED
    b->first()->fn(&s, b->first(), &hot_);
#else
    hot_.next_fn = b->first()->fn;
    hot_.next_op = b->first();
    while (hot_.next_fn) hot_.next_fn(&s, hot_.next_op, &hot_);
#endif
}

/// Delivers the exception, or performs the VM exit. False: the machine stops.
bool Engine::finish_event(Outcome outcome) {
    sync_out();
    if (outcome == Outcome::Fault) {
        const vmx::Event event = core_.fault();
        core_.deliver(event);
    } else if (outcome == Outcome::VmExit) {
        core_.take_vm_exit();
    }
    context_changed();
    sync_in();
    return core_.stop_ == StopReason::None;
}

/// One system instruction. RIP is set behind it where it completed.
Outcome Engine::run_system(const engine::Op& op) {
    const Insn& insn = *reinterpret_cast<const Insn*>(op.imm);
    sync_out();
    vmx::CpuState& s = core_.state;
    const u64 rip = s.rip;
    const Outcome o = execute_system(core_, insn);
    if (core_.observer()) [[unlikely]] core_.observer()->executed(core_, insn, rip, o);
    switch (o) {
        case Outcome::Next: s.rip = rip_of(hot_.block->va + op.offset + insn.length()); break;
        case Outcome::Fault: case Outcome::VmExit: back_to(op); break;
        case Outcome::Yield:
            back_to(op);
            core_.request_stop(StopReason::Budget);
            break;
        default: break;
    }
    sync_in();
    return o;
}

/// What is due at a boundary before the next instruction. True: something was taken, look again.
bool Engine::pending_events() {
    vmx::CpuState& s = core_.state;
    if (s.vmx.non_root && core_.vmx_ && (core_.vmx().boundaries_matter() || s.cycles >= core_.vmx().timer_deadline())) {
        vmx::ExitInfo info;
        sync_out();
        // An NMI goes before an interrupt window (SDM 28.2); the question has changed nothing then.
        const bool due = core_.vmx().pending_exit(info);
        if (due && !(info.reason == arch::ExitReason::INTERRUPT_WINDOW && nmi_deliverable(core_))) {
            core_.exit_info() = info;
            finish_event(Outcome::VmExit);
            return true;
        }
    }
    // Traps of the instruction before: after the blocking of MOV SS (SDM 6.8.3). They end HLT (SDM 2A, HLT): one that is
    // single-stepped does not wait.
    if (s.pending_debug & kPendingTraps && !(s.blocking & vmx::blocking::MOV_SS) &&
        (s.activity == ActivityState::Active || s.activity == ActivityState::Hlt)) {
        core_.raise(1);
        core_.fault().dr6 = s.pending_debug & kPendingTraps;
        s.pending_debug = 0;
        finish_event(Outcome::Fault);
        return true;
    }
    return false;
}

/// An instruction breakpoint at RIP: a fault, which RF and the shadow of MOV SS hold off (SDM 18.3.1.1).
bool Engine::instruction_breakpoint() {
    vmx::CpuState& s = core_.state;
    if (s.rflags & vmx::rflags::RF || s.blocking & vmx::blocking::MOV_SS) return false;
    const u64 at = code64_ ? s.rip : (s.seg[vmx::CS].base + s.rip) & 0xffffffff;
    const u64 met = instruction_breakpoints(s, at);
    if (!met) return false;
    core_.raise(1);
    core_.fault().dr6 = met;
    core_.fault().is_fault = true;
    finish_event(Outcome::Fault);
    return true;
}

/// Alignment is checked at CPL 3 where software wants it (SDM 6.15, interrupt 17).
bool Engine::alignment_checked() const {
    const vmx::CpuState& s = core_.state;
    return (s.rflags & vmx::rflags::AC) && (s.cr0 & vmx::cr0::AM) && s.cpl() == 3 && s.protected_mode();
}

/// Interrupts from outside, of the lowest priority at a boundary but for INIT. True: something was taken.
bool Engine::external_event() {
    if (!core_.lines().any()) return false;
    vmx::CpuState& s = core_.state;
    const bool halted = s.activity != ActivityState::Active;
    vmx::Event event;
    if (!next_interrupt(core_, event)) return false;
    if (halted) core_.spend(core_.params().hlt_wake);
    sync_out();
    core_.deliver(event);
    context_changed();
    sync_in();
    return true;
}

/// All that may be due, in the order of priority (SDM 6.9).
bool Engine::due() {
    if (core_.state.cycles >= core_.lines().deadline) core_.interrupts()->advance();
    if (core_.state.cycles >= core_.counters.deadline()) core_.counters.check();
    if (core_.lines().init || core_.lines().sipi) [[unlikely]] {
        sync_out();
        const Taken taken = take_init_or_sipi(core_);
        sync_in();
        if (taken == Taken::Exits) finish_event(Outcome::VmExit);
        if (taken != Taken::Nothing) return true;
    }
    return pending_events() || external_event();
}

/// A processor that executes nothing: time passes up to what can wake it. False: the run ends.
bool Engine::wait(u64 until) {
    vmx::CpuState& s = core_.state;
    if (s.activity == ActivityState::Shutdown && !s.vmx.non_root) { core_.stop_ = StopReason::Shutdown; return false; }
    if (s.cycles < until && due()) return core_.stop_ == StopReason::None;
    if (s.activity == ActivityState::Mwait && mwait_ends(core_)) {
        core_.system.monitor_armed = false;
        s.activity = ActivityState::Active;
        return true;
    }
    const u64 since = s.cycles;
    u64 wake = s.vmx.non_root && core_.vmx_ ? core_.vmx().timer_deadline() : ~u64{0};
    if (can_wake(core_)) wake = std::min(wake, core_.lines().deadline);
    if (wake == ~u64{0}) core_.stop_ = s.activity == ActivityState::Shutdown ? StopReason::Shutdown : StopReason::Halted;
    else if (s.cycles >= until) core_.stop_ = StopReason::Budget;
    else s.cycles = std::max(s.cycles, std::min(wake, until));
    core_.system.halted_cycles += s.cycles - since;
    return core_.stop_ == StopReason::None;
}

/// Behind an instruction of single steps: STI's and MOV SS's shadows end, TF traps.
void Engine::after_single(u32 shadow, bool trap) {
    core_.state.blocking &= ~shadow;
    if (trap) core_.state.pending_debug |= kSingleStep;
}

/// What kind of branch the instruction of a block of one is, for the last branch records.
unsigned Engine::branch_kind(Block* b) {
    using Kind = LastBranches::Kind;
    hot_.block = b;
    const Insn& insn = full(*b->first());
    if (insn.z.meta.branch_type == ZYDIS_BRANCH_TYPE_NONE || insn.z.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
        return Kind::Far;  // also SYSCALL and the like
    const bool direct = insn.op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
    switch (insn.z.mnemonic) {
        case ZYDIS_MNEMONIC_JMP: return direct ? Kind::RelativeJump : Kind::IndirectJump;
        case ZYDIS_MNEMONIC_CALL: return direct ? Kind::RelativeCall : Kind::IndirectCall;
        case ZYDIS_MNEMONIC_RET: return Kind::NearReturn;
        default: return Kind::Conditional;
    }
}

StopReason Engine::run(u64 until) {
    vmx::CpuState& s = core_.state;
    core_.stop_ = StopReason::None;
    context_changed();
    sync_in();
    hot_.tail = nullptr;
    bool link = false;
    for (;;) {
        if (core_.stop_ != StopReason::None) break;
        if (s.activity != ActivityState::Active) [[unlikely]] {
            link = false;
            if (!wait(until)) break;
            continue;
        }
        if (s.cycles >= until) { core_.stop_ = StopReason::Budget; break; }

        // Work at this boundary, and whether there is some at the next one.
        const arch::InterruptLines& lines = core_.lines();
        const bool outside =
            lines.any() || s.cycles >= lines.deadline || s.cycles >= core_.counters.deadline();
        bool single = (s.blocking & kShadows) || (s.rflags & vmx::rflags::TF);
        u64 vmx_deadline = ~u64{0};
        if (outside || s.pending_debug || (s.vmx.non_root && core_.vmx_)) [[unlikely]] {
            if (outside || s.pending_debug || core_.vmx().boundaries_matter() || s.cycles >= core_.vmx().timer_deadline()) {
                if (outside ? due() : pending_events()) { link = false; continue; }
                single = single || (core_.vmx_ && s.vmx.non_root && core_.vmx().boundaries_matter());
            }
            if (core_.vmx_ && s.vmx.non_root) vmx_deadline = core_.vmx().timer_deadline();
        }
        const u64 limit = std::min({until, lines.deadline, vmx_deadline, core_.counters.deadline()});
        // Breakpoints, alignment checks and RF need each instruction by itself, in the interpreter.
        watch_ = breakpoints_armed(s);
        aligned_ = alignment_checked();
        const bool resumed = s.rflags & vmx::rflags::RF;
        const bool traced = s.debugctl & (kLbr | kBtf);
        single = single || watch_ || aligned_ || resumed || traced;
        single_ = single;
        if (watch_ && instruction_breakpoint()) { link = false; continue; }

        Block* b = nullptr;
        const u64 flushes = flushes_;
        if (const Outcome o = find_block(b); o != Outcome::Next) [[unlikely]] {
            link = false;
            if (!finish_event(o)) break;
            continue;
        }
        if (!single && !b->second_bytes && engine::is_fast(mode_)) {
            if (link && flushes == flushes_ && hot_.tail)
                hot_.tail->succ[hot_.which] = b;
            else
                hot_.jumps[engine::jump_slot(b->va)] = b;
        }
        link = false;
        const u32 shadow = s.blocking & kShadows;
        const bool trap = s.rflags & vmx::rflags::TF, in_guest = s.vmx.non_root;
        hot_.until = single ? 0 : limit;
        // RF is clear behind the instruction, unless that loads it; one that does not complete finds it again.
        if (resumed) s.rflags &= ~vmx::rflags::RF;
        const u64 pending = s.pending_debug, from = s.rip, behind = traced ? rip_of(b->va + b->bytes) : 0;
        const unsigned kind = traced ? branch_kind(b) : 0;
        enter(b);

        Outcome outcome = Outcome::Next;
        switch (hot_.leave) {
            case Leave::Boundary: break;
            case Leave::Link: link = true; break;
            case Leave::Repeat: outcome = Outcome::Repeat; break;
            case Leave::Event: outcome = static_cast<Outcome>(hot_.outcome); break;
            case Leave::System: {
                const engine::Op& op = *hot_.at;
                outcome = run_system(op);
                if (outcome == Outcome::Next && flushes == flushes_) {
                    hot_.tail = const_cast<engine::Tail*>(reinterpret_cast<const engine::Tail*>(&op + 1));
                    hot_.which = 1;
                    link = true;
                }
                break;
            }
        }
        const bool completed = outcome != Outcome::Fault && outcome != Outcome::VmExit && outcome != Outcome::Yield;
        if (resumed && (!completed || outcome == Outcome::Repeat)) s.rflags |= vmx::rflags::RF;
        if (watch_ && !completed) s.pending_debug = pending;  // data breakpoints of what did not happen
        // Deliveries end the shadows themselves; a VM entry brings the guest's. INT n and the like clear TF without a
        // trap.
        const bool branch = !traced || (outcome != Outcome::Repeat && s.rip != behind);
        if (traced && branch && completed && s.debugctl & kLbr) [[unlikely]] core_.record_branch(from, kind);
        if (single && completed && s.vmx.non_root == in_guest)
            after_single(shadow, trap && (branch || !(s.debugctl & kBtf)) && (hot_.leave != Leave::System || (s.rflags & vmx::rflags::TF)));
        if (!completed) {
            link = false;
            if (!finish_event(outcome)) break;
        } else if (hot_.leave == Leave::System || hot_.leave == Leave::Boundary) {
            // Segments, privilege and modes as system instructions and POPF leave them.
            select_privilege();
            const u32 m = engine::current_mode(s);
            if (m != mode_) {
                link = false;
                context_changed();
            }
        }
    }
    sync_out();
    return core_.stop_;
}

}  // namespace vmxsim::core
