// SPDX-License-Identifier: Apache-2.0
// bench_exits: a hypervisor whose guest executes CPUID, `n` hundred times; EPT where the processor has it. For
// `make bench`: the wall clock is outside. A round has about 70 instructions, three VMREADs and a VMWRITE among them.
#include "sim/guests/common/console.hpp"
#include "sim/guests/common/cpu.hpp"
#include "sim/guests/common/multiboot.hpp"
#include "sim/guests/vmx/setup.hpp"

namespace guest {
extern "C" void bench_guest();

namespace {

constexpr u32 kProcbased2 = 0x48b, kTrueProcbased = 0x48e, kProcbased = 0x482, kVmxBasic = 0x480;

/// The first GiB as it is, write-back, in pages of 4 KiB for the first 32 MiB: every processor with EPT has those.
u64 ept_pointer() {
    constexpr u64 rwx = 7, write_back = 6u << 3, tables = 16;
    u64 *const pml4 = allocate_table(), *const pdpt = allocate_table(), *const pd = allocate_table();
    pml4[0] = reinterpret_cast<u64>(pdpt) | rwx;
    pdpt[0] = reinterpret_cast<u64>(pd) | rwx;
    for (u64 i = 0; i < tables; ++i) {
        u64* const pt = allocate_table();
        pd[i] = reinterpret_cast<u64>(pt) | rwx;
        for (u64 k = 0; k < 512; ++k) pt[k] = (i * 512 + k) << 12 | write_back | rwx;
    }
    constexpr u64 four_levels = 3u << 3, wb = 6;
    return reinterpret_cast<u64>(pml4) | four_levels | wb;
}

bool use_ept() {
    const u64 primary = rdmsr(rdmsr(kVmxBasic) >> 55 & 1 ? kTrueProcbased : kProcbased) >> 32;
    constexpr u32 activate = 1u << 31, enable_ept = 2, enable_vpid = 1u << 5;
    if (!(primary & activate)) return false;
    const u64 secondary = rdmsr(kProcbased2) >> 32;
    if (!(secondary & enable_ept)) return false;
    vmwrite(CPU_BASED_VM_EXEC_CONTROL, vmread(CPU_BASED_VM_EXEC_CONTROL) | activate);
    vmwrite(SECONDARY_VM_EXEC_CONTROL, secondary & (enable_ept | enable_vpid));
    if (secondary & enable_vpid) vmwrite(VIRTUAL_PROCESSOR_ID, 1);
    vmwrite(EPT_POINTER, ept_pointer());
    return true;
}

/// The guest's CPUID as it is answered here: from memory, as a hypervisor that is a guest itself would.
void answer(Registers& r, const CpuidResult& leaf) {
    r.rax = leaf.eax;
    r.rbx = leaf.ebx;
    r.rcx = leaf.ecx;
    r.rdx = leaf.edx;
}

}  // namespace

void guest_main(const MultibootInfo& info) {
    constexpr u64 cpuid_exit = 10, vmcall_exit = 18, vmxe = 1u << 13;
    print("vmxsim guest image: bench_exits\n");
    prepare_vmx();
    write_cr4(read_cr4() | vmxe);
    if (!vmxon(vmxon_region()).ok() || !vmclear(vmcs_region()).ok() || !vmptrld(vmcs_region()).ok())
        fail("no VMX operation");
    fill_vmcs(read_cr3());
    print(use_ept() ? "ept on" : "ept off");
    vmwrite(GUEST_RSP, 0);
    vmwrite(GUEST_RIP, reinterpret_cast<u64>(&bench_guest));
    const CpuidResult leaf = cpuid(0);
    Registers r{};
    r.rdi = option(info, "n", 10) * 100;
    u64 exits = 0;
    for (bool launched = false;; launched = true) {
        if (vmx_enter(&r, launched)) fail("VM entry");
        const u64 reason = vmread(VM_EXIT_REASON);
        if (reason == vmcall_exit) break;
        if (reason != cpuid_exit) fail("unexpected exit");
        ++exits;
        answer(r, leaf);
        vmwrite(GUEST_RIP, vmread(GUEST_RIP) + vmread(VM_EXIT_INSTRUCTION_LEN));
    }
    print("\nexits ");
    print_decimal(exits);
    print(" sum ");
    print(r.r8 == exits * leaf.ebx ? "as expected\n" : "WRONG\n");
}

}  // namespace guest
