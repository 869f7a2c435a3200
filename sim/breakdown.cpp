// SPDX-License-Identifier: Apache-2.0
#include "sim/breakdown.hpp"

#include <algorithm>

namespace vmxsim::sim {

namespace {

void add_to_phase(std::vector<Phase>& phases, const std::string& bucket, double cycles) {
    const auto colon = bucket.find(": ");
    const std::string name = bucket.substr(0, colon);
    auto phase = std::find_if(phases.begin(), phases.end(), [&](const Phase& p) { return p.name == name; });
    if (phase == phases.end()) phase = phases.insert(phases.end(), Phase{name, 0, {}});
    phase->cycles += cycles;
    if (colon != std::string::npos) phase->steps.push_back({bucket.substr(colon + 2), cycles});
}

}  // namespace

Breakdown break_down(const std::vector<std::string>& bucket_names, const vmx::Episode& episode) {
    Breakdown b;
    b.count = episode.count;
    if (episode.count == 0) return b;
    for (std::size_t i = 0; i < episode.cycles.size() && i < bucket_names.size(); ++i) {
        if (episode.cycles[i] == 0) continue;
        const double cycles = static_cast<double>(episode.cycles[i]) / static_cast<double>(episode.count);
        b.total += cycles;
        switch (i) {
            case vmx::kVmExit:
                b.vm_exits += cycles;
                break;
            case vmx::kVmEntry:
                b.vm_entries += cycles;
                break;
            case vmx::kGuestCode:
            case vmx::kNestedCode:
                b.l1 += cycles;
                break;
            default:
                b.l0 += cycles;
                add_to_phase(b.phases, bucket_names[i], cycles);
        }
    }
    b.switches = b.vm_exits + b.vm_entries;
    return b;
}

std::optional<Breakdown> break_down(const RunResult& result, u8 level, arch::ExitReason reason) {
    const auto it = result.episodes.find({level, static_cast<u16>(reason)});
    if (it == result.episodes.end() || it->second.count == 0) return std::nullopt;
    return break_down(result.bucket_names, it->second);
}

u8 episode_level(L0Mode l0, std::string_view level) {
    const u8 own = l0 == L0Mode::Unit ? 1 : 0;
    return level == "own" ? own : static_cast<u8>(own + 1);
}

}  // namespace vmxsim::sim
