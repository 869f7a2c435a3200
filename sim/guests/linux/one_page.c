// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kvm.h"

enum { kPage = 4096, kStart = 0x1000, kCount = 100, kDebugExit = 0xf4 };

/// 16-bit code: adds CX, CX - 1, ... 1 to BX, with a CPUID for each, which KVM emulates in the kernel; sends the sum to the
/// debug-exit port, which reaches the program.
static const uint8_t kCode[] = {
    0x31, 0xdb,             //       xor bx, bx
    0x01, 0xcb,             // next: add bx, cx
    0x66, 0x31, 0xc0,       //       xor eax, eax
    0x53, 0x51,             //       push bx; push cx
    0x0f, 0xa2,             //       cpuid
    0x59, 0x5b,             //       pop cx; pop bx
    0xe2, 0xf3,             //       loop next
    0x89, 0xd8,             //       mov ax, bx
    0xe7, kDebugExit,       //       out F4H, ax
};

bool run_one_page(void) {
    struct machine m;
    if (!kvm_make(&m, 2 * kPage)) return false;
    memcpy(m.memory + kStart, kCode, sizeof kCode);
    struct kvm_sregs system;
    if (ioctl(m.cpu, KVM_GET_SREGS, &system) < 0) return kvm_failed("KVM_GET_SREGS");
    system.cs.base = 0, system.cs.selector = 0;
    if (ioctl(m.cpu, KVM_SET_SREGS, &system) < 0) return kvm_failed("KVM_SET_SREGS");
    const struct kvm_regs registers = {.rip = kStart, .rsp = kStart, .rcx = kCount, .rflags = 2};
    if (ioctl(m.cpu, KVM_SET_REGS, &registers) < 0) return kvm_failed("KVM_SET_REGS");
    uint32_t sum = 0;
    const enum end end = kvm_run(&m, &sum);
    kvm_close(&m);
    if (end == kWentWrong) return false;
    printf("init: KVM: a guest added 1 to %d, with an exit for each: %u\n", kCount, sum);
    return sum == kCount * (kCount + 1) / 2;
}
