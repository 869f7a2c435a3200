// SPDX-License-Identifier: Apache-2.0
// The handlers' tools. Law of this folder: a handler passes values only (no address of a local escapes), makes no
// ordinary call, and leaves by a tail call; what is slow sits in functions of its own, reached by tail calls. Otherwise
// g++ keeps registers on the stack at entry, or calls the next handler instead of jumping to it.
#pragma once
#include <cstring>

#include "model/core/core.hpp"
#include "model/core/engine/alu.hpp"
#include "model/core/engine/hot.hpp"

// Unoptimised and sanitized builds make no sibling calls: there a handler names its successor and returns to a loop.
#if !defined(__OPTIMIZE__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    defined(VMXSIM_TRAMPOLINE)
#define VMXSIM_THREADED 0
#define VMXSIM_TAIL(function, s, op, h) \
    do {                                \
        (void)(s);                      \
        (h)->next_fn = (function);      \
        (h)->next_op = (op);            \
        return;                         \
    } while (0)
#define VMXSIM_LEAVE(h) do { (h)->next_fn = nullptr; return; } while (0)
#else
#define VMXSIM_THREADED 1
#define VMXSIM_TAIL(function, s, op, h) return (function)(s, op, h)
#define VMXSIM_LEAVE(h) return
#endif
#define VMXSIM_NEXT(s, op, h) VMXSIM_TAIL((op)[1].fn, s, (op) + 1, h)
/// To the slow path for an access of `bytes` at `va`, which comes back to this operation.
#define VMXSIM_MISS(s, op, h, va, bytes, write) \
    do { \
        (h)->miss_va = (va); \
        (h)->miss_bytes = static_cast<u32>(bytes); \
        (h)->miss_write = (write); \
        VMXSIM_TAIL(miss, s, op, h); \
    } while (0)

namespace vmxsim::core::engine {

using vmx::CpuState;

template <class T>
inline T get(const CpuState* s, unsigned slot) {
    T v;
    std::memcpy(&v, reinterpret_cast<const u8*>(s) + slot, sizeof v);
    return v;
}
/// 32-bit writes clear bits 63:32, 8- and 16-bit writes keep the rest (SDM 3.4.1.1).
template <class T>
inline void put(CpuState* s, unsigned slot, T v) {
    if constexpr (sizeof(T) == 4) {
        const u64 wide = v;
        std::memcpy(reinterpret_cast<u8*>(s) + slot, &wide, sizeof wide);
    } else {
        std::memcpy(reinterpret_cast<u8*>(s) + slot, &v, sizeof v);
    }
}
template <class T>
inline T load(u64 host) {
    T v;
    std::memcpy(&v, reinterpret_cast<const void*>(host), sizeof v);
    return v;
}
template <class T>
inline void store(u64 host, T v) { std::memcpy(reinterpret_cast<void*>(host), &v, sizeof v); }

// Address forms: base + disp; base + index + disp; and the general one with a segment base and an address size.
struct Simple {
    static u64 address(const CpuState* s, const Op* op, const Hot*) {
        return get<u64>(s, op->base) + static_cast<u64>(s64{op->disp});
    }
};
struct Indexed {
    static u64 address(const CpuState* s, const Op* op, const Hot*) {
        return get<u64>(s, op->base) + (get<u64>(s, op->idx) << (op->scale & 63)) + static_cast<u64>(s64{op->disp});
    }
};
struct General {
    static u64 address(const CpuState* s, const Op* op, const Hot* h) {
        const u64 offset =
            get<u64>(s, op->base) + (get<u64>(s, op->idx) << (op->scale & 63)) + static_cast<u64>(s64{op->disp});
        return (offset & h->masks[op->scale >> 7]) + get<u64>(s, op->seg * 8u);
    }
};

// One compare per access. With time: the line TLB (translation, permission, and a hit in the most recent way of the
// L1D); without: the page TLB. Crossing a line or page fails the compare, and so does a non-canonical address.
template <bool Timed, class T, bool Write>
inline bool reachable(const Hot* h, u64 va) {
    if constexpr (Timed) {
        const memory::LineEntry& e = h->line[va >> 6 & (memory::kLineEntries - 1)];
        return ((va + sizeof(T) - 1) & ~u64{63}) == (Write ? e.vline_w : e.vline_r);
    } else {
        const PageEntry& e = h->pages[va >> 12 & (kPageEntries - 1)];
        return (((va + sizeof(T) - 1) & ~u64{0xfff}) ^ (Write ? e.tag_w : e.tag_r)) == h->generation;
    }
}
template <bool Timed>
inline u64 host(const Hot* h, u64 va) {
    if constexpr (Timed) return va + h->line[va >> 6 & (memory::kLineEntries - 1)].host_addend;
    else return va + h->pages[va >> 12 & (kPageEntries - 1)].host_addend;
}

// slow.cpp: ends of the fast path.
void miss(CpuState* s, const Op* op, Hot* h);       ///< fills the TLBs and comes back, or faults, or runs out of line
void out_of_line(CpuState* s, const Op* op, Hot* h);  ///< the whole instruction in the interpreter
void system_op(CpuState* s, const Op* op, Hot* h);
void observe_op(CpuState* s, const Op* op, Hot* h);  ///< before each instruction of a watched core
void unchained(CpuState* s, const Op* op, Hot* h);  ///< to tail/which, by the run loop
void fetch_lines(CpuState* s, const Op* op, Hot* h);  ///< instruction lines of the block just entered
void jump_missed(CpuState* s, const Op* op, Hot* h);  ///< to the linear address in miss_va, by the run loop

/// Enters `b` if it may be entered: alive, its page still translated as when it was decoded, cycles left. Else
/// `otherwise`.
#define VMXSIM_ENTER(Timed, s, h, b, op, otherwise) \
    do { \
        Block* const b_ = (b); \
        const CodePage& c_ = (h)->code[b_->vpage >> 12 & (kCodePages - 1)]; \
        if (c_.vpage != b_->vpage || c_.ppage != b_->ppage || (s)->cycles >= (h)->until) [[unlikely]] { \
            otherwise; \
        } \
        (h)->block = b_; \
        (s)->rip = b_->va; \
        (s)->cycles += b_->cycles; \
        (h)->instructions += b_->instructions; \
        const Op* const o_ = b_->first(); \
        if constexpr (Timed) { \
            u64 l_ = b_->line; \
            const u64 e_ = l_ + b_->lines; \
            do { \
                if ((h)->fetched[l_ & (kFetchLines - 1)] != l_) [[unlikely]] VMXSIM_TAIL(fetch_lines, s, o_, h); \
            } while (++l_ != e_); \
        } \
        VMXSIM_TAIL(o_->fn, s, o_, h); \
    } while (0)

/// To successor `k` of a block's end.
#define VMXSIM_FOLLOW(Timed, s, h, op, k) \
    do { \
        Tail* const t_ = const_cast<Tail*>(reinterpret_cast<const Tail*>((op) + 1)); \
        const unsigned k_ = (k); \
        VMXSIM_ENTER(Timed, s, h, t_->succ[k_], op, { \
            (h)->tail = t_; \
            (h)->which = static_cast<u8>(k_); \
            VMXSIM_TAIL(unchained, s, op, h); \
        }); \
    } while (0)

/// To a linear address that is known to be valid as RIP.
#define VMXSIM_JUMP(Timed, s, h, op, target) \
    do { \
        const u64 va_ = (target); \
        Block* const j_ = (h)->jumps[jump_slot(va_)]; \
        (h)->miss_va = va_; \
        if (j_->va != va_) [[unlikely]] VMXSIM_TAIL(jump_missed, s, op, h); \
        VMXSIM_ENTER(Timed, s, h, j_, op, { VMXSIM_TAIL(jump_missed, s, op, h); }); \
    } while (0)

}  // namespace vmxsim::core::engine
