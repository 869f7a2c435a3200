// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario.hpp"

#include <algorithm>

#include "nested/params.hpp"
#include "sim/text.hpp"
#include "sim/toml_reader.hpp"

namespace vmxsim::sim {

namespace {

using Reader = TomlReader<ScenarioError>;

Part read_part(const Reader& in, const toml::node& node) {
    constexpr std::pair<std::string_view, Part> words[] = {
        {"total", Part::Total}, {"switches", Part::Switches}, {"l0", Part::L0}, {"l1", Part::L1}};
    const std::string word = in.text(node, "references.part");
    for (const auto& [name, part] : words)
        if (name == word) return part;
    in.fail(node, fmt::format("'references.part' is '{}'", word), "total, switches, l0 or l1");
}

L0Mode read_l0(const Reader& in, const toml::node& node, std::string_view name) {
    const std::string word = in.text(node, name);
    if (const auto mode = parse_l0(word)) return *mode;
    in.fail(node, fmt::format("'{}' is '{}'", name, word), "none or unit");
}

std::string read_policy(const Reader& in, const toml::node& node, std::string_view name) {
    const std::string word = in.text(node, name);
    const auto known = nested::policies();
    if (!is_policy(word))
        in.fail(node, fmt::format("'{}' is '{}'", name, word), alternatives({known.begin(), known.end()}));
    return word;
}

ReferenceUse read_reference(const Reader& in, const toml::table& table) {
    const std::string path = "references.";
    in.only(table, path, {"id", "kind", "level", "part", "l0", "profile", "policy"});
    ReferenceUse use;
    use.id = in.filled_text(in.need(table, path, "id", "a row of traces/hardware/"), "references.id");
    use.kind = in.filled_text(in.need(table, path, "kind", "a kind that the image measures"), "references.kind");
    const auto& level = in.need(table, path, "level", "own or guest");
    use.level = in.text(level, "references.level");
    if (use.level != "own" && use.level != "guest")
        in.fail(level, fmt::format("'references.level' is '{}'", use.level), "own or guest");
    use.part = read_part(in, in.need(table, path, "part", "total, switches, l0 or l1"));
    if (const auto* node = table.get("l0")) use.l0 = read_l0(in, *node, "references.l0");
    if (const auto* node = table.get("profile")) use.profile = in.filled_text(*node, "references.profile");
    if (const auto* node = table.get("policy")) use.policy = read_policy(in, *node, "references.policy");
    return use;
}

}  // namespace

bool ReferenceUse::applies(const MachineConfig& config) const {
    return (!l0 || *l0 == config.l0) && (profile.empty() || profile == config.profile.name) &&
           (policy.empty() || policy == config.policy);
}

std::optional<L0Mode> parse_l0(std::string_view word) {
    for (const L0Mode mode : {L0Mode::None, L0Mode::Unit})
        if (word == name_of(mode)) return mode;
    return std::nullopt;
}

bool is_policy(std::string_view word) {
    const auto known = nested::policies();
    return std::find(known.begin(), known.end(), word) != known.end();
}

Scenario load_scenario(const std::filesystem::path& file) {
    const Reader in(file);
    const auto& root = in.root();
    in.only(root, "", {"title", "image", "append", "profile", "l0", "policy", "memory", "initrd", "console",
                      "fetch", "guest_measures", "references"});
    Scenario s;
    s.name = file.stem().string();
    s.title = in.filled_text(in.need(root, "", "title", "a sentence"), "title");
    s.image = in.filled_text(in.need(root, "", "image", "an image's name or path"), "image");
    s.profile = in.filled_text(in.need(root, "", "profile", "a CPU profile"), "profile");
    if (const auto* node = root.get("append")) s.append = in.text(*node, "append");
    if (const auto* node = root.get("l0")) s.l0 = read_l0(in, *node, "l0");
    if (const auto* node = root.get("policy")) s.policy = read_policy(in, *node, "policy");
    if (const auto* node = root.get("memory")) {
        const std::string text = in.text(*node, "memory");
        const auto bytes = parse_size(text);
        if (!bytes || *bytes < kMinMemory || *bytes > kMaxMemory)
            in.fail(*node, fmt::format("'memory' is '{}'", text), "a size from 4M to 16G");
        s.memory_bytes = *bytes;
    }
    s.initrd = in.texts(root, "initrd");
    if (const auto* node = root.get("guest_measures")) s.guest_measures = in.boolean(*node, "guest_measures");
    if (const auto* node = root.get("console")) s.console = in.boolean(*node, "console");
    if (const auto* node = root.get("fetch")) s.fetch = in.filled_text(*node, "fetch");
    for (const auto* table : in.tables(root, "references")) s.references.push_back(read_reference(in, *table));
    return s;
}

}  // namespace vmxsim::sim
