// SPDX-License-Identifier: Apache-2.0
// The loop around the guest. For a CPUID, VMCALL, RDMSR or HLT exit it makes seven VMREADs, four VMWRITEs and a
// VMRESUME, which is what the Turtles paper (OSDI 2010, 4.3) counted for KVM.
#include "sim/guests/common/console.hpp"
#include "sim/guests/hypervisor/hypervisor.hpp"

namespace guest {
namespace {
enum : u32 { kExceptionExit = 0, kCpuidExit = 10, kHltExit = 12, kVmcallExit = 18, kIoExit = 30, kMsrReadExit = 31 };

alignas(16) u8 guest_stack[16384];

struct CpuidRow {
    u32 leaf;
    CpuidResult result;
};
constexpr unsigned kCpuidRows = 3;
CpuidRow cpuid_table[kCpuidRows];
u64 guest_msr = 0xfedcba9876543210;
u8 port_latch;

// As KVM does, the guest's CPUID is answered from a table: executing CPUID in the handler would be one more exit
// for a hypervisor that is a guest itself.
void build_cpuid_table() {
    const CpuidResult leaf0 = cpuid(0);
    cpuid_table[0] = {0, {1, leaf0.ebx, leaf0.ecx, leaf0.edx}};
    cpuid_table[1] = {1, {0, 0, 0, cpuid(1).edx & 0x8171}};  // FPU, TSC, MSR, PAE, CX8, CMOV; no VMX for the guest
    cpuid_table[2] = {0x40000000, {0x40000000, 0x73786d76, 0x76206d69, 0x72657079}};
}

[[noreturn]] void unexpected(u64 reason) {
    print("FAIL: unexpected exit, reason ");
    print_hex(reason, 8);
    print(" qualification ");
    print_hex(vmread(EXIT_QUALIFICATION));
    print(" interruption ");
    print_hex(vmread(VM_EXIT_INTR_INFO), 8);
    print(" rip ");
    print_hex(vmread(GUEST_RIP));
    print("\n");
    exit_machine(3);
}

struct Exit {
    u64 vectoring, interruption, reason, cr3;
    u64 length = 0, interruptibility = 0, qualification = 0, error_code = 0;
};

// Three VMREADs, two VMWRITEs: past the instruction, and no longer in its shadow.
void skip_instruction(Exit& exit) {
    const u64 rip = vmread(GUEST_RIP);
    exit.length = vmread(VM_EXIT_INSTRUCTION_LEN);
    vmwrite(GUEST_RIP, rip + exit.length);
    exit.interruptibility = vmread(GUEST_INTERRUPTIBILITY_INFO);
    vmwrite(GUEST_INTERRUPTIBILITY_INFO, exit.interruptibility & ~u64{3});
}

void emulate_cpuid(Registers& r) {
    CpuidResult result{};
    for (const auto& row : cpuid_table)
        if (row.leaf == static_cast<u32>(r.rax)) result = row.result;
    r.rax = result.eax;
    r.rbx = result.ebx;
    r.rcx = result.ecx;
    r.rdx = result.edx;
}

void record(ExitRecord& record, const Exit& exit) {
    if (record.count++) return;
    record.reason = exit.reason;
    record.qualification = vmread(EXIT_QUALIFICATION);
    record.length = exit.length;
    // Where bit 31 is clear, the rest is undefined (SDM 30.2.2, 30.2.4).
    record.interruption = exit.interruption >> 31 ? exit.interruption : 0;
    record.vectoring = exit.vectoring >> 31 ? exit.vectoring : 0;
    record.error_code = exit.error_code;
    record.interruptibility = exit.interruptibility;
    record.own_cr3 = exit.cr3 == guest_cr3();
}

Kind handle_io(Registers& r, Exit& exit) {
    exit.qualification = vmread(EXIT_QUALIFICATION);
    // One byte, port in bits 31:16, no string instruction (SDM table 30-5).
    if (exit.qualification >> 16 != kPort || exit.qualification & 0x37) unexpected(exit.reason);
    const bool in = exit.qualification & 8;
    if (in)
        r.rax = (r.rax & ~u64{0xff}) | (port_latch ^ 0x5au);
    else
        port_latch = static_cast<u8>(r.rax);
    skip_instruction(exit);
    return in ? kIn : kOut;
}

Kind handle_exception(Exit& exit) {
    constexpr u32 page_fault = 0x80000b0e;  // valid, error code, hardware exception, vector 14
    if (exit.interruption != page_fault) unexpected(exit.reason);
    exit.qualification = vmread(EXIT_QUALIFICATION);
    exit.error_code = vmread(VM_EXIT_INTR_ERROR_CODE);
    if (!map_guest_page(exit.qualification)) unexpected(exit.reason);
    return kTouch;
}

}  // namespace

void run_guest(u64 n, GuestResults& guest, HypervisorResults& results) {
    build_cpuid_table();
    vmwrite(GUEST_RSP, reinterpret_cast<u64>(guest_stack + sizeof guest_stack - 8));  // as after a CALL
    vmwrite(GUEST_RIP, reinterpret_cast<u64>(&run_guest_program));
    Registers r{};
    r.rdi = n;
    r.rsi = reinterpret_cast<u64>(&guest);
    const u64 cr0 = read_cr0();

    for (bool launched = false;; launched = true) {
        vmwrite(HOST_CR0, cr0);
        if (vmx_enter(&r, launched)) {
            print("FAIL: VM entry, error ");
            print_decimal(vmread(VM_INSTRUCTION_ERROR));
            print("\n");
            exit_machine(4);
        }
        ++results.entries;
        Exit exit{};
        exit.vectoring = vmread(IDT_VECTORING_INFO_FIELD);
        exit.interruption = vmread(VM_EXIT_INTR_INFO);
        exit.reason = vmread(VM_EXIT_REASON);
        exit.cr3 = vmread(GUEST_CR3);
        Kind kind{};
        switch (exit.reason) {
            case kCpuidExit:
                kind = kCpuid;
                emulate_cpuid(r);
                skip_instruction(exit);
                break;
            case kVmcallExit:
                kind = kVmcall;
                if (r.rax == kHypercallEnd) return;
                if (r.rax != kHypercallNop) unexpected(exit.reason);
                r.rax = r.rbx * 3;
                skip_instruction(exit);
                break;
            case kMsrReadExit:
                kind = kRdmsr;
                if (static_cast<u32>(r.rcx) != kMsr) unexpected(exit.reason);
                r.rax = static_cast<u32>(guest_msr);
                r.rdx = guest_msr >> 32;
                skip_instruction(exit);
                break;
            case kHltExit:
                kind = kHlt;
                skip_instruction(exit);
                break;
            case kIoExit:
                kind = handle_io(r, exit);
                break;
            case kExceptionExit:
                kind = handle_exception(exit);
                break;
            default:
                unexpected(exit.reason);
        }
        record(results.exits[kind], exit);
    }
}

}  // namespace guest
