// SPDX-License-Identifier: Apache-2.0
// VMX without code: VMREAD of a line on chip, VM entry and exit.
#include <benchmark/benchmark.h>

#include "tests/engine/machine.hpp"

namespace {

using namespace vmxsim;
using arch::Field;
using core::Machine;

constexpr u64 kVmxon = 0x1000, kVmcs = 0x2000;

/// A processor that may set every control and must set none, with a VMCS for a 64-bit guest.
struct Hypervisor : Machine {
    Hypervisor() : Machine(core::TimingLevel::Interval) {
        namespace msr = arch::msr;
        constexpr u64 kAny = 0xffffffff00000000, kRevision = 0x12;
        capabilities.set(msr::IA32_VMX_BASIC, kRevision);
        for (const u32 word : {msr::IA32_VMX_PINBASED_CTLS, msr::IA32_VMX_PROCBASED_CTLS, msr::IA32_VMX_EXIT_CTLS,
                               msr::IA32_VMX_ENTRY_CTLS, msr::IA32_VMX_PROCBASED_CTLS2})
            capabilities.set(word, kAny);
        capabilities.set(msr::IA32_VMX_CR0_FIXED1, ~u64{0});
        capabilities.set(msr::IA32_VMX_CR4_FIXED1, 0x7ff);
        vmx = std::make_unique<vmx::Vmx>(
            vmx::Vmx::Dependencies{s(), vmcs, ram, mmu, capabilities, vmx_timing, ledger});
        core->attach(*vmx);
        for (const u64 region : {kVmxon, kVmcs}) ram.write({region}, 4, kRevision);
        vmx->vmxon(kVmxon);
        vmx->vmclear(kVmcs);
        vmx->vmptrld(kVmcs);
        fill();
    }
    void set(Field f, u64 v) { vmx->vmwrite(arch::encoding_of(f), v); }
    void fill() {
        set(Field::VM_EXIT_CONTROLS, 1u << 9);   // host address-space size
        set(Field::VM_ENTRY_CONTROLS, 1u << 9);  // IA-32e mode guest
        set(Field::VMCS_LINK_POINTER, ~u64{0});
        for (const Field f : {Field::HOST_CR0, Field::GUEST_CR0}) set(f, 0x80000031);
        for (const Field f : {Field::HOST_CR4, Field::GUEST_CR4}) set(f, vmx::cr4::PAE);
        for (const Field f : {Field::HOST_CS_SELECTOR, Field::HOST_TR_SELECTOR, Field::GUEST_CS_SELECTOR,
                              Field::GUEST_TR_SELECTOR})
            set(f, 0x8);
        set(Field::GUEST_CS_AR_BYTES, 0xa09b);
        set(Field::GUEST_CS_LIMIT, 0xffffffff);
        for (const Field f : {Field::GUEST_SS_AR_BYTES, Field::GUEST_DS_AR_BYTES, Field::GUEST_ES_AR_BYTES,
                              Field::GUEST_FS_AR_BYTES, Field::GUEST_GS_AR_BYTES, Field::GUEST_LDTR_AR_BYTES})
            set(f, 0x10000);  // unusable
        set(Field::GUEST_TR_AR_BYTES, 0x8b);
        set(Field::GUEST_TR_LIMIT, 0x67);
        set(Field::GUEST_RFLAGS, 2);
    }
};

void vmread_hit(benchmark::State& state) {
    Hypervisor m;
    u64 value = 0;
    for (auto _ : state) {
        m.vmx->vmread(arch::encoding_of(Field::GUEST_RIP), value);
        benchmark::DoNotOptimize(value);
    }
}
BENCHMARK(vmread_hit);

void entry_and_exit(benchmark::State& state) {
    Hypervisor m;
    bool launched = false;
    vmx::ExitInfo exit;
    exit.reason = arch::ExitReason::CPUID;
    exit.instruction_length = 2;
    for (auto _ : state) {
        const vmx::EntryResult r = launched ? m.vmx->vmresume() : m.vmx->vmlaunch();
        if (r.kind != vmx::EntryResult::Entered) {
            state.SkipWithError(r.violated ? r.violated : "no VM entry");
            break;
        }
        launched = true;
        m.s().rip += 2;
        m.vmx->exit(exit);
    }
}
BENCHMARK(entry_and_exit);

}  // namespace
