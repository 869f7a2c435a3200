// SPDX-License-Identifier: Apache-2.0
// Loading host state at a VM exit or a VM-entry failure (SDM 30.5, 30.6), VMX abort (30.7).
#include "model/vmx/allowed.hpp"
#include "model/vmx/entry_checks.hpp"
#include "model/vmx/vmx.hpp"

namespace vmxsim::vmx {

using arch::ExitControl;
using arch::Field;

namespace {

constexpr u64 kCr0Kept = cr0::ET | 0xffc0 | 1u << 17 | 0x1ff80000 | cr0::NW | cr0::CD;
constexpr u32 kUnusable = 1u << 16;
enum AbortIndicator : u32 { kSavingMsrs = 1, kHostPdptes = 2, kLoadingMsrs = 4 };

/// Access rights of a present, granular segment with S = 1, DPL = 0.
constexpr u32 rights(u8 type, bool long_mode, bool big) {
    return type | 1u << 4 | 1u << 7 | (long_mode ? 1u << 13 : 0u) | (big ? 1u << 14 : 0u) | 1u << 15;
}

}  // namespace

void Vmx::load_host_segments(bool host64) {
    constexpr Field kSelectors[] = {Field::HOST_ES_SELECTOR, Field::HOST_CS_SELECTOR, Field::HOST_SS_SELECTOR,
                                    Field::HOST_DS_SELECTOR, Field::HOST_FS_SELECTOR, Field::HOST_GS_SELECTOR};
#pragma GCC unroll 8  // so that each field's place and size is a constant
    for (unsigned i = ES; i <= GS; ++i) {
        Segment s;
        s.selector = static_cast<u16>(page_.get(kSelectors[i]));
        s.limit = 0xffffffff;
        if (i == CS) s.ar.raw = rights(11, host64, !host64);
        else if (s.selector == 0) s.ar.raw = kUnusable | (i == SS ? 1u << 14 : 0u);
        else s.ar.raw = rights(3, false, true);
        if (i == FS) s.base = page_.get(Field::HOST_FS_BASE);
        if (i == GS) s.base = page_.get(Field::HOST_GS_BASE);
        cpu_.seg[i] = s;
    }
    constexpr u32 kBusyTss = 11 | 1u << 7, kTssLimit = 0x67;
    cpu_.seg[TR] = {static_cast<u16>(page_.get(Field::HOST_TR_SELECTOR)), {kBusyTss}, kTssLimit,
                    page_.get(Field::HOST_TR_BASE)};
    cpu_.seg[LDTR] = {0, {kUnusable}, 0, 0};
    cpu_.gdtr = {page_.get(Field::HOST_GDTR_BASE), 0xffff};
    cpu_.idtr = {page_.get(Field::HOST_IDTR_BASE), 0xffff};
}

/// `page_` holds the host lines; controls_ those of the VMCS.
void Vmx::load_host_state(bool nmi_blocked) {
    const auto& exit = controls_.exit;
    const bool host64 = exit.has(ExitControl::HostAddressSpaceSize);
    cpu_.cr0 = (page_.get(Field::HOST_CR0) & ~kCr0Kept & 0xffffffff) | (cpu_.cr0 & kCr0Kept);
    cpu_.cr3 = page_.get(Field::HOST_CR3) & ~beyond_physical_width(capabilities_);
    cpu_.cr4 = page_.get(Field::HOST_CR4);
    if (host64) cpu_.cr4 |= cr4::PAE;
    else cpu_.cr4 &= ~cr4::PCIDE;
    cpu_.dr7 = 0x400;
    cpu_.debugctl = 0;
    cpu_.sysenter_cs = page_.get(Field::HOST_IA32_SYSENTER_CS);
    cpu_.sysenter_esp = page_.get(Field::HOST_IA32_SYSENTER_ESP);
    cpu_.sysenter_eip = page_.get(Field::HOST_IA32_SYSENTER_EIP);
    if (exit.has(ExitControl::LoadIA32EFER)) {
        cpu_.efer = page_.get(Field::HOST_IA32_EFER);
    } else {
        constexpr u64 kLong = efer::LMA | efer::LME;
        cpu_.efer = host64 ? cpu_.efer | kLong : cpu_.efer & ~kLong;
    }
    if (exit.has(ExitControl::LoadIA32PERFGLOBALCTRL))
        cpu_.perf_global_ctrl = page_.get(Field::HOST_IA32_PERF_GLOBAL_CTRL);
    if (exit.has(ExitControl::LoadIA32PAT)) cpu_.pat = page_.get(Field::HOST_IA32_PAT);
    load_host_segments(host64);
    cpu_.rip = page_.get(Field::HOST_RIP);
    cpu_.r[RSP] = page_.get(Field::HOST_RSP);
    cpu_.rflags = 2;
    cpu_.activity = ActivityState::Active;
    cpu_.blocking = nmi_blocked ? blocking::NMI : 0;
    cpu_.pending_debug = 0;
    cpu_.vmx.non_root = false;
    mtf_ = Mtf::Off;
    tpr_exit_due_ = false;
    timer_deadline_ = ~u64{0};
    if (!controls_.has(arch::SecondaryControl::EnableVPID)) translations_.flush_vpid({}, false);

    if (!host64 && (cpu_.cr0 & cr0::PG) && (cpu_.cr4 & cr4::PAE)) {  // 30.5.4
        for (unsigned i = 0; i < 4; ++i) {
            cpu_.pdpte[i] = ram_.read({(cpu_.cr3 & 0xffffffe0) + 8 * i}, 8);
            if (!pdpte_ok(capabilities_, cpu_.pdpte[i])) return abort(kHostPdptes);
        }
    }
    if (load_msrs(page_.get(Field::VM_EXIT_MSR_LOAD_ADDR), static_cast<u32>(page_.get(Field::VM_EXIT_MSR_LOAD_COUNT))))
        abort(kLoadingMsrs);
}

void Vmx::abort(u32 indicator) {
    constexpr u64 kIndicatorOffset = 4;  // in the VMCS region (27.2)
    abort_indicator_ = indicator;
    ram_.write({cpu_.vmx.current_vmcs + kIndicatorOffset}, 4, indicator);
    cpu_.activity = ActivityState::Shutdown;
}

}  // namespace vmxsim::vmx
