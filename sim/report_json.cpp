// SPDX-License-Identifier: Apache-2.0
// The statistics document, schema vmxsim-stats/1 (docs/comparison.md).
#include <cmath>

#include "sim/report.hpp"
#include "sim/version.hpp"

namespace vmxsim::sim {

namespace {

using Json = nlohmann::ordered_json;

/// Means to three decimals: exact enough, and the same digits everywhere.
double rounded(double v) { return std::round(v * 1000) / 1000; }

Json buckets_of(const std::vector<std::string>& names, const std::vector<u64>& cycles) {
    Json j = Json::object();
    for (std::size_t i = 0; i < cycles.size() && i < names.size(); ++i)
        if (cycles[i] != 0) j[names[i]] = cycles[i];
    return j;
}

Json cpus_of(const RunResult& r) {
    Json all = Json::array();
    for (const CpuResult& c : r.cpus) all.push_back({{"cycles", c.cycles}, {"instructions", c.instructions}});
    return all;
}

Json episodes_of(const RunResult& r) {
    Json all = Json::array();
    for (const auto& [key, e] : r.episodes) {
        u64 sum = 0;
        for (const u64 c : e.cycles) sum += c;
        all.push_back({{"level", key.level},
                       {"exit_reason", key.exit_reason},
                       {"name", arch::exit_reason_name(key.exit_reason)},
                       {"count", e.count},
                       {"cycles", sum},
                       {"buckets", buckets_of(r.bucket_names, e.cycles)}});
    }
    return all;
}

Json measured_of(const std::vector<Measurement>& all) {
    Json j = {{"own", Json::object()}, {"guest", Json::object()}};
    for (const auto& m : all) j[m.level][m.kind] = {{"count", m.count}, {"sum", m.sum}, {"min", m.min}};
    return j;
}

std::string_view name_of_part(Part p) {
    return p == Part::Total ? "total" : p == Part::Switches ? "switches" : p == Part::L0 ? "l0" : "l1";
}

Json references_of(const Report& report) {
    Json all = Json::array();
    for (const auto& c : report.comparisons)
        all.push_back({{"id", c.reference.id},
                       {"what", c.reference.op},
                       {"kind", c.use.kind},
                       {"level", c.use.level},
                       {"part", name_of_part(c.use.part)},
                       {"value", c.reference.value},
                       {"simulated", c.simulated ? Json(rounded(*c.simulated)) : Json()},
                       {"ratio", c.simulated ? Json(rounded(c.ratio())) : Json()},
                       {"set", c.reference.set},
                       {"source", c.reference.source},
                       {"where", c.reference.where}});
    return all;
}

Json unit_of(const std::optional<nested::UnitStats>& unit) {
    if (!unit) return {};
    const auto& u = *unit;
    return {{"vmread", u.vmread},
            {"vmwrite", u.vmwrite},
            {"vmptrld", u.vmptrld},
            {"vmclear", u.vmclear},
            {"invvpid", u.invvpid},
            {"invept", u.invept},
            {"rdmsr", u.rdmsr},
            {"wrmsr", u.wrmsr},
            {"exits_l1", u.exits_l1},
            {"exits_l2", u.exits_l2},
            {"reflected", u.reflected},
            {"nested_entries", u.nested_entries},
            {"l1_vmread", u.l1_vmread},
            {"l1_vmwrite", u.l1_vmwrite},
            {"pages_pinned", u.pages_pinned},
            {"pages_released", u.pages_released}};
}

Json settings_of(const Profile& p) {
    Json j = Json::object();
    for (const auto& s : p.settings) {
        const auto equals = s.find('=');
        j[s.substr(0, equals)] = s.substr(equals + 1);
    }
    return j;
}

/// Of a text that a guest made: JSON has UTF-8 only.
std::string ascii(const std::string& text) {
    std::string out;
    for (const char c : text) out += (c >= 0x20 && c < 0x7f) || c == '\t' ? c : '?';
    return out;
}

}  // namespace

Json statistics(const Report& report) {
    const auto& c = report.config;
    const auto& r = report.result;
    Json j;
    j["schema"] = kStatsSchema;
    j["version"] = kVersion;
    j["scenario"] = report.scenario;
    j["image"] = report.image;
    j["append"] = c.append;
    j["l0"] = name_of(c.l0);
    j["policy"] = c.l0 == L0Mode::Unit ? Json(c.policy) : Json();
    j["profile"] = c.profile.name;
    j["vmcs_cache"] = name_of(c.vmcs_cache);
    j["timing"] = name_of(c.timing);
    j["settings"] = settings_of(c.profile);
    j["cycles"] = r.cycles;
    j["instructions"] = r.instructions;
    j["cpus"] = cpus_of(r);
    j["ending"] = ending(r);
    j["exit_status"] = report.exit_status;
    j["buckets"] = buckets_of(r.bucket_names, r.bucket_totals);
    j["episodes"] = episodes_of(r);
    const auto& v = r.vmcs_cache;
    j["vmcs_cache_stats"] = {{"reads", v.reads},
                             {"writes", v.writes},
                             {"bulk_reads", v.bulk_reads},
                             {"bulk_writes", v.bulk_writes},
                             {"merges", v.merges},
                             {"activates", v.activates},
                             {"clears", v.clears},
                             {"flushes", v.flushes},
                             {"hits", v.hits},
                             {"misses", v.misses},
                             {"evictions", v.evictions},
                             {"line_fetches", v.line_fetches},
                             {"line_writebacks", v.line_writebacks},
                             {"lockstep_operations", r.lockstep_operations}};
    const auto& m = r.mmu;
    j["mmu"] = {{"itlb_misses", m.itlb_misses},
                {"dtlb_misses", m.dtlb_misses},
                {"stlb_hits", m.stlb_hits},
                {"walks", m.walks},
                {"walk_references", m.walk_references},
                {"walk_cycles", m.walk_cycles},
                {"ept_references", m.ept_references},
                {"page_faults", m.page_faults},
                {"ept_violations", m.ept_violations},
                {"ept_misconfigs", m.ept_misconfigs},
                {"flushes", m.flushes}};
    const auto& k = r.caches;
    j["caches"] = {{"l1d_accesses", k.l1d_accesses}, {"l1d_misses", k.l1d_misses},   {"l1i_accesses", k.l1i_accesses},
                   {"l1i_misses", k.l1i_misses},     {"l2_accesses", k.l2_accesses}, {"l2_misses", k.l2_misses},
                   {"llc_accesses", k.llc_accesses}, {"llc_misses", k.llc_misses}};
    j["branches"] = {{"predicted", r.branches}, {"mispredicted", r.mispredicts}};
    j["missing_instructions"] = Json::array();
    for (const core::Missing& one : r.missing)
        j["missing_instructions"].push_back({{"text", one.text}, {"rip", one.rip}, {"times", one.times}});
    j["unit"] = unit_of(r.unit);
    j["console"] = Json::array();
    for (const auto& line : lines_of(r.console)) j["console"].push_back(ascii(line));
    j["measured"] = measured_of(report.measured);
    j["references"] = references_of(report);
    return j;
}

}  // namespace vmxsim::sim
