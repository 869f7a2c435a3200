// SPDX-License-Identifier: Apache-2.0
// VM entry and exit.
#include "sim/guests/vmx/registers.S.inc"
    .text
    .global vmx_enter, vmx_exit
vmx_enter:
    push_saved
    push %rdi
    mov $0x6c14, %eax                   // HOST_RSP: vmx_exit finds the registers' address there
    vmwrite %rsp, %rax
    cmp $0, %esi
    load_all_but_rdi                    // MOV leaves the flags
    mov RDI(%rdi), %rdi
    jne 1f
    vmlaunch
    jmp 2f
1:  vmresume
2:  mov $1, %eax                        // only a VMfail comes here
    jc 3f
    mov $2, %eax
3:  add $8, %rsp
    pop_saved
    ret

vmx_exit:
    xchg %rdi, (%rsp)
    store_all_but_rdi
    popq RDI(%rdi)
    xor %eax, %eax
    pop_saved
    ret
