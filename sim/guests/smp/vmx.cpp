// SPDX-License-Identifier: Apache-2.0
// Hypervisors on all processors at once; INIT and SIPI at a processor in VMX operation (SDM 26.5, 28.2).
#include "sim/guests/common/console.hpp"
#include "sim/guests/common/exceptions.hpp"
#include "sim/guests/smp/apic.hpp"
#include "sim/guests/smp/smp.hpp"
#include "sim/guests/vmx/setup.hpp"

namespace guest {
extern "C" void smp_guest_cpuid();
extern "C" void smp_guest_spin();

namespace {

constexpr u64 kCpuidExit = 10, kInitExit = 3, kSipiExit = 4, kVmcallExit = 18, kWaitForSipi = 3;
constexpr u32 kRounds = 50, kSipiVector = 0x9a;

struct Regions {
    u32 *vmxon, *vmcs;
};
Regions regions[kMaxCpus];
volatile u32 exits = 0, reason[2], qualification = 0, stage = 0;

void wait_for_stage(u32 n) {
    while (stage < n) asm volatile("pause" ::: "memory");
}

void enter_vmx(u32 id) {
    constexpr u64 vmxe = 1u << 13;
    prepare_vmx();
    write_cr4(read_cr4() | vmxe);
    const u64 on = reinterpret_cast<u64>(regions[id].vmxon), vmcs = reinterpret_cast<u64>(regions[id].vmcs);
    *regions[id].vmxon = *regions[id].vmcs = vmcs_revision();
    if (!vmxon(on).ok() || !vmclear(vmcs).ok() || !vmptrld(vmcs).ok()) fail("no VMX operation");
    fill_vmcs(read_cr3());
    struct [[gnu::packed]] {
        u16 limit;
        u64 base;
    } idtr;
    asm volatile("sidt %0" : "=m"(idtr));
    vmwrite(HOST_IDTR_BASE, idtr.base);  // with gates for interrupts
    vmwrite(GUEST_RSP, 0);
}

void exit_often(u32 id) {
    enter_vmx(id);
    vmwrite(GUEST_RIP, reinterpret_cast<u64>(&smp_guest_cpuid));
    Registers r{};
    r.rdi = kRounds;
    for (bool launched = false;; launched = true) {
        if (vmx_enter(&r, launched)) fail("VM entry");
        if (vmread(VM_EXIT_REASON) == kVmcallExit) break;
        if (vmread(VM_EXIT_REASON) != kCpuidExit) fail("unexpected exit");
        asm volatile("lock incl %0" : "+m"(exits));
        vmwrite(GUEST_RIP, vmread(GUEST_RIP) + vmread(VM_EXIT_INSTRUCTION_LEN));
    }
    if (vmptrst() != reinterpret_cast<u64>(regions[id].vmcs)) fail("another VMCS is current");
    vmxoff();
}

Registers carried;
u32 passed_on = 0;

/// One VMCS goes from processor to processor: VMCLEAR on one, VMPTRLD and VMLAUNCH on the next. Its guest goes on.
void carry_on(u32 id) {
    enter_vmx(id);
    const u64 vmcs = reinterpret_cast<u64>(regions[0].vmcs);
    wait_for_stage(id);
    if (id == 0) {
        vmwrite(GUEST_RIP, reinterpret_cast<u64>(&smp_guest_cpuid));
        carried.rdi = kRounds * processors();
    } else if (!vmptrld(vmcs).ok()) {
        fail("VMPTRLD of another processor's VMCS");
    }
    for (u32 n = 0; n < kRounds; ++n) {
        if (vmx_enter(&carried, n != 0)) fail("VM entry with another processor's VMCS");
        if (vmread(VM_EXIT_REASON) != kCpuidExit || carried.rdi != kRounds * (processors() - id) - n)
            fail("the guest has changed");
        vmwrite(GUEST_RIP, vmread(GUEST_RIP) + vmread(VM_EXIT_INSTRUCTION_LEN));
    }
    if (!vmclear(vmcs).ok()) fail("VMCLEAR");
    ++passed_on;
    stage = id + 1;
    vmxoff();
}

/// The last processor: a guest that INIT interrupts, then one that waits for SIPI; the INIT that came in between takes
/// effect with VMXOFF.
void be_disturbed() {
    enter_vmx(processors() - 1);
    vmwrite(GUEST_RIP, reinterpret_cast<u64>(&smp_guest_spin));
    Registers r{};
    stage = 1;
    if (vmx_enter(&r, false)) fail("VM entry");
    reason[0] = static_cast<u32>(vmread(VM_EXIT_REASON));
    stage = 2;
    wait_for_stage(3);
    vmwrite(GUEST_ACTIVITY_STATE, kWaitForSipi);
    stage = 4;
    if (vmx_enter(&r, true)) fail("VM entry to wait for SIPI");
    reason[1] = static_cast<u32>(vmread(VM_EXIT_REASON));
    qualification = static_cast<u32>(vmread(EXIT_QUALIFICATION));
    stage = 5;
    wait_for_stage(6);
    vmxoff();
    fail("INIT was lost");
}

void disturb(u32 target) {
    wait_for_stage(1);
    a_while();
    apic::send(apic::kInit, target);
    wait_for_stage(2);
    apic::send(apic::kInit, target);
    a_while();
    stage = 3;
    wait_for_stage(4);
    a_while();
    apic::send(apic::kStartUp | kSipiVector, target);
    wait_for_stage(5);
    stage = 6;
    a_while();
    send_start_up(target);
}

void init_and_sipi(u32 id) {
    if (id == 0) disturb(processors() - 1);
    else if (id == processors() - 1) be_disturbed();
}

}  // namespace

void test_vmx() {
    for (u32 i = 0; i < processors(); ++i)
        regions[i] = {reinterpret_cast<u32*>(allocate_table()), reinterpret_cast<u32*>(allocate_table())};
    on_all(exit_often);
    print("exits of all guests ");
    print_decimal(exits);
    on_all(carry_on);
    stage = 0;
    print("\none VMCS on so many processors ");
    print_decimal(passed_on);
    print("\n");
    if (processors() == 1) return;
    on_all(init_and_sipi, 1);
    print("exit of INIT ");
    print_decimal(reason[0]);
    print(", of SIPI ");
    print_decimal(reason[1]);
    print(" with vector ");
    print_hex(qualification, 2);
    print("\nstarted behind VMXOFF ");
    print_decimal(times_started());
    print("\n");
}

}  // namespace guest
