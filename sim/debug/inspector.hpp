// SPDX-License-Identifier: Apache-2.0
// A machine as its debugger sees it. Looking has no effect: no translation is cached, no flag set, no cycle spent.
#pragma once
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/arch/vmcs_port.hpp"
#include "model/core/core.hpp"

namespace vmxsim::sim {

struct Inspector {
    core::Core& core;
    const arch::VmcsPort& vmcs;
    std::function<bool()> in_l2;  ///< the nested unit runs an L2; empty without the unit, where root mode is L0

    /// 0: VMX root mode; 1, 2: guests, under the nested unit L1 and L2.
    unsigned level() const;
    /// "L0 root", "L2 non-root".
    std::string level_name() const;

    /// RIP as a linear address.
    u64 linear_rip() const;
    /// Host-physical address of RAM; empty where the present address space does not map it, or to something else.
    std::optional<HostPhysical> find(u64 linear) const;
    /// As many bytes as can be read.
    std::vector<u8> read(u64 linear, std::size_t bytes) const;
    /// All, or none: false.
    bool write(u64 linear, std::span<const u8> bytes) const;

    /// The instruction at linear address `at` in the present mode: text in Intel's syntax, and its length. Bytes that are
    /// none: "(bad)", length 1. Unreadable: empty, 0.
    struct Line {
        std::string text;
        std::vector<u8> bytes;
    };
    Line disassemble(u64 at) const;

    /// The current VMCS. Empty: there is none, or its holder shows nothing (the RTL).
    std::optional<arch::VmcsPage> current_vmcs() const;
};

}  // namespace vmxsim::sim
