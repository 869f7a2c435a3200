// SPDX-License-Identifier: Apache-2.0
// Cases of the VM-entry checks: a VMCS that is accepted, and the one change that makes a row refuse it.
#pragma once
#include <vector>

#include "tests/vmx/machine.hpp"

namespace vmxsim::test {

struct EntryCase {
    const char* id;                       ///< the row that must be named
    arch::Capabilities (*capabilities)();
    void (*prepare)(Machine& m);          ///< accepted with this alone
    void (*violate)(Machine& m);
};

std::vector<EntryCase> control_cases();
std::vector<EntryCase> injection_cases();
std::vector<EntryCase> host_cases();
std::vector<EntryCase> guest_register_cases();
std::vector<EntryCase> guest_segment_cases();
std::vector<EntryCase> guest_other_cases();

inline constexpr u64 kAboveWidth = u64{1} << 39;   ///< beyond the physical width of the test processors
inline constexpr u64 kNotCanonical = u64{1} << 47;
inline void nothing(Machine&) {}

}  // namespace vmxsim::test

#define PREPARE(...) [](Machine& m) { __VA_ARGS__; }
#define SET(field, value) m.set(Field::field, value)
#define ADD(field, bits) m.add(Field::field, bits)
#define DROP(field, bits) m.drop(Field::field, bits)
