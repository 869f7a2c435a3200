// SPDX-License-Identifier: Apache-2.0
// A processor in VMX root operation with a VMCS that is valid for a 64-bit guest; tests break it at one place each.
#pragma once
#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "model/vmx/allowed.hpp"
#include "model/vmx/vmx.hpp"
#include "tests/vmx/plain_port.hpp"

namespace vmxsim::test {

using arch::Field;
namespace msr = arch::msr;

arch::Capabilities nehalem();     ///< Core i7-870: EPT and VPID, no unrestricted guest, no VMCS shadowing
arch::Capabilities haswell();     ///< Xeon E3-1245 v3: unrestricted guest, VM functions, VMCS shadowing
arch::Capabilities everything();  ///< as Haswell, with every control and CR4 bit of the tables allowed

/// Notes what is asked of it.
struct Translations : arch::TranslationControl {
    std::vector<std::string> calls;
    void invalidate_address(Vpid v, GuestVirtual at) override {
        calls.push_back("address " + std::to_string(v.raw) + " " + std::to_string(at.raw));
    }
    void flush_vpid(Vpid v, bool keep) override {
        calls.push_back("vpid " + std::to_string(v.raw) + (keep ? " keep" : ""));
    }
    void flush_all_vpids() override { calls.push_back("all vpids"); }
    void flush_eptp(Eptp e) override { calls.push_back("eptp " + std::to_string(e.raw)); }
    void flush_everything() override { calls.push_back("everything"); }
};

struct Machine {
    static constexpr u64 kVmxon = 0x1000, kVmcs = 0x2000, kShadow = 0x3000, kIoA = 0x4000, kIoB = 0x5000,
                         kMsrBitmap = 0x6000, kVapic = 0x7000, kReadBitmap = 0x9000, kWriteBitmap = 0xa000,
                         kEptpList = 0xb000, kEptRoot = 0xc000, kPdpt = 0xd000, kOther = 0xe000, kList = 0x10000,
                         kEptp = kEptRoot | 0x1e;

    arch::Capabilities capabilities;
    vmx::CpuState cpu;
    PlainPort port;
    memory::PhysicalMemory ram{1u << 20};
    Translations translations;
    vmx::VmxTiming timing;
    vmx::Ledger ledger;
    vmx::Vmx vmx;

    explicit Machine(const arch::Capabilities& caps = haswell(), const arch::VmcsLayout& layout = arch::kGenericLayout);

    /// VMXON, VMCLEAR, VMPTRLD of kVmcs, whose fields are then valid.
    void start();
    u64 get(Field f) const { return port.pages.at(kVmcs).get(f, *port.layout); }
    void set(Field f, u64 v) { port.pages[kVmcs].set(f, v, *port.layout); }
    void add(Field f, u64 bits) { set(f, get(f) | bits); }
    void drop(Field f, u64 bits) { set(f, get(f) & ~bits); }
    template <class Bit>
    void control(Bit b, bool on = true);
    /// Fills in what a 32-bit guest with PAE off needs, a virtual-8086 or a real-mode one on top of it.
    void guest32();
    void guest_v86();
    void guest_real();
    void use_ept();
    void msr_entry(u64 area, unsigned n, u64 index, u64 value);

    /// VMLAUNCH that must succeed.
    vmx::EntryResult enter();
    void fill_valid();
};

template <class Bit>
void Machine::control(Bit b, bool on) {
    Field f{};
    if constexpr (std::is_same_v<Bit, arch::PinControl>) f = Field::PIN_BASED_VM_EXEC_CONTROL;
    else if constexpr (std::is_same_v<Bit, arch::PrimaryControl>) f = Field::CPU_BASED_VM_EXEC_CONTROL;
    else if constexpr (std::is_same_v<Bit, arch::SecondaryControl>) f = Field::SECONDARY_VM_EXEC_CONTROL;
    else if constexpr (std::is_same_v<Bit, arch::TertiaryControl>) f = Field::TERTIARY_VM_EXEC_CONTROL;
    else if constexpr (std::is_same_v<Bit, arch::ExitControl>) f = Field::VM_EXIT_CONTROLS;
    else if constexpr (std::is_same_v<Bit, arch::Exit2Control>) f = Field::SECONDARY_VM_EXIT_CONTROLS;
    else f = Field::VM_ENTRY_CONTROLS;
    const u64 bit = u64{1} << static_cast<u8>(b);
    on ? add(f, bit) : drop(f, bit);
    if (!on) return;
    if constexpr (std::is_same_v<Bit, arch::SecondaryControl>) control(arch::PrimaryControl::ActivateSecondaryControls);
    if constexpr (std::is_same_v<Bit, arch::TertiaryControl>) control(arch::PrimaryControl::ActivateTertiaryControls);
    if constexpr (std::is_same_v<Bit, arch::Exit2Control>) control(arch::ExitControl::ActivateSecondaryControls);
}

}  // namespace vmxsim::test
