// SPDX-License-Identifier: Apache-2.0
    .text
    .global smp_guest_cpuid, smp_guest_spin
smp_guest_cpuid:                        // RDI times CPUID, then VMCALL
    cpuid
    dec %rdi
    jnz smp_guest_cpuid
    vmcall
smp_guest_spin:
    pause
    jmp smp_guest_spin
