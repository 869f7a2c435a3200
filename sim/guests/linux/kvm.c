// SPDX-License-Identifier: Apache-2.0
#include "kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { kPage = 4096, kPort = 0x10, kCount = 100, kLoop = 0x7000 };

/// The guest, 16-bit code: adds CX, CX - 1, ... 1 to BX, each with a CPUID, which KVM emulates in the kernel; sends the
/// sum to port 10H, which reaches the program; halts.
static const uint8_t kGuest[] = {
    0x31, 0xdb,              //       xor bx, bx
    0x01, 0xcb,              // next: add bx, cx
    0x66, 0x31, 0xc0,        //       xor eax, eax
    0x53, 0x51,              //       push bx; push cx
    0x0f, 0xa2,              //       cpuid
    0x59, 0x5b,              //       pop cx; pop bx
    0xe2, 0xf3,              //       loop next
    0x89, 0xd8,              //       mov ax, bx
    0xe7, kPort,             //       out 10H, ax
    0xf4,                    //       hlt
};

static int failed(const char *what) {
    printf("init: KVM: %s: %s\n", what, strerror(errno));
    return -1;
}

/// A virtual machine with one page of memory, which holds the guest and its stack.
static int make_machine(int kvm) {
    const int machine = ioctl(kvm, KVM_CREATE_VM, 0);
    if (machine < 0) return failed("KVM_CREATE_VM");
    uint8_t *page = mmap(NULL, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return failed("mmap");
    memcpy(page, kGuest, sizeof kGuest);
    const struct kvm_userspace_memory_region memory = {
        .guest_phys_addr = kLoop, .memory_size = kPage, .userspace_addr = (uintptr_t)page};
    if (ioctl(machine, KVM_SET_USER_MEMORY_REGION, &memory) < 0) return failed("KVM_SET_USER_MEMORY_REGION");
    // Processors that cannot run real mode in VMX non-root operation need room for a TSS and a page table.
    if (ioctl(machine, KVM_SET_TSS_ADDR, 0xfffbd000ul) < 0) return failed("KVM_SET_TSS_ADDR");
    return machine;
}

static int make_processor(int machine) {
    const int processor = ioctl(machine, KVM_CREATE_VCPU, 0);
    if (processor < 0) return failed("KVM_CREATE_VCPU");
    struct kvm_sregs system;
    if (ioctl(processor, KVM_GET_SREGS, &system) < 0) return failed("KVM_GET_SREGS");
    system.cs.base = 0, system.cs.selector = 0;
    if (ioctl(processor, KVM_SET_SREGS, &system) < 0) return failed("KVM_SET_SREGS");
    const struct kvm_regs registers = {.rip = kLoop, .rsp = kLoop + kPage, .rcx = kCount, .rflags = 2};
    if (ioctl(processor, KVM_SET_REGS, &registers) < 0) return failed("KVM_SET_REGS");
    return processor;
}

/// Runs the guest to its HLT. What it sent to port 10H goes to `sum`.
static bool run_guest(int kvm, int processor, unsigned *sum) {
    const int room = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (room < 0) return failed("KVM_GET_VCPU_MMAP_SIZE"), false;
    struct kvm_run *run = mmap(NULL, (size_t)room, PROT_READ | PROT_WRITE, MAP_SHARED, processor, 0);
    if (run == MAP_FAILED) return failed("mmap"), false;
    for (;;) {
        if (ioctl(processor, KVM_RUN, 0) < 0) return failed("KVM_RUN"), false;
        switch (run->exit_reason) {
            case KVM_EXIT_IO:
                if (run->io.direction == KVM_EXIT_IO_OUT && run->io.port == kPort && run->io.size == 2) {
                    uint16_t value;
                    memcpy(&value, (uint8_t *)run + run->io.data_offset, sizeof value);
                    *sum = value;
                    continue;
                }
                break;
            case KVM_EXIT_HLT: return true;
            default: break;
        }
        printf("init: KVM: the guest's exit has reason %u (hardware: %llx)\n", run->exit_reason,
               (unsigned long long)run->hw.hardware_exit_reason);
        return false;
    }
}

bool try_kvm(void) {
    const int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) return failed("/dev/kvm"), false;
    const int version = ioctl(kvm, KVM_GET_API_VERSION, 0);
    printf("init: /dev/kvm answers, its interface has version %d\n", version);
    if (version != KVM_API_VERSION) return false;
    const int machine = make_machine(kvm);
    const int processor = machine < 0 ? -1 : make_processor(machine);
    unsigned sum = 0;
    if (processor < 0 || !run_guest(kvm, processor, &sum)) return false;
    printf("init: a guest added 1 to %d with as many exits: %u\n", kCount, sum);
    return sum == kCount * (kCount + 1) / 2;
}
