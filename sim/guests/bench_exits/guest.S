// SPDX-License-Identifier: Apache-2.0
// The guest: RDI times CPUID, then a hypercall.
    .text
    .global bench_guest
bench_guest:
    xor %r8d, %r8d
1:  xor %eax, %eax
    cpuid
    add %rbx, %r8
    dec %rdi
    jnz 1b
    vmcall
    ud2
