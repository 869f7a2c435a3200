// SPDX-License-Identifier: Apache-2.0
// Linux as a guest, by its 64-bit boot protocol (Linux: Documentation/x86/boot.rst).
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "kvm.h"

enum { kMemory = 256 << 20, kLowEnd = 0x9f000, kHigh = 0x100000, kPage = 4096, kSector = 512, kEntry64 = 0x200 };
enum { kParameters = 0x10000, kCommandLine = 0x20000, kTables = 0x30000 };
/// Offsets in the setup header and in boot_params.
enum {
    kE820Entries = 0x1e8, kSetup = 0x1f1, kJump = 0x201, kHeader = 0x202, kLoader = 0x210, kRamdisk = 0x218,
    kRamdiskSize = 0x21c, kCommandLinePointer = 0x228, kPreferred = 0x258, kE820 = 0x2d0
};

/// What a machine without firmware and with KVM's chips alone needs.
static const char kWords[] =
    "console=ttyS0 quiet panic=-1 nokaslr acpi=off pci=off noapic nosmp i8042.noaux i8042.nokbd i8042.noprobe8042 "
    "i8042.nopnp 8250.nr_uarts=1 cryptomgr.notests nowatchdog rcupdate.rcu_expedited=1 no_timer_check ";

static void put(uint8_t *to, uint64_t value, size_t bytes) { memcpy(to, &value, bytes); }

static uint64_t get(const uint8_t *from, size_t bytes) {
    uint64_t value = 0;
    memcpy(&value, from, bytes);
    return value;
}

/// The protected-mode part to its preferred address; its 64-bit entry, or 0.
static uint64_t load_kernel(struct machine *m, uint8_t *parameters) {
    size_t bytes;
    const uint8_t *file = map_file("/guests/vmlinuz", &bytes);
    if (!file) return 0;
    const size_t begin = (file[kSetup] + 1u) * kSector, header = kHeader + file[kJump] - kSetup;
    const uint64_t to = get(file + kPreferred, 8);
    memcpy(m->memory + to, file + begin, bytes - begin);
    memcpy(parameters + kSetup, file + kSetup, header);
    munmap((void *)file, bytes);
    return to + kEntry64;
}

/// This program and its modules, one archive behind the other, at the end of memory.
static bool load_initramfs(struct machine *m, uint8_t *parameters) {
    static const char *const kParts[] = {"/guests/modules.cpio", "/guests/init.cpio"};
    size_t at = kMemory, total = 0;
    for (size_t i = 0; i < 2; ++i) {
        size_t bytes;
        const uint8_t *file = map_file(kParts[i], &bytes);
        if (!file) return false;
        const size_t room = (bytes + kPage - 1) & ~(size_t)(kPage - 1);  // zeros between archives are allowed
        at -= room, total += room;
        memcpy(m->memory + at, file, bytes);
        munmap((void *)file, bytes);
    }
    put(parameters + kRamdisk, at, 4);
    put(parameters + kRamdiskSize, total, 4);
    return true;
}

static void add_memory(uint8_t *parameters, uint64_t begin, uint64_t end) {
    uint8_t *entry = parameters + kE820 + 20 * parameters[kE820Entries]++;
    put(entry, begin, 8);
    put(entry + 8, end - begin, 8);
    put(entry + 16, 1, 4);
}

/// One GiB to itself, in pages of 2 MiB.
static void make_tables(const struct machine *m) {
    uint8_t *tables = m->memory + kTables;
    put(tables, (kTables + kPage) | 3, 8);
    put(tables + kPage, (kTables + 2 * kPage) | 3, 8);
    for (uint64_t i = 0; i < 512; ++i) put(tables + 2 * kPage + 8 * i, i << 21 | 0x83, 8);
}

static bool enter(const struct machine *m, uint64_t entry) {
    struct kvm_sregs system;
    if (ioctl(m->cpu, KVM_GET_SREGS, &system) < 0) return kvm_failed("KVM_GET_SREGS");
    const struct kvm_segment data = {.limit = ~0u, .selector = 0x18, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1};
    system.ds = system.es = system.fs = system.gs = system.ss = data;
    system.cs = (struct kvm_segment){.limit = ~0u, .selector = 0x10, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1};
    system.cr0 = 0x80000011;  // PG, ET, PE
    system.cr3 = kTables;
    system.cr4 = 0x20;    // PAE
    system.efer = 0x500;  // LMA, LME
    if (ioctl(m->cpu, KVM_SET_SREGS, &system) < 0) return kvm_failed("KVM_SET_SREGS");
    const struct kvm_regs registers = {.rip = entry, .rsi = kParameters, .rsp = kParameters, .rflags = 2};
    return ioctl(m->cpu, KVM_SET_REGS, &registers) == 0 || kvm_failed("KVM_SET_REGS");
}

bool run_linux(const char *words) {
    struct machine m;
    if (!kvm_make(&m, kMemory, true)) return false;
    uint8_t *parameters = m.memory + kParameters;
    const uint64_t entry = load_kernel(&m, parameters);
    if (!entry || !load_initramfs(&m, parameters)) return false;
    put(parameters + kLoader, 0xff, 1);
    put(parameters + kCommandLinePointer, kCommandLine, 4);
    add_memory(parameters, 0, kLowEnd);
    add_memory(parameters, kHigh, kMemory);
    snprintf((char *)m.memory + kCommandLine, kTables - kCommandLine, "%s%s", kWords, words);
    make_tables(&m);
    if (!enter(&m, entry)) return false;
    printf("init: KVM boots Linux\n");
    uint32_t value = 1;
    const enum end end = kvm_run(&m, &value);
    if (end != kEnded) return false;
    printf("init: KVM: Linux ended with %u, after %ld exits to this program\n", value, m.outs);
    kvm_close(&m);
    return value == 0;
}
