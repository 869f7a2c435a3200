// SPDX-License-Identifier: Apache-2.0
#include "sim/profile.hpp"

#include <algorithm>
#include <cstring>

#include "sim/profile_detail.hpp"
#include "sim/text.hpp"
#include "sim/toml_reader.hpp"

namespace vmxsim::sim {

namespace {

using Reader = TomlReader<ProfileError>;

constexpr std::string_view kCell = "{ value = NUMBER, source = \"WHERE IT COMES FROM\" }";

/// "caches" of "caches.l1d_ways".
std::string_view section_of(std::string_view key) { return key.substr(0, key.find('.')); }
std::string_view name_in_section(std::string_view key) { return key.substr(key.find('.') + 1); }

void read_knob(const Reader& in, const toml::table& section, const Knob& knob, Profile& profile) {
    const std::string path = std::string(section_of(knob.key)) + ".";
    const auto& node = in.need(section, path, name_in_section(knob.key), kCell);
    const auto* cell = node.as_table();
    if (cell == nullptr) in.fail(node, fmt::format("'{}' has no source", knob.key), kCell);
    in.only(*cell, knob.key + ".", {"value", "source"});
    knob.in(profile) = in.number(in.need(*cell, knob.key + ".", "value", kCell), knob.key, knob.min, knob.max);
    profile.sources[knob.key] = in.filled_text(in.need(*cell, knob.key + ".", "source", kCell), knob.key + ".source");
}

/// The sections of parameters: all that the registry knows, nothing else.
void read_knobs(const Reader& in, Profile& profile) {
    for (std::size_t first = 0; first < knobs().size();) {
        const std::string_view name = section_of(knobs()[first].key);
        const auto& section = in.table(in.need(in.root(), "", name, fmt::format("a section [{}]", name)), name);
        std::vector<std::string_view> known;
        std::size_t last = first;
        for (; last < knobs().size() && section_of(knobs()[last].key) == name; ++last)
            known.push_back(name_in_section(knobs()[last].key));
        if (name == "cpu") known.push_back("name");
        in.only(section, std::string(name) + ".", known);
        for (; first < last; ++first) read_knob(in, section, knobs()[first], profile);
    }
}

/// MSR values are strings, since TOML's integers end at 2^63 - 1.
void read_capabilities(const Reader& in, Profile& profile) {
    const std::string_view section = "capabilities";
    const auto& table = in.table(in.need(in.root(), "", section, "a section [capabilities]"), section);
    std::vector<std::string_view> known{"source", "FEATURE_CONTROL"};
    for (const auto& msr : arch::msr::kCapabilities) known.push_back(msr.name);
    in.only(table, "capabilities.", known);
    const auto value_of = [&](const toml::node& node, std::string_view name) {
        const auto value = parse_number(in.text(node, name));
        if (!value)
            in.fail(node, fmt::format("'capabilities.{}' is no number", name), "a string like \"0x7f00000016\"");
        return *value;
    };
    for (const auto& msr : arch::msr::kCapabilities)
        if (const toml::node* node = table.get(msr.name))
            profile.capabilities.set(msr.index, value_of(*node, msr.name));
    in.need(table, "capabilities.", "IA32_VMX_BASIC", "the value of that MSR");
    if (const toml::node* node = table.get("FEATURE_CONTROL"))
        profile.capabilities.feature_control = value_of(*node, "FEATURE_CONTROL");
    profile.sources["capabilities"] = in.filled_text(
        in.need(table, "capabilities.", "source", "the machine that was recorded"), "capabilities.source");
}

/// Leaves 0x80000002 to 0x80000004: the brand string, 16 characters a leaf (SDM 2A, CPUID).
void add_brand(Profile& profile) {
    char text[48] = {};
    std::memcpy(text, profile.cpu_name.data(), std::min<std::size_t>(profile.cpu_name.size(), sizeof text - 1));
    for (u32 i = 0; i < 3; ++i) {
        core::CpuidLeaf leaf{.leaf = 0x80000002 + i};
        u32* const registers[] = {&leaf.eax, &leaf.ebx, &leaf.ecx, &leaf.edx};
        for (u32 r = 0; r < 4; ++r) std::memcpy(registers[r], text + 16 * i + 4 * r, 4);
        profile.cpuid.leaves.push_back(leaf);
    }
}

void read_cpuid(const Reader& in, Profile& profile) {
    in.need(in.root(), "", "cpuid", "[[cpuid]] leaves");
    for (const auto* table : in.tables(in.root(), "cpuid")) {
        in.only(*table, "cpuid.", {"leaf", "subleaf", "eax", "ebx", "ecx", "edx", "source"});
        core::CpuidLeaf leaf;
        const auto word = [&](std::string_view key) {
            return static_cast<u32>(in.number(in.need(*table, "cpuid.", key, "a 32-bit number"), key, 0, 0xffffffff));
        };
        leaf.leaf = word("leaf");
        if (table->contains("subleaf")) {
            leaf.subleaf = word("subleaf");
            leaf.any_subleaf = false;
        }
        leaf.eax = word("eax");
        leaf.ebx = word("ebx");
        leaf.ecx = word("ecx");
        leaf.edx = word("edx");
        if (leaf.leaf >= 0x80000002 && leaf.leaf <= 0x80000004)
            in.fail(*table, "the brand string's leaves are made from cpu.name", "no leaf 0x80000002 to 0x80000004");
        for (const auto& other : profile.cpuid.leaves)
            if (other.leaf == leaf.leaf && (other.any_subleaf || leaf.any_subleaf || other.subleaf == leaf.subleaf))
                in.fail(*table, fmt::format("leaf {:#x} is there twice", leaf.leaf), "each leaf and subleaf once");
        profile.sources[fmt::format("cpuid.{:#x}.{}", leaf.leaf, leaf.subleaf)] =
            in.filled_text(in.need(*table, "cpuid.", "source", "a text"), "cpuid.source");
        profile.cpuid.leaves.push_back(leaf);
    }
    add_brand(profile);
}

}  // namespace

Profile load_profile(const std::filesystem::path& file) {
    const Reader in(file);
    std::vector<std::string_view> sections{"capabilities", "cpuid"};
    for (const auto& knob : knobs())
        if (std::find(sections.begin(), sections.end(), section_of(knob.key)) == sections.end())
            sections.push_back(section_of(knob.key));
    in.only(in.root(), "", sections);

    Profile profile;
    profile.name = file.stem().string();
    read_knobs(in, profile);
    const auto& cpu = *in.root()["cpu"].as_table();
    const auto& name = in.need(cpu, "cpu.", "name", "the CPU's brand string");
    profile.cpu_name = in.filled_text(name, "cpu.name");
    if (profile.cpu_name.size() > 47) in.fail(name, "'cpu.name' is too long", "at most 47 characters");
    read_capabilities(in, profile);
    read_cpuid(in, profile);
    spread_cpu_facts(profile);
    return profile;
}

}  // namespace vmxsim::sim
