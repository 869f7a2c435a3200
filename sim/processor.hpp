// SPDX-License-Identifier: Apache-2.0
// One processor of the machine, with all that it has for itself: caches (but for the last level), MMU, VMCS cache, VMX.
#pragma once
#include <memory>
#include <systemc>

#include "model/core/core.hpp"
#include "model/memory/memory_module.hpp"
#include "model/vmcs_cache/module.hpp"
#include "sim/config.hpp"

namespace vmxsim::sim {

/// What CPUID says on processor `index`: the profile's leaves, with the platform's local APIC and, where there are
/// several processors, the topology: one package, one thread a core, the last-level cache shared.
core::CpuidTable cpuid_of(const MachineConfig& config, unsigned index);

/// The parts in the order of their making; each takes references to earlier ones. A module, as the owner of sockets.
class Processor : public sc_core::sc_module {
public:
    /// `first`: processor 0, whose last-level cache the others share; null for itself.
    Processor(const sc_core::sc_module_name& name, unsigned index, const MachineConfig& config,
              memory::PhysicalMemory& ram, devices::IoBus& io, sc_core::sc_time period, const Processor* first);

    /// As firmware leaves a processor other than the boot processor: initialised, waiting for a start-up IPI. `boot`:
    /// the state of the boot processor, for what INIT leaves alone.
    void wait_for_start_up(const vmx::CpuState& boot);
    arch::VmcsCacheStats vmcs_cache_stats() const { return vmcs_port.stats(); }
    /// Operations that model and RTL have agreed in, under lockstep.
    u64 lockstep_operations() const;

    core::CpuidTable cpuid;
    memory::CacheHierarchy caches;
    mmu::Mmu mmu;
    vmx::Ledger ledger;
    devices::MmioBus mmio;  ///< shared devices, and the local APIC
    core::Core core;
    memory::MemoryModule memory;
    memory::TlmLineMemory lines;
    std::unique_ptr<vmcs_cache::VmcsTarget> vmcs_target;
    vmcs_cache::TlmVmcsPort vmcs_port;
    vmx::Vmx vmx;
};

}  // namespace vmxsim::sim
