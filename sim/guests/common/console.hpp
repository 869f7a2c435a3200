// SPDX-License-Identifier: Apache-2.0
// COM1 as the guest images' console, and the ways to end a machine.
#pragma once
#include "sim/guests/common/types.hpp"

namespace guest {

void init_console();
void put(char c);
void print(const char* text);
void print_decimal(u64 value);
void print_hex(u64 value, unsigned digits = 16);
/// Pads with blanks, so that columns line up: prints `text` and fills up to `width`.
void print_padded(const char* text, unsigned width);

/// FNV-1a of everything printed while the checksum was on. Lines that hold time switch it off.
u64 checksum();
void set_checksum(bool on);

/// Ends the machine: debug-exit port 0xF4 (status `(code << 1) | 1`), Bochs' shutdown port, else HLT for ever.
[[noreturn]] void exit_machine(u32 code);
/// Prints "FAIL: text" and ends with code 1.
[[noreturn]] void fail(const char* text);

}  // namespace guest
