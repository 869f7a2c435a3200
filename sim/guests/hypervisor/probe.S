// SPDX-License-Identifier: Apache-2.0
// Single operations between known registers.
#include "sim/guests/vmx/registers.S.inc"
    .text
    .macro probe name, instruction:vararg
    .global probe_\name
probe_\name:
    push_saved
    push %rdi
    load_all_but_rdi
    mov RDI(%rdi), %rdi
    \instruction
    xchg %rdi, (%rsp)
    store_all_but_rdi
    pushfq
    popq RFLAGS(%rdi)
    popq RDI(%rdi)
    pop_saved
    ret
    .endm

    probe cpuid, cpuid
    probe vmcall, vmcall
    probe rdmsr, rdmsr
    probe out, outb %al, $0x80
    probe in, inb $0x80, %al
    probe hlt, hlt
    probe touch, mov %rax, (%rbx)
