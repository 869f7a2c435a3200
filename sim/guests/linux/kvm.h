// SPDX-License-Identifier: Apache-2.0
// A small virtual machine monitor by the kernel's KVM (Linux: Documentation/virt/kvm/api.rst): one processor, memory from
// address 0 on, a serial port, the debug-exit port.
#pragma once
#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serial.h"

struct machine {
    int kvm, vm, cpu;
    bool chips;  ///< KVM's own interrupt controllers and timer are there
    struct kvm_run *run;
    size_t run_bytes;
    uint8_t *memory;
    size_t bytes;
    struct serial serial;
    long outs;  ///< exits of the guest to this program
};

enum end { kHalted, kEnded, kWentWrong };

/// Prints "init: KVM: what: why" of errno; returns false.
bool kvm_failed(const char *what);

/// Opens /dev/kvm and makes a machine with `bytes` of zeroed memory, its processor as after reset, with all that KVM can
/// give a guest in CPUID, VMX included. `chips`: with KVM's local APIC, I/O APIC, PICs and PIT, and CPUID's bit that says
/// that there is a hypervisor. False after a message where that fails.
bool kvm_make(struct machine *m, size_t bytes, bool chips);

/// Runs the guest to a HLT that comes to this program, or to a value that it writes to port F4H. What it sends to the serial
/// port is printed.
enum end kvm_run(struct machine *m, uint32_t *value);

void kvm_close(struct machine *m);

/// Maps a file; null after a message where that fails.
const uint8_t *map_file(const char *path, size_t *bytes);

/// A guest of a few bytes in real mode, which measures what an exit costs it. Prints its results as measurements of `level`
/// (docs/scenarios.md).
bool run_probe(const char *level);

/// A multiboot image of the initramfs as a guest: "NAME arguments" is its command line, /guests/NAME.elf the file.
bool run_image(const char *command_line);

/// The kernel /guests/vmlinuz as a guest, with this program as its init, `words` behind its usual command line.
bool run_linux(const char *words);
