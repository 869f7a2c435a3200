// SPDX-License-Identifier: Apache-2.0
// Arithmetic with a memory operand; one translation unit per timing level.
#pragma once
#include "model/core/engine/select.hpp"

namespace vmxsim::core::engine {

template <Alu K, class T, class A, bool Timed>
void alu_load(CpuState* s, const Op* op, Hot* h) {
    const u64 va = A::address(s, op, h);
    if (!reachable<Timed, T, false>(h, va)) [[unlikely]] VMXSIM_MISS(s, op, h, va, sizeof(T), false);
    const T r = alu<K, T>(h->flags, get<T>(s, op->dst), load<T>(host<Timed>(h, va)));
    if constexpr (writes(K)) put<T>(s, op->dst, r);
    VMXSIM_NEXT(s, op, h);
}

template <Alu K, class T, class A, bool Timed, bool Immediate>
void alu_update(CpuState* s, const Op* op, Hot* h) {
    const u64 va = A::address(s, op, h);
    if (!reachable<Timed, T, writes(K)>(h, va)) [[unlikely]] VMXSIM_MISS(s, op, h, va, sizeof(T), writes(K));
    const u64 at = host<Timed>(h, va);
    const T r = alu<K, T>(h->flags, load<T>(at), Immediate ? static_cast<T>(op->imm) : get<T>(s, op->src));
    if constexpr (writes(K)) store<T>(at, r);
    VMXSIM_NEXT(s, op, h);
}

template <Unary K, class T, class A, bool Timed>
void unary_update(CpuState* s, const Op* op, Hot* h) {
    const u64 va = A::address(s, op, h);
    if (!reachable<Timed, T, true>(h, va)) [[unlikely]] VMXSIM_MISS(s, op, h, va, sizeof(T), true);
    const u64 at = host<Timed>(h, va);
    store<T>(at, K == Unary::Inc ? increment<T>(h->flags, load<T>(at)) : decrement<T>(h->flags, load<T>(at)));
    VMXSIM_NEXT(s, op, h);
}

template <bool Timed, Alu K, class T, class A>
constexpr Handler kAluMemory[] = {alu_load<K, T, A, Timed>, alu_update<K, T, A, Timed, false>,
                                  alu_update<K, T, A, Timed, true>};
template <bool Timed, Alu K, class T>
constexpr const Handler* kAluByAddress[] = {kAluMemory<Timed, K, T, Simple>, kAluMemory<Timed, K, T, Indexed>,
                                            kAluMemory<Timed, K, T, General>};
template <bool Timed, Alu K>
constexpr const Handler* const* kAluBySize[] = {kAluByAddress<Timed, K, u8>, kAluByAddress<Timed, K, u16>,
                                                kAluByAddress<Timed, K, u32>, kAluByAddress<Timed, K, u64>};
template <bool Timed>
constexpr const Handler* const* const* kAluMemoryByOp[] = {
    kAluBySize<Timed, Alu::Add>, kAluBySize<Timed, Alu::Or>,  kAluBySize<Timed, Alu::Adc>,
    kAluBySize<Timed, Alu::Sbb>, kAluBySize<Timed, Alu::And>, kAluBySize<Timed, Alu::Sub>,
    kAluBySize<Timed, Alu::Xor>, kAluBySize<Timed, Alu::Cmp>, kAluBySize<Timed, Alu::Test>};

template <bool Timed>
Handler alu_memory(Alu op, unsigned size, AluForm form, unsigned address) {
    const std::size_t f = form == AluForm::RegMem ? 0 : form == AluForm::MemReg ? 1 : 2;
    return kAluMemoryByOp<Timed>[static_cast<std::size_t>(op)][size][address][f];
}

template <bool Timed, class T, class A>
constexpr Handler kUnaryMemory[] = {unary_update<Unary::Inc, T, A, Timed>, unary_update<Unary::Dec, T, A, Timed>};
template <bool Timed, class T>
constexpr const Handler* kUnaryByAddress[] = {kUnaryMemory<Timed, T, Simple>, kUnaryMemory<Timed, T, Indexed>,
                                              kUnaryMemory<Timed, T, General>};
template <bool Timed>
constexpr const Handler* const* kUnaryBySize[] = {kUnaryByAddress<Timed, u8>, kUnaryByAddress<Timed, u16>,
                                                  kUnaryByAddress<Timed, u32>, kUnaryByAddress<Timed, u64>};
template <bool Timed>
Handler unary_memory(Unary op, unsigned size, unsigned address) {
    return op > Unary::Dec ? nullptr : kUnaryBySize<Timed>[size][address][static_cast<std::size_t>(op)];
}

Handler alu_memory_timed(Alu op, unsigned size, AluForm form, unsigned address);
Handler unary_memory_timed(Unary op, unsigned size, unsigned address);

}  // namespace vmxsim::core::engine
