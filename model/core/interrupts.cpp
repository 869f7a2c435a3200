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

void init_state(Core& core) {
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
    s.activity = ActivityState::Active;
    s.blocking = 0;
    s.pending_debug = 0;
    core.context_changed();
}

}  // namespace

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

bool mwait_ends(Core& core) {
    SystemState& system = core.system;
    if (system.mwait_masked && core.lines().interrupt) return true;
    if (!system.monitor_armed) return true;
    std::array<u8, 64> now{};
    core.ram().read_block(system.monitored, now);
    if (now == system.monitored_bytes) return false;
    system.monitor_armed = false;
    return true;
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

bool take_init(Core& core) {
    if (!core.lines().init || core.state.activity == ActivityState::WaitForSipi) return false;
    if (non_root(core)) {
        core.interrupts()->init_taken();
        core.exit_info() = {};
        core.exit_info().reason = ExitReason::INIT_SIGNAL;
        return true;
    }
    if (core.state.vmx.on) return false;  // blocked in VMX root operation (SDM 26.5)
    core.interrupts()->init_taken();
    init_state(core);
    core.interrupts()->initialised();
    return false;
}

}  // namespace vmxsim::core
