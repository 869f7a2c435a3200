// SPDX-License-Identifier: Apache-2.0
#include "sim/machine.hpp"

#include <memory>
#include <systemc>

#include "model/core/core_module.hpp"
#include "model/devices/debug_exit.hpp"
#include "model/devices/fw_cfg.hpp"
#include "model/devices/platform.hpp"
#include "model/devices/serial.hpp"
#include "nested/unit_module.hpp"
#include "sim/debug/state_report.hpp"
#include "sim/debug/watch.hpp"
#include "sim/firmware/acpi.hpp"
#include "sim/firmware/bios_data.hpp"
#include "sim/firmware/memory_types.hpp"
#include "sim/loader.hpp"
#include "sim/processor.hpp"
#include "sim/report.hpp"
#include "sim/totals.hpp"

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

std::vector<core::Core*> cores_of(const std::vector<std::unique_ptr<Processor>>& processors) {
    std::vector<core::Core*> cores;
    for (const auto& p : processors) cores.push_back(&p->core);
    return cores;
}

/// The machine's parts in the order of their making; each takes references to earlier ones.
class Machine : public sc_core::sc_module {
public:
    Machine(const sc_core::sc_module_name& name, const MachineConfig& config)
        : sc_module(name),
          config_(config),
          period_(period_of(config.profile.cpu.frequency_mhz)),
          image_base_(config.l0 == L0Mode::Unit ? kL1Base : HostPhysical{0}),
          ram_(image_base_.raw + config.memory_bytes),
          serial_([this](char c) { put(c); }, devices::Serial::kCom1,
                  [this](bool high) { if (platform_) platform_->set_irq(kCom1Irq, high); }),
          debug_exit_([this](int status) {
              result_.debug_exit = static_cast<u32>(status) >> 1;
              stop(core::StopReason::DebugExit);
          }),
          shutdown_port_([this] { stop(core::StopReason::PowerOff); }),
          fw_cfg_(config.memory_bytes, static_cast<u16>(config.cpus)),
          processors_(make_processors()),
          turns_(cores_of(processors_), config.profile.cpu.slice, [this](unsigned cpu) { platform_->follow(cpu); }),
          cpuid_(boot().cpuid),
          core_module_("core", turns_, config.max_cycles == 0 ? ~u64{0} : config.max_cycles, period_) {
        io_.attach(serial_.first(), serial_.last(), serial_);
        io_.attach(devices::DebugExit::kFirst, devices::DebugExit::kLast, debug_exit_);
        io_.attach(devices::DebugConsole::kPort, devices::DebugConsole::kPort, debug_console_);
        io_.attach(devices::FwCfg::kSelector, devices::FwCfg::kData, fw_cfg_);
        io_.attach(devices::ShutdownPort::kPort, devices::ShutdownPort::kPort, shutdown_port_);
        if (config.l0 == L0Mode::None) attach_platform();
        if (config.progress) {
            SC_HAS_PROCESS(Machine);
            SC_METHOD(report_progress);
        }
        if (config.l0 == L0Mode::Unit) {
            unit_ = std::make_unique<nested::Unit>(nested::UnitDependencies{
                boot().core.state, boot().vmx, ram_, boot().mmu, config.profile.capabilities, io_, cpuid_, boot().ledger,
                config.profile.nested, config.policy, image_base_, config.memory_bytes});
            unit_module_ =
                std::make_unique<nested::UnitModule>("nested_unit", *unit_, boot().core.state.cycles, period_);
            agent_ = std::make_unique<nested::TlmRootAgent>("agent", *unit_);
            agent_->socket.bind(unit_module_->exits);
        }
    }

    /// Time passes in slices of the core's; between them the run's watcher is told.
    void report_progress() {
        u64 instructions = 0;
        for (const auto& p : processors_) instructions += p->core.instructions();
        config_.progress({instructions, turns_.cycles()});
        next_trigger(1, sc_core::SC_MS);
    }

    /// The PC around the bare machine. Under the nested unit, L0 has no interrupts to give yet.
    void attach_platform() {
        std::vector<const u64*> cycles;
        for (const auto& p : processors_) cycles.push_back(&p->core.state.cycles);
        platform_ = std::make_unique<devices::Platform>(
            cycles,
            devices::Platform::Settings{.cycle_hz = config_.profile.cpu.frequency_mhz * 1'000'000,
                                        .bus_hz = config_.profile.cpu.bus_mhz * 1'000'000,
                                        .ram_bytes = config_.memory_bytes,
                                        .local_apic = true,
                                        .apic = {.x2apic = config_.profile.cpu.x2apic != 0,
                                                 .tsc_deadline = config_.profile.cpu.tsc_deadline != 0},
                                        .reset = [this] { stop(core::StopReason::Reset); },
                                        .power_off = [this] { stop(core::StopReason::PowerOff); },
                                        .attention = [this](unsigned cpu) { turns_.attention(cpu); }});
        platform_->attach_to(io_);
        for (unsigned i = 0; i < processors_.size(); ++i) {
            Processor& p = *processors_[i];
            platform_->attach_to(p.mmio, i);
            p.core.attach(platform_->processor(i));
            p.core.attach(p.mmio);
            set_memory_types(p.core.system, config_.profile.cpu.physical_address_bits);
        }
        if (config_.memory_bytes >= kAcpiEnd + 0x1000) write_bios_data(ram_, image_base_);
        if (config_.memory_bytes >= kAcpiEnd) write_acpi_tables(ram_, image_base_, {.cpus = config_.cpus});
    }

    RunResult run() {
        at_entry_ = load_image();
        if (config_.debug.any()) watch_ = std::make_unique<Watch>(config_.debug, inspectors(), config_.image_path);
        sc_core::sc_start();
        collect();
        if (watch_) watch_->ended(went_wrong(result_), exit_status(result_, config_.debug.boot));
        return std::move(result_);
    }

private:
    std::vector<std::unique_ptr<Processor>> make_processors() {
        std::vector<std::unique_ptr<Processor>> all;
        for (unsigned i = 0; i < config_.cpus; ++i)
            all.push_back(std::make_unique<Processor>(("cpu" + std::to_string(i)).c_str(), i, config_, ram_, io_, period_,
                                                      all.empty() ? nullptr : all.front().get()));
        return all;
    }
    Processor& boot() { return *processors_.front(); }

    /// The run ends behind the instruction that is being executed.
    void stop(core::StopReason why) { turns_.running().request_stop(why); }

    /// The machine as a debugger sees it, one processor each.
    std::vector<Inspector> inspectors() {
        const auto in_l2 = unit_ ? std::function<bool()>([this] { return unit_->in_l2(); }) : std::function<bool()>{};
        std::vector<Inspector> all;
        for (const auto& p : processors_) all.push_back({p->core, p->vmcs_port, in_l2});
        return all;
    }

    vmx::CpuState load_image() {
        std::vector<LoadModule> modules;
        for (const auto& m : config_.modules) modules.push_back({m.path, m.command_line});
        return sim::load_image({config_.image_path, config_.append, std::move(modules)}, ram_, image_base_,
                               config_.memory_bytes);
    }

    /// Sockets are bound, no process has run yet.
    void start_of_simulation() override {
        if (!unit_) {
            boot().core.state = at_entry_;
            boot().core.context_changed();
            for (std::size_t i = 1; i < processors_.size(); ++i) processors_[i]->wait_for_start_up(at_entry_);
            return;
        }
        const auto inject = unit_->start(at_entry_);
        boot().core.attach(agent_.get());
        boot().core.context_changed();
        if (inject) boot().core.deliver(*inject);
    }

    void put(char c) {
        result_.console.push_back(c);
        if (config_.console) config_.console(c);
    }

    static void add_missing(std::vector<core::Missing>& all, const core::Missing& one) {
        const auto mnemonic = [](const std::string& text) { return text.substr(0, text.find(' ')); };
        for (core::Missing& m : all)
            if (mnemonic(m.text) == mnemonic(one.text)) {
                m.times += one.times;
                return;
            }
        all.push_back(one);
    }

    void collect() {
        result_.cycles = turns_.cycles();
        result_.stop = core_module_.stopped_by();
        for (const auto& p : processors_) {
            p->ledger.settle(p->core.state.cycles);
            result_.cpus.push_back({p->core.state.cycles, p->core.instructions()});
            result_.instructions += p->core.instructions();
            for (const core::Missing& m : p->core.missing()) add_missing(result_.missing, m);
            result_.branches += p->core.branches();
            result_.mispredicts += p->core.mispredicts();
            add_ledger(result_, p->ledger);
            add_counters(result_.vmcs_cache, p->vmcs_cache_stats());
            add_counters(result_.mmu, p->mmu.stats());
            add_counters(result_.caches, p->caches.stats());
            result_.lockstep_operations += p->lockstep_operations();
        }
        result_.state = describe();
        if (unit_) {
            result_.unit = unit_->stats();
            result_.stop_detail = unit_->stop_reason();
        }
    }

    /// All of the processor that ran last, and one line of each other one.
    std::string describe() {
        const std::vector<Inspector> all = inspectors();
        if (all.size() == 1) return state_report(all.front());
        std::string text;
        for (unsigned i = 0; i < all.size(); ++i) {
            const std::string state = &all[i].core == &turns_.running() ? state_report(all[i]) : registers_text(all[i]);
            text += "processor " + std::to_string(i) + "\n";
            text += &all[i].core == &turns_.running() ? state : state.substr(0, state.find('\n') + 1);
        }
        return text;
    }

    const MachineConfig& config_;
    RunResult result_;
    vmx::CpuState at_entry_;
    sc_core::sc_time period_;
    HostPhysical image_base_;
    memory::PhysicalMemory ram_;
    devices::IoBus io_;
    devices::Serial serial_;
    devices::DebugExit debug_exit_;
    devices::DebugConsole debug_console_{[this](char c) { put(c); }};
    devices::ShutdownPort shutdown_port_;
    devices::FwCfg fw_cfg_;
    std::unique_ptr<devices::Platform> platform_;  ///< on the bare machine
    std::vector<std::unique_ptr<Processor>> processors_;
    core::Turns turns_;
    CpuidOfProfile cpuid_;
    core::CoreModule core_module_;
    std::unique_ptr<nested::Unit> unit_;
    std::unique_ptr<nested::UnitModule> unit_module_;
    std::unique_ptr<nested::TlmRootAgent> agent_;
    std::unique_ptr<Watch> watch_;
};

}  // namespace

RunResult run_machine(const MachineConfig& config) {
    const auto machine = std::make_unique<Machine>("machine", config);
    return machine->run();
}

}  // namespace vmxsim::sim
