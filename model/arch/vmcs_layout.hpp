// SPDX-License-Identifier: Apache-2.0
// Where each VMCS field lies in the 4-KiB region (software must not know; SDM 27.2, 27.11.1).
#pragma once
#include <array>
#include <cstring>

#include "model/arch/vmcs_field.hpp"

namespace vmxsim::arch {

inline constexpr unsigned kVmcsLines = 64;  ///< 64-byte lines in the 4-KiB region

/// Set of lines of a VMCS region: bit n is bytes 64n to 64n+63.
using LineMask = u64;

/// A layout: byte offset of each field. Line 0 is the header: dword 0 revision identifier and shadow-VMCS bit, dword 1
/// VMX-abort indicator (SDM 27.2), dword 2 (ours, "implementation-specific") bit 0 the launch state: 1 = launched.
struct VmcsLayout {
    std::array<u16, kFieldCount> offset{};
    std::array<LineMask, 4> lines{};  ///< lines that hold fields of each FieldType
    constexpr LineMask lines_of(FieldType t) const { return lines[static_cast<std::size_t>(t)]; }
};
inline constexpr unsigned kLaunchStateOffset = 8;

constexpr VmcsLayout make_generic_layout() {
    VmcsLayout l;
    for (std::size_t i = 0; i < kFieldCount; ++i) {
        l.offset[i] = kFields[i].generic_offset;
        l.lines[static_cast<std::size_t>(kFields[i].type)] |= LineMask{1} << (kFields[i].generic_offset / 64);
    }
    return l;
}
inline constexpr VmcsLayout kGenericLayout = make_generic_layout();

/// A VMCS region's bytes, as on chip or in memory, with typed access to fields.
struct alignas(64) VmcsPage {
    std::array<u8, 4096> bytes{};
    u64 get(Field f, const VmcsLayout& l = kGenericLayout) const {
        u64 v = 0;
        std::memcpy(&v, bytes.data() + l.offset[index_of(f)], size_of(f));
        return v;
    }
    void set(Field f, u64 value, const VmcsLayout& l = kGenericLayout) {
        std::memcpy(bytes.data() + l.offset[index_of(f)], &value, size_of(f));
    }
};

}  // namespace vmxsim::arch
