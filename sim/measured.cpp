// SPDX-License-Identifier: Apache-2.0
#include "sim/measured.hpp"

#include <algorithm>
#include <optional>

#include "sim/text.hpp"

namespace vmxsim::sim {

namespace {

using arch::ExitReason;
constexpr Kind kKinds[] = {
    {"cpuid", "CPUID", ExitReason::CPUID},
    {"vmcall", "VMCALL", ExitReason::VMCALL},
    {"rdmsr", "RDMSR", ExitReason::MSR_READ},
    {"wrmsr", "WRMSR", ExitReason::MSR_WRITE},
    {"out", "OUT", ExitReason::IO_INSTRUCTION},
    {"in", "IN", ExitReason::IO_INSTRUCTION},
    {"hlt", "HLT", ExitReason::HLT},
    {"touch", "page fault", ExitReason::EXCEPTION_NMI},
    {"vmread", "VMREAD", ExitReason::VMREAD},
    {"vmwrite", "VMWRITE", ExitReason::VMWRITE},
    {"vmptrld", "VMPTRLD", ExitReason::VMPTRLD},
};

std::vector<std::string_view> words_of(std::string_view line) {
    std::vector<std::string_view> words;
    while (!line.empty()) {
        const auto space = line.find(' ');
        if (space != 0) words.push_back(line.substr(0, space));
        if (space == std::string_view::npos) break;
        line.remove_prefix(space + 1);
    }
    return words;
}

std::optional<Measurement> parse_line(std::string_view line) {
    const auto words = words_of(line);
    if (words.size() != 6 || words[0] != "cycles" || (words[1] != "own" && words[1] != "guest")) return std::nullopt;
    const auto count = parse_number(words[3]), sum = parse_number(words[4]), min = parse_number(words[5]);
    if (!count || !sum || !min || *count == 0) return std::nullopt;
    return Measurement{std::string(words[1]), std::string(words[2]), *count, *sum, *min};
}

}  // namespace

std::vector<std::string> lines_of(std::string_view console) {
    std::vector<std::string> lines;
    while (!console.empty()) {
        const auto end = console.find('\n');
        std::string line(console.substr(0, end));
        // One from each terminal that a line went through: that of a guest, that of its host.
        while (!line.empty() && line.back() == '\r') line.pop_back();
        lines.push_back(std::move(line));
        if (end == std::string_view::npos) break;
        console.remove_prefix(end + 1);
    }
    return lines;
}

std::vector<Measurement> parse_measurements(std::string_view console) {
    std::vector<Measurement> all;
    for (const auto& line : lines_of(console)) {
        auto m = parse_line(line);
        if (!m) continue;
        const auto same = std::find_if(all.begin(), all.end(),
                                       [&](const auto& o) { return o.level == m->level && o.kind == m->kind; });
        if (same != all.end())
            *same = std::move(*m);
        else
            all.push_back(std::move(*m));
    }
    return all;
}

const Measurement* find(const std::vector<Measurement>& all, std::string_view level, std::string_view kind) {
    for (const auto& m : all)
        if (m.level == level && m.kind == kind) return &m;
    return nullptr;
}

std::optional<double> net_mean(const std::vector<Measurement>& all, std::string_view level, std::string_view kind) {
    const auto* m = find(all, level, kind);
    if (m == nullptr) return std::nullopt;
    const auto* empty = kind == "empty" ? nullptr : find(all, level, "empty");
    return empty == nullptr ? m->mean() : std::max(0.0, m->mean() - empty->mean());
}

const Kind* kind_named(std::string_view name) {
    for (const auto& k : kKinds)
        if (k.name == name) return &k;
    return nullptr;
}

}  // namespace vmxsim::sim
