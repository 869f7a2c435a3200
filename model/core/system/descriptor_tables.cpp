// SPDX-License-Identifier: Apache-2.0
// LGDT to STR, and the instructions that look at descriptors without loading them (SDM 2.8, 5.10).
#include <array>

#include "model/core/segments.hpp"
#include "model/core/system/handlers.hpp"

namespace vmxsim::core {

using namespace vmx;
using arch::ExitReason;

namespace {

/// User-mode instruction prevention covers SGDT, SIDT, SLDT, STR and SMSW (SDM 2.5).
bool prevented(const Core& core) { return (core.state.cr4 & cr4::UMIP) && core.state.cpl() > 0; }

Outcome load_ldt(Core& core, u16 selector) {
    if (is_null(selector)) {
        core.state.seg[LDTR] = null_segment(selector, 0);
        return Outcome::Next;
    }
    const u32 error = selector_error(selector);
    Descriptor d;
    if (selector & 4) return core.raise(vector::GP, error);
    VMXSIM_TRY(fetch_descriptor(core, selector, vector::GP, d));
    if (!d.system(system_type::LDT)) return core.raise(vector::GP, error);
    if (!d.present()) return core.raise(vector::NP, error);
    if (core.state.long_mode()) VMXSIM_TRY(fetch_upper_half(core, selector, vector::GP, d));
    if (core.state.long_mode() && !canonical_base(core, d.base())) return core.raise(vector::GP, error);
    core.state.seg[LDTR] = make_segment(selector, d);
    return Outcome::Next;
}

Outcome load_task_register(Core& core, u16 selector) {
    const u32 error = selector_error(selector);
    Descriptor d;
    if (is_null(selector) || (selector & 4)) return core.raise(vector::GP, error);
    VMXSIM_TRY(fetch_descriptor(core, selector, vector::GP, d));
    const bool available = d.system(system_type::TSS) || (d.system(system_type::TSS16) && !core.state.long_mode());
    if (!available) return core.raise(vector::GP, error);
    if (!d.present()) return core.raise(vector::NP, error);
    if (core.state.long_mode()) VMXSIM_TRY(fetch_upper_half(core, selector, vector::GP, d));
    if (core.state.long_mode() && !canonical_base(core, d.base())) return core.raise(vector::GP, error);
    const u8 busy = d.type() | 2;
    VMXSIM_TRY(write_type(core, selector, d, busy));
    d.low = (d.low & ~(u64{15} << 40)) | u64{busy} << 40;
    core.state.seg[TR] = make_segment(selector, d);
    return Outcome::Next;
}

bool set_zf(Core& core, bool value) {
    core.state.rflags = value ? core.state.rflags | rflags::ZF : core.state.rflags & ~rflags::ZF;
    return value;
}

/// Whether the current level may see a segment: conforming code always, others by DPL.
bool visible(const Core& core, u16 selector, const Descriptor& d) {
    if (d.code() && d.conforming()) return true;
    return d.dpl() >= core.state.cpl() && d.dpl() >= (selector & 3);
}

/// System descriptors that LAR and LSL accept: tables 3-52 and 3-58 of SDM 2A.
bool describable(const Core& core, const Descriptor& d, bool limit) {
    if (d.code_or_data()) return true;
    switch (d.type()) {
        case system_type::TSS:
        case system_type::TSS_BUSY:
        case system_type::LDT:
            return true;
        case system_type::TSS16:
        case system_type::TSS16_BUSY:
            return !core.state.long_mode();
        case system_type::CALL:
            return !limit;
        case system_type::CALL16:
        case system_type::TASK_GATE:
            return !limit && !core.state.long_mode();
        default:
            return false;
    }
}

/// Descriptor of a selector for LAR, LSL, VERR, VERW: absent ones clear ZF instead of faulting. Fault and exit of the
/// read itself remain.
Outcome inspect(Core& core, u16 selector, Descriptor& d, bool& found) {
    found = false;
    if (is_null(selector)) return Outcome::Next;
    const Outcome outcome = fetch_descriptor(core, selector, vector::GP, d);
    if (outcome == Outcome::Fault && core.fault().vector == vector::GP) return Outcome::Next;
    found = outcome == Outcome::Next;
    return outcome;
}

}  // namespace

Outcome gdt_idt(Core& core, const Insn& insn) {
    const auto mnemonic = insn.z.mnemonic;
    const bool load = mnemonic == ZYDIS_MNEMONIC_LGDT || mnemonic == ZYDIS_MNEMONIC_LIDT;
    const bool idt = mnemonic == ZYDIS_MNEMONIC_LIDT || mnemonic == ZYDIS_MNEMONIC_SIDT;
    if (!is_memory(insn.op[0])) return core.raise(vector::UD);
    if (load) VMXSIM_TRY(require_cpl0(core));
    if (!load && prevented(core)) return core.raise(vector::GP, 0);
    ExitInfo exit;
    if (core.vmx().intercept_descriptor_table(exit, ExitReason::GDTR_IDTR)) {
        exit.qualification = displacement(core, insn, insn.op[0]);
        const u32 identity = (load ? 2u : 0u) + (idt ? 1u : 0u);
        const u32 operand_size = insn.z.operand_width == 16 ? 0u : 1u;
        return exit_with(core, insn, exit, operand_information(insn, insn.op[0]) | operand_size << 11 | identity << 28);
    }
    DescriptorTable& table = idt ? core.state.idtr : core.state.gdtr;
    const bool in_64 = core.state.code64();
    const unsigned bytes = in_64 ? 10 : 6;
    std::array<u8, 10> image{};
    if (!load) {
        for (unsigned i = 0; i < 2; ++i) image[i] = static_cast<u8>(table.limit >> (8 * i));
        for (unsigned i = 2; i < bytes; ++i) image[i] = static_cast<u8>(table.base >> (8 * (i - 2)));
        return write_memory(core, insn, insn.op[0], image.data(), bytes);
    }
    VMXSIM_TRY(read_memory(core, insn, insn.op[0], image.data(), bytes));
    u64 base = 0;
    for (unsigned i = 2; i < bytes; ++i) base |= u64{image[i]} << (8 * (i - 2));
    if (!in_64 && insn.z.operand_width == 16) base &= 0xffffff;  // SDM 2A, LGDT
    if (in_64 && !canonical_base(core, base)) return core.raise(vector::GP, 0);
    table.base = base;
    table.limit = image[0] | u32{image[1]} << 8;
    core.spend(core.params().serialize);
    return jump_next(core, insn);
}

Outcome ldt_tr(Core& core, const Insn& insn) {
    const auto mnemonic = insn.z.mnemonic;
    const bool load = mnemonic == ZYDIS_MNEMONIC_LLDT || mnemonic == ZYDIS_MNEMONIC_LTR;
    const bool task = mnemonic == ZYDIS_MNEMONIC_LTR || mnemonic == ZYDIS_MNEMONIC_STR;
    if (!selectors_mode(core)) return core.raise(vector::UD);
    if (load) VMXSIM_TRY(require_cpl0(core));
    if (!load && prevented(core)) return core.raise(vector::GP, 0);
    ExitInfo exit;
    if (core.vmx().intercept_descriptor_table(exit, ExitReason::LDTR_TR)) {
        exit.qualification = displacement(core, insn, insn.op[0]);
        const u32 identity = (load ? 2u : 0u) + (task ? 1u : 0u);
        return exit_with(core, insn, exit, operand_information(insn, insn.op[0]) | identity << 28);
    }
    if (!load) return write_operand(core, insn, insn.op[0], 2, core.state.seg[task ? TR : LDTR].selector);
    u64 selector = 0;
    VMXSIM_TRY(read_operand(core, insn, insn.op[0], 2, selector));
    VMXSIM_TRY(task ? load_task_register(core, static_cast<u16>(selector))
                    : load_ldt(core, static_cast<u16>(selector)));
    core.spend(core.params().serialize);
    return jump_next(core, insn);
}

Outcome lar_lsl(Core& core, const Insn& insn) {
    if (!selectors_mode(core)) return core.raise(vector::UD);
    const bool limit = insn.z.mnemonic == ZYDIS_MNEMONIC_LSL;
    u64 selector = 0;
    VMXSIM_TRY(read_operand(core, insn, insn.op[1], 2, selector));
    Descriptor d;
    bool found = false;
    VMXSIM_TRY(inspect(core, static_cast<u16>(selector), d, found));
    if (set_zf(core, found && describable(core, d, limit) && visible(core, static_cast<u16>(selector), d)))
        write_gpr(core, insn.op[0].reg.value, limit ? d.limit() : d.low >> 32 & 0x00ffff00);
    return Outcome::Next;
}

Outcome verr_verw(Core& core, const Insn& insn) {
    if (!selectors_mode(core)) return core.raise(vector::UD);
    u64 selector = 0;
    VMXSIM_TRY(read_operand(core, insn, insn.op[0], 2, selector));
    Descriptor d;
    bool found = false;
    VMXSIM_TRY(inspect(core, static_cast<u16>(selector), d, found));
    const bool write = insn.z.mnemonic == ZYDIS_MNEMONIC_VERW;
    set_zf(core, found && d.code_or_data() && (write ? d.writable_data() : d.readable()) &&
                     visible(core, static_cast<u16>(selector), d));
    return Outcome::Next;
}

Outcome arpl(Core& core, const Insn& insn) {
    if (!selectors_mode(core)) return core.raise(vector::UD);
    u64 destination = 0;
    VMXSIM_TRY(read_operand(core, insn, insn.op[0], 2, destination));
    const u64 source = read_gpr(core, insn.op[1].reg.value);
    if ((destination & 3) < (source & 3)) {
        VMXSIM_TRY(write_operand(core, insn, insn.op[0], 2, (destination & ~u64{3}) | (source & 3)));
        set_zf(core, true);
    } else {
        set_zf(core, false);
    }
    return Outcome::Next;
}

}  // namespace vmxsim::core
