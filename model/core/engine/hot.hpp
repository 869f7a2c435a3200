// SPDX-License-Identifier: Apache-2.0
// What the handlers touch: decoded operations and blocks, and the engine's state at fixed offsets.
#pragma once
#include <array>
#include <cstddef>

#include "model/core/engine/flags.hpp"
#include "model/core/engine/predictor.hpp"
#include "model/memory/cache_hierarchy.hpp"
#include "model/vmx/cpu_state.hpp"

namespace vmxsim::core {
class Engine;
struct Insn;
}  // namespace vmxsim::core

namespace vmxsim::core::engine {

struct Op;
struct Hot;
using Handler = void (*)(vmx::CpuState*, const Op*, Hot*);

/// One decoded instruction. Register fields are byte offsets into CpuState::r (AH is 1), so that handlers neither shift
/// nor branch; kZeroReg is a constant zero, kRipReg the linear address of the running block.
struct Op {
    Handler fn = nullptr;
    u8 dst = 0, src = 0, base = 0, idx = 0;
    u8 scale = 0;           ///< log2; bit 7: the address is cut to 32 bits
    u8 seg = 0;             ///< general address form: offset in CpuState, in words, of the segment base
    u16 offset = 0;         ///< of the instruction in its block, in bytes
    s32 disp = 0;
    u16 cycles_before = 0;  ///< static cycles of the block up to this instruction
    u16 index = 0;          ///< number of instructions before it
    u64 imm = 0;            ///< immediate, or the Insn of what runs out of line
};
static_assert(sizeof(Op) == 32);
inline constexpr u8 kZeroReg = 16 * 8, kRipReg = 17 * 8;
static_assert(offsetof(vmx::CpuState, r) == 0 && offsetof(vmx::CpuState, rip) == kRipReg);

/// A run of instructions in one page with a jump, a system instruction or nothing special at its end.
struct Block {
    static constexpr u64 kDead = ~u64{0};
    u64 vpage = kDead;      ///< linear page; kDead once the code was overwritten: then no entry test succeeds
    u64 ppage = 0;
    u64 va = 0;             ///< linear address
    u64 line = 0;           ///< number of the first physical line
    u32 lines = 0;
    u32 instructions = 0;
    u32 cycles = 0;         ///< static cycles
    u32 bytes = 0;
    u64 second_ppage = 0;   ///< of an instruction that crosses into the next page: such a block stands alone, unchained
    u32 second_bytes = 0;
    u32 mode = 0;           ///< see mode.hpp
    Block* next = nullptr;  ///< in its bucket
    Insn** slow = nullptr;  ///< by operation: decoded in full, where that was needed
    u32 ops = 0;
    u32 pad = 0;
    Op* first() { return reinterpret_cast<Op*>(this + 1); }
    const Op* first() const { return reinterpret_cast<const Op*>(this + 1); }
};
static_assert(sizeof(Block) % 8 == 0);

/// In the slot behind a block's last operation: where it goes on. succ[0]: taken, succ[1]: fall through.
struct Tail {
    Block* succ[2];
    u64 va[2];
};
static_assert(sizeof(Tail) == sizeof(Op));

/// Data page: the tag holds the page and, in bits 11:0, the generation; a permission is absent where its tag is.
struct PageEntry {
    static constexpr u64 kNone = ~u64{0};
    u64 tag_r = kNone, tag_w = kNone;
    u64 host_addend = 0;  ///< host address - linear address
    u64 phys_addend = 0;  ///< host-physical address - linear address
};
inline constexpr unsigned kPageEntries = 1024;

struct CodePage {
    static constexpr u64 kNone = 1;  ///< matches no page and no dead block
    u64 vpage = kNone, ppage = 0;
};
inline constexpr unsigned kCodePages = 64;
static_assert(kCodePages == 64 && memory::kLineEntries == 64, "as bits of one word");
inline constexpr unsigned kFetchLines = 64;
inline constexpr unsigned kJumpEntries = 1024;
inline constexpr u64 jump_slot(u64 va) { return (va ^ va >> 8) & (kJumpEntries - 1); }

/// Why the handlers came back to the run loop.
enum class Leave : u8 {
    Boundary,  ///< RIP names the next instruction
    Link,      ///< the same, and tail/which may be linked to the block found there
    Event,     ///< `outcome` tells: Fault or VmExit; RIP names the instruction
    System,    ///< a system instruction is to be executed: Op in `at`
    Repeat,    ///< an instruction goes on; RIP names it
};

struct Hot {
    Flags flags;
    Block* block = nullptr;   ///< running
    u64 until = 0;            ///< blocks are entered below this cycle only; 0 to come back at the next boundary
    u64 instructions = 0;
    u64 generation = 0;       ///< of the page entries, 12 bits, never 0xfff
    u64 masks[2] = {~u64{0}, 0xffffffff};
    Engine* engine = nullptr;
    u64 miss_va = 0;
    u32 miss_bytes = 0;
    bool miss_write = false;
    Leave leave = Leave::Boundary;
    u8 outcome = 0;
    u8 which = 0;
    Tail* tail = nullptr;
    const Op* at = nullptr;
    Handler next_fn = nullptr;  ///< where there are no sibling calls
    const Op* next_op = nullptr;
    u64 lines_filled = 0, code_filled = 0;  ///< entries of `line` and `code` filled since all were dropped, as bits
    alignas(64) std::array<CodePage, kCodePages> code{};
    std::array<u64, kFetchLines>
        fetched{};  ///< number of the last line fetched, by its low bits: most recent in its set
    alignas(64) memory::LineTlb line{};
    alignas(64) std::array<PageEntry, kPageEntries> pages{};
    std::array<Block*, kJumpEntries> jumps{};  ///< by linear address: targets of indirect jumps
    Predictor predictor{};
};

}  // namespace vmxsim::core::engine
