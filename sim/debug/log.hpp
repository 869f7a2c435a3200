// SPDX-License-Identifier: Apache-2.0
// The log of a run: one line an event. docs/debugging.md has the format.
#pragma once
#include <cstdio>
#include <string_view>

#include "sim/debug/inspector.hpp"
#include "sim/debug/options.hpp"

namespace vmxsim::sim {

class Log : public core::Observer {
public:
    /// Throws InputError where the file cannot be written.
    Log(const LogOptions& options, std::vector<Inspector> machine);
    ~Log() override;

    bool wants_instructions() const override { return options_.has(LogKind::Insn); }
    bool before_instruction(core::Core&) override;
    void executed(core::Core&, const core::Insn& insn, u64 rip, core::Outcome outcome) override;
    void delivering(core::Core&, const vmx::Event& event, bool injected) override;
    void triple_fault(core::Core&) override;
    void vm_exit(core::Core&, const vmx::ExitInfo& exit) override;
    void vm_entry(core::Core&, bool failed) override;

private:
    void cpu(const core::Core& core);
    bool wanted(LogKind kind) const { return wanted(kind, cpu_->linear_rip()); }
    bool wanted(LogKind kind, u64 at) const;
    void line(LogKind kind, std::string_view text) { line(kind, cpu_->linear_rip(), text); }
    void line(LogKind kind, u64 at, std::string_view text);
    LogOptions options_;
    std::vector<Inspector> machine_;
    const Inspector* cpu_;  ///< of the event that is being logged
    std::FILE* file_ = nullptr;
};

}  // namespace vmxsim::sim
