// SPDX-License-Identifier: Apache-2.0
#include "nested/params.hpp"

#include <array>

namespace vmxsim::nested {

std::span<const arch::Param<NestedParams>> nested_params() {
    using P = NestedParams;
    constexpr u64 kMost = 1'000'000;
    static constexpr std::array<arch::Param<P>, 14> rows{{
        {"nested.exit_software", &P::exit_software, "cycles", 0, kMost,
         "software around one exit of a guest: exit path, dispatch, entry path"},
        {"nested.emulate_access", &P::emulate_access, "cycles", 0, kMost,
         "one emulated VMREAD or VMWRITE of L1, beyond exit_software and its own accesses"},
        {"nested.user_exit", &P::user_exit, "cycles", 0, kMost,
         "leaving to the user-space device model and back, beyond exit_software"},
        {"nested.handle_msr", &P::handle_msr, "cycles", 0, kMost, "an emulated RDMSR or WRMSR, beyond exit_software"},
        {"nested.page_fill", &P::page_fill, "cycles", 0, kMost,
         "an EPT violation or shadow-page fault that L0 resolves, beyond exit_software"},
        {"nested.vmcs12_access", &P::vmcs12_access, "cycles", 0, kMost,
         "one load or store of a vmcs12 field in memory"},
        {"nested.rdmsr", &P::rdmsr, "cycles", 0, kMost, "RDMSR by L0 on the switch path"},
        {"nested.wrmsr", &P::wrmsr, "cycles", 0, kMost, "WRMSR by L0 on the switch path"},
        {"nested.switch_software", &P::switch_software, "cycles", 0, kMost,
         "software of one switch between vmcs01 and vmcs02, beside its MSR accesses and VMPTRLD"},
        {"nested.ept", &P::ept, "flag", 0, 1, "L0 uses EPT (0: shadow page tables)"},
        {"nested.ept_large_pages", &P::ept_large_pages, "flag", 0, 1, "L0 maps L1's memory in 2-MiB pages where it can"},
        {"nested.vpid", &P::vpid, "flag", 0, 1, "L0 uses VPID"},
        {"nested.rdtscp", &P::rdtscp, "flag", 0, 1, "L0 lets its guests use RDTSCP"},
        {"nested.vmcs02_pool", &P::vmcs02_pool, "entries", 1, 64, "vmcs02s that L0 keeps"},
    }};
    return rows;
}

std::span<const std::string_view> policies() {
    static constexpr std::array<std::string_view, 1> names{"kvm-2011"};
    return names;
}

}  // namespace vmxsim::nested
