// SPDX-License-Identifier: Apache-2.0
// GDT, TSS and IDT of the image; exceptions are printed and end the machine, unless one is expected.
#pragma once
#include "sim/guests/common/types.hpp"

namespace guest {

inline constexpr u16 kCodeSelector = 0x08, kDataSelector = 0x10, kTssSelector = 0x18;

void init_exceptions();
u64 gdt_base();
u64 idt_base();
u64 tss_base();

/// Where execution continues after an exception that is expected; 0: none is.
extern "C" u64 exception_recovery;
/// The vector of the expected exception that happened; 256: none did.
extern "C" u64 exception_seen;

}  // namespace guest

/// Executes one instruction of which an exception is expected. The value is the exception's vector, 256 where none
/// came.
#define GUEST_TRY(instruction, ...)                                      \
    ({                                                                   \
        guest::exception_seen = 256;                                     \
        asm volatile("movq $1f, exception_recovery\n\t" instruction      \
                     "\n1:\n\tmovq $0, exception_recovery" __VA_ARGS__); \
        *const_cast<volatile guest::u64*>(&guest::exception_seen);       \
    })
