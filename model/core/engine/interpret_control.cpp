// SPDX-License-Identifier: Apache-2.0
// Near transfers of control (far ones are system instructions), BOUND.
#include "model/core/engine/interpret.hpp"

namespace vmxsim::core::engine {

/// RIP as the operand size cuts it: near branches in 64-bit mode are 64 bits wide whatever the prefix says (Intel).
u64 Interpreter::cut_ip(u64 target) const {
    if (engine.in_64bit()) return target;
    return insn.z.operand_width == 16 ? target & 0xffff : target & 0xffffffff;
}

Outcome Interpreter::check_target(u64 target) const {
    const bool ok = engine.in_64bit() ? canonical(core, target) : target <= s.seg[vmx::CS].limit;
    return ok ? Outcome::Next : core.raise(vector::GP, 0);
}

namespace {

Outcome go(const Interpreter& x, u64 target) {
    target = x.cut_ip(target);
    VMXSIM_TRY(x.check_target(target));
    x.s.rip = target;
    return Outcome::Jump;
}

Outcome branch_if(const Interpreter& x, bool taken) {
    if (!taken) return Outcome::Next;
    return go(x, x.next() + x.op(0).imm.value.u);
}

unsigned branch_bytes(const Interpreter& x) {
    return x.engine.in_64bit() ? 8 : x.insn.z.operand_width == 16 ? 2 : 4;
}

Outcome target_of(const Interpreter& x, u64& target) {
    const ZydisDecodedOperand& o = x.op(0);
    if (o.type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
        target = x.next() + o.imm.value.u;
    else
        VMXSIM_TRY(x.value(0, o.size / 8, target));
    target = x.cut_ip(target);
    return Outcome::Next;
}

Outcome call(const Interpreter& x) {
    u64 target = 0;
    VMXSIM_TRY(target_of(x, target));
    VMXSIM_TRY(x.check_target(target));
    VMXSIM_TRY(x.push(x.next(), branch_bytes(x)));
    x.s.rip = target;
    return Outcome::Jump;
}

Outcome ret(const Interpreter& x) {
    const unsigned bytes = branch_bytes(x);
    u64 target = 0;
    VMXSIM_TRY(x.read_stack(x.s.r[vmx::RSP], bytes, target));
    VMXSIM_TRY(x.check_target(target));
    const u64 release = x.op(0).type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? x.op(0).imm.value.u & 0xffff : 0;
    x.set_rsp(x.s.r[vmx::RSP] + bytes + release);
    x.s.rip = target;
    return Outcome::Jump;
}

unsigned count_bytes(const Interpreter& x) { return x.insn.z.address_width / 8u; }

Outcome loop(const Interpreter& x) {
    const unsigned bytes = count_bytes(x);
    const u64 count = x.register_value(vmx::RCX * 8, bytes) - 1;
    const u64 cut = bytes == 8 ? count : count & ((u64{1} << bytes * 8) - 1);
    bool taken = cut != 0;
    if (x.insn.z.mnemonic == ZYDIS_MNEMONIC_LOOPE) taken = taken && x.f.zf();
    if (x.insn.z.mnemonic == ZYDIS_MNEMONIC_LOOPNE) taken = taken && !x.f.zf();
    const u64 target = x.cut_ip(x.next() + x.op(0).imm.value.u);
    if (taken) VMXSIM_TRY(x.check_target(target));
    x.set_register(vmx::RCX * 8, bytes, cut);
    if (!taken) return Outcome::Next;
    x.s.rip = target;
    return Outcome::Jump;
}

Outcome bound(const Interpreter& x) {
    const unsigned bits = x.op(0).size, bytes = bits / 8;
    Place p;
    VMXSIM_TRY(x.place(x.op(1), 2 * bytes, MemoryKind::Read, p));
    u64 index = 0, low = 0, high = 0;
    VMXSIM_TRY(x.value(0, bytes, index));
    VMXSIM_TRY(x.core.read(p.at, &low, bytes));
    VMXSIM_TRY(x.core.read(p.at + bytes, &high, bytes));
    const auto wide = [&](u64 v) {
        return by_size(bits, [&](auto zero) { return static_cast<s64>(extend(static_cast<decltype(zero)>(v))); });
    };
    constexpr u8 kBoundRange = 5;
    return wide(index) < wide(low) || wide(index) > wide(high) ? x.core.raise(kBoundRange) : Outcome::Next;
}

}  // namespace

Outcome Interpreter::control(bool& known) const {
    switch (insn.z.mnemonic) {
        case ZYDIS_MNEMONIC_JMP: {
            u64 target = 0;
            VMXSIM_TRY(target_of(*this, target));
            return go(*this, target);
        }
        case ZYDIS_MNEMONIC_CALL: return call(*this);
        case ZYDIS_MNEMONIC_RET: return ret(*this);
        case ZYDIS_MNEMONIC_JO: case ZYDIS_MNEMONIC_JNO: case ZYDIS_MNEMONIC_JB: case ZYDIS_MNEMONIC_JNB:
        case ZYDIS_MNEMONIC_JZ: case ZYDIS_MNEMONIC_JNZ: case ZYDIS_MNEMONIC_JBE: case ZYDIS_MNEMONIC_JNBE:
        case ZYDIS_MNEMONIC_JS: case ZYDIS_MNEMONIC_JNS: case ZYDIS_MNEMONIC_JP: case ZYDIS_MNEMONIC_JNP:
        case ZYDIS_MNEMONIC_JL: case ZYDIS_MNEMONIC_JNL: case ZYDIS_MNEMONIC_JLE: case ZYDIS_MNEMONIC_JNLE:
            return branch_if(*this, condition(f, condition_code(insn)));
        case ZYDIS_MNEMONIC_JCXZ: case ZYDIS_MNEMONIC_JECXZ: case ZYDIS_MNEMONIC_JRCXZ:
            return branch_if(*this, register_value(vmx::RCX * 8, count_bytes(*this)) == 0);
        case ZYDIS_MNEMONIC_LOOP: case ZYDIS_MNEMONIC_LOOPE: case ZYDIS_MNEMONIC_LOOPNE: return loop(*this);
        case ZYDIS_MNEMONIC_BOUND: return bound(*this);
        default: known = false; return Outcome::Next;
    }
}

}  // namespace vmxsim::core::engine
