// SPDX-License-Identifier: Apache-2.0
// Choice of a specialised handler. Private to the engine.
#pragma once
#include <optional>

#include "model/core/engine/handler.hpp"
#include "model/core/engine/interpret.hpp"
#include "model/core/fpu.hpp"

namespace vmxsim::core::engine {

struct Selection {
    const Insn& insn;
    u64 va, next;   ///< linear addresses of the instruction and of the one behind
    bool timed, code64;
    u32 offered;    ///< vector instruction sets of the CPU (fpu.hpp)
};

/// Fills in the operation, and of a branch the tail. False: none fits, the interpreter is to do it.
bool specialise(const Selection& what, Op& op, Tail& tail);

// Tables of handlers, one per file. Null: no such handler. `form`: 0 simple, 1 indexed, 2 general address.
// `size`: 0 to 3 for 8 to 64 bits.
enum class AluForm : u8 { RegReg, RegImm, RegMem, MemReg, MemImm };
Handler alu_register_handler(Alu op, unsigned size, AluForm form);
Handler alu_memory_handler(Alu op, unsigned size, AluForm form, unsigned address, bool timed);
enum class Unary : u8 { Inc, Dec, Neg, Not };
Handler unary_handler(Unary op, unsigned size);
Handler unary_memory_handler(Unary op, unsigned size, unsigned address, bool timed);
Handler shift_handler(Shift op, unsigned size, bool by_cl);
Handler move_handler(unsigned size, AluForm form, unsigned address, bool timed);
/// From `from` to `to`; `from` < `to`.
Handler extend_handler(bool sign, unsigned from, unsigned to, bool memory, unsigned address, bool timed);
Handler lea_handler(unsigned size, unsigned address);
Handler setcc_handler(unsigned code);
Handler cmov_handler(unsigned code, unsigned size);
Handler multiply_handler(unsigned size, bool immediate);
enum class Misc : u8 { Nop, Cdqe, Cwde, Cdq, Cqo, Bswap32, Bswap64, Xchg32, Xchg64, MovImm64, BitTest32, BitTest64 };
Handler misc_handler(Misc which);
/// XCHG with memory, 32 or 64 bits.
Handler exchange_memory_handler(unsigned size, unsigned address, bool timed);
/// MUL, IMUL, DIV, IDIV of the accumulator by a register of 32 or 64 bits.
enum class Wide2 : u8 { Mul, Imul, Div, Idiv };
Handler accumulator_handler(Wide2 which, unsigned size);
Handler jcc_handler(unsigned code, bool timed);
enum class Control : u8 { Jump, JumpReg, JumpMem, Call, CallReg, Ret, Push, PushImm, Pop, Leave, CallMem, PushMem, PopMem };
/// `wide`: 64-bit stack and pointers, else 32-bit.
Handler control_handler(Control which, bool wide, unsigned address, bool timed);
/// Moves and simple operations of XMM and YMM registers: handlers_vector.cpp, select_vector.cpp.
enum class VectorForm : u8 { Sse, Vex128, Vex256 };
enum class VectorOp : u8 { And, AndNot, Or, Xor, AddB, AddD, AddQ, SubB, SubD, EqualB, EqualD };
Handler vector_copy_handler(VectorForm form);
Handler vector_memory_handler(VectorForm form, bool to_memory, bool aligned, unsigned address, bool timed);
Handler vector_handler(VectorOp which, VectorForm form, bool memory, unsigned address, bool timed);
bool specialise_vector(const Selection& what, Op& op);
/// Fields of a memory operand; its address form, 0 simple, 1 indexed, 2 general. Empty: none fits.
std::optional<unsigned> address_form(const Selection& what, const ZydisDecodedOperand& o, Op& op);
Handler run_on_for(bool timed);
void raise_op(CpuState* s, const Op* op, Hot* h);

}  // namespace vmxsim::core::engine
