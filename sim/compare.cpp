// SPDX-License-Identifier: Apache-2.0
#include "sim/compare.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "sim/error.hpp"
#include "sim/json_file.hpp"
#include "sim/report.hpp"
#include "sim/text.hpp"

namespace vmxsim::sim {

namespace {

using Json = nlohmann::ordered_json;

std::string cycles(double v) { return grouped(static_cast<u64>(v + 0.5)); }

/// "+12.3 %", or "same".
std::string change(double a, double b) {
    if (a == b) return "same";
    return a == 0 ? "new" : fmt::format("{:+.1f} %", 100 * (b - a) / a);
}

std::string row(std::string_view name, double a, double b) {
    return fmt::format("{:<52.52}{:>15}{:>15}{:>12}\n", name, cycles(a), cycles(b), change(a, b));
}

std::string plain(const Json& v) { return v.is_string() ? v.get<std::string>() : v.dump(); }

/// Keys of both, in the order of a, then b's own.
std::vector<std::string> keys_of(const Json& a, const Json& b) {
    std::vector<std::string> keys;
    for (const auto* j : {&a, &b})
        for (const auto& [key, value] : j->items())
            if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    return keys;
}

double number(const Json& j, const std::string& key) { return j.contains(key) ? j[key].get<double>() : 0; }

double mean(const Json& series) { return series.at("sum").get<double>() / series.at("count").get<double>(); }

std::string settings(const Json& a, const Json& b) {
    std::string out;
    for (const char* key :
         {"version", "scenario", "image", "append", "l0", "policy", "profile", "vmcs_cache", "timing"})
        if (a.at(key) != b.at(key)) out += fmt::format("{:<32}{:>33}{:>29}\n", key, plain(a[key]), plain(b[key]));
    for (const auto& key : keys_of(a.at("settings"), b.at("settings"))) {
        const auto of = [&](const Json& j) {
            return j["settings"].contains(key) ? plain(j["settings"][key]) : std::string("-");
        };
        if (of(a) != of(b)) out += fmt::format("{:<32}{:>33}{:>29}\n", key, of(a), of(b));
    }
    return out.empty() ? "Both runs have the same settings.\n" : "Settings that differ\n" + out;
}

/// An episode's buckets, one row each, for the exits that both runs have.
std::string episodes(const Json& a, const Json& b) {
    std::string out;
    for (const auto& x : a.at("episodes"))
        for (const auto& y : b.at("episodes")) {
            if (x.at("level") != y.at("level") || x.at("exit_reason") != y.at("exit_reason")) continue;
            const double m = x.at("count"), n = y.at("count");
            if (m == 0 || n == 0) continue;
            out += row(fmt::format("{} exit of L{}", plain(x.at("name")), x["level"].get<int>()),
                       x.at("cycles").get<double>() / m, y.at("cycles").get<double>() / n);
            for (const auto& key : keys_of(x.at("buckets"), y.at("buckets"))) {
                const double p = number(x["buckets"], key) / m, q = number(y["buckets"], key) / n;
                if (std::abs(p - q) >= 0.5) out += row("  " + key, p, q);
            }
        }
    return out;
}

Json statistics_file(const std::string& file) {
    Json j = read_json(file);
    if (schema_of(j) != kStatsSchema)
        throw InputError(fmt::format("{}:1: schema is '{}', expected {}", file, schema_of(j), kStatsSchema));
    return j;
}

}  // namespace

std::string compare_statistics(const Json& a, const Json& b) {
    std::string out = settings(a, b);
    out += fmt::format("\n{:<52}{:>15}{:>15}{:>12}\n", "Cycles (means)", "A", "B", "change");
    out += row("whole run", a.at("cycles"), b.at("cycles"));
    out += row("instructions of the whole run", a.at("instructions"), b.at("instructions"));
    for (const char* level : {"own", "guest"}) {
        const auto& p = a.at("measured").at(level);
        const auto& q = b.at("measured").at(level);
        for (const auto& [kind, series] : p.items())
            if (q.contains(kind)) out += row(fmt::format("{} {}", level, kind), mean(series), mean(q[kind]));
    }
    out += "\nWhere exits differ, by bucket\n" + episodes(a, b);
    return out;
}

std::string compare_with_references(const Json& a) {
    std::string out;
    const auto& all = a.at("references");
    for (const char* set : {"calibration", "validation"}) {
        std::string rows;
        double worst = 0, logs = 0;
        int count = 0;
        for (const auto& r : all) {
            if (r.at("set") != set || r.at("simulated").is_null()) continue;
            const double ratio = r.at("ratio");
            rows += fmt::format("{:<13}{:<44.44} {:>11}{:>11}{:>7.2f}  {}\n", plain(r.at("id")), plain(r.at("what")),
                                cycles(r.at("value")), cycles(r.at("simulated")), ratio, plain(r.at("part")));
            worst = std::max(worst, std::abs(ratio - 1));
            if (ratio > 0) logs += std::abs(std::log(ratio));
            ++count;
        }
        if (count == 0) continue;
        const bool fitted = std::string_view(set) == "calibration";
        out += fmt::format("{}{}\n{:<13}{:<44} {:>11}{:>11}{:>7}\n", out.empty() ? "" : "\n",
                           fitted ? "Calibration: the profile's costs were set by these figures"
                                  : "Validation: no cost was set by these figures",
                           "id", "what", "published", "simulated", "ratio");
        out += rows;
        out += fmt::format("{} figures, error {:.1f} % in the geometric mean, {:.1f} % at most\n", count,
                           100 * (std::exp(logs / count) - 1), 100 * worst);
    }
    if (out.empty())
        out = fmt::format("No published figure belongs to this run (scenario '{}', profile {}, L0 {}).\n",
                          plain(a.at("scenario")), plain(a.at("profile")), plain(a.at("l0")));
    return out;
}

std::string compare_files(const std::string& a, const std::string& b) {
    const Json first = statistics_file(a);
    const Json second = b == "hardware" ? Json() : statistics_file(b);
    try {
        return b == "hardware" ? compare_with_references(first) : compare_statistics(first, second);
    } catch (const nlohmann::json::exception& e) {
        throw InputError(fmt::format("{}:1: {}, expected statistics of this version", a, e.what()));
    }
}

}  // namespace vmxsim::sim
