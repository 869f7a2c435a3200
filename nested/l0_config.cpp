// SPDX-License-Identifier: Apache-2.0
#include "nested/l0_config.hpp"

#include "model/vmx/cpu_state.hpp"

#include <stdexcept>
#include <string>

#include "nested/vmcs12.hpp"

namespace vmxsim::nested {

using namespace arch;

namespace {
/// Bits that software may set: by the TRUE MSR where the CPU has one (SDM A.2).
u64 allowed1(const Capabilities& c, u32 plain, u32 with_true) {
    return c.get(c.has_true_controls() ? with_true : plain) >> 32;
}
u64 required(const Capabilities& c, u32 plain) { return c.get(plain) & 0xffffffff; }

template <class Word, class Bit>
void need(Word& word, u64 allowed, Bit bit, const char* name) {
    if (!(allowed & Word::mask(bit)))
        throw std::runtime_error(std::string("nested unit: the CPU lacks the control \"") + name + "\"");
    word.set(bit);
}
template <class Word, class Bit>
bool want(Word& word, u64 allowed, Bit bit) {
    const bool has = allowed & Word::mask(bit);
    if (has) word.set(bit);
    return has;
}
}  // namespace

L0Config L0Config::make(const Capabilities& cpu, const NestedParams& params) {
    using P = PrimaryControl;
    using S = SecondaryControl;
    L0Config k;
    const u64 pin1 = allowed1(cpu, msr::IA32_VMX_PINBASED_CTLS, msr::IA32_VMX_TRUE_PINBASED_CTLS);
    const u64 primary1 = allowed1(cpu, msr::IA32_VMX_PROCBASED_CTLS, msr::IA32_VMX_TRUE_PROCBASED_CTLS);
    const u64 exit1 = allowed1(cpu, msr::IA32_VMX_EXIT_CTLS, msr::IA32_VMX_TRUE_EXIT_CTLS);
    const u64 entry1 = allowed1(cpu, msr::IA32_VMX_ENTRY_CTLS, msr::IA32_VMX_TRUE_ENTRY_CTLS);

    // As KVM does, the bits that the plain MSRs call fixed stay 1, but for the CR3 exits that EPT makes needless.
    k.pin.raw = required(cpu, msr::IA32_VMX_PINBASED_CTLS);
    need(k.pin, pin1, PinControl::ExternalInterruptExiting, "external-interrupt exiting");
    need(k.pin, pin1, PinControl::NMIExiting, "NMI exiting");
    want(k.pin, pin1, PinControl::VirtualNMIs);

    k.primary.raw = required(cpu, msr::IA32_VMX_PROCBASED_CTLS);
    need(k.primary, primary1, P::HLTExiting, "HLT exiting");
    need(k.primary, primary1, P::CR3LoadExiting, "CR3-load exiting");
    need(k.primary, primary1, P::CR3StoreExiting, "CR3-store exiting");
    need(k.primary, primary1, P::UnconditionalIOExiting, "unconditional I/O exiting");
    need(k.primary, primary1, P::MOVDRExiting, "MOV-DR exiting");
    need(k.primary, primary1, P::UseTSCOffsetting, "use TSC offsetting");
    need(k.primary, primary1, P::MWAITExiting, "MWAIT exiting");
    need(k.primary, primary1, P::MONITORExiting, "MONITOR exiting");
    need(k.primary, primary1, P::INVLPGExiting, "INVLPG exiting");
    need(k.primary, primary1, P::RDPMCExiting, "RDPMC exiting");
    k.tpr_shadow = want(k.primary, primary1, P::UseTPRShadow);
    if (!k.tpr_shadow) {  // without it CR8 could not be kept from the guest
        want(k.primary, primary1, P::CR8LoadExiting);
        want(k.primary, primary1, P::CR8StoreExiting);
    }
    k.msr_bitmaps = want(k.primary, primary1, P::UseMSRBitmaps);
    k.secondary_word = want(k.primary, primary1, P::ActivateSecondaryControls);

    if (k.secondary_word) {
        const u64 secondary1 = cpu.get(msr::IA32_VMX_PROCBASED_CTLS2) >> 32;
        want(k.secondary, secondary1, S::VirtualizeAPICAccesses);
        want(k.secondary, secondary1, S::WBINVDExiting);
        k.ept = params.ept && want(k.secondary, secondary1, S::EnableEPT);
        k.vpid = params.vpid && want(k.secondary, secondary1, S::EnableVPID);
        k.unrestricted = k.ept && want(k.secondary, secondary1, S::UnrestrictedGuest);
        k.rdtscp = want(k.secondary, secondary1, S::EnableRDTSCP) && params.rdtscp;
    }
    if (k.ept) k.primary.clear(P::CR3LoadExiting).clear(P::CR3StoreExiting).clear(P::INVLPGExiting);

    k.exit.raw = required(cpu, msr::IA32_VMX_EXIT_CTLS);
    need(k.exit, exit1, ExitControl::HostAddressSpaceSize, "host address-space size");
    want(k.exit, exit1, ExitControl::SaveIA32PAT);
    k.load_pat_exit = want(k.exit, exit1, ExitControl::LoadIA32PAT);
    k.entry.raw = required(cpu, msr::IA32_VMX_ENTRY_CTLS);
    k.load_pat_entry = want(k.entry, entry1, EntryControl::LoadIA32PAT);
    k.load_efer = (entry1 & EntryControls::mask(EntryControl::LoadIA32EFER)) &&
                  (exit1 & ExitControls::mask(ExitControl::LoadIA32EFER));
    return k;
}

bool capability_offered(u32 index) { return index >= msr::VMX_FIRST && index <= msr::IA32_VMX_EPT_VPID_CAP; }

Capabilities offered_capabilities(const Capabilities& cpu, const L0Config& l0) {
    using P = PrimaryControl;
    const auto word = [](u64 must, u64 may) { return must | (must | may) << 32; };
    const auto bits = []<class... B>(B... b) { return (Controls<std::common_type_t<B...>>::mask(b) | ...); };
    Capabilities c;
    c.feature_control = 5;
    c.physical_address_bits = cpu.physical_address_bits;
    // Revision, a region of 4 KiB, write-back; INS/OUTS information where the CPU has it; no TRUE MSRs (SDM A.1).
    constexpr u64 kInsOutsInfo = u64{1} << 54;
    c.set(msr::IA32_VMX_BASIC,
          kVmcs12Revision | u64{0x1000} << 32 | u64{6} << 50 | (cpu.get(msr::IA32_VMX_BASIC) & kInsOutsInfo));
    const u64 pin_must = cpu.get(msr::IA32_VMX_PINBASED_CTLS) & 0xffffffff;
    c.set(msr::IA32_VMX_PINBASED_CTLS,
          word(pin_must, l0.pin.raw & bits(PinControl::ExternalInterruptExiting, PinControl::NMIExiting,
                                           PinControl::VirtualNMIs)));
    // The series reported no bit as fixed here; the SDM wants the default1 bits to be (A.3.2). CR3 exits stay optional,
    // because there is no TRUE MSR that could say so.
    const u64 primary_cpu = allowed1(cpu, msr::IA32_VMX_PROCBASED_CTLS, msr::IA32_VMX_TRUE_PROCBASED_CTLS);
    const u64 primary_must = required(cpu, msr::IA32_VMX_PROCBASED_CTLS) & ~bits(P::CR3LoadExiting, P::CR3StoreExiting);
    c.set(msr::IA32_VMX_PROCBASED_CTLS,
          word(primary_must,
               primary_cpu & bits(P::InterruptWindowExiting, P::UseTSCOffsetting, P::HLTExiting, P::INVLPGExiting,
                                  P::MWAITExiting, P::MONITORExiting, P::CR3LoadExiting, P::CR3StoreExiting,
                                  P::CR8LoadExiting, P::CR8StoreExiting, P::MOVDRExiting, P::UnconditionalIOExiting,
                                  P::UseIOBitmaps, P::UseMSRBitmaps, P::ActivateSecondaryControls)));
    c.set(msr::IA32_VMX_EXIT_CTLS,
          word(required(cpu, msr::IA32_VMX_EXIT_CTLS), bits(ExitControl::HostAddressSpaceSize)));
    c.set(msr::IA32_VMX_ENTRY_CTLS,
          word(required(cpu, msr::IA32_VMX_ENTRY_CTLS),
               bits(EntryControl::IA32eModeGuest) | (l0.load_pat_entry ? bits(EntryControl::LoadIA32PAT) : 0)));
    c.set(msr::IA32_VMX_MISC, 0);
    constexpr u64 kCr0Fixed0 = 0x80000021, kCr4Fixed0 = 0x2000;  // PG, NE, PE; VMXE
    c.set(msr::IA32_VMX_CR0_FIXED0, kCr0Fixed0);
    c.set(msr::IA32_VMX_CR0_FIXED1, cpu.get(msr::IA32_VMX_CR0_FIXED1));
    c.set(msr::IA32_VMX_CR4_FIXED0, kCr4Fixed0);
    constexpr u64 kCr4Unknown = vmxsim::vmx::cr4::LA57 | vmxsim::vmx::cr4::PKE;  // as in CPUID
    c.set(msr::IA32_VMX_CR4_FIXED1, cpu.get(msr::IA32_VMX_CR4_FIXED1) & ~kCr4Unknown);
    c.set(msr::IA32_VMX_VMCS_ENUM, vmcs12_highest_index() << 1);
    if (l0.secondary_word)
        c.set(msr::IA32_VMX_PROCBASED_CTLS2,
              word(0, l0.secondary.raw & bits(SecondaryControl::VirtualizeAPICAccesses)));
    return c;
}

}  // namespace vmxsim::nested
