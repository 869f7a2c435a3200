// SPDX-License-Identifier: Apache-2.0
// Basic exit reasons, VM-instruction errors and the formats of events (SDM 27.9, 30.2, 33.4, Appendix C).
#pragma once
#include <string_view>

#include "model/arch/types.hpp"

namespace vmxsim::arch {

enum class ExitReason : u16 {
#define VMXSIM_EXIT(number, name, sdm_name, cause) name = number,
#include "model/arch/exit_reasons.def"
#undef VMXSIM_EXIT
};

struct ExitReasonInfo {
    u16 number;
    std::string_view name;
    std::string_view sdm_name;
    std::string_view cause;
};

inline constexpr ExitReasonInfo kExitReasons[] = {
#define VMXSIM_EXIT(number, name, sdm_name, cause) {number, #name, sdm_name, cause},
#include "model/arch/exit_reasons.def"
#undef VMXSIM_EXIT
};

/// Name of a basic exit reason as in the table; "?" where there is none.
constexpr std::string_view exit_reason_name(u32 basic_reason) {
    for (const auto& r : kExitReasons)
        if (r.number == basic_reason) return r.name;
    return "?";
}

struct InstructionError {
    u8 number;
    std::string_view condition;
};

inline constexpr InstructionError kInstructionErrors[] = {
#define VMXSIM_ERROR(number, condition) {number, condition},
#include "model/arch/instruction_errors.def"
#undef VMXSIM_ERROR
};

inline constexpr u32 kExitReasonEntryFailure = 1u << 31;  ///< exit-reason bit 31 (SDM 30.2)

/// Type of an event in interruption-information fields, bits 10:8 (SDM 27.8.3, 27.9.2).
enum class EventType : u8 {
    ExternalInterrupt = 0, Nmi = 2, HardwareException = 3, SoftwareInterrupt = 4,
    PrivilegedSoftwareException = 5, SoftwareException = 6, Other = 7
};

/// An interruption-information word: vector, type, "error code" bit 11, bit 12 (NMI unblocking), valid bit 31.
struct EventInfo {
    u32 raw = 0;
    static constexpr EventInfo make(u8 vector, EventType type, bool error_code = false) {
        return {u32{vector} | u32{static_cast<u8>(type)} << 8 | (error_code ? 1u << 11 : 0u) | 1u << 31};
    }
    constexpr bool valid() const { return raw >> 31; }
    constexpr u8 vector() const { return static_cast<u8>(raw); }
    constexpr EventType type() const { return static_cast<EventType>(raw >> 8 & 7); }
    constexpr bool has_error_code() const { return raw >> 11 & 1; }
};

}  // namespace vmxsim::arch
