// SPDX-License-Identifier: Apache-2.0
// Small helpers for words that users write: numbers, sizes, names.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/arch/types.hpp"

namespace vmxsim::sim {

/// Decimal or 0x... number of the whole text; empty where it is none or does not fit.
std::optional<u64> parse_number(std::string_view text);

/// A number with an optional suffix K, M or G (powers of 1024): "64M".
std::optional<u64> parse_size(std::string_view text);

/// The candidate of the smallest edit distance to `word`; empty where there is no candidate.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates);

/// "a, b or c".
std::string alternatives(const std::vector<std::string_view>& words);

/// 12345678 -> "12,345,678".
std::string grouped(u64 value);

/// Writes a file as a whole or not at all: a temporary file beside it, then a rename. Throws InputError.
void write_atomically(const std::filesystem::path& file, std::string_view text);

}  // namespace vmxsim::sim
