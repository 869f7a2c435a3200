// SPDX-License-Identifier: Apache-2.0
#include "sim/report.hpp"

#include <fmt/format.h>

#include "sim/text.hpp"

namespace vmxsim::sim {

namespace {

/// What the run says about a published figure's subject.
std::optional<double> simulated_value(const ReferenceUse& use, const MachineConfig& config, const RunResult& result,
                                      const std::vector<Measurement>& measured) {
    if (use.part == Part::Total) return net_mean(measured, use.level, use.kind);
    const auto* kind = kind_named(use.kind);
    const u8 level = episode_level(config.l0, use.level);
    if (kind == nullptr || level == 0) return std::nullopt;
    const auto b = break_down(result, level, kind->exit);
    if (!b) return std::nullopt;
    return use.part == Part::Switches ? b->switches : use.part == Part::L0 ? b->l0 : b->l1;
}

}  // namespace

Report make_report(const MachineConfig& config, const RunResult& result, const Scenario* scenario,
                   const std::string& image, const References& references) {
    Report r{config, result,
             "",     "",
             image,  parse_measurements(result.console),
             {},     exit_status(result, scenario == nullptr),
             scenario != nullptr && scenario->guest_measures};
    if (scenario == nullptr) return r;
    r.scenario = scenario->name;
    r.title = scenario->title;
    for (const auto& use : scenario->references) {
        const auto it = references.find(use.id);
        if (it == references.end())
            throw InputError(fmt::format("{}: reference '{}' is unknown, expected an id of traces/hardware/",
                                         scenario->name, use.id));
        if (!use.applies(config) || config.timing == core::TimingLevel::None) continue;
        r.comparisons.push_back({it->second, use, simulated_value(use, config, result, r.measured)});
    }
    return r;
}

int exit_status(const RunResult& result, bool boot) {
    if (result.stop == core::StopReason::DebugExit && result.debug_exit) {
        if (!boot && *result.debug_exit == 0) return 0;
        return static_cast<int>((*result.debug_exit << 1 | 1) & 0xff);  // a process's status has eight bits
    }
    return result.stop == core::StopReason::PowerOff ? 0 : 3;
}

bool went_wrong(const RunResult& result) {
    using core::StopReason;
    return result.stop != StopReason::DebugExit && result.stop != StopReason::PowerOff && result.stop != StopReason::Debugger;
}

std::string ending(const RunResult& result) {
    using core::StopReason;
    const std::string detail = result.stop_detail.empty() ? "" : ": " + result.stop_detail;
    switch (result.stop) {
        case StopReason::DebugExit:
            return result.debug_exit ? fmt::format("the image ended the run with {}", *result.debug_exit)
                                     : "the image ended the run";
        case StopReason::Budget:
            return "the run reached --max-cycles";
        case StopReason::Halted:
            return "the processor halted and nothing can wake it";
        case StopReason::PowerOff:
            return "the guest switched the machine off";
        case StopReason::Reset:
            return "the guest reset the machine";
        case StopReason::Shutdown:
            return "the processor shut down (triple fault)";
        case StopReason::VmxAbort:
            return "VMX abort";
        case StopReason::AgentStopped:
            return "the nested unit stopped L1" + detail;
        case StopReason::Debugger:
            return "the debugger ended the run";
        case StopReason::None:
            break;
    }
    return "the run did not end";
}

}  // namespace vmxsim::sim
