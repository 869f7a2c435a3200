// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kvm.h"

enum { kPage = 4096, kStart = 0x1000, kResults = 0x2000, kCount = 100 };

struct result {
    uint64_t sum;
    uint32_t least, unused;
};

extern const uint8_t probe_guest[], probe_guest_end[];

/// The kinds of probe_guest.S, in its order.
static const char *const kKinds[] = {"empty", "cpuid", "vmcall"};

bool run_probe(const char *level) {
    struct machine m;
    if (!kvm_make(&m, 3 * kPage, false)) return false;
    memcpy(m.memory + kStart, probe_guest, (size_t)(probe_guest_end - probe_guest));
    struct kvm_sregs system;
    if (ioctl(m.cpu, KVM_GET_SREGS, &system) < 0) return kvm_failed("KVM_GET_SREGS");
    system.cs.base = 0, system.cs.selector = 0;
    if (ioctl(m.cpu, KVM_SET_SREGS, &system) < 0) return kvm_failed("KVM_SET_SREGS");
    const struct kvm_regs registers = {.rip = kStart, .rsp = kStart, .rflags = 2};
    if (ioctl(m.cpu, KVM_SET_REGS, &registers) < 0) return kvm_failed("KVM_SET_REGS");
    uint32_t value = 1;
    const bool good = kvm_run(&m, &value) == kEnded && value == 0;
    struct result results[sizeof kKinds / sizeof *kKinds];
    memcpy(results, m.memory + kResults, sizeof results);
    kvm_close(&m);
    if (!good) return false;
    printf("init: KVM runs a guest\n");
    for (size_t i = 0; i < sizeof kKinds / sizeof *kKinds; ++i)
        printf("cycles %s %s %d %llu %u\n", level, kKinds[i], kCount, (unsigned long long)results[i].sum,
               results[i].least);
    return true;
}
