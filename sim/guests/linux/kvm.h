// SPDX-License-Identifier: Apache-2.0
// A small virtual machine monitor by the kernel's KVM (Linux: Documentation/virt/kvm/api.rst): one processor, memory from
// address 0 on, a serial port, the debug-exit port.
#pragma once
#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct machine {
    int kvm, vm, cpu;
    struct kvm_run *run;
    uint8_t *memory;
    size_t bytes;
    uint8_t line_control;  ///< of the serial port: bit 7 makes its first two ports the divisor
    long outs;             ///< exits of the guest to this program
};

enum end { kHalted, kEnded, kWentWrong };

/// Prints "init: KVM: what: why" of errno; returns false.
bool kvm_failed(const char *what);

/// Opens /dev/kvm and makes a machine with `bytes` of zeroed memory, its processor as after reset, with all that KVM can
/// give a guest in CPUID, VMX included. False after a message where that fails.
bool kvm_make(struct machine *m, size_t bytes);

/// Runs the guest to HLT, or to a value that it writes to port F4H. What it sends to the serial port is printed.
enum end kvm_run(struct machine *m, uint32_t *value);

void kvm_close(struct machine *m);

/// A guest of a few bytes in real mode: CPUID exits, one OUT to this program, HLT.
bool run_one_page(void);

/// A multiboot image of the initramfs as a guest: "NAME arguments" is its command line, /guests/NAME.elf the file.
bool run_image(const char *command_line);
