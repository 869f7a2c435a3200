// SPDX-License-Identifier: Apache-2.0
// Where handlers go when the fast path ends. Each comes back by a tail call, or returns to the run loop.
#include "model/core/engine/interpret.hpp"
#include "model/core/engine/select.hpp"

namespace vmxsim::core::engine {

namespace {

void leave_event(CpuState*, const Op* op, Hot* h) {
    h->engine->back_to(*op);
    h->leave = Leave::Event;
    VMXSIM_LEAVE(h);
}

}  // namespace

void miss(CpuState* s, const Op* op, Hot* h) {
    switch (h->engine->reach(h->miss_va, h->miss_bytes, h->miss_write)) {
        case Engine::Reach::Ready: VMXSIM_TAIL(op->fn, s, op, h);
        case Engine::Reach::Slow: VMXSIM_TAIL(out_of_line, s, op, h);
        default: VMXSIM_TAIL(leave_event, s, op, h);
    }
}

void out_of_line(CpuState* s, const Op* op, Hot* h) {
    s->rip = h->engine->rip_of(h->block->va + op->offset);
    const Insn& insn = op->fn == out_of_line ? *reinterpret_cast<const Insn*>(op->imm) : h->engine->full(*op);
    const Outcome o = interpret(h->engine->core(), *h->engine, insn);
    h->engine->predict(*op, insn, o);
    if (o == Outcome::Next) [[likely]] {
        if (h->engine->block_died()) {
            h->engine->stop_behind(*op, insn.length());
            h->leave = Leave::Boundary;
            VMXSIM_LEAVE(h);
        }
        s->rip = h->block->va;
        if (op->fn != out_of_line && insn.z.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE) {
            // A specialised branch has its tail, not run_on, behind it.
            h->engine->stop_behind(*op, insn.length());
            h->leave = Leave::Boundary;
            VMXSIM_LEAVE(h);
        }
        VMXSIM_NEXT(s, op, h);
    }
    if (o == Outcome::Jump) {
        h->leave = Leave::Boundary;
        VMXSIM_LEAVE(h);
    }
    if (o == Outcome::Repeat) {
        h->engine->stop_behind(*op, 0);
        h->leave = Leave::Repeat;
        VMXSIM_LEAVE(h);
    }
    h->outcome = static_cast<u8>(o);
    VMXSIM_TAIL(leave_event, s, op, h);
}

void raise_op(CpuState* s, const Op* op, Hot* h) {
    if (op->imm == vector::GP) h->engine->core().raise(vector::GP, 0);
    else h->engine->core().raise(static_cast<u8>(op->imm));
    h->outcome = static_cast<u8>(Outcome::Fault);
    VMXSIM_TAIL(leave_event, s, op, h);
}

void system_op(CpuState* s, const Op* op, Hot* h) {
    s->rip = h->engine->rip_of(h->block->va + op->offset);
    h->at = op;
    h->leave = Leave::System;
    VMXSIM_LEAVE(h);
}

void observe_op(CpuState* s, const Op* op, Hot* h) {
    if (h->engine->observe(*op)) {
        h->leave = Leave::Repeat;
        VMXSIM_LEAVE(h);
    }
    VMXSIM_NEXT(s, op, h);
}

void unchained(CpuState* s, const Op*, Hot* h) {
    s->rip = h->engine->rip_of(h->tail->va[h->which]);
    h->leave = Leave::Link;
    VMXSIM_LEAVE(h);
}

void jump_missed(CpuState* s, const Op*, Hot* h) {
    s->rip = h->engine->rip_of(h->miss_va);
    h->tail = nullptr;
    h->leave = Leave::Link;
    VMXSIM_LEAVE(h);
}

void fetch_lines(CpuState* s, const Op* op, Hot* h) {
    h->engine->fetch_block_lines(*h->block);
    VMXSIM_TAIL(op->fn, s, op, h);
}

}  // namespace vmxsim::core::engine
