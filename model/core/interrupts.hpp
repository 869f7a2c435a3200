// SPDX-License-Identifier: Apache-2.0
// Interrupts from outside: which one the processor takes at a boundary, by priority and blocking (SDM 6.9, 6.7.1,
// 6.8, 28.2), and INIT and start-up IPIs.
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
/// Whether what waits ends the inactive state that the processor is in, or is at least to be looked at.
bool wakes_now(const Core& core);

/// MWAIT's wait is over by a write to the monitored line, or by an interrupt that is masked and was asked to end it (SDM
/// 10.10.4). A line that holds what MONITOR found was not written, as far as anybody can tell.
bool mwait_ends(const Core& core);

enum class Taken : u8 { Nothing, Yes, Exits };  ///< Exits: exit info is set, the VM exit is to be performed
/// INIT: a VM exit in non-root operation, blocked (left pending) in root operation and in the wait-for-SIPI state of a
/// guest; else the processor's state after INIT. A start-up IPI: the first instruction of a processor that waits for it
/// (a VM exit, if it does as a guest); any other one drops it (SDM 9.4.3, 28.2).
Taken take_init_or_sipi(Core& core);

/// The state of a processor after INIT (SDM table 10-1): the boot processor starts at FFFFFFF0H, others wait for SIPI.
void init_state(Core& core);

}  // namespace vmxsim::core
