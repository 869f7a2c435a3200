// SPDX-License-Identifier: Apache-2.0
#include "kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { kCom1 = 0x3f8, kLineControl = 3, kLineStatus = 5, kReady = 0x60, kDebugExit = 0xf4, kCpuidEntries = 100 };

bool kvm_failed(const char *what) {
    printf("init: KVM: %s: %s\n", what, strerror(errno));
    return false;
}

static bool set_cpuid(const struct machine *m) {
    struct kvm_cpuid2 *all = calloc(1, sizeof *all + kCpuidEntries * sizeof all->entries[0]);
    all->nent = kCpuidEntries;
    const bool good = ioctl(m->kvm, KVM_GET_SUPPORTED_CPUID, all) == 0 && ioctl(m->cpu, KVM_SET_CPUID2, all) == 0;
    free(all);
    return good || kvm_failed("CPUID");
}

bool kvm_make(struct machine *m, size_t bytes) {
    *m = (struct machine){.bytes = bytes};
    m->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (m->kvm < 0) return kvm_failed("/dev/kvm");
    if (ioctl(m->kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) return kvm_failed("KVM_GET_API_VERSION");
    m->vm = ioctl(m->kvm, KVM_CREATE_VM, 0);
    if (m->vm < 0) return kvm_failed("KVM_CREATE_VM");
    m->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m->memory == MAP_FAILED) return kvm_failed("mmap");
    const struct kvm_userspace_memory_region memory = {.memory_size = bytes, .userspace_addr = (uintptr_t)m->memory};
    if (ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &memory) < 0) return kvm_failed("KVM_SET_USER_MEMORY_REGION");
    // Processors that cannot run real mode in VMX non-root operation need room for a TSS.
    if (ioctl(m->vm, KVM_SET_TSS_ADDR, 0xfffbd000ul) < 0) return kvm_failed("KVM_SET_TSS_ADDR");
    m->cpu = ioctl(m->vm, KVM_CREATE_VCPU, 0);
    if (m->cpu < 0) return kvm_failed("KVM_CREATE_VCPU");
    const int room = ioctl(m->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (room < 0) return kvm_failed("KVM_GET_VCPU_MMAP_SIZE");
    m->run = mmap(NULL, (size_t)room, PROT_READ | PROT_WRITE, MAP_SHARED, m->cpu, 0);
    if (m->run == MAP_FAILED) return kvm_failed("mmap");
    return set_cpuid(m);
}

static uint32_t read_port(const struct machine *m, unsigned port) {
    switch (port) {
        case kCom1 + kLineControl: return m->line_control;
        case kCom1 + kLineStatus: return kReady;
        default: return ~0u;
    }
}

/// True where the guest ends by it.
static bool write_port(struct machine *m, unsigned port, uint32_t value) {
    if (port == kCom1 + kLineControl) m->line_control = (uint8_t)value;
    if (port == kCom1 && !(m->line_control & 0x80)) putchar((int)(value & 0xff));
    return port == kDebugExit;
}

/// One exit for a port; a string instruction has several values.
static bool handle_io(struct machine *m, uint32_t *value) {
    bool ended = false;
    uint8_t *at = (uint8_t *)m->run + m->run->io.data_offset;
    for (uint32_t i = 0; i < m->run->io.count; ++i, at += m->run->io.size) {
        uint32_t one = 0;
        if (m->run->io.direction == KVM_EXIT_IO_IN) {
            one = read_port(m, m->run->io.port);
            memcpy(at, &one, m->run->io.size);
            continue;
        }
        memcpy(&one, at, m->run->io.size);
        if (write_port(m, m->run->io.port, one)) *value = one, ended = true;
    }
    return ended;
}

enum end kvm_run(struct machine *m, uint32_t *value) {
    for (;; ++m->outs) {
        if (ioctl(m->cpu, KVM_RUN, 0) < 0) return kvm_failed("KVM_RUN"), kWentWrong;
        switch (m->run->exit_reason) {
            case KVM_EXIT_HLT: return kHalted;
            case KVM_EXIT_IO:
                if (handle_io(m, value)) return kEnded;
                continue;
            case KVM_EXIT_FAIL_ENTRY:
                printf("init: KVM: VM entry failed, reason %llx\n",
                       (unsigned long long)m->run->fail_entry.hardware_entry_failure_reason);
                return kWentWrong;
            case KVM_EXIT_INTERNAL_ERROR:
                printf("init: KVM: internal error %u\n", m->run->internal.suberror);
                return kWentWrong;
            default: printf("init: KVM: the guest's exit has reason %u\n", m->run->exit_reason); return kWentWrong;
        }
    }
}

void kvm_close(struct machine *m) {
    close(m->cpu);
    close(m->vm);
    close(m->kvm);
    munmap(m->memory, m->bytes);
}
