// SPDX-License-Identifier: Apache-2.0
// A scenario: an image, the machine it runs on, and the published figures to hold the result against. Files:
// sim/scenarios/*.toml. docs/scenarios.md has the format.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "sim/config.hpp"

namespace vmxsim::sim {

enum class Part : u8 { Total, Switches, L0, L1 };

/// A published figure and what of a run it is to be compared with.
struct ReferenceUse {
    std::string id;     ///< row of traces/hardware/
    std::string kind;   ///< as in the image's lines "cycles own cpuid ..."
    std::string level;  ///< "own" or "guest"
    Part part = Part::Total;
    // Where the run must be like this for the comparison to make sense. Empty: any.
    std::optional<L0Mode> l0;
    std::string profile, policy;
    bool applies(const MachineConfig& config) const;
};

struct Scenario {
    std::string name, title, image, append, profile;
    L0Mode l0 = L0Mode::None;
    std::string policy = "kvm-2011";
    u64 memory_bytes = u64{64} << 20;
    std::vector<std::string> initrd;  ///< multiboot modules, or the parts of a kernel's initramfs
    bool guest_measures = false;      ///< what is printed comes from a guest of the image: the image is L0, the guest L1
    bool console = false;             ///< what the image prints is shown
    std::string fetch;                ///< the command that brings the image, where it is none of ours
    std::vector<ReferenceUse> references;
};

struct ScenarioError : InputError {
    using InputError::InputError;
};

Scenario load_scenario(const std::filesystem::path& file);

/// The words of --l0, --policy, ...; empty where `word` is none of them.
std::optional<L0Mode> parse_l0(std::string_view word);
bool is_policy(std::string_view word);

inline constexpr u64 kMinMemory = u64{4} << 20, kMaxMemory = u64{16} << 30;

}  // namespace vmxsim::sim
