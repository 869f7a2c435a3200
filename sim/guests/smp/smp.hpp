// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "sim/guests/common/multiboot.hpp"

namespace guest {

inline constexpr u32 kMaxCpus = 8;

/// What one processor does, by its APIC ID.
using Job = void (*)(u32 id);

u32 processors();
/// INIT and two start-up IPIs; returns when it runs.
void start_processor(u32 id);
/// All processors do it, the caller as 0; returns when the last one has done it.
void on_all(Job what);

/// INIT and SIPI at a processor in VMX operation, root and non-root.
void test_vmx();

}  // namespace guest
