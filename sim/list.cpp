// SPDX-License-Identifier: Apache-2.0
// vmxsim list
#include <fmt/format.h>

#include "model/arch/vmcs_layout.hpp"
#include "sim/commands.hpp"
#include "sim/paths.hpp"
#include "sim/text.hpp"

namespace vmxsim::sim {

namespace {

std::string list_scenarios() {
    std::string out;
    for (const auto& name : definitions("scenarios"))
        out += fmt::format("{:<16}{}\n", name, load_scenario(find_definition("scenarios", name)).title);
    return out;
}

std::string list_profiles() {
    std::string out;
    for (const auto& name : definitions("profiles")) {
        const Profile p = load_profile(find_definition("profiles", name));
        out += fmt::format("{:<16}{}, {} MHz, VMCS cache of {} contexts\n", name, p.cpu_name, p.cpu.frequency_mhz,
                           p.vmcs_cache.contexts);
    }
    return out;
}

std::string list_policies() {
    std::string out;
    for (const auto policy : nested::policies())
        out += fmt::format(
            "{:<16}{}\n", policy,
            policy == "kvm-2011"
                ? "KVM as of Linux 3.1: every field copied on each entry, each VMREAD and VMWRITE of L1 exits"
                : "");
    return out;
}

std::string_view name_of_width(arch::FieldWidth w) {
    return w == arch::FieldWidth::W16   ? "16"
           : w == arch::FieldWidth::W32 ? "32"
           : w == arch::FieldWidth::W64 ? "64"
                                        : "natural";
}

std::string_view name_of_type(arch::FieldType t) {
    constexpr std::string_view names[] = {"control", "read-only", "guest", "host"};
    return names[static_cast<std::size_t>(t)];
}

std::string list_fields() {
    std::string out = fmt::format("{:<8}{:<33}{:<8}{:<10}{}\n", "code", "field", "width", "type", "name in the SDM");
    for (const auto& f : arch::kFields)
        out += fmt::format("{:#06x}  {:<33.32}{:<8}{:<10}{}\n", f.encoding, f.name, name_of_width(f.width),
                           name_of_type(f.type), f.sdm_name);
    return out;
}

std::string list_layouts() {
    std::string out = "generic: 8 bytes a field, each type on lines of its own (bytes of the 4-KiB region)\n";
    for (const auto& f : arch::kFields)
        out += fmt::format("{:#06x}  {:<56}{}\n", f.generic_offset, f.name, arch::size_of(f.width));
    return out;
}

/// `text` in lines of at most 100 columns, each indented.
std::string wrapped(std::string_view text) {
    constexpr std::size_t kWidth = 96;
    std::string out;
    while (!text.empty()) {
        std::size_t end = text.size();
        if (end > kWidth) {
            end = text.rfind(' ', kWidth);
            if (end == std::string_view::npos || end == 0) end = kWidth;
        }
        out += fmt::format("    {}\n", text.substr(0, end));
        text.remove_prefix(end);
        if (text.starts_with(' ')) text.remove_prefix(1);
    }
    return out;
}

std::string list_knobs() {
    const Profile p = load_profile(find_definition("profiles", "nehalem"));
    std::string out = "Values of the profile nehalem, each with its meaning and [source]; --profile and --set change them.\n";
    out += fmt::format("{:<30}{:>12}  {:<8} {}\n", "key", "value", "unit", "range");
    for (const auto& k : knobs()) {
        out += fmt::format("{:<30}{:>12}  {:<8} {}-{}\n", k.key, k.in(p), k.unit, k.min, k.max);
        out += wrapped(fmt::format("{} [{}]", k.what, p.sources.at(k.key)));
    }
    return out;
}

}  // namespace

std::string list_text(std::string_view topic) {
    if (topic == "scenarios") return list_scenarios();
    if (topic == "profiles") return list_profiles();
    if (topic == "policies") return list_policies();
    if (topic == "fields") return list_fields();
    if (topic == "layouts") return list_layouts();
    return list_knobs();
}

}  // namespace vmxsim::sim
