// SPDX-License-Identifier: Apache-2.0
// Segment and system descriptors, gates (SDM 3.4.5, 3.5, 6.11, 6.14.1).
#pragma once
#include "model/vmx/cpu_state.hpp"

namespace vmxsim::core {

/// Types of system descriptors (SDM table 3-2).
namespace system_type {
inline constexpr u8 TSS16 = 1, LDT = 2, TSS16_BUSY = 3, CALL16 = 4, TASK_GATE = 5, INT16 = 6, TRAP16 = 7, TSS = 9,
                    TSS_BUSY = 11, CALL = 12, INT = 14, TRAP = 15;
}

struct Descriptor {
    u64 low = 0;
    u64 high = 0;  ///< upper half of a 16-byte descriptor; 0 otherwise
    constexpr u8 type() const { return low >> 40 & 15; }
    constexpr bool code_or_data() const { return low >> 44 & 1; }
    constexpr u8 dpl() const { return low >> 45 & 3; }
    constexpr bool present() const { return low >> 47 & 1; }
    constexpr bool long_mode() const { return low >> 53 & 1; }
    constexpr bool big() const { return low >> 54 & 1; }
    constexpr bool granular() const { return low >> 55 & 1; }
    constexpr bool code() const { return code_or_data() && (type() & 8); }
    constexpr bool conforming() const { return type() & 4; }
    constexpr bool readable() const { return !(type() & 8) || (type() & 2); }
    constexpr bool writable_data() const { return code_or_data() && !(type() & 8) && (type() & 2); }
    constexpr bool accessed() const { return type() & 1; }
    constexpr bool system(u8 t) const { return !code_or_data() && type() == t; }
    constexpr u64 base() const { return (low >> 16 & 0xffffff) | (low >> 56 & 0xff) << 24 | (high & 0xffffffff) << 32; }
    constexpr u32 limit() const {
        const u32 raw = static_cast<u32>((low & 0xffff) | (low >> 32 & 0xf0000));
        return granular() ? raw << 12 | 0xfff : raw;
    }
    constexpr vmx::AccessRights rights() const { return {static_cast<u32>(low >> 40 & 0xf0ff)}; }
    // As a gate
    constexpr u16 gate_selector() const { return static_cast<u16>(low >> 16); }
    constexpr u64 gate_offset() const { return (low & 0xffff) | (low >> 32 & 0xffff0000) | (high & 0xffffffff) << 32; }
    constexpr unsigned gate_parameters() const { return low >> 32 & 31; }
    constexpr unsigned gate_ist() const { return low >> 32 & 7; }
};

/// The segment register that a descriptor fills.
constexpr vmx::Segment make_segment(u16 selector, const Descriptor& d) {
    return {selector, d.rights(), d.limit(), d.base()};
}

/// A null selector in a segment register. The DPL is kept for SS, where it is the CPL.
constexpr vmx::Segment null_segment(u16 selector, u8 dpl) { return {selector, {1u << 16 | u32{dpl} << 5}, 0, 0}; }

/// Error code that names a selector (SDM 6.13): its RPL field holds EXT and IDT instead.
constexpr u32 selector_error(u16 selector) { return selector & 0xfffcu; }
constexpr bool is_null(u16 selector) { return (selector & 0xfffc) == 0; }

}  // namespace vmxsim::core
