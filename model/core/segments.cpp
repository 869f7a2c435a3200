// SPDX-License-Identifier: Apache-2.0
#include "model/core/segments.hpp"

namespace vmxsim::core {

using namespace vmx;

namespace {

/// Linear address of a selector's descriptor; false where `bytes` of it do not lie within the table.
bool descriptor_address(const Core& core, u16 selector, unsigned bytes, GuestVirtual& at) {
    const u32 offset = selector & 0xfff8u;
    if (selector & 4) {
        const Segment& ldt = core.state.seg[LDTR];
        if (ldt.ar.unusable() || offset + bytes - 1 > ldt.limit) return false;
        at = system_address(core, ldt.base + offset);
        return true;
    }
    if (offset + bytes - 1 > core.state.gdtr.limit) return false;
    at = system_address(core, core.state.gdtr.base + offset);
    return true;
}

}  // namespace

Outcome fetch_descriptor(Core& core, u16 selector, u8 exception, Descriptor& out) {
    GuestVirtual at;
    if (!descriptor_address(core, selector, 8, at)) return core.raise(exception, selector_error(selector));
    out = {};
    return core.read_system(at, &out.low, 8);
}

Outcome fetch_upper_half(Core& core, u16 selector, u8 exception, Descriptor& descriptor) {
    GuestVirtual at;
    if (!descriptor_address(core, selector, 16, at)) return core.raise(exception, selector_error(selector));
    VMXSIM_TRY(core.read_system(at + 8, &descriptor.high, 8));
    // Bits 12:8 of the last doubleword must be clear, lest the upper half be a descriptor of its own (SDM 3.5.2).
    if (descriptor.high >> 40 & 0x1f) return core.raise(exception, selector_error(selector));
    return Outcome::Next;
}

Outcome mark_accessed(Core& core, u16 selector, Descriptor& descriptor) {
    if (descriptor.accessed()) return Outcome::Next;
    GuestVirtual at;
    if (!descriptor_address(core, selector, 8, at)) return core.raise(vector::GP, selector_error(selector));
    descriptor.low |= u64{1} << 40;
    const u8 byte = static_cast<u8>(descriptor.low >> 40);
    return core.write_system(at + 5, &byte, 1);
}

Outcome write_type(Core& core, u16 selector, const Descriptor& descriptor, u8 type) {
    GuestVirtual at;
    if (!descriptor_address(core, selector, 8, at)) return core.raise(vector::GP, selector_error(selector));
    const u8 byte = static_cast<u8>((descriptor.low >> 40 & 0xf0) | type);
    return core.write_system(at + 5, &byte, 1);
}

void load_real_segment(Core& core, Seg seg, u16 selector) {
    Segment& s = core.state.seg[seg];
    s.selector = selector;
    s.base = u64{selector} << 4;
    if (core.state.v8086()) {
        s.ar.raw = 0xf3;  // SDM 22.2: limit 64 KiB, data, DPL 3
        s.limit = 0xffff;
    } else if (seg == CS) {
        // The first far transfer after leaving protected mode makes CS fit for real-address mode (SDM 10.9.2).
        s.ar.raw = 0x9b;
        s.limit = 0xffff;
    }  // limits and rights of the others stay: "big real mode"
}

Outcome check_stack_segment(Core& core, u16 selector, u8 cpl, u8 exception, Descriptor& out) {
    VMXSIM_TRY(fetch_descriptor(core, selector, exception, out));
    if ((selector & 3) != cpl || !out.writable_data() || out.dpl() != cpl)
        return core.raise(exception, selector_error(selector));
    if (!out.present()) return core.raise(vector::SS, selector_error(selector));
    return Outcome::Next;
}

Outcome load_segment(Core& core, Seg seg, u16 selector) {
    CpuState& state = core.state;
    if (!selectors_mode(core)) {
        load_real_segment(core, seg, selector);
        return Outcome::Next;
    }
    const u8 cpl = state.cpl();
    const u8 rpl = selector & 3;
    if (is_null(selector)) {
        if (seg == SS && (!state.code64() || cpl == 3 || rpl != cpl)) return core.raise(vector::GP, 0);
        state.seg[seg] = null_segment(selector, seg == SS ? cpl : 0);
        return Outcome::Next;
    }
    Descriptor d;
    if (seg == SS) {
        VMXSIM_TRY(check_stack_segment(core, selector, cpl, vector::GP, d));
    } else {
        VMXSIM_TRY(fetch_descriptor(core, selector, vector::GP, d));
        if (!d.code_or_data() || !d.readable()) return core.raise(vector::GP, selector_error(selector));
        if (!(d.code() && d.conforming()) && (rpl > d.dpl() || cpl > d.dpl()))
            return core.raise(vector::GP, selector_error(selector));
        if (!d.present()) return core.raise(vector::NP, selector_error(selector));
    }
    VMXSIM_TRY(mark_accessed(core, selector, d));
    state.seg[seg] = make_segment(selector, d);
    return Outcome::Next;
}

Outcome load_code_segment(Core& core, u16 selector, Descriptor& descriptor, u8 cpl) {
    VMXSIM_TRY(mark_accessed(core, selector, descriptor));
    core.state.seg[CS] = make_segment(static_cast<u16>((selector & 0xfffc) | cpl), descriptor);
    return Outcome::Next;
}

Outcome check_target(Core& core, const Descriptor& code, u64 offset) {
    const bool in_64 = core.state.long_mode() && code.long_mode();
    if (in_64 ? !canonical(core, offset) : offset > code.limit()) return core.raise(vector::GP, 0);
    return Outcome::Next;
}

void drop_privileged_segments(Core& core, u8 cpl) {
    for (const Seg seg : {ES, DS, FS, GS}) {
        Segment& s = core.state.seg[seg];
        const bool conforming_code = (s.ar.type() & 12) == 12;
        if (s.ar.unusable() || conforming_code || s.ar.dpl() >= cpl) continue;
        // "SegmentSelector := 0 (* Segment selector invalid *)" (SDM 2A, IRET; 2B, RET): the base stays, and 64-bit code
        // goes on to use that of FS and GS.
        s = {0, {1u << 16}, s.limit, s.base};
    }
}

}  // namespace vmxsim::core
