// SPDX-License-Identifier: Apache-2.0
#include "sim/processor.hpp"

#include "model/core/interrupts.hpp"
#include "rtl/adapter.hpp"
#include "rtl/lockstep.hpp"

namespace vmxsim::sim {
namespace {

std::unique_ptr<vmcs_cache::VmcsTarget> make_vmcs_cache(const MachineConfig& c, arch::LineMemory& memory,
                                                        sc_core::sc_time period) {
    switch (c.vmcs_cache) {
        case VmcsCacheKind::Rtl:
            return std::make_unique<vmcs_cache::VmcsModule<rtl::RtlVmcsCache>>("vmcs_cache", c.profile.vmcs_cache, memory,
                                                                               period);
        case VmcsCacheKind::Lockstep:
            return std::make_unique<vmcs_cache::VmcsModule<rtl::LockstepVmcsCache>>("vmcs_cache", c.profile.vmcs_cache,
                                                                                    memory, period);
        case VmcsCacheKind::Tlm: break;
    }
    return std::make_unique<vmcs_cache::VmcsModule<vmcs_cache::VmcsCache>>("vmcs_cache", c.profile.vmcs_cache, memory,
                                                                           period);
}

}  // namespace

Processor::Processor(const sc_core::sc_module_name& name, unsigned index, const MachineConfig& config,
                     memory::PhysicalMemory& ram, devices::IoBus& io, sc_core::sc_time period, const Processor* first)
    : sc_module(name),
      cpuid(cpuid_of(config, index)),
      caches(config.profile.caches, first ? &first->caches : nullptr),
      mmu(config.profile.mmu, ram, caches),
      core({mmu, ram, caches, io, config.profile.core, cpuid, config.profile.capabilities, ledger, index},
           config.timing),
      memory("memory", ram, caches, period),
      lines("lines", period),
      vmcs_target(make_vmcs_cache(config, lines, period)),
      vmcs_port("vmcs_port", period),
      vmx({core.state, vmcs_port, ram, mmu, config.profile.capabilities, config.profile.vmx, ledger}) {
    lines.socket.bind(memory.socket);
    vmcs_port.socket.bind(vmcs_target->socket);
    core.attach(vmx);
}

void Processor::wait_for_start_up(const vmx::CpuState& boot) {
    constexpr u64 kBootProcessor = 1u << 8;
    core.state = boot;
    core.state.apic_base &= ~kBootProcessor;
    core::init_state(core);
}

u64 Processor::lockstep_operations() const {
    auto* pair = dynamic_cast<vmcs_cache::VmcsModule<rtl::LockstepVmcsCache>*>(vmcs_target.get());
    return pair ? pair->held().operations() : 0;
}

}  // namespace vmxsim::sim
