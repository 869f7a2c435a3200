// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "model/core/core.hpp"

namespace vmxsim::core {

/// One event through the IDT or the real-address mode's vector table (SDM 6.12, 6.14, 22.1.4). Fault: core.fault() is
/// the exception met, its error code without EXT; nothing has changed. Jump: RIP names the handler. `injected` by VM
/// entry: RF is pushed as it is (SDM 29.6.1.1).
Outcome deliver_through_idt(Core& core, const vmx::Event& event, bool injected);

/// EXT in the error code of an exception during the event's delivery: all but INT n, INT3 and INTO (SDM 6.13).
inline bool sets_ext(const vmx::Event& event) {
    return event.type != arch::EventType::SoftwareInterrupt && event.type != arch::EventType::SoftwareException;
}

}  // namespace vmxsim::core
