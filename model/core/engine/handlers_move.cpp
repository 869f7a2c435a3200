// SPDX-License-Identifier: Apache-2.0
// Moves, extensions, LEA, conditional moves, and small register operations.
#include "model/core/engine/select.hpp"

namespace vmxsim::core::engine {

namespace {

template <class T, bool Immediate>
void move_register(CpuState* s, const Op* op, Hot* h) {
    put<T>(s, op->dst, Immediate ? static_cast<T>(op->imm) : get<T>(s, op->src));
    VMXSIM_NEXT(s, op, h);
}

template <class T, class A, bool Timed>
void move_load(CpuState* s, const Op* op, Hot* h) {
    const u64 va = A::address(s, op, h);
    if (!reachable<Timed, T, false>(h, va)) [[unlikely]] VMXSIM_MISS(s, op, h, va, sizeof(T), false);
    put<T>(s, op->dst, load<T>(host<Timed>(h, va)));
    VMXSIM_NEXT(s, op, h);
}

template <class T, class A, bool Timed, bool Immediate>
void move_store(CpuState* s, const Op* op, Hot* h) {
    const u64 va = A::address(s, op, h);
    if (!reachable<Timed, T, true>(h, va)) [[unlikely]] VMXSIM_MISS(s, op, h, va, sizeof(T), true);
    store<T>(host<Timed>(h, va), Immediate ? static_cast<T>(op->imm) : get<T>(s, op->src));
    VMXSIM_NEXT(s, op, h);
}

template <class T, class A, bool Timed>
void exchange_memory(CpuState* s, const Op* op, Hot* h) {
    const u64 va = A::address(s, op, h);
    if (!reachable<Timed, T, true>(h, va)) [[unlikely]] VMXSIM_MISS(s, op, h, va, sizeof(T), true);
    const u64 at = host<Timed>(h, va);
    const T old = load<T>(at);
    store<T>(at, get<T>(s, op->src));
    put<T>(s, op->src, old);
    VMXSIM_NEXT(s, op, h);
}

template <bool Sign, class From, class To>
constexpr To widen(From v) {
    if constexpr (Sign) return static_cast<To>(extend<From>(v));
    else return static_cast<To>(v);
}

template <bool Sign, class From, class To>
void extend_register(CpuState* s, const Op* op, Hot* h) {
    put<To>(s, op->dst, widen<Sign, From, To>(get<From>(s, op->src)));
    VMXSIM_NEXT(s, op, h);
}

template <bool Sign, class From, class To, class A, bool Timed>
void extend_load(CpuState* s, const Op* op, Hot* h) {
    const u64 va = A::address(s, op, h);
    if (!reachable<Timed, From, false>(h, va)) [[unlikely]] VMXSIM_MISS(s, op, h, va, sizeof(From), false);
    put<To>(s, op->dst, widen<Sign, From, To>(load<From>(host<Timed>(h, va))));
    VMXSIM_NEXT(s, op, h);
}

template <class T, class A>
void lea(CpuState* s, const Op* op, Hot* h) {
    put<T>(s, op->dst, static_cast<T>(A::address(s, op, h)));
    VMXSIM_NEXT(s, op, h);
}

template <unsigned Code>
void setcc(CpuState* s, const Op* op, Hot* h) {
    put<u8>(s, op->dst, condition<Code>(h->flags));
    VMXSIM_NEXT(s, op, h);
}

template <unsigned Code, class T>
void cmov(CpuState* s, const Op* op, Hot* h) {
    const T a = get<T>(s, op->dst), b = get<T>(s, op->src);
    put<T>(s, op->dst, condition<Code>(h->flags) ? b : a);
    VMXSIM_NEXT(s, op, h);
}

template <Misc K>
void misc(CpuState* s, const Op* op, Hot* h) {
    if constexpr (K == Misc::Cdqe) put<u64>(s, 0, extend(get<u32>(s, 0)));
    else if constexpr (K == Misc::Cwde) put<u32>(s, 0, static_cast<u32>(extend(get<u16>(s, 0))));
    else if constexpr (K == Misc::Cdq) put<u32>(s, vmx::RDX * 8, top(get<u32>(s, 0)) ? ~u32{0} : 0);
    else if constexpr (K == Misc::Cqo) put<u64>(s, vmx::RDX * 8, top(get<u64>(s, 0)) ? ~u64{0} : 0);
    else if constexpr (K == Misc::Bswap32) put<u32>(s, op->dst, __builtin_bswap32(get<u32>(s, op->dst)));
    else if constexpr (K == Misc::Bswap64) put<u64>(s, op->dst, __builtin_bswap64(get<u64>(s, op->dst)));
    else if constexpr (K == Misc::Xchg32 || K == Misc::Xchg64) {
        using T = std::conditional_t<K == Misc::Xchg32, u32, u64>;
        const T a = get<T>(s, op->dst), b = get<T>(s, op->src);
        put<T>(s, op->dst, b);
        put<T>(s, op->src, a);
    } else if constexpr (K == Misc::MovImm64) put<u64>(s, op->dst, op->imm);
    else if constexpr (K == Misc::BitTest32) h->flags.set_cf(get<u32>(s, op->dst) >> (op->imm & 31) & 1);
    else if constexpr (K == Misc::BitTest64) h->flags.set_cf(get<u64>(s, op->dst) >> (op->imm & 63) & 1);
    VMXSIM_NEXT(s, op, h);
}

template <class T, class A, bool Timed>
constexpr Handler kMove[] = {move_load<T, A, Timed>, move_store<T, A, Timed, false>, move_store<T, A, Timed, true>};
template <class T, bool Timed>
constexpr const Handler* kMoveByAddress[] = {kMove<T, Simple, Timed>, kMove<T, Indexed, Timed>,
                                             kMove<T, General, Timed>};
template <bool Timed>
constexpr const Handler* const* kMoveBySize[] = {kMoveByAddress<u8, Timed>, kMoveByAddress<u16, Timed>,
                                                 kMoveByAddress<u32, Timed>, kMoveByAddress<u64, Timed>};

template <bool Sign, class From, class To>
Handler extension(bool memory, unsigned address, bool timed) {
    if (!memory) return extend_register<Sign, From, To>;
    static constexpr Handler kTable[2][3] = {
        {extend_load<Sign, From, To, Simple, false>, extend_load<Sign, From, To, Indexed, false>,
         extend_load<Sign, From, To, General, false>},
        {extend_load<Sign, From, To, Simple, true>, extend_load<Sign, From, To, Indexed, true>,
         extend_load<Sign, From, To, General, true>}};
    return kTable[timed][address];
}

#define VMXSIM_CONDITIONS(f) \
    f(0), f(1), f(2), f(3), f(4), f(5), f(6), f(7), f(8), f(9), f(10), f(11), f(12), f(13), f(14), f(15)
#define VMXSIM_SETCC(c) setcc<c>
#define VMXSIM_CMOV32(c) cmov<c, u32>
#define VMXSIM_CMOV64(c) cmov<c, u64>
constexpr Handler kSetcc[] = {VMXSIM_CONDITIONS(VMXSIM_SETCC)};
constexpr Handler kCmov32[] = {VMXSIM_CONDITIONS(VMXSIM_CMOV32)};
constexpr Handler kCmov64[] = {VMXSIM_CONDITIONS(VMXSIM_CMOV64)};

}  // namespace

Handler move_handler(unsigned size, AluForm form, unsigned address, bool timed) {
    static constexpr Handler kRegister[] = {move_register<u8, false>, move_register<u16, false>,
                                            move_register<u32, false>, move_register<u64, false>};
    static constexpr Handler kImmediate[] = {move_register<u8, true>, move_register<u16, true>,
                                             move_register<u32, true>, move_register<u64, true>};
    if (form == AluForm::RegReg) return kRegister[size];
    if (form == AluForm::RegImm) return kImmediate[size];
    const std::size_t f = form == AluForm::RegMem ? 0 : form == AluForm::MemReg ? 1 : 2;
    return timed ? kMoveBySize<true>[size][address][f] : kMoveBySize<false>[size][address][f];
}

Handler exchange_memory_handler(unsigned size, unsigned address, bool timed) {
    static constexpr Handler kTable[2][2][3] = {
        {{exchange_memory<u32, Simple, false>, exchange_memory<u32, Indexed, false>,
          exchange_memory<u32, General, false>},
         {exchange_memory<u64, Simple, false>, exchange_memory<u64, Indexed, false>,
          exchange_memory<u64, General, false>}},
        {{exchange_memory<u32, Simple, true>, exchange_memory<u32, Indexed, true>, exchange_memory<u32, General, true>},
         {exchange_memory<u64, Simple, true>, exchange_memory<u64, Indexed, true>,
          exchange_memory<u64, General, true>}}};
    return size < 2 ? nullptr : kTable[timed][size - 2][address];
}

Handler extend_handler(bool sign, unsigned from, unsigned to, bool memory, unsigned address, bool timed) {
    // Zero extension to 64 bits is that to 32, which clears the rest.
    if (!sign && to == 3) to = 2;
    if (!sign && from == 0 && to == 2) return extension<false, u8, u32>(memory, address, timed);
    if (!sign && from == 1 && to == 2) return extension<false, u16, u32>(memory, address, timed);
    if (sign && from == 0 && to == 2) return extension<true, u8, u32>(memory, address, timed);
    if (sign && from == 0 && to == 3) return extension<true, u8, u64>(memory, address, timed);
    if (sign && from == 1 && to == 2) return extension<true, u16, u32>(memory, address, timed);
    if (sign && from == 1 && to == 3) return extension<true, u16, u64>(memory, address, timed);
    if (sign && from == 2 && to == 3) return extension<true, u32, u64>(memory, address, timed);
    return nullptr;
}

Handler lea_handler(unsigned size, unsigned address) {
    static constexpr Handler k32[] = {lea<u32, Simple>, lea<u32, Indexed>, lea<u32, General>};
    static constexpr Handler k64[] = {lea<u64, Simple>, lea<u64, Indexed>, lea<u64, General>};
    return size == 2 ? k32[address] : size == 3 ? k64[address] : nullptr;
}

Handler setcc_handler(unsigned code) { return kSetcc[code]; }

Handler cmov_handler(unsigned code, unsigned size) {
    return size == 2 ? kCmov32[code] : size == 3 ? kCmov64[code] : nullptr;
}

Handler misc_handler(Misc which) {
    static constexpr Handler kTable[] = {misc<Misc::Nop>,      misc<Misc::Cdqe>,      misc<Misc::Cwde>,
                                         misc<Misc::Cdq>,      misc<Misc::Cqo>,       misc<Misc::Bswap32>,
                                         misc<Misc::Bswap64>,  misc<Misc::Xchg32>,    misc<Misc::Xchg64>,
                                         misc<Misc::MovImm64>, misc<Misc::BitTest32>, misc<Misc::BitTest64>};
    return kTable[static_cast<std::size_t>(which)];
}

}  // namespace vmxsim::core::engine
