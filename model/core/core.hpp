// SPDX-License-Identifier: Apache-2.0
// The VT-x core: architectural state, the execution engine, exceptions and system instructions. No SystemC here; the
// SC_MODULE around it is core_module.hpp.
#pragma once
#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/arch/interrupt_port.hpp"
#include "model/arch/param.hpp"
#include "model/core/counters.hpp"
#include "model/core/cpuid.hpp"
#include "model/core/fpu_state.hpp"
#include "model/core/last_branches.hpp"
#include "model/core/observer.hpp"
#include "model/core/outcome.hpp"
#include "model/core/trail.hpp"
#include "model/devices/io_bus.hpp"
#include "model/devices/mmio_bus.hpp"
#include "model/memory/cache_hierarchy.hpp"
#include "model/memory/physical_memory.hpp"
#include "model/mmu/mmu.hpp"
#include "model/vmx/vmx.hpp"

namespace vmxsim::core {

/// An instruction that decodes and that nobody here carries out: it raised #UD.
struct Missing {
    std::string text;  ///< of the first one met, as Zydis prints it
    u64 rip = 0;       ///< where that was
    u64 times = 0;
};

class Core;
struct Insn;     // core/insn.hpp: a decoded instruction for the slow path
class Engine;    // core/engine/engine.hpp

/// Latencies of instruction classes and of the front end, in cycles. Rows in core_params().
struct CoreParams {
    u64 issue_width = 4;        ///< simple instructions a cycle
    u64 mul = 3, div = 20;      ///< beyond the issue slot
    u64 vector = 3, x87 = 3;    ///< beyond the issue slot
    u64 cpuid = 100, rdtsc = 24, rdmsr = 60, wrmsr = 60, mov_cr = 20, io = 200, hlt_wake = 0, lock = 20, far_transfer = 60;
    u64 string_element = 1;     ///< each element of a string instruction
    u64 serialize = 10;         ///< IRET, segment loads and others that drain the pipeline
    u64 mispredict = 15;        ///< a branch that the predictor had wrong
    u64 branch_counters = 12, branch_history = 12, branch_targets = 9, branch_returns = 4;  ///< log2; history in bits
};
std::span<const arch::Param<CoreParams>> core_params();

enum class TimingLevel : u8 { None, Interval };

enum class StopReason : u8 {
    None,
    Budget,       ///< the cycles asked for have passed
    DebugExit,    ///< a device ended the run (Core::request_stop)
    Halted,       ///< HLT with nothing that could wake the processor
    PowerOff,     ///< the guest switched the machine off
    Reset,        ///< the guest reset the machine
    Shutdown,     ///< triple fault outside VMX
    VmxAbort,
    AgentStopped, ///< the nested unit ended the run
    Debugger,     ///< who watches ended the run
};

/// What system instructions keep beside CpuState.
struct SystemState {
    std::array<u64, 16> mtrr_variable{};  ///< IA32_MTRR_PHYSBASE0, PHYSMASK0, ... (200H to 20FH)
    std::array<u64, 11> mtrr_fixed{};     ///< 250H, 258H, 259H, 268H to 26FH
    u64 mtrr_default = 0;
    u64 update_signature = 0;             ///< IA32_BIOS_SIGN_ID
    u64 random = 0;                       ///< RDRAND, RDSEED: numbers drawn; the sequence is fixed
    LastBranches last_branches{};
    u64 halted_cycles = 0;                ///< cycles in HLT, MWAIT or shutdown
    u64 mcg_status = 0;                   ///< IA32_MCG_STATUS
    u64 power_control = 0, c_states = 0;  ///< MSR_POWER_CTL, MSR_PKG_CST_CONFIG_CONTROL
    u64 aperf_offset = 0, mperf_offset = 0;  ///< register - cycles in C0
    bool monitor_armed = false;
    bool mwait_masked = false;            ///< MWAIT is to end by interrupts that RFLAGS.IF masks
    HostPhysical monitored{};             ///< line that MONITOR named
    std::array<u8, 64> monitored_bytes{}; ///< what it held then: another content is a write
    bool iret_unblocked_nmi = false;      ///< the fault being raised is of an IRET that ended NMI blocking (SDM 30.2.3)
};

/// The MSRs for MSR areas of VM entries and exits.
class Msrs : public vmx::MsrPort {
public:
    explicit Msrs(Core& core) : core_(core) {}
    bool read(u32 index, u64& value) override;
    bool write(u32 index, u64 value) override;

private:
    Core& core_;
};

enum class MemoryKind : u8 { Read, Write, Execute, ReadModifyWrite };

class Core {
public:
    struct Dependencies {
        mmu::Mmu& mmu;
        memory::PhysicalMemory& ram;
        memory::CacheHierarchy& caches;
        devices::IoBus& io;
        const CoreParams& params;
        const CpuidTable& cpuid;
        const arch::Capabilities& capabilities;
        vmx::Ledger& ledger;
        unsigned index = 0;  ///< of the processor, below PhysicalMemory::kWatchers; 0 is the boot processor
    };
    Core(const Dependencies& dependencies, TimingLevel timing);
    ~Core();
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;

    /// VMX works on this core's state, so it is made after the core and attached before the first run().
    void attach(vmx::Vmx& vmx) {
        vmx_ = &vmx;
        vmx.attach(&msrs_);
    }
    /// Software of VMX root mode that is not code (the nested unit). Null: the image is in root mode.
    void attach(vmx::RootAgent* agent) { agent_ = agent; }
    /// What interrupts this processor, and its local APIC. Without it there are no interrupts from outside.
    void attach(arch::InterruptPort& port) {
        interrupts_ = &port;
        lines_ = &port.lines();
    }
    /// Devices in physical memory. Without it there is RAM alone.
    void attach(devices::MmioBus& mmio) { mmio_ = &mmio; }
    /// Who watches, or null. Before the first run(), or between two.
    void attach(Observer* observer);

    vmx::CpuState state;  ///< first member: the engine's handlers reach it at fixed offsets
    SystemState system;
    FpuState fpu;
    Counters counters{*this};

    /// Runs until at least `until` cycles (CpuState::cycles) or a stop. Exact: the same inputs stop at the same cycle.
    StopReason run(u64 until);
    /// Called by devices during an instruction: the run ends behind it.
    void request_stop(StopReason reason) { stop_ = reason; }
    StopReason stop_reason() const { return stop_; }
    u64 instructions() const;
    u64 branches() const;     ///< conditional and indirect ones, of timing level Interval
    u64 mispredicts() const;

    // turns.cpp: several processors, of which one runs at a time
    /// A processor that waits until the others have reached cycle `horizon` has its turn.
    void begin_turn(u64 horizon);
    /// From which cycle on this processor has something to do: ~0 where it waits for another one.
    u64 next_cycle() const;
    /// It executes nothing, and nothing that waits would change that.
    bool asleep() const;
    /// Nothing happens to a processor that is asleep, or was, before `cycle`: the time until then passes.
    void sleep_until(u64 cycle) { state.cycles = std::max(state.cycles, cycle); }
    /// For instructions that read the clock all processors share: the others have reached the cycle `cost` from here, so
    /// that no one sees the clock go backwards. False: not yet, the instruction is to end in Outcome::Yield.
    bool others_have_come(u64 cost) {
        if (state.cycles + cost <= horizon_ && wanted_ == 0) [[likely]] return true;
        return wait_for_others(cost);
    }

    /// A few lines on the machine's state, for the end of a run that went wrong.
    std::string describe() const;
    /// By mnemonic: instructions without implementation that were met.
    std::vector<Missing> missing() const;

    // ---- For the parts of the core (engine/, system/, events): not for users of the core.
    vmx::Vmx& vmx() { return *vmx_; }
    const vmx::Vmx& vmx() const { return *vmx_; }
    vmx::RootAgent* agent() { return agent_; }
    Observer* observer() const { return observer_; }
    Trail& trail() { return trail_; }
    const Trail& trail() const { return trail_; }
    arch::InterruptPort* interrupts() const { return interrupts_; }
    const arch::InterruptLines& lines() const { return *lines_; }
    const devices::MmioBus& mmio() const { return *mmio_; }
    mmu::Mmu& mmu() { return mmu_; }
    memory::PhysicalMemory& ram() { return ram_; }
    const memory::PhysicalMemory& ram() const { return ram_; }
    memory::CacheHierarchy& caches() { return caches_; }
    devices::IoBus& io() { return io_; }
    const CoreParams& params() const { return params_; }
    const CpuidTable& cpuid() const { return cpuid_; }
    unsigned index() const { return index_; }
    const arch::Capabilities& capabilities() const { return capabilities_; }
    vmx::Ledger& ledger() { return ledger_; }
    TimingLevel timing() const { return timing_; }
    void spend(u64 cycles) { if (timing_ != TimingLevel::None) state.cycles += cycles; }

    vmx::Event& fault() { return fault_; }
    vmx::ExitInfo& exit_info() { return exit_; }
    Outcome raise(u8 vector) { fault_ = {}; fault_.vector = vector; return Outcome::Fault; }
    Outcome raise(u8 vector, u32 error_code) {
        fault_ = {};
        fault_.vector = vector;
        fault_.has_error_code = true;
        fault_.error_code = error_code;
        return Outcome::Fault;
    }

    // access.cpp: memory by linear address; any size up to 4096, any alignment; page crossings handled, both pages checked
    // before either is written. Next: done. Fault or VmExit: fault() or exit_info() is set.
    Outcome read(GuestVirtual at, void* out, unsigned bytes) { return access(at, out, bytes, MemoryKind::Read, state.cpl() == 3); }
    Outcome write(GuestVirtual at, const void* in, unsigned bytes) { return access(at, const_cast<void*>(in), bytes, MemoryKind::Write, state.cpl() == 3); }
    /// Checks that a write would succeed (dirty flags are set as a write's): for read-modify-write and multi-step pushes.
    Outcome probe_write(GuestVirtual at, unsigned bytes);
    /// Implicit supervisor accesses: descriptor tables, TSS, IDT. RFLAGS.AC opens no user page to them (SDM 4.6.1).
    Outcome read_system(GuestVirtual at, void* out, unsigned bytes) { return access_system(at, out, bytes, MemoryKind::Read); }
    Outcome write_system(GuestVirtual at, const void* in, unsigned bytes) { return access_system(at, const_cast<void*>(in), bytes, MemoryKind::Write); }
    Outcome access_system(GuestVirtual at, void* data, unsigned bytes, MemoryKind kind);
    Outcome access(GuestVirtual at, void* data, unsigned bytes, MemoryKind kind, bool user);
    /// Linear address of an access of `bytes` at seg:offset: canonical, limit and rights checks; #GP or #SS on failure.
    Outcome linear(vmx::Seg seg, u64 offset, unsigned bytes, MemoryKind kind, GuestVirtual& out);

    // events.cpp
    /// Delivers fault() or another event through the IDT; nested faults, #DF, triple fault, VM exits included. Afterwards
    /// RIP names the handler (or the state after a VM exit).
    void deliver(const vmx::Event& event);
    /// Performs the VM exit in exit_info(); then, where an agent is attached, lets it run and injects what it asks for.
    void take_vm_exit();
    /// Delivers what a VM entry injects, or takes the exit that results.
    void after_vm_entry(const vmx::EntryResult& result);

    // context.cpp
    /// Records a branch from `from` (an offset in CS) to RIP in the last branch records.
    void record_branch(u64 from, unsigned kind);
    /// To be called after any change of CR0, CR3, CR4, EFER, CS, SS, RFLAGS.VM, VMX mode: MMU context, decode mode.
    void context_changed();

    Engine& engine() { return *engine_; }

private:
    /// Delivers without taking a VM exit. True: one is due, in exit_. `injected`: by VM entry.
    bool deliver_or_exit(vmx::Event event, bool injected);
    /// The agent's turn after a VM exit, for as long as what it injects ends in VM exits.
    void serve_exits(bool exit_due);
    void note_delivery(const vmx::Event& event, bool injected);
    void note_entry(bool failed);
    bool wait_for_others(u64 cost);
    friend class Engine;
    mmu::Mmu& mmu_;
    memory::PhysicalMemory& ram_;
    memory::CacheHierarchy& caches_;
    devices::IoBus& io_;
    const CoreParams& params_;
    const CpuidTable& cpuid_;
    const arch::Capabilities& capabilities_;
    vmx::Ledger& ledger_;
    TimingLevel timing_;
    const unsigned index_;
    u64 horizon_ = ~u64{0};        ///< no other processor is behind this cycle
    u64 yielded_at_ = 0;           ///< the cycle at which the turn was given up to let the others come; 0: it was not
    u64 wanted_ = 0;               ///< the same of the turn before: the first instruction of this one ends there
    u64 before_turn_ = 0;          ///< instructions before the turn
    vmx::Vmx* vmx_ = nullptr;
    vmx::RootAgent* agent_ = nullptr;
    arch::InterruptPort* interrupts_ = nullptr;
    arch::InterruptLines no_lines_{};
    const arch::InterruptLines* lines_ = &no_lines_;
    devices::MmioBus no_mmio_{};
    devices::MmioBus* mmio_ = &no_mmio_;
    StopReason stop_ = StopReason::None;
    vmx::Event fault_{};
    vmx::ExitInfo exit_{};
    Msrs msrs_{*this};
    Observer* observer_ = nullptr;
    Trail trail_;
    std::unique_ptr<Engine> engine_;
};

}  // namespace vmxsim::core
