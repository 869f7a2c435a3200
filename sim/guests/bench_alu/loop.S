// SPDX-License-Identifier: Apache-2.0
// u64 bench_loop(u64 rounds, u64* buffer): 20 instructions a round, or 21 every other one: arithmetic, shifts, loads,
// stores, a read-modify-write, and a branch that goes either way. The buffer has 4 KiB.
    .text
    .global bench_loop
bench_loop:
    mov $0x9e3779b97f4a7c15, %rax
    xor %ecx, %ecx
    xor %edx, %edx
    .balign 16
1:  mov %rax, %r8
    shr $29, %r8
    xor %r8, %rax
    imul %r9, %rdx
    lea 1(%rax,%rcx,2), %rax
    mov %eax, %r10d
    and $0xff, %r10d
    add (%rsi,%r10,8), %rdx
    mov %rdx, 64(%rsi)
    movzbl 128(%rsi,%rcx), %r8d
    add $8, %ecx
    and $0xff, %ecx
    rol $7, %rax
    sub %r8, %rdx
    add %rdx, 256(%rsi)
    or $1, %r9
    cmp %r8d, %r10d
    adc $0, %rdx
    test $8, %cl
    jz 2f
    inc %rdx
2:  dec %rdi
    jnz 1b
    xor %rdx, %rax
    ret
