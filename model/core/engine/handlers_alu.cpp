// SPDX-License-Identifier: Apache-2.0
// Arithmetic on registers.
#include "model/core/engine/select.hpp"

namespace vmxsim::core::engine {

namespace {

template <Alu K, class T, bool Immediate>
void alu_register(CpuState* s, const Op* op, Hot* h) {
    const T a = get<T>(s, op->dst);
    const T b = Immediate ? static_cast<T>(op->imm) : get<T>(s, op->src);
    const T r = alu<K, T>(h->flags, a, b);
    if constexpr (writes(K)) put<T>(s, op->dst, r);
    VMXSIM_NEXT(s, op, h);
}

template <Unary K, class T>
void unary_register(CpuState* s, const Op* op, Hot* h) {
    const T a = get<T>(s, op->dst);
    T r;
    if constexpr (K == Unary::Inc) r = increment<T>(h->flags, a);
    else if constexpr (K == Unary::Dec) r = decrement<T>(h->flags, a);
    else if constexpr (K == Unary::Neg) r = subtract_with<T>(h->flags, T{0}, a, false);
    else r = static_cast<T>(~a);
    put<T>(s, op->dst, r);
    VMXSIM_NEXT(s, op, h);
}

template <Shift K, class T, bool ByCl>
void shift_register(CpuState* s, const Op* op, Hot* h) {
    const unsigned count = ByCl ? get<u8>(s, vmx::RCX * 8) : static_cast<unsigned>(op->imm);
    put<T>(s, op->dst, shift<K, T>(h->flags, get<T>(s, op->dst), count));
    VMXSIM_NEXT(s, op, h);
}

template <class T, bool Immediate>
void multiply_register(CpuState* s, const Op* op, Hot* h) {
    const T a = get<T>(s, Immediate ? op->src : op->dst);
    const T b = Immediate ? static_cast<T>(op->imm) : get<T>(s, op->src);
    put<T>(s, op->dst, multiply<T>(h->flags, a, b));
    VMXSIM_NEXT(s, op, h);
}

template <bool Signed, class T>
void multiply_accumulator(CpuState* s, const Op* op, Hot* h) {
    T low, high;
    multiply_wide<Signed, T>(h->flags, get<T>(s, vmx::RAX * 8), get<T>(s, op->src), low, high);
    put<T>(s, vmx::RAX * 8, low);
    put<T>(s, vmx::RDX * 8, high);
    VMXSIM_NEXT(s, op, h);
}

/// Dividends that fit in one register, as compilers make them; the others, and #DE, are the interpreter's.
template <bool Signed, class T>
void divide_accumulator(CpuState* s, const Op* op, Hot* h) {
    using N = std::conditional_t<Signed, std::make_signed_t<T>, T>;
    const N n = static_cast<N>(get<T>(s, vmx::RAX * 8)), d = static_cast<N>(get<T>(s, op->src));
    const T extension = Signed && n < 0 ? static_cast<T>(~T{0}) : T{0};
    if (get<T>(s, vmx::RDX * 8) != extension || d == 0 || (Signed && d == static_cast<N>(-1))) [[unlikely]]
        VMXSIM_TAIL(out_of_line, s, op, h);
    put<T>(s, vmx::RAX * 8, static_cast<T>(n / d));
    put<T>(s, vmx::RDX * 8, static_cast<T>(n % d));
    VMXSIM_NEXT(s, op, h);
}

template <Alu K, bool I>
constexpr Handler kAlu[] = {alu_register<K, u8, I>, alu_register<K, u16, I>, alu_register<K, u32, I>,
                            alu_register<K, u64, I>};
template <bool I>
constexpr const Handler* kAluByOp[] = {kAlu<Alu::Add, I>, kAlu<Alu::Or, I>,  kAlu<Alu::Adc, I>,
                                       kAlu<Alu::Sbb, I>, kAlu<Alu::And, I>, kAlu<Alu::Sub, I>,
                                       kAlu<Alu::Xor, I>, kAlu<Alu::Cmp, I>, kAlu<Alu::Test, I>};
template <Unary K>
constexpr Handler kUnary[] = {unary_register<K, u8>, unary_register<K, u16>, unary_register<K, u32>,
                              unary_register<K, u64>};
constexpr const Handler* kUnaryByOp[] = {kUnary<Unary::Inc>, kUnary<Unary::Dec>, kUnary<Unary::Neg>,
                                         kUnary<Unary::Not>};
template <Shift K, bool Cl>
constexpr Handler kShift[] = {shift_register<K, u8, Cl>, shift_register<K, u16, Cl>, shift_register<K, u32, Cl>,
                              shift_register<K, u64, Cl>};
template <bool Cl>
constexpr const Handler* kShiftByOp[] = {
    kShift<Shift::Rol, Cl>, kShift<Shift::Ror, Cl>, nullptr, nullptr, kShift<Shift::Shl, Cl>, kShift<Shift::Shr, Cl>,
    kShift<Shift::Shl, Cl>, kShift<Shift::Sar, Cl>};

}  // namespace

Handler alu_register_handler(Alu op, unsigned size, AluForm form) {
    const auto k = static_cast<std::size_t>(op);
    return form == AluForm::RegImm ? kAluByOp<true>[k][size] : kAluByOp<false>[k][size];
}

Handler unary_handler(Unary op, unsigned size) { return kUnaryByOp[static_cast<std::size_t>(op)][size]; }

Handler shift_handler(Shift op, unsigned size, bool by_cl) {
    const Handler* const row =
        by_cl ? kShiftByOp<true>[static_cast<std::size_t>(op)] : kShiftByOp<false>[static_cast<std::size_t>(op)];
    return row ? row[size] : nullptr;
}

Handler accumulator_handler(Wide2 which, unsigned size) {
    static constexpr Handler kTable[4][2] = {{multiply_accumulator<false, u32>, multiply_accumulator<false, u64>},
                                             {multiply_accumulator<true, u32>, multiply_accumulator<true, u64>},
                                             {divide_accumulator<false, u32>, divide_accumulator<false, u64>},
                                             {divide_accumulator<true, u32>, divide_accumulator<true, u64>}};
    return size < 2 ? nullptr : kTable[static_cast<std::size_t>(which)][size - 2];
}

Handler multiply_handler(unsigned size, bool immediate) {
    if (size == 2) return immediate ? multiply_register<u32, true> : multiply_register<u32, false>;
    if (size == 3) return immediate ? multiply_register<u64, true> : multiply_register<u64, false>;
    return nullptr;
}

}  // namespace vmxsim::core::engine
