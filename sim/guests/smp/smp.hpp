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
/// A start-up IPI without INIT before it; returns when the processor runs.
void send_start_up(u32 id);
u32 times_started();
/// For what may come late, or must not come: long enough on every machine.
void a_while();
/// All processors do it, the caller as 0; returns when they have done it, but for `lost` of them that never return.
void on_all(Job what, u32 lost = 0);

/// INIT and SIPI at a processor in VMX operation, root and non-root.
void test_vmx();

}  // namespace guest
