// SPDX-License-Identifier: Apache-2.0
// A guest in real mode, at address 1000H of its page-aligned segment 0. It executes each kind of operation 100 times and
// keeps at 2000H for each: the sum of its cycles (8 bytes) and the fewest (4). Then it writes 0 to port F4H.
    .section .rodata
    .code16
    .global probe_guest, probe_guest_end

    .macro measure index, operation:vararg
    movl $0, 0x2000 + 16 * \index
    movl $0, 0x2004 + 16 * \index
    movl $-1, 0x2008 + 16 * \index
    mov $100, %bp
1:  rdtsc
    mov %eax, %esi
    xor %eax, %eax
    \operation
    rdtsc
    sub %esi, %eax
    addl %eax, 0x2000 + 16 * \index
    adcl $0, 0x2004 + 16 * \index
    cmpl 0x2008 + 16 * \index, %eax
    jae 2f
    movl %eax, 0x2008 + 16 * \index
2:  dec %bp
    jnz 1b
    .endm

probe_guest:
    measure 0, nop
    measure 1, cpuid
    measure 2, vmcall
    xor %ax, %ax
    out %ax, $0xf4
probe_guest_end:
