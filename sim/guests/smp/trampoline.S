// SPDX-License-Identifier: Apache-2.0
// Where a start-up IPI leads: from real-address mode at 000VV000H to C++ in 64-bit mode. Copied below 1 MiB as it is.
    .section .rodata
    .global ap_trampoline, ap_trampoline_end, ap_gdtr
    .balign 16
ap_trampoline:
    .code16
    cli
    mov %cs, %ax
    mov %ax, %ds
    mov $0x20, %eax                     // CR4.PAE
    mov %eax, %cr4
    mov $boot_pml4, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx               // IA32_EFER.LME and NXE
    rdmsr
    or $0x900, %eax
    wrmsr
    lgdtl ap_gdtr - ap_trampoline
    mov $0x80010031, %eax               // CR0.PG, WP, NE, ET, PE
    mov %eax, %cr0
    ljmpl $0x08, $ap_start64
    .balign 8
ap_gdtr:
    .word 0
    .long 0
ap_trampoline_end:

    .text
    .code64
    .global ap_start64
ap_start64:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov $1, %eax                        // CPUID.1:EBX[31:24]: the APIC ID
    cpuid
    shr $24, %ebx
    mov %ebx, %edi
    lea 1(%edi), %eax
    shl $14, %eax                       // 16 KiB of stack each
    mov $ap_stacks, %esp
    add %eax, %esp
    xor %ebp, %ebp
    call ap_main
1:  cli
    hlt
    jmp 1b

// Called from several processors while one of them changes the constant.
    .section .data
    .balign 4096
    .global changing_code
changing_code:
    mov $0, %eax
    ret
    .balign 4096

    .bss
    .balign 4096
ap_stacks: .skip 8 * 16384
