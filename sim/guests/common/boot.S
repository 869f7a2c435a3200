// SPDX-License-Identifier: Apache-2.0
// From the multiboot loader's 32-bit protected mode to C++ in 64-bit mode; exception entries.

    .section .multiboot, "a"
    .balign 4
    .long 0x1badb002                    // magic
    .long 3                             // page-aligned modules, memory information
    .long -(0x1badb002 + 3)             // the three add up to zero

    .section .boot, "ax"
    .code32
    .global start
start:
    cld
    mov $boot_stack_end, %esp
    mov %eax, %edi                      // arguments of main, kept until 64-bit mode
    mov %ebx, %esi

    mov $0x80000001, %eax               // CPUID.80000001H:EDX[29]: Intel 64
    push %ebx
    cpuid
    pop %ebx
    bt $29, %edx
    jnc no_long_mode
    mov %edx, %ebp                      // bits 20 and 11, NX and SYSCALL, are EFER's NXE (11) and SCE (0)

    // PML4[0] -> PDPT, PDPT[0] -> PD, PD: the first GiB in pages of 2 MiB.
    movl $(boot_pdpt + 3), boot_pml4
    movl $(boot_pd + 3), boot_pdpt
    xor %ecx, %ecx
1:  mov %ecx, %eax
    shl $21, %eax
    or $0x83, %eax                      // present, writable, page size
    mov %eax, boot_pd(,%ecx,8)
    inc %ecx
    cmp $512, %ecx
    jne 1b

    mov $0x20, %eax                     // CR4.PAE alone: the same on every machine
    mov %eax, %cr4
    mov $boot_pml4, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx               // IA32_EFER.LME; NXE and SCE where there are, as every kernel sets them
    rdmsr
    or $0x100, %eax
    bt $20, %ebp
    jnc 2f
    or $0x800, %eax
2:  bt $11, %ebp
    jnc 2f
    or $1, %eax
2:  wrmsr
    mov $0x80010031, %eax               // CR0.PG, WP, NE, ET, PE; CD and NW off
    mov %eax, %cr0
    lgdt boot_gdtr
    ljmp $0x08, $start64

no_long_mode:
    mov $0x3fb, %edx                    // COM1: 8 bits
    mov $3, %al
    out %al, %dx
    mov $no_long_mode_text, %esi
1:  mov $0x3fd, %edx                    // COM1's line status: room for a character?
    in %dx, %al
    test $0x20, %al
    jz 1b
    mov $0x3f8, %edx
    lodsb
    out %al, %dx
    cmpb $0, (%esi)
    jne 1b
    mov $0x3fd, %edx
3:  in %dx, %al
    test $0x40, %al                     // the last one sent?
    jz 3b
    mov $1, %eax
    mov $0xf4, %edx
    out %eax, %dx
    mov $no_long_mode_shutdown, %esi
    mov $0x8900, %edx
    mov $8, %ecx
    rep outsb
2:  cli
    hlt
    jmp 2b
no_long_mode_text: .asciz "FAIL: this processor has no 64-bit mode\n"
no_long_mode_shutdown: .ascii "Shutdown"

    .code64
start64:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov $boot_stack_end, %rsp
    xor %ebp, %ebp
    mov %edi, %edi
    mov %esi, %esi
    call start_cpp
1:  cli
    hlt
    jmp 1b

    .text
// Exception entries: vector and error code (0 where the processor pushes none) above the registers.
    .macro exception vector, has_error=0
    .balign 16
    .if \has_error == 0
    push $0
    .endif
    push $\vector
    jmp exception_common
    .endm

    .global exception_entries           // 16 bytes apart
    .balign 16
exception_entries:
    .irp v, 0,1,2,3,4,5,6,7
    exception \v
    .endr
    exception 8, 1
    exception 9
    .irp v, 10,11,12,13,14
    exception \v, 1
    .endr
    .irp v, 15,16
    exception \v
    .endr
    exception 17, 1
    .irp v, 18,19,20
    exception \v
    .endr
    exception 21, 1
    .irp v, 22,23,24,25,26,27,28,29,30,31
    exception \v
    .endr

exception_common:
    .irp r, rax,rcx,rdx,rbx,rbp,rsi,rdi,r8,r9,r10,r11,r12,r13,r14,r15
    push %\r
    .endr
    mov %rsp, %rdi
    mov %rsp, %rbp
    and $-16, %rsp
    cld
    call handle_exception
    mov %rbp, %rsp
    .irp r, r15,r14,r13,r12,r11,r10,r9,r8,rdi,rsi,rbp,rbx,rdx,rcx,rax
    pop %\r
    .endr
    add $16, %rsp
    iretq

    .data
    .balign 16
    .global boot_gdt
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff            // 0x08: 64-bit code
    .quad 0x00cf93000000ffff            // 0x10: data
    .quad 0, 0                          // 0x18: TSS, filled in by init_exceptions()
boot_gdtr:
    .word boot_gdtr - boot_gdt - 1
    .quad boot_gdt

    .bss
    .balign 4096
    .global boot_pml4, boot_pdpt, boot_pd
boot_pml4: .skip 4096
boot_pdpt: .skip 4096
boot_pd: .skip 4096
    .skip 32768
boot_stack_end:
