// SPDX-License-Identifier: Apache-2.0
#include "model/core/engine/interpret.hpp"

#include "model/core/fpu.hpp"

namespace vmxsim::core::engine {

u8 register_slot(ZydisRegister reg) {
    const unsigned high = reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH;
    return static_cast<u8>(gpr_number(reg) * 8 + high);
}

u64 Interpreter::register_value(u8 slot, unsigned bytes) const {
    return by_size(bytes * 8, [&](auto zero) -> u64 { return engine::get<decltype(zero)>(&s, slot); });
}

void Interpreter::set_register(u8 slot, unsigned bytes, u64 value) const {
    by_size(bytes * 8, [&](auto zero) { put(&s, slot, static_cast<decltype(zero)>(value)); });
}

Outcome Interpreter::place(const ZydisDecodedOperand& o, unsigned bytes, MemoryKind kind, Place& out) const {
    if (is_register(o)) {
        out = {false, register_slot(o.reg.value), {}};
        return Outcome::Next;
    }
    out.memory = true;
    const EffectiveAddress ea = address(o);
    return core.linear(ea.seg, ea.offset, bytes, kind, out.at);
}

Outcome Interpreter::get(const Place& p, unsigned bytes, u64& value, MemoryKind kind) const {
    value = 0;
    if (p.memory) return core.access(p.at, &value, bytes, kind, s.cpl() == 3);
    value = register_value(p.slot, bytes);
    return Outcome::Next;
}

Outcome Interpreter::set(const Place& p, unsigned bytes, u64 value) const {
    if (p.memory) return core.write(p.at, &value, bytes);
    set_register(p.slot, bytes, value);
    return Outcome::Next;
}

Outcome Interpreter::value(unsigned n, unsigned bytes, u64& out) const {
    if (op(n).type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        out = op(n).imm.value.u;
        return Outcome::Next;
    }
    Place p;
    VMXSIM_TRY(place(op(n), bytes, MemoryKind::Read, p));
    return get(p, bytes, out);
}

Outcome Interpreter::store(unsigned n, unsigned bytes, u64 v) const {
    Place p;
    VMXSIM_TRY(place(op(n), bytes, MemoryKind::Write, p));
    return set(p, bytes, v);
}

Outcome Interpreter::read_for_update(unsigned n, unsigned bytes, Place& p, u64& v) const {
    VMXSIM_TRY(place(op(n), bytes, MemoryKind::ReadModifyWrite, p));
    return get(p, bytes, v, MemoryKind::ReadModifyWrite);
}

Outcome interpret(Core& core, Engine& engine, const Insn& insn) {
    const Interpreter x{core, engine, insn};
    bool known = true;
    if (is_fpu(insn)) {
        u64 flags = x.f.get();
        bool changes_flags = false;
        const Outcome o = execute_fpu(core, insn, flags, changes_flags);
        if (o == Outcome::Next && changes_flags) x.f.set(flags);
        return o;
    }
    Outcome o = x.data(known);
    if (!known) known = true, o = x.arithmetic(known);
    if (!known) known = true, o = x.bits(known);
    if (!known) known = true, o = x.control(known);
    if (!known) known = true, o = x.strings(known);
    if (known) return o;
    engine.count_unimplemented(insn);
    return core.raise(vector::UD);
}

}  // namespace vmxsim::core::engine
