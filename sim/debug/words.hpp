// SPDX-License-Identifier: Apache-2.0
// Events in words, as the log and the report of a bad end have them.
#pragma once
#include <string>

#include "model/arch/exits.hpp"
#include "model/core/trail.hpp"

namespace vmxsim::sim {

/// "#PF", "#GP"; "" for vectors that are no exceptions.
std::string_view exception_name(unsigned vector);

/// "#PF error 0x2", "INT 0x80", "interrupt 0x30", "NMI".
std::string event_text(u8 vector, arch::EventType type, bool has_error_code, u32 error_code);

/// One event of the trail, without its place.
std::string trail_text(const core::TrailEvent& e);

}  // namespace vmxsim::sim
