// SPDX-License-Identifier: Apache-2.0
// What an image measured itself, by its lines "cycles LEVEL KIND COUNT SUM MIN".
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/arch/exits.hpp"
#include "model/arch/types.hpp"

namespace vmxsim::sim {

struct Measurement {
    std::string level;  ///< "own": the image's own operations, "guest": those of its guest
    std::string kind;   ///< "cpuid", ...
    u64 count = 0, sum = 0, min = 0;
    double mean() const { return count == 0 ? 0 : static_cast<double>(sum) / static_cast<double>(count); }
};

/// In the order of the lines; a kind that comes twice counts once, as last printed. Other lines, and lines that begin
/// like one and are not, are left alone.
std::vector<Measurement> parse_measurements(std::string_view console);

/// Null where it was not measured.
const Measurement* find(const std::vector<Measurement>& all, std::string_view level, std::string_view kind);

/// Mean cycles of an operation, less the mean of the image's kind "empty" (the measurement itself), where it has one.
/// Empty where the operation was not measured.
std::optional<double> net_mean(const std::vector<Measurement>& all, std::string_view level, std::string_view kind);

/// The lines of a console's text, without line ends.
std::vector<std::string> lines_of(std::string_view console);

/// A kind of operation and the VM exit that it causes.
struct Kind {
    std::string_view name, title;
    arch::ExitReason exit;
};
/// Null where the kind is not known.
const Kind* kind_named(std::string_view name);

}  // namespace vmxsim::sim
