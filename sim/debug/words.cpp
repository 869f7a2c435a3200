// SPDX-License-Identifier: Apache-2.0
#include "sim/debug/words.hpp"

#include <iterator>

#include <fmt/format.h>

namespace vmxsim::sim {

std::string_view exception_name(unsigned vector) {
    // SDM table 6-1.
    static constexpr std::string_view kNames[] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "", "#TS",
                                                  "#NP", "#SS", "#GP", "#PF", "", "#MF", "#AC", "#MC", "#XM", "#VE", "#CP"};
    return vector < std::size(kNames) ? kNames[vector] : std::string_view{};
}

std::string event_text(u8 vector, arch::EventType type, bool has_error_code, u32 error_code) {
    std::string text;
    switch (type) {
        case arch::EventType::ExternalInterrupt: text = fmt::format("interrupt {:#x}", vector); break;
        case arch::EventType::Nmi: text = "NMI"; break;
        case arch::EventType::SoftwareInterrupt: text = fmt::format("INT {:#x}", vector); break;
        default:
            text = exception_name(vector);
            if (text.empty()) text = fmt::format("exception {}", vector);
    }
    if (has_error_code) text += fmt::format(" error {:#x}", error_code);
    return text;
}

std::string trail_text(const core::TrailEvent& e) {
    using core::TrailKind;
    switch (e.kind) {
        case TrailKind::Delivery: {
            std::string text = event_text(e.vector, static_cast<arch::EventType>(e.type), e.has_error_code, e.error_code);
            if (e.vector == 14 && e.type == static_cast<u8>(arch::EventType::HardwareException))
                text += fmt::format(" at {:#x}", e.detail);
            return text + (e.injected ? " (injected)" : "");
        }
        case TrailKind::Exit:
            return fmt::format("VM exit {}{}", arch::exit_reason_name(e.reason),
                               e.detail ? fmt::format(" qualification {:#x}", e.detail) : "");
        case TrailKind::Entry: return "VM entry";
        case TrailKind::FailedEntry: return "VM entry failed on guest state or MSRs";
        case TrailKind::TripleFault: return "triple fault";
        case TrailKind::None: break;
    }
    return "";
}

}  // namespace vmxsim::sim
