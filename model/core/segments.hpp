// SPDX-License-Identifier: Apache-2.0
// Loading of segment registers, and stacks that are not (yet) the current one.
#pragma once
#include <span>

#include "model/core/descriptor.hpp"
#include "model/core/operand.hpp"

namespace vmxsim::core {

/// Reads the 8-byte descriptor of a selector that is not null. Beyond its table's limit: the exception with the
/// selector.
Outcome fetch_descriptor(Core& core, u16 selector, u8 exception, Descriptor& out);
/// Reads the upper half of a 16-byte system descriptor (IA-32e mode), after fetch_descriptor().
Outcome fetch_upper_half(Core& core, u16 selector, u8 exception, Descriptor& descriptor);
/// Sets the accessed bit in memory, where it is clear (SDM 3.4.5.1).
Outcome mark_accessed(Core& core, u16 selector, Descriptor& descriptor);
/// Rewrites the type of a system descriptor: LTR's busy bit.
Outcome write_type(Core& core, u16 selector, const Descriptor& descriptor, u8 type);

/// MOV, POP and L?S to a segment register other than CS (SDM 2A, MOV: "Loading a segment register while in protected
/// mode").
Outcome load_segment(Core& core, vmx::Seg seg, u16 selector);
/// As in real-address mode (base from the selector), or in virtual-8086 mode (rights and limit fixed, too).
void load_real_segment(Core& core, vmx::Seg seg, u16 selector);
/// Checks a stack segment for privilege `cpl` (RPL, type, DPL, presence). `exception`: #GP, or #TS for stacks from a
/// TSS.
Outcome check_stack_segment(Core& core, u16 selector, u8 cpl, u8 exception, Descriptor& out);
/// Loads CS with a checked descriptor: marks it accessed, RPL becomes `cpl`.
Outcome load_code_segment(Core& core, u16 selector, Descriptor& descriptor, u8 cpl);
/// The limit and canonicality test of a new instruction pointer: #GP(0).
Outcome check_target(Core& core, const Descriptor& code, u64 offset);
/// Return to an outer level: data segments that it may not use become null (SDM 5.8.6).
void drop_privileged_segments(Core& core, u8 cpl);

/// A stack by segment and pointer.
struct Stack {
    vmx::Segment ss;
    u64 pointer = 0;
    bool flat = false;  ///< 64-bit mode: no segmentation, 64-bit pointer
    u64 mask() const { return flat ? ~u64{0} : ss.ar.big() ? 0xffffffff : 0xffff; }
};
Stack current_stack(const Core& core);
/// Pushes values of `width` bytes, the first one first, all or none. `user`: pushed as a user-mode access. Limit and
/// canonical violations: #SS(`error`).
Outcome push_frame(Core& core, Stack& stack, std::span<const u64> values, unsigned width, bool user, u32 error);
/// Reads `count` values upwards from offset `skip` bytes above the stack pointer of the current stack.
Outcome peek_stack(Core& core, unsigned skip, unsigned width, std::span<u64> values);
/// RSP, ESP or SP changes, by the stack's width.
void set_stack_pointer(Core& core, const Stack& stack);

/// Stack of a privilege level from the current TSS (SDM 6.14.4, 7.2.1, 7.7). In 64-bit mode `selector` is not set.
Outcome tss_stack(Core& core, u8 level, u16& selector, u64& pointer);

}  // namespace vmxsim::core
