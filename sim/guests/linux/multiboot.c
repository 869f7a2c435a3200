// SPDX-License-Identifier: Apache-2.0
// Multiboot (0.6.96): an ELF32 image is entered in 32-bit protected mode without paging, EBX names the information.
#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "kvm.h"

enum { kMemory = 64 << 20, kInformation = 0x5000, kCommandLine = 0x6000, kPage = 4096, kMagic = 0x2badb002 };

/// The image's program headers into memory; its entry, or 0.
static uint32_t load(struct machine *m, const char *path) {
    uint32_t entry = 0;
    size_t size;
    const uint8_t *bytes = map_file(path, &size);
    if (!bytes) return 0;
    const Elf32_Ehdr *elf = (const Elf32_Ehdr *)bytes;
    if (memcmp(elf->e_ident, ELFMAG, SELFMAG) == 0 && elf->e_ident[EI_CLASS] == ELFCLASS32) {
        const Elf32_Phdr *header = (const Elf32_Phdr *)(bytes + elf->e_phoff);
        for (int i = 0; i < elf->e_phnum; ++i)
            if (header[i].p_type == PT_LOAD)
                memcpy(m->memory + header[i].p_paddr, bytes + header[i].p_offset, header[i].p_filesz);
        entry = elf->e_entry;
    } else {
        printf("init: KVM: %s is no ELF32 file\n", path);
    }
    munmap((void *)bytes, size);
    return entry;
}

static struct kvm_segment flat(uint8_t type, uint16_t selector) {
    return (struct kvm_segment){.limit = ~0u, .selector = selector, .type = type, .present = 1, .db = 1, .s = 1, .g = 1};
}

static bool enter(const struct machine *m, uint32_t entry) {
    struct kvm_sregs system;
    if (ioctl(m->cpu, KVM_GET_SREGS, &system) < 0) return kvm_failed("KVM_GET_SREGS");
    system.cs = flat(11, 8);  // code: execute, read, accessed
    system.ds = system.es = system.fs = system.gs = system.ss = flat(3, 16);
    system.cr0 = 0x11;  // PE, ET
    if (ioctl(m->cpu, KVM_SET_SREGS, &system) < 0) return kvm_failed("KVM_SET_SREGS");
    const struct kvm_regs registers = {.rip = entry, .rax = kMagic, .rbx = kInformation, .rflags = 2};
    return ioctl(m->cpu, KVM_SET_REGS, &registers) == 0 || kvm_failed("KVM_SET_REGS");
}

bool run_image(const char *command_line) {
    char path[256];
    struct machine m;
    snprintf(path, sizeof path, "/guests/%.*s.elf", (int)strcspn(command_line, " "), command_line);
    if (!kvm_make(&m, kMemory, false)) return false;
    const uint32_t entry = load(&m, path);
    if (!entry) return false;
    // flags: memory sizes and a command line; KiB below and above 1 MiB; no boot device; the command line.
    const uint32_t information[] = {5, 640, kMemory / 1024 - 1024, 0, kCommandLine};
    memcpy(m.memory + kInformation, information, sizeof information);
    snprintf((char *)m.memory + kCommandLine, kPage, "%s", command_line);
    if (!enter(&m, entry)) return false;
    printf("init: KVM runs the image %s\n", command_line);
    uint32_t value = 0;
    const enum end end = kvm_run(&m, &value);
    if (end == kHalted) printf("init: KVM: the image halted without an end\n");
    if (end != kEnded) return false;
    printf("init: KVM: the image ended with %u, after %ld exits to this program\n", value, m.outs);
    kvm_close(&m);
    return value == 0;
}
