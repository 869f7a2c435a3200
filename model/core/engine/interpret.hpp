// SPDX-License-Identifier: Apache-2.0
// The interpreter: every integer instruction in every form, over Zydis's description. What the handlers do not have,
// and what they give up on (crossings, decoded code, segments), is executed here to the end. Private to the engine.
#pragma once
#include "model/core/engine/engine.hpp"
#include "model/core/engine/handler.hpp"
#include "model/core/operand.hpp"

namespace vmxsim::core::engine {

/// Executes one instruction at RIP. Next: RIP still names it. Jump: RIP is the next one's. Repeat: iterations remain.
Outcome interpret(Core& core, Engine& engine, const Insn& insn);

/// Byte offset of a general-purpose register in CpuState::r.
u8 register_slot(ZydisRegister reg);

/// Where an operand lives, once all checks on the way are passed.
struct Place {
    bool memory = false;
    u8 slot = 0;
    GuestVirtual at{};
};

/// What the instruction groups share.
struct Interpreter {
    Core& core;
    Engine& engine;
    const Insn& insn;
    CpuState& s = core.state;
    Flags& f = engine.hot().flags;

    const ZydisDecodedOperand& op(unsigned n) const { return insn.op[n]; }
    EffectiveAddress address(const ZydisDecodedOperand& o) const { return effective_address(core, insn, o); }
    Outcome place(const ZydisDecodedOperand& o, unsigned bytes, MemoryKind kind, Place& out) const;
    u64 register_value(u8 slot, unsigned bytes) const;
    void set_register(u8 slot, unsigned bytes, u64 value) const;
    Outcome get(const Place& p, unsigned bytes, u64& value, MemoryKind kind = MemoryKind::Read) const;
    Outcome set(const Place& p, unsigned bytes, u64 value) const;
    /// Value of a register, memory or immediate operand.
    Outcome value(unsigned n, unsigned bytes, u64& out) const;
    Outcome store(unsigned n, unsigned bytes, u64 value) const;
    /// Reads the destination so that its write cannot fail.
    Outcome read_for_update(unsigned n, unsigned bytes, Place& p, u64& value) const;

    // Stack. Width of the stack pointer: SS.B, or 64 bits.
    u64 stack_mask() const;
    void set_rsp(u64 value) const;
    Outcome push(u64 value, unsigned bytes) const;
    Outcome pop(u64& value, unsigned bytes) const;
    Outcome read_stack(u64 offset, unsigned bytes, u64& value) const;
    Outcome write_stack(u64 offset, unsigned bytes, u64 value) const;
    /// Near transfer: checks the target against limit or canonical form, then sets RIP.
    Outcome check_target(u64 target) const;
    u64 cut_ip(u64 target) const;
    u64 next() const { return next_rip(core, insn); }

    Outcome arithmetic(bool& known) const;
    Outcome bits(bool& known) const;
    Outcome bit_manipulation(bool& known) const;  ///< BMI1, BMI2, ADX
    Outcome data(bool& known) const;
    Outcome control(bool& known) const;
    Outcome strings(bool& known) const;
};

/// Calls f with a zero of the unsigned type of `bits`.
template <class F>
inline auto by_size(unsigned bits, F&& f) {
    switch (bits) {
        case 8: return f(u8{});
        case 16: return f(u16{});
        case 32: return f(u32{});
        default: return f(u64{});
    }
}

/// Condition code of Jcc, SETcc and CMOVcc: the low four bits of the opcode.
inline unsigned condition_code(const Insn& insn) { return insn.z.opcode & 15u; }

}  // namespace vmxsim::core::engine
