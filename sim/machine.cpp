// SPDX-License-Identifier: Apache-2.0
#include "sim/machine.hpp"

#include <memory>
#include <systemc>

#include "model/core/core_module.hpp"
#include "model/devices/debug_exit.hpp"
#include "model/devices/fw_cfg.hpp"
#include "model/devices/platform.hpp"
#include "model/devices/serial.hpp"
#include "model/memory/memory_module.hpp"
#include "model/vmcs_cache/module.hpp"
#include "nested/unit_module.hpp"
#include "rtl/adapter.hpp"
#include "rtl/lockstep.hpp"
#include "sim/firmware/acpi.hpp"
#include "sim/loader.hpp"
#include "sim/offered_cpuid.hpp"

namespace vmxsim::sim {
namespace {

/// Where L1's physical address 0 lies under the nested unit. Never 0, so that a forgotten translation shows at once.
constexpr HostPhysical kL1Base{u64{1} << 30};
constexpr unsigned kCom1Irq = 4;
/// Simulated time of one cycle. SystemC counts picoseconds, so it is rounded; cycles, not sc_time, are what is reported.
sc_core::sc_time period_of(u64 frequency_mhz) {
    return {static_cast<double>(1'000'000 / frequency_mhz), sc_core::SC_PS};
}

class CpuidOfProfile : public nested::CpuidSource {
public:
    explicit CpuidOfProfile(const core::CpuidTable& table) : table_(table) {}
    void cpuid(u32 leaf, u32 subleaf, u32 (&regs)[4]) const override {
        const core::CpuidLeaf l = table_.find(leaf, subleaf);
        regs[0] = l.eax, regs[1] = l.ebx, regs[2] = l.ecx, regs[3] = l.edx;
    }

private:
    const core::CpuidTable& table_;
};

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

/// The machine's parts in the order of their making; each takes references to earlier ones. A module itself, as the
/// owner of the initiators' sockets.
class Machine : public sc_core::sc_module {
public:
    Machine(const sc_core::sc_module_name& name, const MachineConfig& config)
        : sc_module(name),
          config_(config),
          cpuid_table_(offered_cpuid(config.profile, config.l0)),
          period_(period_of(config.profile.cpu.frequency_mhz)),
          image_base_(config.l0 == L0Mode::Unit ? kL1Base : HostPhysical{0}),
          ram_(image_base_.raw + config.memory_bytes),
          caches_(config.profile.caches),
          mmu_(config.profile.mmu, ram_, caches_),
          serial_([this](char c) { put(c); }, devices::Serial::kCom1,
                  [this](bool high) { if (platform_) platform_->set_irq(kCom1Irq, high); }),
          debug_exit_([this](int status) {
              result_.debug_exit = static_cast<u32>(status) >> 1;
              core_.request_stop(core::StopReason::DebugExit);
          }),
          shutdown_port_([this] { core_.request_stop(core::StopReason::PowerOff); }),
          fw_cfg_(config.memory_bytes, 1),
          core_({mmu_, ram_, caches_, io_, config.profile.core, cpuid_table_, config.profile.capabilities, ledger_},
                config.timing),
          memory_("memory", ram_, caches_, period_),
          lines_("lines", period_),
          vmcs_target_(make_vmcs_cache(config, lines_, period_)),
          vmcs_port_("vmcs_port", period_),
          vmx_({core_.state, vmcs_port_, ram_, mmu_, config.profile.capabilities, config.profile.vmx, ledger_}),
          cpuid_(cpuid_table_),
          core_module_("core", core_, config.max_cycles == 0 ? ~u64{0} : config.max_cycles, period_) {
        io_.attach(serial_.first(), serial_.last(), serial_);
        io_.attach(devices::DebugExit::kFirst, devices::DebugExit::kLast, debug_exit_);
        io_.attach(devices::FwCfg::kSelector, devices::FwCfg::kData, fw_cfg_);
        io_.attach(devices::ShutdownPort::kPort, devices::ShutdownPort::kPort, shutdown_port_);
        if (config.l0 == L0Mode::None) attach_platform();
        lines_.socket.bind(memory_.socket);
        vmcs_port_.socket.bind(vmcs_target_->socket);
        core_.attach(vmx_);
        if (config.l0 == L0Mode::Unit) {
            unit_ = std::make_unique<nested::Unit>(nested::UnitDependencies{
                core_.state, vmx_, ram_, mmu_, config.profile.capabilities, io_, cpuid_, ledger_, config.profile.nested,
                config.policy, image_base_, config.memory_bytes});
            unit_module_ = std::make_unique<nested::UnitModule>("nested_unit", *unit_, core_.state.cycles, period_);
            agent_ = std::make_unique<nested::TlmRootAgent>("agent", *unit_);
            agent_->socket.bind(unit_module_->exits);
        }
    }

    /// The PC around the bare machine. Under the nested unit, L0 has no interrupts to give yet.
    void attach_platform() {
        platform_ = std::make_unique<devices::Platform>(
            core_.state.cycles,
            devices::Platform::Settings{.cycle_hz = config_.profile.cpu.frequency_mhz * 1'000'000,
                                        .bus_hz = config_.profile.cpu.bus_mhz * 1'000'000,
                                        .ram_bytes = config_.memory_bytes,
                                        .local_apic = true,
                                        .apic = {.x2apic = config_.profile.cpu.x2apic != 0,
                                                 .tsc_deadline = config_.profile.cpu.tsc_deadline != 0},
                                        .reset = [this] { core_.request_stop(core::StopReason::Reset); },
                                        .power_off = [this] { core_.request_stop(core::StopReason::PowerOff); }});
        platform_->attach_to(io_);
        platform_->attach_to(mmio_);
        if (config_.memory_bytes >= kAcpiEnd) write_acpi_tables(ram_, image_base_, {.cpus = 1});
        core_.attach(*platform_);
        core_.attach(mmio_);
    }

    RunResult run() {
        at_entry_ = load_image();
        sc_core::sc_start();
        collect();
        return std::move(result_);
    }

private:
    vmx::CpuState load_image() {
        std::vector<LoadModule> modules;
        for (const auto& m : config_.modules) modules.push_back({m.path, m.command_line});
        return sim::load_image({config_.image_path, config_.append, std::move(modules)}, ram_, image_base_,
                               config_.memory_bytes);
    }

    /// Sockets are bound, no process has run yet.
    void start_of_simulation() override {
        if (!unit_) {
            core_.state = at_entry_;
            core_.context_changed();
            return;
        }
        const auto inject = unit_->start(at_entry_);
        core_.attach(agent_.get());
        core_.context_changed();
        if (inject) core_.deliver(*inject);
    }

    void put(char c) {
        result_.console.push_back(c);
        if (config_.console) config_.console(c);
    }

    void collect() {
        ledger_.settle(core_.state.cycles);
        result_.cycles = core_.state.cycles;
        result_.instructions = core_.instructions();
        result_.stop = core_module_.stopped_by();
        result_.state = core_.describe();
        result_.bucket_names = ledger_.names();
        result_.bucket_totals = ledger_.totals();
        result_.episodes = ledger_.episodes();
        result_.vmcs_cache = vmcs_port_.stats();
        result_.mmu = mmu_.stats();
        result_.caches = caches_.stats();
        if (unit_) {
            result_.unit = unit_->stats();
            result_.stop_detail = unit_->stop_reason();
        }
        if (auto* pair = dynamic_cast<vmcs_cache::VmcsModule<rtl::LockstepVmcsCache>*>(vmcs_target_.get()))
            result_.lockstep_operations = pair->held().operations();
    }

    const MachineConfig& config_;
    RunResult result_;
    vmx::CpuState at_entry_;
    core::CpuidTable cpuid_table_;
    sc_core::sc_time period_;
    HostPhysical image_base_;
    memory::PhysicalMemory ram_;
    memory::CacheHierarchy caches_;
    mmu::Mmu mmu_;
    vmx::Ledger ledger_;
    devices::IoBus io_;
    devices::Serial serial_;
    devices::DebugExit debug_exit_;
    devices::ShutdownPort shutdown_port_;
    devices::FwCfg fw_cfg_;
    devices::MmioBus mmio_;
    std::unique_ptr<devices::Platform> platform_;  ///< on the bare machine
    core::Core core_;
    memory::MemoryModule memory_;
    memory::TlmLineMemory lines_;
    std::unique_ptr<vmcs_cache::VmcsTarget> vmcs_target_;
    vmcs_cache::TlmVmcsPort vmcs_port_;
    vmx::Vmx vmx_;
    CpuidOfProfile cpuid_;
    core::CoreModule core_module_;
    std::unique_ptr<nested::Unit> unit_;
    std::unique_ptr<nested::UnitModule> unit_module_;
    std::unique_ptr<nested::TlmRootAgent> agent_;
};

}  // namespace

RunResult run_machine(const MachineConfig& config) {
    const auto machine = std::make_unique<Machine>("machine", config);
    return machine->run();
}

}  // namespace vmxsim::sim
