// SPDX-License-Identifier: Apache-2.0
#include "model/core/interrupts.hpp"

#include "model/core/operand.hpp"

namespace vmxsim::core {

using namespace vmx;
using arch::EventType;
using arch::ExitControl;
using arch::ExitReason;
using arch::PinControl;

namespace {

constexpr u32 kShadows = blocking::STI | blocking::MOV_SS;

bool non_root(const Core& core) { return core.state.vmx.non_root; }

/// External-interrupt exiting makes RFLAGS.IF immaterial (SDM 28.2); the shadows of STI and MOV SS still count.
bool interrupts_exit(const Core& core) {
    return non_root(core) && core.vmx().controls().has(PinControl::ExternalInterruptExiting);
}

bool init_deliverable(const Core& core) {
    const CpuState& s = core.state;
    if (!core.lines().init) return false;
    if (non_root(core)) return s.activity != ActivityState::WaitForSipi;  // blocked there (SDM 28.2)
    return !s.vmx.on;                                                     // and in VMX root operation (SDM 26.5)
}

/// A start-up IPI with vector VV: the first instruction is at physical address 000VV000H (SDM 9.4.3).
void start_up(Core& core, u8 vector) {
    CpuState& s = core.state;
    s.seg[CS].selector = static_cast<u16>(vector << 8);
    s.seg[CS].base = u64{vector} << 12;
    s.rip = 0;
    s.activity = ActivityState::Active;
    core.context_changed();
}

}  // namespace

void init_state(Core& core) {
    constexpr u64 kBootProcessor = 1u << 8;
    CpuState& s = core.state;
    for (u64& r : s.r) r = 0;
    s.r[RDX] = core.cpuid().find(1, 0).eax;
    s.rip = 0xfff0;
    s.rflags = 2;
    s.cr0 = (s.cr0 & (cr0::CD | cr0::NW)) | cr0::ET;  // caching is left as it is
    s.cr2 = s.cr3 = s.cr4 = s.cr8 = s.efer = 0;
    for (Segment& seg : s.seg) seg = {0, {0x93}, 0xffff, 0};
    s.seg[CS] = {0xf000, {0x9b}, 0xffff, 0xffff0000};
    s.seg[LDTR].ar.raw = 0x82;
    s.seg[TR].ar.raw = 0x8b;
    s.gdtr = s.idtr = {0, 0xffff};
    s.dr = {};
    s.dr6 = 0xffff0ff0;
    s.dr7 = 0x400;
    s.activity = s.apic_base & kBootProcessor ? ActivityState::Active : ActivityState::WaitForSipi;
    s.blocking = 0;
    s.pending_debug = 0;
    core.context_changed();
}

bool nmi_deliverable(const Core& core) {
    const CpuState& s = core.state;
    if (!core.lines().nmi || (s.blocking & kShadows) || s.activity == ActivityState::WaitForSipi) return false;
    // Under "virtual NMIs" the bit in the state is virtual-NMI blocking, and NMIs themselves are never blocked (SDM
    // 27.6.1).
    if (non_root(core) && core.vmx().controls().has(PinControl::VirtualNMIs)) return true;
    return !(s.blocking & blocking::NMI);
}

bool next_interrupt(Core& core, Event& event) {
    const CpuState& s = core.state;
    event = {};
    if (nmi_deliverable(core)) {
        core.interrupts()->nmi_taken();
        event.vector = vector::NMI;
        event.type = EventType::Nmi;
        return true;
    }
    if (!core.lines().interrupt || (s.blocking & kShadows)) return false;
    if (s.activity == ActivityState::WaitForSipi || s.activity == ActivityState::Shutdown) return false;
    const bool exits = interrupts_exit(core);
    if (!exits && !(s.rflags & rflags::IF)) return false;
    event.type = EventType::ExternalInterrupt;
    if (!exits || core.vmx().controls().exit.has(ExitControl::AcknowledgeInterruptOnExit))
        event.vector = core.interrupts()->acknowledge();
    return true;
}

bool mwait_ends(const Core& core) {
    const SystemState& system = core.system;
    if (system.mwait_masked && core.lines().interrupt) return true;
    if (!system.monitor_armed) return true;
    std::array<u8, 64> now{};
    core.ram().read_block(system.monitored, now);
    return now != system.monitored_bytes;
}

bool can_wake(const Core& core) {
    if (!core.interrupts()) return false;
    const ActivityState activity = core.state.activity;
    const bool hears = interrupts_exit(core) || (core.state.rflags & rflags::IF);
    if (activity == ActivityState::Hlt && hears) return true;
    // Devices may write the line as well, at their own time.
    if (activity == ActivityState::Mwait) return true;
    return core.interrupts()->may_raise_nmi();
}

bool wakes_now(const Core& core) {
    const CpuState& s = core.state;
    if (s.activity == ActivityState::Mwait && mwait_ends(core)) return true;
    if (!core.lines().any()) return false;
    if (init_deliverable(core) || core.lines().sipi || nmi_deliverable(core)) return true;
    const bool waits = s.activity == ActivityState::Hlt || s.activity == ActivityState::Mwait;
    return core.lines().interrupt && waits && !(s.blocking & kShadows) &&
           (interrupts_exit(core) || (s.rflags & rflags::IF));
}

Taken take_init_or_sipi(Core& core) {
    if (init_deliverable(core)) {
        core.interrupts()->init_taken();
        if (non_root(core)) {
            core.exit_info() = {};
            core.exit_info().reason = ExitReason::INIT_SIGNAL;
            return Taken::Exits;
        }
        init_state(core);
        core.interrupts()->initialised();
        return Taken::Yes;
    }
    if (!core.lines().sipi) return Taken::Nothing;
    const u8 vector = core.lines().sipi_vector;
    core.interrupts()->sipi_taken();
    if (core.state.activity != ActivityState::WaitForSipi) return Taken::Nothing;
    if (non_root(core)) {
        core.exit_info() = {};
        core.exit_info().reason = ExitReason::SIPI_SIGNAL;
        core.exit_info().qualification = vector;  // SDM table 30-1 ff: bits 7:0
        return Taken::Exits;
    }
    start_up(core, vector);
    return Taken::Yes;
}

}  // namespace vmxsim::core
