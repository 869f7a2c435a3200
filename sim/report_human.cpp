// SPDX-License-Identifier: Apache-2.0
// The tables that a run prints.
#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "sim/report.hpp"
#include "sim/text.hpp"

namespace vmxsim::sim {

namespace {

std::string cycles(double v) { return grouped(static_cast<u64>(v + 0.5)); }

/// "58,488 turtles2-02 validation": the figure, its row, and whether the profile was fitted to it.
std::string published(const Comparison& c) { return fmt::format("{} {}", cycles(c.reference.value), c.reference.id); }
std::string ratio(const Comparison* c) { return c != nullptr && c->simulated ? fmt::format("{:.2f}", c->ratio()) : ""; }

const Comparison* comparison(const Report& r, std::string_view level, std::string_view kind, Part part) {
    for (const auto& c : r.comparisons)
        if (c.use.level == level && c.use.kind == kind && c.use.part == part) return &c;
    return nullptr;
}

std::string heading(const Report& r) {
    const auto& c = r.config;
    std::string out = r.scenario.empty() ? fmt::format("{}\n", r.image) : fmt::format("{}: {}\n", r.scenario, r.title);
    out += fmt::format("  image {}{}{}, CPU {} at {} MHz, VMCS cache {} with {} contexts\n", r.image,
                       c.append.empty() ? "" : " ", c.append, c.profile.name, c.profile.cpu.frequency_mhz,
                       name_of(c.vmcs_cache), c.profile.vmcs_cache.contexts);
    out += c.l0 == L0Mode::Unit
               ? fmt::format("  L0 is the nested unit, policy {}: the image is L1, its guest L2\n", c.policy)
           : r.guest_measures
               ? std::string("  the image, on the bare machine, is L0; its guest L1 measured, whose guest is L2\n")
               : std::string("  no L0: the image is on the bare machine, its guest is L1\n");
    for (const auto& s : c.profile.settings) out += fmt::format("  set {}\n", s);
    if (c.timing == core::TimingLevel::None) out += "  --timing none: cycles mean nothing in this run\n";
    return out;
}

/// kind | one level | nested | nested/one level | published (source) | ratio
std::string measurement_table(const Report& r) {
    if (r.measured.empty()) return "";
    const bool nested = r.nested();
    std::string out =
        fmt::format("\n{:<16}{:>12}{:>12}{:>12}   {:<28}{:>7}\n", "Cycles of one", nested ? "one level" : "bare metal",
                    nested ? "nested" : "one level", nested ? "nested/one" : "one/bare", "published", "ratio");
    std::vector<std::string> kinds;
    for (const auto& m : r.measured)
        if (std::find(kinds.begin(), kinds.end(), m.kind) == kinds.end()) kinds.push_back(m.kind);
    for (const auto& name : kinds) {
        if (name == "empty") continue;  // taken off the others
        const auto own = net_mean(r.measured, "own", name);
        const auto guest = net_mean(r.measured, "guest", name);
        const auto* c = comparison(r, "guest", name, Part::Total);
        if (c == nullptr) c = comparison(r, "own", name, Part::Total);
        const auto* kind = kind_named(name);
        out += fmt::format("{:<16}{:>12}{:>12}{:>12}   {:<28}{:>7}", kind ? kind->title : name,
                           own ? cycles(*own) : "", guest ? cycles(*guest) : "",
                           own && guest && *own > 0 ? fmt::format("{:.1f}", *guest / *own) : "",
                           c ? published(*c) + " " + c->use.level : "", ratio(c));
        while (out.back() == ' ') out.pop_back();
        out += '\n';
    }
    return out;
}

struct Line {
    std::string name;
    double value;
    const Comparison* beside = nullptr;
};

std::string breakdown_table(std::string_view title, const std::vector<Line>& lines, double total) {
    std::string out =
        fmt::format("\n{:<41}{:>10}{:>8}   {:<20}{:>7}\n", title, "cycles", "share", "published", "ratio");
    for (const auto& line : lines) {
        const std::string share = total > 0 ? fmt::format("{:.1f} %", 100 * line.value / total) : "";
        out += fmt::format("{:<41.41}{:>10}{:>8}   {:<20}{:>7}", line.name, cycles(line.value), share,
                           line.beside ? published(*line.beside) : "", ratio(line.beside));
        if (line.beside) out += line.beside->reference.set == "calibration" ? " calibrated" : " validation";
        while (out.back() == ' ') out.pop_back();
        out += '\n';
    }
    return out;
}

/// One kind of exit: switches, L0 with its phases and steps, L1, total.
std::string exit_table(const Report& r, std::string_view level, std::string_view kind_name, bool steps) {
    const auto* kind = kind_named(kind_name);
    const u8 episode = episode_level(r.config.l0, level);
    const auto b = break_down(r.result, episode, kind->exit);
    if (!b || episode == 0) return "";
    const auto beside = [&](Part part) { return comparison(r, level, kind_name, part); };
    std::vector<Line> lines;
    const auto measured = net_mean(r.measured, level, kind_name);
    lines.push_back({"VM exits and VM entries", b->switches, beside(Part::Switches)});
    if (steps) {
        lines.push_back({"  VM exits", b->vm_exits});
        lines.push_back({"  VM entries", b->vm_entries});
    }
    const bool unit = r.config.l0 == L0Mode::Unit;
    lines.push_back({unit ? "L0" : "the image", b->l0, beside(Part::L0)});
    if (steps && unit)
        for (const auto& phase : b->phases) {
            const bool only_step = phase.steps.size() == 1 && phase.steps[0].cycles == phase.cycles;
            lines.push_back({"  " + phase.name + (only_step ? ": " + phase.steps[0].name : ""), phase.cycles});
            if (!only_step)
                for (const auto& step : phase.steps) lines.push_back({"    " + step.name, step.cycles});
        }
    if (episode == 2) lines.push_back({"L1's own code", b->l1, beside(Part::L1)});
    const double rest = measured ? *measured - b->total : 0;
    if (rest > 0.5) lines.push_back({"outside the exit: instruction, TLB refill", rest});
    lines.push_back({"total", measured ? std::max(*measured, b->total) : b->total, beside(Part::Total)});
    return breakdown_table(fmt::format("One {}{} exit", episode == 2 ? "nested " : "", kind->title), lines,
                           lines.back().value);
}

/// For images that measure nothing: what the machine saw.
std::string exits_table(const Report& r) {
    if (r.result.episodes.empty()) return "";
    std::string out =
        fmt::format("\n{:<6}{:<28}{:>10}{:>12}{:>12}{:>12}{:>12}\n", "of", "VM exit", "count", "cycles each",
                    "switches", r.config.l0 == L0Mode::Unit ? "L0" : "hypervisor", "L1's code");
    for (const auto& [key, episode] : r.result.episodes) {
        if (episode.count == 0) continue;
        const auto b = break_down(r.result.bucket_names, episode);
        out += fmt::format("{:<6}{:<28.28}{:>10}{:>12}{:>12}{:>12}{:>12}\n", fmt::format("L{}", key.level),
                           arch::exit_reason_name(key.exit_reason), grouped(b.count), cycles(b.total),
                           cycles(b.switches), cycles(b.l0), cycles(b.l1));
    }
    return out;
}

std::string totals(const Report& r) {
    const auto& v = r.result.vmcs_cache;
    std::string out = "\n";
    out += fmt::format("VMCS cache   {} reads, {} writes; {} hits and {} misses of lines;\n", grouped(v.reads),
                       grouped(v.writes), grouped(v.hits), grouped(v.misses));
    out += fmt::format("             {} lines fetched, {} written back\n", grouped(v.line_fetches),
                       grouped(v.line_writebacks));
    if (r.result.lockstep_operations != 0)
        out += fmt::format("lockstep     {} operations of the model and the RTL agree\n",
                           grouped(r.result.lockstep_operations));
    if (r.result.unit) {
        const auto& u = *r.result.unit;
        out += fmt::format("L0           {} VMREAD, {} VMWRITE; exits: {} of L1, {} of L2, {} of them given to L1\n",
                           grouped(u.vmread), grouped(u.vmwrite), grouped(u.exits_l1), grouped(u.exits_l2),
                           grouped(u.reflected));
    }
    const double ms =
        static_cast<double>(r.result.cycles) / static_cast<double>(r.config.profile.cpu.frequency_mhz) / 1000;
    if (r.result.cpus.size() > 1)
        for (std::size_t i = 0; i < r.result.cpus.size(); ++i)
            out += fmt::format("processor {}  {} instructions, {} cycles\n", i, grouped(r.result.cpus[i].instructions),
                               grouped(r.result.cpus[i].cycles));
    out += fmt::format("run          {} instructions, {} cycles ({:.3f} ms); {}\n", grouped(r.result.instructions),
                       grouped(r.result.cycles), ms, ending(r.result));
    return out;
}

/// Where the published figures come from, one line each.
std::string sources(const Report& r) {
    std::string out;
    for (const auto& c : r.comparisons) {
        if (!c.simulated) continue;
        const auto& f = c.reference;
        // Of "authors: title (venue)" the title is enough to find it; the row in traces/hardware has it all.
        const auto title = f.source.rfind(": ");
        const std::string what = title == std::string::npos ? f.source : f.source.substr(title + 2);
        const std::string line = fmt::format("{:<12} {}; {}; {}", f.id, f.where, f.cpu, what);
        out += line.size() > 100 ? line.substr(0, 97) + "..." : line;
        out += '\n';
    }
    return out.empty() ? "" : "\nSilicon (rows of traces/hardware)\n" + out;
}

/// What the reader must know before he trusts a ratio.
std::string notes(const Report& r) {
    std::string out;
    if (std::any_of(r.comparisons.begin(), r.comparisons.end(), [](const auto& c) { return c.simulated.has_value(); }))
        out += "calibrated: the profile's costs were set by this figure. validation: no cost was.\n";
    if (const auto* l1 = comparison(r, "guest", "cpuid", Part::L1); l1 != nullptr && l1->simulated && l1->ratio() < 1)
        out +=
            "L1's own code is less than KVM's: the image makes KVM's VMREADs and VMWRITEs and little else. What\n"
            "KVM does around them (timers, locks, scheduling), in caches that L0 has filled, is not in it.\n";
    return out;
}

}  // namespace

std::string human_report(const Report& r) {
    std::string out = heading(r);
    out += measurement_table(r);
    const std::string nested = exit_table(r, "guest", "cpuid", true);
    // Where L0 is software, an exit of L2 is several of its guest's: they are not the steps of one.
    if (r.measured.empty() || r.guest_measures)
        out += exits_table(r);
    else
        out += nested + exit_table(r, "own", "cpuid", false);
    out += totals(r);
    out += sources(r);
    if (const std::string n = notes(r); !n.empty()) out += "\n" + n;
    return out;
}

}  // namespace vmxsim::sim
