// SPDX-License-Identifier: Apache-2.0
// Who watches a core: the debugger, the log. Nothing of it is on the path of a core that no one watches: blocks of a
// watched core are decoded with a hook before each instruction, and the rest is asked where an event is handled anyhow.
#pragma once
#include "model/core/outcome.hpp"
#include "model/vmx/vmx.hpp"

namespace vmxsim::core {

class Core;
struct Insn;

/// Watching changes neither results nor cycles: blocks are divided as they are without.
class Observer {
public:
    virtual ~Observer() = default;
    /// Asked when it is attached: whether before_instruction() is wanted, which makes the core some times slower.
    virtual bool wants_instructions() const { return false; }
    /// Before an instruction, or an iteration of a repeated one: RIP, RFLAGS, cycles and the number of instructions are
    /// exact. True: it has changed the core's state, or memory, so that the engine looks anew what comes next.
    virtual bool before_instruction(Core&) { return false; }
    /// The system instruction at `rip` came to `outcome`.
    virtual void executed(Core&, const Insn&, u64 /*rip*/, Outcome) {}
    /// An interrupt or exception goes to its handler; RIP is still where it arose. `injected`: by a VM entry.
    virtual void delivering(Core&, const vmx::Event&, bool /*injected*/) {}
    /// Behind what delivering() told: the delivery itself failed so that the processor shuts down.
    virtual void triple_fault(Core&) {}
    /// A VM exit is about to happen: the guest's state is still there.
    virtual void vm_exit(Core&, const vmx::ExitInfo&) {}
    /// A VM entry has happened, or has failed behind its checks (`failed`); by the root agent, where there is one.
    virtual void vm_entry(Core&, bool /*failed*/) {}
    /// A slice of cycles begins, also of a core that is halted and executes nothing.
    virtual void slice(Core&) {}
};

}  // namespace vmxsim::core
