// SPDX-License-Identifier: Apache-2.0
#include "sim/guests/common/exceptions.hpp"

#include "sim/guests/common/console.hpp"
#include "sim/guests/common/cpu.hpp"

extern "C" {
extern guest::u64 boot_gdt[5];
extern char exception_entries[];
}

namespace guest {
u64 exception_recovery = 0;
u64 exception_seen = 256;

namespace {
struct Gate {
    u64 low, high;
};
alignas(16) Gate idt[32];
alignas(16) u32 tss[26];  // all zero: no privilege change ever loads a stack from it

struct [[gnu::packed]] TablePointer {
    u16 limit;
    u64 base;
};

struct Frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    u64 vector, error, rip, cs, rflags, rsp, ss;
};
}  // namespace

u64 gdt_base() { return reinterpret_cast<u64>(boot_gdt); }
u64 idt_base() { return reinterpret_cast<u64>(idt); }
u64 tss_base() { return reinterpret_cast<u64>(tss); }

void init_exceptions() {
    for (u64 v = 0; v < 32; ++v) {
        const u64 entry = reinterpret_cast<u64>(exception_entries) + 16 * v;
        idt[v].low = (entry & 0xffff) | u64{kCodeSelector} << 16 | u64{0x8e00} << 32 | (entry >> 16 & 0xffff) << 48;
        idt[v].high = entry >> 32;
    }
    const TablePointer idtr{sizeof idt - 1, idt_base()};
    asm volatile("lidt %0" ::"m"(idtr));

    const u64 base = tss_base();
    boot_gdt[3] = (sizeof tss - 1) | (base & 0xffffff) << 16 | u64{0x89} << 40 | (base >> 24 & 0xff) << 56;
    boot_gdt[4] = base >> 32;
    asm volatile("ltr %w0" ::"r"(kTssSelector));
}

extern "C" void handle_exception(Frame* frame) {
    if (exception_recovery) {
        exception_seen = frame->vector;
        frame->rip = exception_recovery;
        return;
    }
    print("\nFAIL: exception ");
    print_decimal(frame->vector);
    print(" error ");
    print_hex(frame->error, 8);
    print(" rip ");
    print_hex(frame->rip);
    print(" cr2 ");
    print_hex(read_cr2());
    print(" rsp ");
    print_hex(frame->rsp);
    print("\n");
    exit_machine(2);
}

}  // namespace guest
