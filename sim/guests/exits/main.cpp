// SPDX-License-Identifier: Apache-2.0
// exits: what VM exits report, and which VM entries fail, one line a case. All lines are the same on every machine.
#include "sim/guests/common/console.hpp"
#include "sim/guests/common/cpu.hpp"
#include "sim/guests/common/exceptions.hpp"
#include "sim/guests/common/multiboot.hpp"
#include "sim/guests/exits/cases.hpp"

namespace guest {
namespace {

alignas(4096) u64 pml4[512];
alignas(4096) u64 pdpt[512];
alignas(4096) u64 pd[512];
alignas(4096) u8 data_page[4096];
alignas(16) u8 guest_stack[4096];
struct Gate {
    u64 low, high;
};
alignas(16) Gate guest_idt[33];

constexpr u64 kUnmapped = 0x3f000000;
bool launched = false;

void build() {
    pml4[0] = reinterpret_cast<u64>(pdpt) | 3;
    pdpt[0] = reinterpret_cast<u64>(pd) | 3;
    for (u64 i = 0; i < 8; ++i) pd[i] = i << 21 | 0x83;
    for (unsigned v = 0; v < 33; ++v) {
        const bool error = v == 8 || (v >= 10 && v <= 14);
        const u64 entry = reinterpret_cast<u64>(error ? snippet_handler_error : snippet_handler);
        guest_idt[v].low =
            (entry & 0xffff) | u64{kCodeSelector} << 16 | u64{0x8e00} << 32 | (entry >> 16 & 0xffff) << 48;
        guest_idt[v].high = entry >> 32;
    }
}

// Exit reasons whose instruction length is defined (SDM 30.2.5): instructions, software exceptions and interrupts.
bool has_length(u64 reason, u64 event, u64 vectoring) {
    const auto software = [](u64 e) { return e >> 31 && (e >> 8 & 7) >= 4 && (e >> 8 & 7) <= 6; };
    if (software(vectoring)) return true;
    if (reason == 0) return software(event);
    return (reason >= 10 && reason <= 32 && reason != 17) || reason == 40;
}

// Only the bits of VM-exit instruction information that are defined (SDM tables 30-13, 30-14).
u64 instruction_information(u64 reason) {
    const bool one_operand = reason == 19 || reason == 21 || reason == 22 || reason == 27;
    const bool two_operands = reason == 23 || reason == 25;
    if (!one_operand && !two_operands) return 0;
    u64 info = vmread(VMX_INSTRUCTION_INFO);
    if (two_operands && info >> 10 & 1) return info & 0xf0000478;
    if (info >> 22 & 1) info &= ~u64{0x3c0003};   // no index: neither it nor its scaling
    if (info >> 27 & 1) info &= ~u64{0x7800000};  // no base
    return info & (two_operands ? 0xffff8783 | 0x400 : 0x0fff8783 | 0x400);
}

bool has_linear_address(u64 reason, u64 qualification) {
    const bool lmsw_memory = reason == 28 && (qualification >> 4 & 3) == 3 && qualification >> 6 & 1;
    const bool string_io = reason == 30 && qualification >> 4 & 1;
    return lmsw_memory || string_io;
}

void field(const char* name, u64 value, unsigned digits) {
    if (!value) return;
    print(name);
    print_hex(value, digits);
}

// Addresses are told relative to what they belong to: the image may be linked elsewhere another time.
void print_address(const char* name, u64 value) {
    print(name);
    const u64 data = reinterpret_cast<u64>(data_page), stack = reinterpret_cast<u64>(guest_stack);
    if (value - data < 4096) {
        print("data+");
        print_hex(value - data, 3);
    } else if (value - stack < 4096) {
        print("stack+");
        print_hex(value - stack, 3);
    } else {
        print_hex(value, (67 - static_cast<unsigned>(__builtin_clzll(value | 1))) / 4);
    }
}

void print_exit(const Case& c, const Registers& r) {
    const u64 reason = vmread(VM_EXIT_REASON), event = vmread(VM_EXIT_INTR_INFO),
              vectoring = vmread(IDT_VECTORING_INFO_FIELD);
    const u64 qualification = vmread(EXIT_QUALIFICATION);
    print("reason ");
    print_hex(reason, 8);
    if (qualification) print_address(" qual ", qualification);
    if (reason >> 31) return;
    if (has_length(reason & 0xffff, event, vectoring)) field(" len ", vmread(VM_EXIT_INSTRUCTION_LEN), 1);
    field(" info ", instruction_information(reason), 8);
    if (has_linear_address(reason, qualification)) print_address(" linear ", vmread(GUEST_LINEAR_ADDRESS));
    if (event >> 31) {
        print(" event ");
        print_hex(event, 8);
        if (event >> 11 & 1) field(" error ", vmread(VM_EXIT_INTR_ERROR_CODE), 4);
    }
    if (vectoring >> 31) {
        print(" vectoring ");
        print_hex(vectoring, 8);
    }
    const u64 rip = vmread(GUEST_RIP) - reinterpret_cast<u64>(c.code);
    if (rip < 64) {
        print(" rip+");
        print_hex(rip, 2);
    } else {
        print(" elsewhere");
    }
    print(" flags ");
    // Without AF, which OR and XOR leave undefined, and RF.
    print_hex(vmread(GUEST_RFLAGS) & ~u64{0x10010}, 5);
    field(" blocking ", vmread(GUEST_INTERRUPTIBILITY_INFO), 2);
    field(" activity ", vmread(GUEST_ACTIVITY_STATE), 1);
    field(" debug ", vmread(GUEST_PENDING_DBG_EXCEPTIONS), 4);
    field(" injection ", vmread(VM_ENTRY_INTR_INFO_FIELD) & 0x80000000, 8);
    if (r.rax != 0x0a0a) print_address(" rax ", r.rax);
}

// IRET ends blocking by NMI (SDM 7.7.1), which a VM exit after an injected NMI leaves to the host.
void unblock_nmi() {
    asm volatile(
        "mov %%rsp, %%rax\n\tpush $0x10\n\tpush %%rax\n\t"
        "pushfq\n\tpush $0x08\n\tpush $1f\n\tiretq\n1:" ::
            : "rax", "memory", "cc");
}

void run(const Case& c) {
    fill_vmcs(cases_cr3());
    vmwrite(GUEST_RIP, reinterpret_cast<u64>(c.code));
    vmwrite(GUEST_RSP, reinterpret_cast<u64>(guest_stack + 2048));
    if (c.change) c.change();
    Registers r{};
    r.rax = 0x0a0a;
    r.rbx = 0x7;
    r.rcx = 4;
    r.r8 = reinterpret_cast<u64>(data_page) + 16;
    r.r9 = cases_cr3();
    r.r10 = reinterpret_cast<u64>(c.code);
    r.r11 = kUnmapped;
    print("  ");
    print_padded(c.name, 46);
    if (const u64 how = vmx_enter(&r, launched)) {
        print(how == 1 ? "VMfailInvalid" : "VMfailValid ");
        if (how == 2) print_decimal(vmread(VM_INSTRUCTION_ERROR));
    } else {
        if (!(vmread(VM_EXIT_REASON) >> 31)) launched = true;
        print_exit(c, r);
    }
    print("\n");
    unblock_nmi();
}

}  // namespace

u64 cases_cr3() { return reinterpret_cast<u64>(pml4); }

void add_primary(u32 bits) {
    vmwrite(CPU_BASED_VM_EXEC_CONTROL,
            adjusted_control(CPU_BASED_VM_EXEC_CONTROL, static_cast<u32>(vmread(CPU_BASED_VM_EXEC_CONTROL)) | bits));
}

void use_guest_idt() {
    vmwrite(GUEST_IDTR_BASE, reinterpret_cast<u64>(guest_idt));
    vmwrite(GUEST_IDTR_LIMIT, sizeof guest_idt - 1);
}

void guest_main(const MultibootInfo&) {
    print("vmxsim guest image: exits, version 1\n");
    out8(0x21, 0xff);  // no interrupts of the PC's timer, which a boot loader may have left running
    out8(0xa1, 0xff);
    prepare_vmx();
    write_cr4(read_cr4() | rdmsr(0x488) | 1u << 13);  // IA32_VMX_CR4_FIXED0, CR4.VMXE
    if (!vmxon(vmxon_region()).ok() || !vmclear(vmcs_region()).ok() || !vmptrld(vmcs_region()).ok()) fail("VMXON");
    build();
    for (const CaseList& cases : {instruction_cases(), register_cases(), io_cases(), exception_cases(), event_cases(),
                                  control_failures(), host_failures(), guest_failures()}) {
        print(cases.title);
        print("\n");
        for (unsigned i = 0; i < cases.count; ++i) run(cases.cases[i]);
    }
    set_checksum(false);
    print("checksum ");
    print_hex(checksum());
    print("\nvmx: ok\n");
}

}  // namespace guest
