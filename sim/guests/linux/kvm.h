// SPDX-License-Identifier: Apache-2.0
// What init does with the kernel's KVM.
#pragma once
#include <stdbool.h>

/// Opens /dev/kvm and runs a guest of one page in it: real mode, CPUID exits, OUT to the program, HLT at the end. Prints
/// what it finds; false where that is not as it should be.
bool try_kvm(void);
