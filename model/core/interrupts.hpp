// SPDX-License-Identifier: Apache-2.0
// Interrupts from outside: which one the processor takes at a boundary, by priority and blocking (SDM 6.9, 6.7.1,
// 6.8, 28.2), and INIT.
#pragma once
#include "model/core/core.hpp"

namespace vmxsim::core {

/// Whether an NMI that waits would be taken now.
bool nmi_deliverable(const Core& core);

/// The NMI or external interrupt to deliver at this boundary; false: none. An interrupt is acknowledged here, unless it
/// is to cause a VM exit without "acknowledge interrupt on exit".
bool next_interrupt(Core& core, vmx::Event& event);

/// Whether a halted processor can be woken by a later event of a device.
bool can_wake(const Core& core);

/// MWAIT's wait is over by a write to the monitored line, or by an interrupt that is masked and was asked to end it (SDM
/// 10.10.4). A line that holds what MONITOR found was not written, as far as anybody can tell.
bool mwait_ends(Core& core);

/// INIT: a VM exit in non-root operation (exit info is set, true), ignored (left pending) in root operation and while
/// waiting for SIPI; else the processor's state after INIT (SDM table 11-1).
bool take_init(Core& core);

}  // namespace vmxsim::core
