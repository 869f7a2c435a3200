// SPDX-License-Identifier: Apache-2.0
// Guest-state area: loading at VM entry (SDM 29.3.2), saving at VM exit (30.3).
#include <utility>

#include "model/vmx/allowed.hpp"
#include "model/vmx/vmx.hpp"

namespace vmxsim::vmx {

using arch::EntryControl;
using arch::ExitControl;
using arch::Field;

namespace {

struct SegmentFields {
    Field selector, base, limit, rights;
};
#define VMXSIM_SEGMENT(seg)                                                                   \
    {                                                                                         \
        Field::GUEST_##seg##_SELECTOR, Field::GUEST_##seg##_BASE, Field::GUEST_##seg##_LIMIT, \
            Field::GUEST_##seg##_AR_BYTES                                                     \
    }
constexpr SegmentFields kSegments[kSegCount] = {VMXSIM_SEGMENT(ES), VMXSIM_SEGMENT(CS),   VMXSIM_SEGMENT(SS),
                                                VMXSIM_SEGMENT(DS), VMXSIM_SEGMENT(FS),   VMXSIM_SEGMENT(GS),
                                                VMXSIM_SEGMENT(LDTR), VMXSIM_SEGMENT(TR)};
#undef VMXSIM_SEGMENT
/// Calls f with 0 to 7 as constants, so that each field's place and size is one as well.
template <class F>
void each_segment(F&& f) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
        (f(std::integral_constant<unsigned, I>{}), ...);
    }(std::make_index_sequence<kSegCount>{});
}
constexpr Field kPdptes[4] = {Field::GUEST_PDPTR0, Field::GUEST_PDPTR1, Field::GUEST_PDPTR2, Field::GUEST_PDPTR3};

/// CR0 bits that VM entry and VM exit leave alone: ET, reserved bits 15:6, 17, 28:19, NW, CD (29.3.2.1, 30.5.1).
constexpr u64 kCr0Kept = cr0::ET | 0xffc0 | 1u << 17 | 0x1ff80000 | cr0::NW | cr0::CD;
constexpr u64 kDr7Zero = 1u << 12 | 3u << 14, kDr7One = 1u << 10;
constexpr u32 kRightsDefined = 0x1f0ff;

}  // namespace

void Vmx::load_guest_state() {
    const auto& c = controls_;
    cpu_.cr0 = (page_.get(Field::GUEST_CR0) & ~kCr0Kept & 0xffffffff) | (cpu_.cr0 & kCr0Kept);
    cpu_.cr3 = page_.get(Field::GUEST_CR3);
    cpu_.cr4 = page_.get(Field::GUEST_CR4);
    if (c.entry.has(EntryControl::LoadDebugControls)) {
        cpu_.dr7 = (page_.get(Field::GUEST_DR7) & ~kDr7Zero) | kDr7One;
        cpu_.debugctl = page_.get(Field::GUEST_IA32_DEBUGCTL);
    }
    cpu_.sysenter_cs = page_.get(Field::GUEST_SYSENTER_CS);
    cpu_.sysenter_esp = page_.get(Field::GUEST_SYSENTER_ESP);
    cpu_.sysenter_eip = page_.get(Field::GUEST_SYSENTER_EIP);
    if (c.entry.has(EntryControl::LoadIA32EFER)) {
        cpu_.efer = page_.get(Field::GUEST_IA32_EFER);
    } else {
        const bool guest64 = c.entry.has(EntryControl::IA32eModeGuest);
        cpu_.efer = guest64 ? cpu_.efer | efer::LMA : cpu_.efer & ~efer::LMA;
        if (page_.get(Field::GUEST_CR0) & cr0::PG)
            cpu_.efer = guest64 ? cpu_.efer | efer::LME : cpu_.efer & ~efer::LME;
    }
    if (c.entry.has(EntryControl::LoadIA32PERFGLOBALCTRL))
        cpu_.perf_global_ctrl = page_.get(Field::GUEST_IA32_PERF_GLOBAL_CTRL);
    if (c.entry.has(EntryControl::LoadIA32PAT)) cpu_.pat = page_.get(Field::GUEST_IA32_PAT);

    load_guest_segments();
    cpu_.gdtr = {page_.get(Field::GUEST_GDTR_BASE), static_cast<u32>(page_.get(Field::GUEST_GDTR_LIMIT))};
    cpu_.idtr = {page_.get(Field::GUEST_IDTR_BASE), static_cast<u32>(page_.get(Field::GUEST_IDTR_LIMIT))};
    cpu_.r[RSP] = page_.get(Field::GUEST_RSP);
    cpu_.rip = page_.get(Field::GUEST_RIP);
    cpu_.rflags = page_.get(Field::GUEST_RFLAGS);

    const bool pae = (cpu_.cr0 & cr0::PG) && (cpu_.cr4 & cr4::PAE) && !cpu_.long_mode();
    if (!pae) return;
    const bool ept = c.has(arch::SecondaryControl::EnableEPT);  // 29.3.2.4: from the fields; else from memory at CR3
    for (unsigned i = 0; i < 4; ++i)
        cpu_.pdpte[i] = ept ? page_.get(kPdptes[i]) : ram_.read({(cpu_.cr3 & 0xffffffe0) + 8 * i}, 8);
}

void Vmx::load_guest_segments() {
    each_segment([this](auto index) {
        constexpr unsigned i = index;
        Segment& s = cpu_.seg[i];
        s.selector = static_cast<u16>(page_.get(kSegments[i].selector));
        s.base = page_.get(kSegments[i].base);
        s.limit = static_cast<u32>(page_.get(kSegments[i].limit));
        s.ar.raw = static_cast<u32>(page_.get(kSegments[i].rights)) & kRightsDefined;
        if (!s.ar.unusable()) return;
        // 29.3.2.2: of an unusable register a base stays 32 bits wide (not FS, GS); SS gets B = 1, a 16-byte aligned
        // base.
        if (i == SS || i == DS || i == ES) s.base &= 0xffffffff;
        if (i == SS) {
            s.base &= ~u64{15};
            s.ar.raw |= 1u << 14;
        }
    });
}

void Vmx::save_guest_segments() {
    each_segment([this](auto index) {
        constexpr unsigned i = index;
        const Segment& s = cpu_.seg[i];
        page_.set(kSegments[i].selector, s.selector);
        page_.set(kSegments[i].base, s.base);
        page_.set(kSegments[i].limit, s.limit);
        page_.set(kSegments[i].rights, s.ar.raw);
    });
}

namespace {

using R = arch::ExitReason;

/// Exits for which debug exceptions that are pending are saved (30.3.4).
bool keeps_pending_debug(const ExitInfo& info, const CpuState& cpu) {
    switch (info.reason) {
        case R::INIT_SIGNAL:
        case R::TPR_BELOW_THRESHOLD:
        case R::EOI_INDUCED:
        case R::APIC_WRITE:
        case R::MONITOR_TRAP_FLAG: return true;
        default: break;
    }
    const bool event = info.reason == R::EXCEPTION_NMI && info.intr_info.type() == arch::EventType::HardwareException;
    if (event && info.intr_info.vector() == 18) return true;  // #MC
    // Blocking by MOV SS holds a #DB back; an exit other than for #DB then saves it.
    return (cpu.blocking & blocking::MOV_SS) && !(event && info.intr_info.vector() == 1);
}

/// RFLAGS.RF as an event's delivery would push it (SDM 20.3.1.1): set for faults.
bool rf_of_event(arch::EventInfo event, u64 qualification, bool now) {
    constexpr u64 kBd = 1u << 13;
    switch (event.type()) {
        case arch::EventType::HardwareException:
            if (event.vector() == 1) return now || (qualification & kBd);
            return event.vector() != 18;
        case arch::EventType::ExternalInterrupt:
        case arch::EventType::Nmi: return now;
        default: return false;
    }
}

/// RFLAGS.RF as a VM exit saves it (30.3.3).
bool saved_rf(const ExitInfo& info, bool now) {
    switch (info.reason) {
        case R::EXCEPTION_NMI: return rf_of_event(info.intr_info, info.qualification, now);
        case R::APIC_ACCESS:
        case R::EPT_VIOLATION:
        case R::EPT_MISCONFIG:
        case R::PML_FULL:
        case R::SPP_RELATED_EVENT:
            return info.idt_vectoring.valid() ? rf_of_event(info.idt_vectoring, 0, now) : true;
        case R::EXTERNAL_INTERRUPT:
        case R::TRIPLE_FAULT:
        case R::INIT_SIGNAL:
        case R::SIPI_SIGNAL:
        case R::INTERRUPT_WINDOW:
        case R::NMI_WINDOW:
        case R::TASK_SWITCH:
        case R::MONITOR_TRAP_FLAG:
        case R::TPR_BELOW_THRESHOLD:
        case R::EOI_INDUCED:
        case R::PREEMPTION_TIMER:
        case R::APIC_WRITE: return now;
        default: return false;  // an instruction that exits unconditionally or by a control
    }
}

}  // namespace

void Vmx::save_guest_state(const ExitInfo& info) {
    const auto& exit = controls_.exit;
    page_.set(Field::GUEST_CR0, cpu_.cr0);
    page_.set(Field::GUEST_CR3, cpu_.cr3);
    page_.set(Field::GUEST_CR4, cpu_.cr4);
    if (exit.has(ExitControl::SaveDebugControls)) {
        page_.set(Field::GUEST_DR7, cpu_.dr7);
        page_.set(Field::GUEST_IA32_DEBUGCTL, cpu_.debugctl);
    }
    page_.set(Field::GUEST_SYSENTER_CS, cpu_.sysenter_cs);
    page_.set(Field::GUEST_SYSENTER_ESP, cpu_.sysenter_esp);
    page_.set(Field::GUEST_SYSENTER_EIP, cpu_.sysenter_eip);
    if (exit.has(ExitControl::SaveIA32PAT)) page_.set(Field::GUEST_IA32_PAT, cpu_.pat);
    if (exit.has(ExitControl::SaveIA32EFER)) page_.set(Field::GUEST_IA32_EFER, cpu_.efer);
    if (exit.has(ExitControl::SaveIA32PERFGLOBALCTL))
        page_.set(Field::GUEST_IA32_PERF_GLOBAL_CTRL, cpu_.perf_global_ctrl);

    save_guest_segments();
    page_.set(Field::GUEST_GDTR_BASE, cpu_.gdtr.base);
    page_.set(Field::GUEST_GDTR_LIMIT, cpu_.gdtr.limit);
    page_.set(Field::GUEST_IDTR_BASE, cpu_.idtr.base);
    page_.set(Field::GUEST_IDTR_LIMIT, cpu_.idtr.limit);
    page_.set(Field::GUEST_RSP, cpu_.r[RSP]);
    page_.set(Field::GUEST_RIP, cpu_.rip);
    const bool rf = saved_rf(info, cpu_.rflags & rflags::RF);
    page_.set(Field::GUEST_RFLAGS, (cpu_.rflags & ~rflags::RF) | (rf ? rflags::RF : 0));

    const bool waits = cpu_.activity == ActivityState::Mwait;  // not one of the VMCS's states
    page_.set(Field::GUEST_ACTIVITY_STATE, waits ? u64{0} : static_cast<u64>(cpu_.activity));
    page_.set(Field::GUEST_INTERRUPTIBILITY_INFO, cpu_.blocking);
    page_.set(Field::GUEST_PENDING_DBG_EXCEPTIONS, keeps_pending_debug(info, cpu_) ? cpu_.pending_debug : 0);
    if (exit.has(ExitControl::SaveVMXPreemptionTimerValue)) page_.set(Field::VMX_PREEMPTION_TIMER_VALUE, timer_value());

    const bool pae = (cpu_.cr0 & cr0::PG) && (cpu_.cr4 & cr4::PAE) && !cpu_.long_mode();
    if (pae && controls_.has(arch::SecondaryControl::EnableEPT))
        for (unsigned i = 0; i < 4; ++i) page_.set(kPdptes[i], cpu_.pdpte[i]);
}

}  // namespace vmxsim::vmx
