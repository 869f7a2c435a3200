// SPDX-License-Identifier: Apache-2.0
// Stacks: frames pushed by far calls and events, frames read by returns.
#include <array>

#include "model/core/segments.hpp"

namespace vmxsim::core {

using namespace vmx;

namespace {

/// The limit rule of a stack segment: expand-down data lies above the limit (SDM 5.3).
bool within_limit(const Segment& ss, u64 first, u64 last) {
    if (ss.ar.unusable()) return false;
    if ((ss.ar.type() & 12) == 4) return first > ss.limit && last <= (ss.ar.big() ? 0xffffffffu : 0xffffu);
    return last <= ss.limit;
}

}  // namespace

Stack current_stack(const Core& core) { return {core.state.seg[SS], core.state.r[RSP], core.state.code64()}; }

void set_stack_pointer(Core& core, const Stack& stack) {
    u64& rsp = core.state.r[RSP];
    if (stack.flat)
        rsp = stack.pointer;
    else if (stack.ss.ar.big())
        rsp = stack.pointer & 0xffffffff;
    else
        rsp = (rsp & ~u64{0xffff}) | (stack.pointer & 0xffff);
}

Outcome push_frame(Core& core, Stack& stack, std::span<const u64> values, unsigned width, bool user, u32 error) {
    const u64 mask = stack.mask();
    const unsigned bytes = static_cast<unsigned>(values.size()) * width;
    const u64 top = stack.pointer & mask;
    const u64 bottom = (stack.pointer - bytes) & mask;
    const auto address = [&](u64 offset) {
        return GuestVirtual{stack.flat ? offset : (stack.ss.base + offset) & 0xffffffff};
    };

    if (stack.flat) {
        if (!canonical(core, bottom) || !canonical(core, bottom + bytes - 1)) return core.raise(vector::SS, error);
    } else if (bottom < top || top == 0) {
        if (!within_limit(stack.ss, bottom, bottom + bytes - 1)) return core.raise(vector::SS, error);
    } else {
        // The pointer wraps inside the frame: each value has a place of its own.
        for (std::size_t i = 0; i < values.size(); ++i) {
            const u64 at = (stack.pointer - (i + 1) * width) & mask;
            if (!within_limit(stack.ss, at, at + width - 1)) return core.raise(vector::SS, error);
        }
        for (std::size_t i = 0; i < values.size(); ++i)
            VMXSIM_TRY(core.access(address((stack.pointer - (i + 1) * width) & mask), const_cast<u64*>(&values[i]),
                                   width, MemoryKind::Write, user));
        stack.pointer = bottom;
        return Outcome::Next;
    }
    // One block, so that a fault on its second page leaves the first one unchanged.
    std::array<u8, 320> block{};
    for (std::size_t i = 0; i < values.size(); ++i)
        for (unsigned b = 0; b < width; ++b) block[bytes - (i + 1) * width + b] = static_cast<u8>(values[i] >> (8 * b));
    VMXSIM_TRY(core.access(address(bottom), block.data(), bytes, MemoryKind::Write, user));
    stack.pointer = bottom;
    return Outcome::Next;
}

Outcome peek_stack(Core& core, unsigned skip, unsigned width, std::span<u64> values) {
    const Stack stack = current_stack(core);
    for (std::size_t i = 0; i < values.size(); ++i) {
        GuestVirtual at;
        const u64 offset = (stack.pointer + skip + i * width) & stack.mask();
        VMXSIM_TRY(core.linear(SS, offset, width, MemoryKind::Read, at));
        values[i] = 0;
        VMXSIM_TRY(core.read(at, &values[i], width));
    }
    return Outcome::Next;
}

Outcome tss_stack(Core& core, u8 level, u16& selector, u64& pointer) {
    const Segment& tr = core.state.seg[TR];
    const u32 error = selector_error(tr.selector);
    pointer = 0;
    if (core.state.long_mode()) {  // RSP0 to RSP2 at 4, 12, 20 (SDM figure 8-11)
        const u32 offset = 4u + level * 8u;
        if (tr.ar.unusable() || offset + 7 > tr.limit) return core.raise(vector::TS, error);
        return core.read_system(system_address(core, tr.base + offset), &pointer, 8);
    }
    const bool is32 = tr.ar.type() & 8;
    const unsigned width = is32 ? 4 : 2;
    const u32 offset = is32 ? 4u + level * 8u : 2u + level * 4u;
    if (tr.ar.unusable() || offset + 2 * width - 1 > tr.limit) return core.raise(vector::TS, error);
    VMXSIM_TRY(core.read_system(system_address(core, tr.base + offset), &pointer, width));
    return core.read_system(system_address(core, tr.base + offset + width), &selector, 2);
}

}  // namespace vmxsim::core
