// SPDX-License-Identifier: Apache-2.0
// The registry of parameters, and `--set`.
#include <fmt/format.h>

#include "sim/profile.hpp"
#include "sim/profile_detail.hpp"
#include "sim/text.hpp"

namespace vmxsim::sim {

namespace {

constexpr arch::Param<CpuParams> kCpuRows[] = {
    {"cpu.frequency_mhz", &CpuParams::frequency_mhz, "MHz", 1, 10000, "clock of the core and of the TSC"},
    {"cpu.bus_mhz", &CpuParams::bus_mhz, "MHz", 1, 10000, "clock that the timer of the local APIC divides"},
    {"cpu.slice", &CpuParams::slice, "cycles", 100, 1000000,
     "how far one of several processors runs ahead of the slowest before that has its turn"},
    {"cpu.x2apic", &CpuParams::x2apic, "flag", 0, 1, "the local APIC has x2APIC mode; offered on the bare machine"},
    {"cpu.tsc_deadline", &CpuParams::tsc_deadline, "flag", 0, 1,
     "the timer of the local APIC has TSC-deadline mode; offered on the bare machine"},
    {"cpu.microcode", &CpuParams::microcode, "revision", 0, 0xffffffff,
     "microcode update that firmware has loaded, in IA32_BIOS_SIGN_ID; 0: none"},
    {"cpu.physical_address_bits", &CpuParams::physical_address_bits, "bits", 32, 52,
     "width of physical addresses: MMU, capability MSRs and CPUID"},
};

/// Rows that no profile has, since the fact is written elsewhere in it: in [cpu], [capabilities] or [[cpuid]].
bool is_derived(std::string_view key) {
    for (const std::string_view k :
         {"mmu.physical_address_bits", "mmu.page_1g", "mmu.ept_execute_only", "mmu.ept_2m", "mmu.ept_1g"})
        if (k == key) return true;
    return false;
}

/// Appends the rows of one module. `Rows` returns them, `Member` is the module's struct within a Profile.
template <auto Rows, auto Member>
void add(std::vector<Knob>& all) {
    const auto rows = Rows();
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (is_derived(rows[i].key)) continue;
        all.push_back({std::string(rows[i].key), rows[i].unit, rows[i].min, rows[i].max, rows[i].what,
                       [](Profile& p, std::size_t row) -> u64& { return (p.*Member).*(Rows()[row].member); }, i});
    }
}

std::vector<Knob> make() {
    std::vector<Knob> all;
    add<&cpu_params, &Profile::cpu>(all);
    add<&memory::cache_params, &Profile::caches>(all);
    add<&mmu::mmu_params, &Profile::mmu>(all);
    add<&core::core_params, &Profile::core>(all);
    add<&vmx::vmx_timing_params, &Profile::vmx>(all);
    add<&vmcs_cache::vmcs_cache_params, &Profile::vmcs_cache>(all);
    add<&nested::nested_params, &Profile::nested>(all);
    return all;
}

}  // namespace

std::span<const arch::Param<CpuParams>> cpu_params() { return kCpuRows; }

const std::vector<Knob>& knobs() {
    static const std::vector<Knob> all = make();
    return all;
}

void spread_cpu_facts(Profile& profile) {
    const u64 bits = profile.cpu.physical_address_bits;
    profile.mmu.physical_address_bits = bits;
    profile.capabilities.physical_address_bits = static_cast<unsigned>(bits);
    profile.mmu.page_1g = 0;
    for (auto& leaf : profile.cpuid.leaves) {
        if (leaf.leaf == 0x80000008) leaf.eax = (leaf.eax & ~0xffu) | static_cast<u32>(bits);
        if (leaf.leaf == 0x80000001) profile.mmu.page_1g = leaf.edx >> 26 & 1;
    }
    // IA32_DEBUGCTL: LBR, BTF, TR; the freezes come with version 2 of performance monitoring (SDM 19.4.1, 21.2.2).
    const core::CpuidLeaf perfmon = profile.cpuid.max_basic() >= 10 ? profile.cpuid.find(10, 0) : core::CpuidLeaf{};
    const bool counts = (perfmon.eax & 0xff) >= 2;
    profile.capabilities.debugctl_bits = counts ? 0x1843 : 0x43;
    profile.capabilities.perf_global_bits =
        counts ? ((u64{1} << (perfmon.eax >> 8 & 0xff)) - 1) | ((u64{1} << (perfmon.edx & 31)) - 1) << 32 : 0;
    const u64 ept = profile.capabilities.get(arch::msr::IA32_VMX_EPT_VPID_CAP);  // SDM A.10
    profile.mmu.ept_execute_only = ept & 1;
    profile.mmu.ept_2m = ept >> 16 & 1;
    profile.mmu.ept_1g = ept >> 17 & 1;
}

void set_knob(Profile& profile, std::string_view assignment) {
    const auto equals = assignment.find('=');
    if (equals == std::string_view::npos || equals == 0)
        throw ProfileError(fmt::format("--set {}: no '=', expected KEY=VALUE as in vmcs_cache.contexts=4", assignment));
    const std::string_view key = assignment.substr(0, equals), text = assignment.substr(equals + 1);
    for (const Knob& knob : knobs()) {
        if (knob.key != key) continue;
        const auto value = parse_number(text);
        if (!value || *value < knob.min || *value > knob.max)
            throw ProfileError(
                fmt::format("--set {}: '{}' is not a value of it, expected an integer from {} to {} ({})", key, text,
                            knob.min, knob.max, knob.unit));
        knob.in(profile) = *value;
        profile.sources[knob.key] = "set on the command line";
        profile.settings.emplace_back(assignment);
        spread_cpu_facts(profile);
        return;
    }
    std::vector<std::string_view> keys;
    for (const Knob& knob : knobs()) keys.push_back(knob.key);
    throw ProfileError(
        fmt::format("--set {}: unknown key '{}', expected a key of `vmxsim list knobs`; the nearest is '{}'",
                    assignment, key, nearest(key, keys)));
}

}  // namespace vmxsim::sim
