// SPDX-License-Identifier: Apache-2.0
// All that watches a machine: the debugger and the log, as the options have them.
#pragma once
#include <memory>

#include "sim/debug/gdb_stub.hpp"
#include "sim/debug/log.hpp"

namespace vmxsim::sim {

class Watch : public core::Observer {
public:
    /// Attaches itself to the cores, at least one. Waits for GDB, where that is asked for. `image`: what GDB takes its
    /// symbols from.
    Watch(const DebugOptions& options, const std::vector<Inspector>& machine, const std::string& image);

    bool wants_instructions() const override { return stub_ || log_->wants_instructions(); }
    bool before_instruction(core::Core& c) override {
        // GDB first: what it changes is what is logged.
        if (stub_ && stub_->before_instruction(c)) return true;
        return log_ && log_->wants_instructions() && log_->before_instruction(c);
    }
    void executed(core::Core& c, const core::Insn& i, u64 rip, core::Outcome o) override {
        if (log_) log_->executed(c, i, rip, o);
    }
    void delivering(core::Core& c, const vmx::Event& e, bool injected) override { if (log_) log_->delivering(c, e, injected); }
    void triple_fault(core::Core& c) override { if (log_) log_->triple_fault(c); }
    void vm_exit(core::Core& c, const vmx::ExitInfo& e) override { if (log_) log_->vm_exit(c, e); }
    void vm_entry(core::Core& c, bool failed) override { if (log_) log_->vm_entry(c, failed); }
    void slice(core::Core& c) override { if (stub_) stub_->slice(c); }
    /// The run is over; see GdbStub.
    void ended(bool fatal, int status) { if (stub_) stub_->ended(fatal, status); }

private:
    std::unique_ptr<Log> log_;
    std::unique_ptr<GdbStub> stub_;
};

}  // namespace vmxsim::sim
