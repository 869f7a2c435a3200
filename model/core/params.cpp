// SPDX-License-Identifier: Apache-2.0
// The knobs of the core.
#include "model/core/core.hpp"

namespace vmxsim::core {

std::span<const arch::Param<CoreParams>> core_params() {
    using P = CoreParams;
    static constexpr u64 kMost = 100000;
    static constexpr arch::Param<P> rows[] = {
        {"core.issue_width", &P::issue_width, "instructions/cycle", 1, 16, "simple instructions issued a cycle"},
        {"core.mul", &P::mul, "cycles", 0, kMost, "integer multiplication, beyond its issue slot"},
        {"core.div", &P::div, "cycles", 0, kMost, "integer division, beyond its issue slot"},
        {"core.vector", &P::vector, "cycles", 0, kMost,
         "vector arithmetic in floating point, multiplications, conversions, beyond the issue slot"},
        {"core.x87", &P::x87, "cycles", 0, kMost, "x87 instructions, beyond the issue slot"},
        {"core.cpuid", &P::cpuid, "cycles", 0, kMost, "CPUID"},
        {"core.rdtsc", &P::rdtsc, "cycles", 0, kMost, "RDTSC, RDTSCP and RDPMC"},
        {"core.rdmsr", &P::rdmsr, "cycles", 0, kMost, "RDMSR"},
        {"core.wrmsr", &P::wrmsr, "cycles", 0, kMost, "WRMSR"},
        {"core.mov_cr", &P::mov_cr, "cycles", 0, kMost, "MOV to and from control and debug registers, CLTS, LMSW"},
        {"core.io", &P::io, "cycles", 0, kMost, "one access of IN, OUT, INS or OUTS to a port"},
        {"core.hlt_wake", &P::hlt_wake, "cycles", 0, kMost, "from the event that ends HLT to the next instruction"},
        {"core.lock", &P::lock, "cycles", 0, kMost, "a locked read-modify-write, beyond its parts"},
        {"core.far_transfer", &P::far_transfer, "cycles", 0, kMost,
         "far JMP, CALL and RET, SYSCALL, SYSENTER and their returns, delivery of an event through the IDT"},
        {"core.string_element", &P::string_element, "cycles", 0, kMost, "one element of a string instruction"},
        {"core.serialize", &P::serialize, "cycles", 0, kMost, "IRET, segment loads and others that drain the pipeline"},
        {"core.mispredict", &P::mispredict, "cycles", 0, kMost, "a branch that went otherwise than predicted"},
        {"core.branch_counters", &P::branch_counters, "log2", 0, 14, "two-bit counters of conditional branches (gshare)"},
        {"core.branch_history", &P::branch_history, "bits", 0, 14, "outcomes that choose among the counters"},
        {"core.branch_targets", &P::branch_targets, "log2", 0, 9, "targets kept of indirect jumps and calls"},
        {"core.branch_returns", &P::branch_returns, "log2", 0, 5, "entries of the return stack"},
    };
    return rows;
}

}  // namespace vmxsim::core
