// SPDX-License-Identifier: Apache-2.0
// Near jumps, calls, the stack. For 64-bit code, or 32-bit code with flat segments.
#include "model/core/engine/select.hpp"

namespace vmxsim::core::engine {

namespace {

constexpr unsigned kRsp = vmx::RSP * 8, kRbp = vmx::RBP * 8;

template <class T>
bool valid_target(u64 target) { return sizeof(T) == 4 || is_canonical(target); }

// RIP is the running block's linear address here.
inline u64 place(const CpuState* s, const Op* op) { return s->rip + op->offset; }

template <unsigned Code, bool Timed>
void jcc(CpuState* s, const Op* op, Hot* h) {
    const bool taken = condition<Code>(h->flags);
    if constexpr (Timed) s->cycles += h->predictor.conditional(place(s, op), taken);
    VMXSIM_FOLLOW(Timed, s, h, op, taken ? 0 : 1);
}

template <bool Timed>
void jump(CpuState* s, const Op* op, Hot* h) { VMXSIM_FOLLOW(Timed, s, h, op, 0); }

template <bool Timed>
void run_on(CpuState* s, const Op* op, Hot* h) { VMXSIM_FOLLOW(Timed, s, h, op, 1); }

template <class T, bool Timed>
void jump_register(CpuState* s, const Op* op, Hot* h) {
    const u64 target = get<T>(s, op->src);
    if (!valid_target<T>(target)) [[unlikely]] VMXSIM_TAIL(out_of_line, s, op, h);
    if constexpr (Timed) s->cycles += h->predictor.indirect(place(s, op), target);
    VMXSIM_JUMP(Timed, s, h, op, target);
}

template <class T, class A, bool Timed>
void jump_memory(CpuState* s, const Op* op, Hot* h) {
    const u64 va = A::address(s, op, h);
    if (!reachable<Timed, T, false>(h, va)) [[unlikely]] VMXSIM_MISS(s, op, h, va, sizeof(T), false);
    const u64 target = load<T>(host<Timed>(h, va));
    if (!valid_target<T>(target)) [[unlikely]] VMXSIM_TAIL(out_of_line, s, op, h);
    if constexpr (Timed) s->cycles += h->predictor.indirect(place(s, op), target);
    VMXSIM_JUMP(Timed, s, h, op, target);
}

/// imm: the return address.
template <class T, bool Timed>
void call(CpuState* s, const Op* op, Hot* h) {
    const T rsp = static_cast<T>(get<T>(s, kRsp) - sizeof(T));
    if (!reachable<Timed, T, true>(h, rsp)) [[unlikely]] VMXSIM_MISS(s, op, h, rsp, sizeof(T), true);
    store<T>(host<Timed>(h, rsp), static_cast<T>(op->imm));
    put<T>(s, kRsp, rsp);
    if constexpr (Timed) h->predictor.call(op->imm);
    VMXSIM_FOLLOW(Timed, s, h, op, 0);
}

template <class T, bool Timed>
void call_register(CpuState* s, const Op* op, Hot* h) {
    const T rsp = static_cast<T>(get<T>(s, kRsp) - sizeof(T));
    const u64 target = get<T>(s, op->src);
    if (!valid_target<T>(target)) [[unlikely]] VMXSIM_TAIL(out_of_line, s, op, h);
    if (!reachable<Timed, T, true>(h, rsp)) [[unlikely]] VMXSIM_MISS(s, op, h, rsp, sizeof(T), true);
    store<T>(host<Timed>(h, rsp), static_cast<T>(op->imm));
    put<T>(s, kRsp, rsp);
    if constexpr (Timed) {
        s->cycles += h->predictor.indirect(place(s, op), target);
        h->predictor.call(op->imm);
    }
    VMXSIM_JUMP(Timed, s, h, op, target);
}

/// imm: bytes released, the return address included.
template <class T, bool Timed>
void ret(CpuState* s, const Op* op, Hot* h) {
    const T rsp = get<T>(s, kRsp);
    if (!reachable<Timed, T, false>(h, rsp)) [[unlikely]] VMXSIM_MISS(s, op, h, rsp, sizeof(T), false);
    const u64 target = load<T>(host<Timed>(h, rsp));
    if (!valid_target<T>(target)) [[unlikely]] VMXSIM_TAIL(out_of_line, s, op, h);
    put<T>(s, kRsp, static_cast<T>(rsp + op->imm));
    if constexpr (Timed) s->cycles += h->predictor.ret(target);
    VMXSIM_JUMP(Timed, s, h, op, target);
}

template <class T, bool Timed, bool Immediate>
void push(CpuState* s, const Op* op, Hot* h) {
    const T rsp = static_cast<T>(get<T>(s, kRsp) - sizeof(T));
    if (!reachable<Timed, T, true>(h, rsp)) [[unlikely]] VMXSIM_MISS(s, op, h, rsp, sizeof(T), true);
    store<T>(host<Timed>(h, rsp), Immediate ? static_cast<T>(op->imm) : get<T>(s, op->src));
    put<T>(s, kRsp, rsp);
    VMXSIM_NEXT(s, op, h);
}

template <class T, bool Timed>
void pop(CpuState* s, const Op* op, Hot* h) {
    const T rsp = get<T>(s, kRsp);
    if (!reachable<Timed, T, false>(h, rsp)) [[unlikely]] VMXSIM_MISS(s, op, h, rsp, sizeof(T), false);
    const T v = load<T>(host<Timed>(h, rsp));
    put<T>(s, kRsp, static_cast<T>(rsp + sizeof(T)));
    put<T>(s, op->dst, v);  // POP RSP: the popped value stays
    VMXSIM_NEXT(s, op, h);
}

// Two memory operands: both must be reachable at once, since one may displace the other's entry. Otherwise the
// interpreter does the whole, instead of a retry.
template <class T, class A, bool Timed>
void push_memory(CpuState* s, const Op* op, Hot* h) {
    const T rsp = static_cast<T>(get<T>(s, kRsp) - sizeof(T));
    const u64 va = A::address(s, op, h);
    if (!reachable<Timed, T, false>(h, va) || !reachable<Timed, T, true>(h, rsp)) [[unlikely]]
        VMXSIM_TAIL(out_of_line, s, op, h);
    store<T>(host<Timed>(h, rsp), load<T>(host<Timed>(h, va)));
    put<T>(s, kRsp, rsp);
    VMXSIM_NEXT(s, op, h);
}

/// Not with RSP as base: the address is that behind the increment.
template <class T, class A, bool Timed>
void pop_memory(CpuState* s, const Op* op, Hot* h) {
    const T rsp = get<T>(s, kRsp);
    const u64 va = A::address(s, op, h);
    if (!reachable<Timed, T, false>(h, rsp) || !reachable<Timed, T, true>(h, va)) [[unlikely]]
        VMXSIM_TAIL(out_of_line, s, op, h);
    store<T>(host<Timed>(h, va), load<T>(host<Timed>(h, rsp)));
    put<T>(s, kRsp, static_cast<T>(rsp + sizeof(T)));
    VMXSIM_NEXT(s, op, h);
}

template <class T, class A, bool Timed>
void call_memory(CpuState* s, const Op* op, Hot* h) {
    const T rsp = static_cast<T>(get<T>(s, kRsp) - sizeof(T));
    const u64 va = A::address(s, op, h);
    if (!reachable<Timed, T, false>(h, va) || !reachable<Timed, T, true>(h, rsp)) [[unlikely]]
        VMXSIM_TAIL(out_of_line, s, op, h);
    const u64 target = load<T>(host<Timed>(h, va));
    if (!valid_target<T>(target)) [[unlikely]] VMXSIM_TAIL(out_of_line, s, op, h);
    store<T>(host<Timed>(h, rsp), static_cast<T>(op->imm));
    put<T>(s, kRsp, rsp);
    if constexpr (Timed) {
        s->cycles += h->predictor.indirect(place(s, op), target);
        h->predictor.call(op->imm);
    }
    VMXSIM_JUMP(Timed, s, h, op, target);
}

template <class T, bool Timed>
void leave(CpuState* s, const Op* op, Hot* h) {
    const T rbp = get<T>(s, kRbp);
    if (!reachable<Timed, T, false>(h, rbp)) [[unlikely]] VMXSIM_MISS(s, op, h, rbp, sizeof(T), false);
    const T v = load<T>(host<Timed>(h, rbp));
    put<T>(s, kRsp, static_cast<T>(rbp + sizeof(T)));
    put<T>(s, kRbp, v);
    VMXSIM_NEXT(s, op, h);
}

template <class T, bool Timed>
Handler table(Control which, unsigned address) {
    static constexpr Handler kJumpMemory[] = {jump_memory<T, Simple, Timed>, jump_memory<T, Indexed, Timed>,
                                              jump_memory<T, General, Timed>};
    static constexpr Handler kCallMemory[] = {call_memory<T, Simple, Timed>, call_memory<T, Indexed, Timed>,
                                              call_memory<T, General, Timed>};
    static constexpr Handler kPushMemory[] = {push_memory<T, Simple, Timed>, push_memory<T, Indexed, Timed>,
                                              push_memory<T, General, Timed>};
    static constexpr Handler kPopMemory[] = {pop_memory<T, Simple, Timed>, pop_memory<T, Indexed, Timed>,
                                             pop_memory<T, General, Timed>};
    switch (which) {
        case Control::Jump: return jump<Timed>;
        case Control::JumpReg: return jump_register<T, Timed>;
        case Control::JumpMem: return kJumpMemory[address];
        case Control::Call: return call<T, Timed>;
        case Control::CallReg: return call_register<T, Timed>;
        case Control::Ret: return ret<T, Timed>;
        case Control::Push: return push<T, Timed, false>;
        case Control::PushImm: return push<T, Timed, true>;
        case Control::Pop: return pop<T, Timed>;
        case Control::Leave: return leave<T, Timed>;
        case Control::CallMem: return kCallMemory[address];
        case Control::PushMem: return kPushMemory[address];
        case Control::PopMem: return kPopMemory[address];
    }
    return nullptr;
}

#define VMXSIM_CONDITIONS(f) \
    f(0), f(1), f(2), f(3), f(4), f(5), f(6), f(7), f(8), f(9), f(10), f(11), f(12), f(13), f(14), f(15)
#define VMXSIM_JCC_TIMED(c) jcc<c, true>
#define VMXSIM_JCC(c) jcc<c, false>
constexpr Handler kJccTimed[] = {VMXSIM_CONDITIONS(VMXSIM_JCC_TIMED)};
constexpr Handler kJcc[] = {VMXSIM_CONDITIONS(VMXSIM_JCC)};

}  // namespace

Handler jcc_handler(unsigned code, bool timed) { return timed ? kJccTimed[code] : kJcc[code]; }

Handler control_handler(Control which, bool wide, unsigned address, bool timed) {
    if (wide) return timed ? table<u64, true>(which, address) : table<u64, false>(which, address);
    return timed ? table<u32, true>(which, address) : table<u32, false>(which, address);
}

Handler run_on_for(bool timed) { return timed ? run_on<true> : run_on<false>; }

}  // namespace vmxsim::core::engine
