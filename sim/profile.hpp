// SPDX-License-Identifier: Apache-2.0
// A CPU profile: every parameter of the model for one CPU, each with the source of its value. Files:
// sim/profiles/*.toml.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/arch/msrs.hpp"
#include "model/core/core.hpp"
#include "model/core/cpuid.hpp"
#include "model/memory/cache_hierarchy.hpp"
#include "model/mmu/mmu.hpp"
#include "model/vmcs_cache/params.hpp"
#include "model/vmx/vmx.hpp"
#include "nested/params.hpp"
#include "sim/error.hpp"

namespace vmxsim::sim {

/// What belongs to the CPU as a whole.
struct CpuParams {
    u64 frequency_mhz = 1000;        ///< of the core's clock and the TSC
    u64 bus_mhz = 100;               ///< what the local APIC's timer divides (SDM 11.5.4)
    u64 slice = 2000;                ///< cycles that one of several processors runs ahead of the others
    u64 x2apic = 0, tsc_deadline = 0;  ///< flags: what the local APIC can do; CPUID says so where there is one
    u64 microcode = 0;               ///< revision of the microcode update that firmware has loaded; 0: none
    u64 physical_address_bits = 40;  ///< MAXPHYADDR (SDM 4.1.4); also in the MMU, the capabilities and CPUID
};
std::span<const arch::Param<CpuParams>> cpu_params();

struct Profile {
    std::string name;      ///< of the file: "nehalem"
    std::string cpu_name;  ///< as CPUID's brand string, at most 47 characters
    CpuParams cpu;
    memory::CacheParams caches;
    mmu::MmuParams mmu;
    core::CoreParams core;
    vmx::VmxTiming vmx;
    vmcs_cache::VmcsCacheParams vmcs_cache;
    nested::NestedParams nested;
    arch::Capabilities capabilities;
    core::CpuidTable cpuid;
    std::map<std::string, std::string, std::less<>> sources;  ///< by key: where its value comes from
    std::vector<std::string> settings;                        ///< "KEY=VALUE" that were set over the file's values
};

/// A parameter of any module, by its full key: "vmcs_cache.contexts".
struct Knob {
    std::string key;
    std::string_view unit;
    u64 min, max;
    std::string_view what;
    u64& (*value)(Profile&, std::size_t row);  ///< the member that holds it
    std::size_t row;
    u64& in(Profile& p) const { return value(p, row); }
    u64 in(const Profile& p) const { return value(const_cast<Profile&>(p), row); }
};

/// All parameters, module by module in the order of their rows.
const std::vector<Knob>& knobs();

/// What is wrong with a profile or a setting, in one line: "FILE:LINE: what is wrong, expected ...".
struct ProfileError : InputError {
    using InputError::InputError;
};

/// Reads a profile. Each parameter must be there, with a source and within its range; no key may be unknown.
Profile load_profile(const std::filesystem::path& file);

/// Applies "KEY=VALUE" (decimal or 0x...). An unknown key's error names the nearest one.
void set_knob(Profile& profile, std::string_view assignment);

}  // namespace vmxsim::sim
