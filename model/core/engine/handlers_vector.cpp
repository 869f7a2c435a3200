// SPDX-License-Identifier: Apache-2.0
// The most common SSE and AVX instructions without exceptions of their own: moves between XMM or YMM registers and memory,
// and simple integer operations. All others run out of line.
// Op: dst and src are register numbers, imm that of the first source.
#include "model/core/engine/engine.hpp"
#include "model/core/engine/select.hpp"

namespace vmxsim::core::engine {

namespace {

template <class T>
using Packed [[gnu::vector_size(16)]] = T;
using Half = Packed<u64>;

/// 16 bytes, or 32.
template <unsigned Halves>
struct Value {
    Half half[Halves];
};

inline FpuState& fpu(const Hot* h) { return h->engine->core().fpu; }

/// What the slow path would find wrong, it is to say (SDM 2A 2.4, 3A 2.5).
template <bool Vex>
inline bool ready(const CpuState* s) {
    if constexpr (Vex) return !(s->cr0 & vmx::cr0::TS) && s->cr4 & vmx::cr4::OSXSAVE && (s->xcr0 & 6) == 6;
    else return !(s->cr0 & (vmx::cr0::TS | vmx::cr0::EM)) && s->cr4 & vmx::cr4::OSFXSR;
}

template <unsigned Halves>
inline Value<Halves> read(const Hot* h, u64 n) {
    const FpuState& f = fpu(h);
    Value<Halves> v;
    std::memcpy(&v.half[0], f.xmm[n].b.data(), 16);
    if constexpr (Halves == 2) std::memcpy(&v.half[1], f.ymm_high[n].b.data(), 16);
    return v;
}
template <unsigned Halves, bool Vex>
inline void write(const Hot* h, u64 n, const Value<Halves>& v) {
    FpuState& f = fpu(h);
    std::memcpy(f.xmm[n].b.data(), &v.half[0], 16);
    if constexpr (Halves == 2) {
        std::memcpy(f.ymm_high[n].b.data(), &v.half[1], 16);
    } else if constexpr (Vex) {
        constexpr Half kZero{};
        std::memcpy(f.ymm_high[n].b.data(), &kZero, 16);
    }
}

template <unsigned Halves, bool Vex>
void copy_register(CpuState* s, const Op* op, Hot* h) {
    if (!ready<Vex>(s)) [[unlikely]] VMXSIM_TAIL(out_of_line, s, op, h);
    write<Halves, Vex>(h, op->dst, read<Halves>(h, op->src));
    VMXSIM_NEXT(s, op, h);
}

template <unsigned Halves, bool Vex, bool Aligned, class A, bool Timed>
void load_register(CpuState* s, const Op* op, Hot* h) {
    using V = Value<Halves>;
    const u64 va = A::address(s, op, h);
    if (!ready<Vex>(s) || (Aligned && va & (sizeof(V) - 1))) [[unlikely]] VMXSIM_TAIL(out_of_line, s, op, h);
    if (!reachable<Timed, V, false>(h, va)) [[unlikely]] VMXSIM_MISS(s, op, h, va, sizeof(V), false);
    write<Halves, Vex>(h, op->dst, load<V>(host<Timed>(h, va)));
    VMXSIM_NEXT(s, op, h);
}

template <unsigned Halves, bool Vex, bool Aligned, class A, bool Timed>
void store_register(CpuState* s, const Op* op, Hot* h) {
    using V = Value<Halves>;
    const u64 va = A::address(s, op, h);
    if (!ready<Vex>(s) || (Aligned && va & (sizeof(V) - 1))) [[unlikely]] VMXSIM_TAIL(out_of_line, s, op, h);
    if (!reachable<Timed, V, true>(h, va)) [[unlikely]] VMXSIM_MISS(s, op, h, va, sizeof(V), true);
    store<V>(host<Timed>(h, va), read<Halves>(h, op->src));
    VMXSIM_NEXT(s, op, h);
}

template <VectorOp Which>
inline Half apply(Half a, Half b) {
    const auto as = [](auto zero, Half v) { return reinterpret_cast<Packed<decltype(zero)>>(v); };
    const auto back = [](auto v) { return reinterpret_cast<Half>(v); };
    using enum VectorOp;
    if constexpr (Which == And) return a & b;
    else if constexpr (Which == AndNot) return ~a & b;
    else if constexpr (Which == Or) return a | b;
    else if constexpr (Which == Xor) return a ^ b;
    else if constexpr (Which == AddB) return back(as(u8{}, a) + as(u8{}, b));
    else if constexpr (Which == AddD) return back(as(u32{}, a) + as(u32{}, b));
    else if constexpr (Which == AddQ) return a + b;
    else if constexpr (Which == SubB) return back(as(u8{}, a) - as(u8{}, b));
    else if constexpr (Which == SubD) return back(as(u32{}, a) - as(u32{}, b));
    else if constexpr (Which == EqualB) return back(as(u8{}, a) == as(u8{}, b));
    else return back(as(u32{}, a) == as(u32{}, b));  // EqualD
}
template <VectorOp Which, unsigned Halves>
inline Value<Halves> combine(Value<Halves> a, const Value<Halves>& b) {
    for (unsigned i = 0; i < Halves; ++i) a.half[i] = apply<Which>(a.half[i], b.half[i]);
    return a;
}

template <VectorOp Which, unsigned Halves, bool Vex>
void operate_register(CpuState* s, const Op* op, Hot* h) {
    if (!ready<Vex>(s)) [[unlikely]] VMXSIM_TAIL(out_of_line, s, op, h);
    write<Halves, Vex>(h, op->dst, combine<Which>(read<Halves>(h, op->imm), read<Halves>(h, op->src)));
    VMXSIM_NEXT(s, op, h);
}

template <VectorOp Which, unsigned Halves, bool Vex, class A, bool Timed>
void operate_memory(CpuState* s, const Op* op, Hot* h) {
    using V = Value<Halves>;
    const u64 va = A::address(s, op, h);
    if (!ready<Vex>(s) || (!Vex && va & 15)) [[unlikely]] VMXSIM_TAIL(out_of_line, s, op, h);
    if (!reachable<Timed, V, false>(h, va)) [[unlikely]] VMXSIM_MISS(s, op, h, va, sizeof(V), false);
    write<Halves, Vex>(h, op->dst, combine<Which>(read<Halves>(h, op->imm), load<V>(host<Timed>(h, va))));
    VMXSIM_NEXT(s, op, h);
}

/// Picks by register form: SSE, VEX.128, VEX.256.
template <class F>
Handler by_form(VectorForm form, F&& pick) {
    switch (form) {
        case VectorForm::Sse: return pick.template operator()<1, false>();
        case VectorForm::Vex128: return pick.template operator()<1, true>();
        default: return pick.template operator()<2, true>();
    }
}
template <class F>
Handler by_address(unsigned address, bool timed, F&& pick) {
    switch (address * 2 + timed) {
        case 0: return pick.template operator()<Simple, false>();
        case 1: return pick.template operator()<Simple, true>();
        case 2: return pick.template operator()<Indexed, false>();
        case 3: return pick.template operator()<Indexed, true>();
        case 4: return pick.template operator()<General, false>();
        default: return pick.template operator()<General, true>();
    }
}

template <VectorOp Which>
Handler of(VectorForm form, bool memory, unsigned address, bool timed) {
    return by_form(form, [&]<unsigned Halves, bool Vex>() -> Handler {
        if (!memory) return operate_register<Which, Halves, Vex>;
        return by_address(address, timed,
                          []<class A, bool Timed>() -> Handler { return operate_memory<Which, Halves, Vex, A, Timed>; });
    });
}

}  // namespace

Handler vector_copy_handler(VectorForm form) {
    return by_form(form, []<unsigned Halves, bool Vex>() -> Handler { return copy_register<Halves, Vex>; });
}

Handler vector_memory_handler(VectorForm form, bool to_memory, bool aligned, unsigned address, bool timed) {
    return by_form(form, [&]<unsigned Halves, bool Vex>() {
        return by_address(address, timed, [&]<class A, bool Timed>() -> Handler {
            if (to_memory)
                return aligned ? store_register<Halves, Vex, true, A, Timed> : store_register<Halves, Vex, false, A, Timed>;
            return aligned ? load_register<Halves, Vex, true, A, Timed> : load_register<Halves, Vex, false, A, Timed>;
        });
    });
}

Handler vector_handler(VectorOp which, VectorForm form, bool memory, unsigned address, bool timed) {
    using enum VectorOp;
    switch (which) {
        case And: return of<And>(form, memory, address, timed);
        case AndNot: return of<AndNot>(form, memory, address, timed);
        case Or: return of<Or>(form, memory, address, timed);
        case Xor: return of<Xor>(form, memory, address, timed);
        case AddB: return of<AddB>(form, memory, address, timed);
        case AddD: return of<AddD>(form, memory, address, timed);
        case AddQ: return of<AddQ>(form, memory, address, timed);
        case SubB: return of<SubB>(form, memory, address, timed);
        case SubD: return of<SubD>(form, memory, address, timed);
        case EqualB: return of<EqualB>(form, memory, address, timed);
        default: return of<EqualD>(form, memory, address, timed);
    }
}

}  // namespace vmxsim::core::engine
