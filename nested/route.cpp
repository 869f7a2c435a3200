// SPDX-License-Identifier: Apache-2.0
// The decision table: which exits of L2 are L1's. Reasons that it does not name are L1's as well.
#include "nested/l0.hpp"

namespace vmxsim::nested {

using arch::ExitReason;
using arch::Field;
using arch::PrimaryControl;
using arch::SecondaryControl;
using namespace vmx;

namespace {

bool l0s(L0&, ExitFacts&) { return false; }
bool l1s(L0&, ExitFacts&) { return true; }
template <PrimaryControl C>
bool if_set(L0& l0, ExitFacts&) {
    return l0.has12(C);
}
template <SecondaryControl C>
bool if_set2(L0& l0, ExitFacts&) {
    return l0.has12(C);
}
bool pause(L0& l0, ExitFacts&) {
    return l0.has12(PrimaryControl::PAUSEExiting) || l0.has12(SecondaryControl::PAUSELoopExiting);
}

bool exception(L0& l0, ExitFacts& f) {
    constexpr u8 kNoDevice = 7, kPageFault = 14;
    const arch::EventInfo event{f.intr_info};
    if (event.type() == arch::EventType::Nmi) return false;
    if (event.vector() == kPageFault) return l0.config.ept;  // else the shadow MMU looks first
    // A #NM that only L0's lazy FPU switch causes is not L1's.
    if (event.vector() == kNoDevice && !(l0.read12(Field::GUEST_CR0) & cr0::TS)) return false;
    return l0.read12(Field::EXCEPTION_BITMAP) >> event.vector() & 1;
}

bool cr_access(L0& l0, ExitFacts& f) {
    f.qualification = l0.read(Field::EXIT_QUALIFICATION);
    enum { kMovTo, kMovFrom, kClts, kLmsw };
    const unsigned cr = f.qualification & 15;
    const u64 value = l0.gpr(f.qualification >> 8 & 15);
    const auto changes = [&](Field mask, Field shadow) { return l0.read12(mask) & (value ^ l0.read12(shadow)); };
    switch (f.qualification >> 4 & 3) {
        case kMovTo:
            if (cr == 0) return changes(Field::CR0_GUEST_HOST_MASK, Field::CR0_READ_SHADOW);
            if (cr == 4) return changes(Field::CR4_GUEST_HOST_MASK, Field::CR4_READ_SHADOW);
            if (cr == 8) return l0.has12(PrimaryControl::CR8LoadExiting);
            for (u64 i = 0; i < l0.read12(Field::CR3_TARGET_COUNT) && i < 4; ++i)
                if (value == l0.read12(static_cast<Field>(arch::index_of(Field::CR3_TARGET_VALUE0) + i))) return false;
            return l0.has12(PrimaryControl::CR3LoadExiting);
        case kMovFrom:
            return cr == 3 ? l0.has12(PrimaryControl::CR3StoreExiting) : l0.has12(PrimaryControl::CR8StoreExiting);
        case kClts:
            return l0.read12(Field::CR0_GUEST_HOST_MASK) & l0.read12(Field::CR0_READ_SHADOW) & cr0::TS;
        default: {
            const u64 source = f.qualification >> 16 & 15, shadow = l0.read12(Field::CR0_READ_SHADOW);
            const u64 mask = l0.read12(Field::CR0_GUEST_HOST_MASK);
            return (mask & 14 & (source ^ shadow)) || (mask & 1 & source & ~shadow);
        }
    }
}

/// The series gave L1 every I/O exit, its bitmaps notwithstanding. L1 would get exits that it did not ask for; so they
/// are looked into here (SDM 28.1.3).
bool io(L0& l0, ExitFacts& f) {
    if (!l0.has12(PrimaryControl::UseIOBitmaps)) return l0.has12(PrimaryControl::UnconditionalIOExiting);
    f.qualification = l0.read(Field::EXIT_QUALIFICATION);
    const u64 port = f.qualification >> 16 & 0xffff, bytes = (f.qualification & 7) + 1;
    if (port + bytes > 0x10000) return true;
    for (u64 p = port; p < port + bytes; ++p) {
        const GuestPhysical bitmap{l0.read12(p < 0x8000 ? Field::IO_BITMAP_A : Field::IO_BITMAP_B)};
        if (l0.memory.read(bitmap + (p & 0x7fff) / 8, 1) >> (p & 7) & 1) return true;
    }
    return false;
}

template <u64 Part>
bool msr(L0& l0, ExitFacts&) {
    if (!l0.has12(PrimaryControl::UseMSRBitmaps)) return true;
    const auto index = static_cast<u32>(l0.gpr(RCX));
    u64 at = Part;
    if ((index & 0xffffe000) == 0xc0000000)
        at += 1024;
    else if (index >= 0x2000)
        return true;
    at += (index & 0x1fff) / 8;
    return l0.memory.read(GuestPhysical{l0.read12(Field::MSR_BITMAP)} + at, 1) >> (index & 7) & 1;
}

constexpr Route kRoutes[] = {
    {ExitReason::EXCEPTION_NMI, exception, "NMI: L0; #PF: L1 under EPT; others: vmcs12's exception bitmap"},
    {ExitReason::EXTERNAL_INTERRUPT, l0s, "L0"},
    {ExitReason::TRIPLE_FAULT, l1s, "L1"},
    {ExitReason::INTERRUPT_WINDOW, l1s, "L1"},
    {ExitReason::NMI_WINDOW, l1s, "L1"},
    {ExitReason::TASK_SWITCH, l1s, "L1"},
    {ExitReason::CPUID, l1s, "L1"},
    {ExitReason::HLT, if_set<PrimaryControl::HLTExiting>, "HLT exiting"},
    {ExitReason::INVD, l1s, "L1"},
    {ExitReason::INVLPG, if_set<PrimaryControl::INVLPGExiting>, "INVLPG exiting"},
    {ExitReason::RDPMC, if_set<PrimaryControl::RDPMCExiting>, "RDPMC exiting"},
    {ExitReason::RDTSC, if_set<PrimaryControl::RDTSCExiting>, "RDTSC exiting"},
    {ExitReason::VMCALL, l1s, "L1"},
    {ExitReason::VMCLEAR, l1s, "L1"},
    {ExitReason::VMLAUNCH, l1s, "L1"},
    {ExitReason::VMPTRLD, l1s, "L1"},
    {ExitReason::VMPTRST, l1s, "L1"},
    {ExitReason::VMREAD, l1s, "L1"},
    {ExitReason::VMRESUME, l1s, "L1"},
    {ExitReason::VMWRITE, l1s, "L1"},
    {ExitReason::VMXOFF, l1s, "L1"},
    {ExitReason::VMXON, l1s, "L1"},
    {ExitReason::CR_ACCESS, cr_access, "masks and shadows, CR3 targets, CR8 controls of vmcs12"},
    {ExitReason::DR_ACCESS, if_set<PrimaryControl::MOVDRExiting>, "MOV-DR exiting"},
    {ExitReason::IO_INSTRUCTION, io, "I/O bitmaps or unconditional I/O exiting"},
    {ExitReason::MSR_READ, msr<0>, "MSR bitmap, else L1"},
    {ExitReason::MSR_WRITE, msr<2048>, "MSR bitmap, else L1"},
    {ExitReason::MWAIT_INSTRUCTION, if_set<PrimaryControl::MWAITExiting>, "MWAIT exiting"},
    {ExitReason::MONITOR_INSTRUCTION, if_set<PrimaryControl::MONITORExiting>, "MONITOR exiting"},
    {ExitReason::PAUSE_INSTRUCTION, pause, "PAUSE exiting or PAUSE-loop exiting"},
    {ExitReason::MCE_DURING_VMENTRY, l0s, "L0"},
    {ExitReason::TPR_BELOW_THRESHOLD, l1s, "L1"},
    {ExitReason::APIC_ACCESS, if_set2<SecondaryControl::VirtualizeAPICAccesses>, "virtualize APIC accesses"},
    {ExitReason::EPT_VIOLATION, l0s, "L0"},
    {ExitReason::EPT_MISCONFIG, l0s, "L0"},
    {ExitReason::WBINVD, if_set2<SecondaryControl::WBINVDExiting>, "WBINVD exiting"},
    {ExitReason::XSETBV, l1s, "L1"},
    {ExitReason::INVALID_STATE, l1s, "L1"},
};

}  // namespace

std::span<const Route> routes() { return kRoutes; }

bool L0::l1_wants(ExitFacts& facts) {
    for (const Route& r : kRoutes)
        if (r.reason == facts.reason()) return r.l1_wants(*this, facts);
    return true;
}

}  // namespace vmxsim::nested
