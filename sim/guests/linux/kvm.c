// SPDX-License-Identifier: Apache-2.0
#include "kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { kDebugExit = 0xf4, kCmosData = 0x71, kKeyboardCommand = 0x64, kReset = 0xfe, kCpuidEntries = 100 };

bool kvm_failed(const char *what) {
    printf("init: KVM: %s: %s\n", what, strerror(errno));
    return false;
}

static bool set_cpuid(const struct machine *m) {
    struct kvm_cpuid2 *all = calloc(1, sizeof *all + kCpuidEntries * sizeof all->entries[0]);
    all->nent = kCpuidEntries;
    bool good = ioctl(m->kvm, KVM_GET_SUPPORTED_CPUID, all) == 0;
    for (uint32_t i = 0; i < all->nent; ++i)
        if (all->entries[i].function == 1 && m->chips) all->entries[i].ecx |= 1u << 31;  // "hypervisor present"
    good = good && ioctl(m->cpu, KVM_SET_CPUID2, all) == 0;
    free(all);
    return good || kvm_failed("CPUID");
}

static bool make_chips(const struct machine *m) {
    const struct kvm_pit_config timer = {.flags = KVM_PIT_SPEAKER_DUMMY};
    return (ioctl(m->vm, KVM_CREATE_IRQCHIP, 0) == 0 && ioctl(m->vm, KVM_CREATE_PIT2, &timer) == 0) ||
           kvm_failed("interrupt controllers and timer");
}

/// Zeroed memory at a multiple of 2 MiB, in large pages where the kernel has them: each page is an EPT violation.
static uint8_t *allocate(size_t bytes) {
    const size_t large = 2 << 20;
    uint8_t *all = mmap(NULL, bytes + large, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) return NULL;
    const size_t before = -(uintptr_t)all & (large - 1), after = large - before;
    if (before) munmap(all, before);
    munmap(all + before + bytes, after);
    madvise(all + before, bytes, MADV_HUGEPAGE);
    return all + before;
}

bool kvm_make(struct machine *m, size_t bytes, bool chips) {
    *m = (struct machine){.bytes = bytes, .chips = chips};
    m->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (m->kvm < 0) return kvm_failed("/dev/kvm");
    if (ioctl(m->kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) return kvm_failed("KVM_GET_API_VERSION");
    m->vm = ioctl(m->kvm, KVM_CREATE_VM, 0);
    if (m->vm < 0) return kvm_failed("KVM_CREATE_VM");
    m->memory = allocate(bytes);
    if (!m->memory) return kvm_failed("mmap");
    const struct kvm_userspace_memory_region memory = {.memory_size = bytes, .userspace_addr = (uintptr_t)m->memory};
    if (ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &memory) < 0) return kvm_failed("KVM_SET_USER_MEMORY_REGION");
    // Processors that cannot run real mode in VMX non-root operation need room for a TSS.
    if (ioctl(m->vm, KVM_SET_TSS_ADDR, 0xfffbd000ul) < 0) return kvm_failed("KVM_SET_TSS_ADDR");
    if (chips && !make_chips(m)) return false;
    m->cpu = ioctl(m->vm, KVM_CREATE_VCPU, 0);
    if (m->cpu < 0) return kvm_failed("KVM_CREATE_VCPU");
    const int room = ioctl(m->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (room < 0) return kvm_failed("KVM_GET_VCPU_MMAP_SIZE");
    m->run_bytes = (size_t)room;
    m->run = mmap(NULL, m->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, m->cpu, 0);
    if (m->run == MAP_FAILED) return kvm_failed("mmap");
    return set_cpuid(m);
}

/// A clock whose registers are 0 (no update in progress), the serial port; all else reads ones.
static uint32_t read_port(struct machine *m, unsigned port) {
    if (port - kCom1 < 8) return serial_read(&m->serial, port - kCom1);
    return port == kCmosData ? 0 : ~0u;
}

/// True where the guest ends by it: by the debug-exit port, or as it resets the machine, which has the value 1.
static bool write_port(struct machine *m, unsigned port, uint32_t value, uint32_t *end) {
    if (port - kCom1 < 8) serial_write(&m->serial, port - kCom1, (uint8_t)value);
    const bool reset = port == kKeyboardCommand && value == kReset;
    if (reset) printf("init: KVM: the guest resets its machine\n");
    if (reset || port == kDebugExit) *end = reset ? 1 : value;
    return reset || port == kDebugExit;
}

/// One exit for a port; a string instruction has several values.
static bool handle_io(struct machine *m, uint32_t *value) {
    bool ended = false;
    const bool line = serial_irq(&m->serial);
    uint8_t *at = (uint8_t *)m->run + m->run->io.data_offset;
    for (uint32_t i = 0; i < m->run->io.count; ++i, at += m->run->io.size) {
        uint32_t one = 0;
        if (m->run->io.direction == KVM_EXIT_IO_IN) {
            one = read_port(m, m->run->io.port);
            memcpy(at, &one, m->run->io.size);
            continue;
        }
        memcpy(&one, at, m->run->io.size);
        if (write_port(m, m->run->io.port, one, value)) ended = true;
    }
    struct kvm_irq_level level = {.irq = kCom1Irq, .level = serial_irq(&m->serial)};
    if (m->chips && line != (bool)level.level) ioctl(m->vm, KVM_IRQ_LINE, &level);
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
            case KVM_EXIT_MMIO:  // nothing is there
                if (!m->run->mmio.is_write) memset(m->run->mmio.data, 0xff, sizeof m->run->mmio.data);
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
    munmap(m->run, m->run_bytes);
    close(m->cpu);
    close(m->vm);
    close(m->kvm);
    munmap(m->memory, m->bytes);
}

const uint8_t *map_file(const char *path, size_t *bytes) {
    struct stat file;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &file) < 0) return kvm_failed(path), NULL;
    *bytes = (size_t)file.st_size;
    const uint8_t *mapped = mmap(NULL, *bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (mapped == MAP_FAILED) return kvm_failed(path), NULL;
    return mapped;
}
