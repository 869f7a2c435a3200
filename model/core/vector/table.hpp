// SPDX-License-Identifier: Apache-2.0
// Vector instructions as data: mnemonic -> operation and traits. One path loads operands, runs the operation, and writes
// the first operand (execute.cpp). Private to vector/ and x87/.
#pragma once
#include <array>

#include "model/core/fpu.hpp"
#include "model/core/operand.hpp"

namespace vmxsim::core::simd {

/// What an operation works on. `d`: the first operand, before and after. Narrow operands are zero-extended.
struct Args {
    Vector d, s;
    Vector mask;               ///< XMM0, for blends
    u8 imm = 0;
    bool immediate = false;    ///< of the VEX forms: there is one
    u16 d_bits = 0, s_bits = 0;
    bool from_memory = false, to_memory = false;
    u32 mxcsr = 0x1f80;        ///< in: with all exceptions masked and none set; out: with those that arose
    u64 flags = 0;             ///< RFLAGS, of comparisons
};
using Operation = void (*)(Args&);

/// A YMM register, by 128-bit lane.
using Ymm = std::array<Vector, 2>;
/// What an operation across lanes works on. `d`: the first source, then the result.
struct WholeArgs {
    Ymm d, s;
    u8 imm = 0;
    u64 number = 0;            ///< the result, where the destination is a general-purpose register
};
using WholeOperation = void (*)(WholeArgs&);
/// An instruction that the common path does not fit.
using Special = Outcome (*)(Core& core, const Insn& insn, u64& flags);

namespace traits {
inline constexpr u16 Unaligned = 1;      ///< 16-byte operands need no alignment
inline constexpr u16 Float = 2;          ///< reads MXCSR, may raise #XM
inline constexpr u16 Single = 4, Double = 8, Packed = 16;  ///< elements of the result; for tiny exact results
inline constexpr u16 Flags = 32;         ///< writes the arithmetic flags
inline constexpr u16 Compare = 64;       ///< does not write its first operand
inline constexpr u16 Slow = 128;         ///< takes core.vector cycles more
inline constexpr u16 X87 = 256;
inline constexpr u16 WriteOnly = 512;    ///< the first operand is not read (memory operands must not be)
inline constexpr u16 Aligned = 1024;     ///< of the VEX forms: memory operands need their natural alignment
}  // namespace traits

/// How a VEX-encoded instruction works on the 128-bit lanes of its operands.
enum class Vex : u8 {
    None,    ///< there is no VEX form
    Lanes,   ///< each lane by itself; lane 1 sees the immediate shifted right by `step`
    Same,    ///< the second source is the same for each lane: shift counts, broadcasts
    Widen,   ///< lane 1 takes the source's bytes from 16 / `step`
    Narrow,  ///< each lane yields eight bytes
    Whole,   ///< across lanes
};

struct Row {
    Operation xmm = nullptr;
    Operation mmx = nullptr;   ///< where a register operand is an MM register
    Special special = nullptr;
    u16 traits = 0;
    Vex vex = Vex::None;
    u8 step = 0;
    WholeOperation whole = nullptr;
    bool known() const { return xmm || mmx || special || whole; }
};
using Table = std::array<Row, ZYDIS_MNEMONIC_MAX_VALUE + 1>;
const Table& table();

void add_integer(Table& t);      // integer.cpp
void add_float(Table& t);        // float.cpp
void add_conversions(Table& t);  // conversions.cpp
void add_moves(Table& t);        // moves.cpp
void add_shuffles(Table& t);     // shuffles.cpp
void add_strings(Table& t);      // strings.cpp
void add_state(Table& t);        // state.cpp
void add_x87(Table& t);          // ../x87/execute.cpp
void add_avx(Table& t);          // avx_table.cpp: the VEX forms of the above
void add_avx_only(Table& t);     // avx_permutes.cpp, avx_memory.cpp
void add_avx_memory(Table& t);

/// #UD and #NM of SSE instructions (SDM 2A 2.4, 3A 2.5).
Outcome check_sse(Core& core);
/// The same of VEX-encoded instructions (SDM 2A 2.4, 1 14.3).
Outcome check_vex(Core& core);
/// By the instruction's encoding.
Outcome check_vector(Core& core, const Insn& insn);
/// The same of MMX instructions, and #MF.
Outcome check_mmx(Core& core);
/// #MF where an x87 exception is pending.
Outcome check_pending(Core& core);
/// #UD where the CPU has no such instruction set.
bool offered(const Core& core, const Insn& insn);
inline bool is_vex(const Insn& insn) { return insn.z.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX; }
/// The MXCSR to compute with: all exceptions masked, none set.
u32 computing_mxcsr(const Core& core);
/// A result below the normal range, by the row's traits.
bool any_tiny(const Vector& v, u16 traits);
/// MXCSR and #XM after a computation that raised `raised` with all exceptions masked.
Outcome finish_float(Core& core, u32 raised, bool tiny);
Outcome execute_vex(Core& core, const Insn& insn, const Row& row, u64& flags, bool& changes_flags);
/// Linear address of a memory operand, aligned to `alignment`.
Outcome locate(Core& core, const Insn& insn, const ZydisDecodedOperand& op, unsigned bytes, unsigned alignment,
               MemoryKind kind, GuestVirtual& at);

}  // namespace vmxsim::core::simd
