// SPDX-License-Identifier: Apache-2.0
// TOML files with strict reading: each complaint is one line "FILE:LINE: what is wrong, expected ...". Private to sim/.
#pragma once
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "model/arch/types.hpp"
#include "sim/error.hpp"

namespace vmxsim::sim {

/// Reader of one file; `Error` is what its complaints are thrown as.
template <class Error>
class TomlReader {
public:
    explicit TomlReader(const std::filesystem::path& file) : file_(file.string()) {
        try {
            root_ = toml::parse_file(file_);
        } catch (const toml::parse_error& e) {
            // A file that cannot be opened is reported without a position.
            const auto line = e.source().begin.line;
            if (line == 0 || !std::filesystem::is_regular_file(file))
                throw Error(fmt::format("{}: cannot be read, expected a TOML file", file_));
            std::string text(e.description());
            for (char& c : text)
                if (c == '\n') c = ' ';
            throw Error(fmt::format("{}:{}: {}, expected TOML 1.0", file_, line, text));
        }
    }

    const toml::table& root() const { return root_; }
    const std::string& file() const { return file_; }

    [[noreturn]] void fail(const toml::node& at, std::string_view what, std::string_view expected) const {
        // The root table has no position of its own: it is the file's start.
        const auto line = at.source().begin.line == 0 ? 1 : at.source().begin.line;
        throw Error(fmt::format("{}:{}: {}, expected {}", file_, line, what, expected));
    }

    /// The member `key` of `table`, which must exist. `path` names the table for messages ("vmx."; empty: the root).
    const toml::node& need(const toml::table& table, std::string_view path, std::string_view key,
                           std::string_view expected) const {
        const toml::node* node = table.get(key);
        if (node == nullptr) fail(table, fmt::format("'{}{}' is missing", path, key), expected);
        return *node;
    }

    std::string text(const toml::node& node, std::string_view name) const {
        const auto* s = node.as_string();
        if (s == nullptr) fail(node, fmt::format("'{}' is {}", name, type_name(node)), "a string");
        return s->get();
    }

    /// A string that says something.
    std::string filled_text(const toml::node& node, std::string_view name) const {
        std::string s = text(node, name);
        if (s.empty()) fail(node, fmt::format("'{}' is empty", name), "a text");
        return s;
    }

    /// An array of strings that say something; empty where the key is absent.
    std::vector<std::string> texts(const toml::table& in, std::string_view key) const {
        std::vector<std::string> result;
        const toml::node* node = in.get(key);
        if (node == nullptr) return result;
        const auto* array = node->as_array();
        if (array == nullptr) fail(*node, fmt::format("'{}' is {}", key, type_name(*node)), "an array of strings");
        for (const auto& element : *array) result.push_back(filled_text(element, key));
        return result;
    }

    bool boolean(const toml::node& node, std::string_view name) const {
        const auto* b = node.as_boolean();
        if (b == nullptr) fail(node, fmt::format("'{}' is {}", name, type_name(node)), "true or false");
        return b->get();
    }

    u64 number(const toml::node& node, std::string_view name, u64 min, u64 max) const {
        const auto* n = node.as_integer();
        const std::string range = fmt::format("an integer from {} to {}", min, max);
        if (n == nullptr) fail(node, fmt::format("'{}' is {}", name, type_name(node)), range);
        const auto value = n->get();
        if (value < 0 || static_cast<u64>(value) < min || static_cast<u64>(value) > max)
            fail(node, fmt::format("'{}' is {}", name, value), range);
        return static_cast<u64>(value);
    }

    const toml::table& table(const toml::node& node, std::string_view name) const {
        const auto* t = node.as_table();
        if (t == nullptr) fail(node, fmt::format("'{}' is {}", name, type_name(node)), "a table");
        return *t;
    }

    /// An array of tables; empty where the key is absent.
    std::vector<const toml::table*> tables(const toml::table& in, std::string_view key) const {
        std::vector<const toml::table*> result;
        const toml::node* node = in.get(key);
        if (node == nullptr) return result;
        const auto* array = node->as_array();
        if (array == nullptr) fail(*node, fmt::format("'{}' is {}", key, type_name(*node)), fmt::format("[[{}]]", key));
        for (const auto& element : *array) result.push_back(&table(element, key));
        return result;
    }

    /// Complains about the first member that is none of `known`.
    void only(const toml::table& table, std::string_view path, const std::vector<std::string_view>& known) const {
        for (const auto& [key, node] : table) {
            bool found = false;
            for (const auto k : known) found = found || k == key.str();
            if (found) continue;
            std::string list;
            for (const auto k : known) list += (list.empty() ? "" : ", ") + std::string(k);
            const auto line = key.source().begin.line;
            throw Error(
                fmt::format("{}:{}: unknown key '{}{}', expected one of: {}", file_, line, path, key.str(), list));
        }
    }

private:
    static std::string type_name(const toml::node& node) {
        switch (node.type()) {
            case toml::node_type::string:
                return "a string";
            case toml::node_type::integer:
                return "an integer";
            case toml::node_type::floating_point:
                return "a floating-point number";
            case toml::node_type::boolean:
                return "a boolean";
            case toml::node_type::array:
                return "an array";
            case toml::node_type::table:
                return "a table";
            default:
                return "a date or time";
        }
    }
    std::string file_;
    toml::table root_;
};

}  // namespace vmxsim::sim
