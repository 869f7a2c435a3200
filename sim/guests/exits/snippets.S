// SPDX-License-Identifier: Apache-2.0
// What the guest executes, one snippet a case. Each ends with VMCALL: an exit in any case.
// R8: a page of data. R9: the guest's CR3. R10: the snippet's address. R11: an address that is not mapped.
    .text
    .macro snippet name
    .balign 16
    .global snippet_\name
snippet_\name:
    .endm
// By the preprocessor: a semicolon would end an assembler macro's arguments.
#define SIMPLE(name, ...) snippet name; __VA_ARGS__; vmcall

    SIMPLE(vmcall, nop)
    SIMPLE(cpuid, cpuid)
    SIMPLE(hlt, hlt)
    SIMPLE(invd, invd)
    SIMPLE(invlpg, invlpg 0x123(%r8))
    SIMPLE(rdpmc, rdpmc)
    SIMPLE(rdtsc, rdtsc)
    SIMPLE(pause, pause)
    SIMPLE(nops, nop; nop; nop)
    SIMPLE(sti, sti; nop; nop)
    SIMPLE(pushf, pushfq; pop %rax)

    SIMPLE(vmclear, vmclear 0x10(%r8,%rcx,4))
    SIMPLE(vmptrld, vmptrld (%r8))
    SIMPLE(vmptrst, vmptrst -8(%r8))
    SIMPLE(vmread_register, vmread %rax, %rbx)
    SIMPLE(vmread_memory, vmread %rcx, 0x7ff(%r8))
    SIMPLE(vmwrite_register, vmwrite %r13, %r12)
    SIMPLE(vmwrite_memory, vmwrite %fs:(,%rdx,8), %rsi)
    SIMPLE(vmlaunch, vmlaunch)
    SIMPLE(vmresume, vmresume)
    SIMPLE(vmxoff, vmxoff)
    SIMPLE(vmxon, vmxon (%rsp))

    SIMPLE(mov_cr0_ts, mov %cr0, %rax; or $8, %eax; mov %rax, %cr0)
    SIMPLE(mov_from_cr0, mov %cr0, %rax)
    SIMPLE(mov_from_cr4, mov %cr4, %rax)
    SIMPLE(clts, clts)
    SIMPLE(lmsw_register, mov $3, %eax; lmsw %ax)
    SIMPLE(lmsw_memory, movw $0x3, (%r8); lmsw (%r8))
    SIMPLE(smsw, xor %eax, %eax; smsw %eax)
    SIMPLE(mov_cr4_pge, mov %cr4, %rax; or $0x80, %rax; mov %rax, %cr4)
    SIMPLE(mov_to_cr3, mov %r9, %cr3)
    SIMPLE(mov_from_cr3, mov %cr3, %r15)
    SIMPLE(mov_to_cr8, mov %rbx, %cr8)
    SIMPLE(mov_from_cr8, mov %cr8, %rdi)
    SIMPLE(mov_from_dr7, mov %dr7, %rax)
    SIMPLE(mov_to_dr0, mov %r14, %dr0)

    SIMPLE(out_immediate, out %eax, $0x7b)
    SIMPLE(in_dx, mov $0x1234, %edx; in %dx, %ax)
    SIMPLE(outsb, mov $0x60, %edx; mov %r8, %rsi; outsb)
    SIMPLE(rep_insw, mov $0x3f0, %edx; mov %r8, %rdi; mov $5, %ecx; rep insw)
    SIMPLE(rdmsr, mov $0x174, %ecx; rdmsr)
    SIMPLE(wrmsr, mov $0xc0000102, %ecx; wrmsr)

    SIMPLE(ud2, ud2)
    SIMPLE(divide, xor %ecx, %ecx; div %ecx)
    SIMPLE(int3, int3)
    SIMPLE(int20, int $0x20)
    SIMPLE(non_canonical, movabs $0x8000000000000000, %rbx; mov (%rbx), %rax)
    SIMPLE(stack_fault, movabs $0x8000000000000000, %rbp; mov (%rbp), %rax)
    SIMPLE(selector, mov $0x28, %eax; mov %eax, %ds)
    SIMPLE(page_read, mov 0x10(%r11), %rax)
    SIMPLE(page_write, mov %rax, 0x18(%r11))
    SIMPLE(page_push, mov %r11, %rsp; push %rax)
    SIMPLE(page_fetch, jmp *%r11)

    // Handlers of the guest's IDT: RAX := first word of the frame; relative to the snippet where that is RIP.
    snippet handler
    mov (%rsp), %rax
    sub %r10, %rax
    vmcall
    snippet handler_error
    mov (%rsp), %rax
    vmcall
