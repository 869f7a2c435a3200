// SPDX-License-Identifier: Apache-2.0
// The last events of a core, kept for the report of a run that ends badly.
#pragma once
#include <array>

#include "model/arch/types.hpp"

namespace vmxsim::core {

enum class TrailKind : u8 { None, Delivery, Exit, Entry, FailedEntry, TripleFault };

/// Values only, so that noting one costs a few stores.
struct TrailEvent {
    TrailKind kind = TrailKind::None;
    u8 vector = 0, type = 0;     ///< Delivery: as in a VMCS's interruption information
    bool has_error_code = false, injected = false, non_root = false;
    u16 reason = 0;              ///< Exit: basic exit reason
    u32 error_code = 0;
    u64 rip = 0, cycles = 0;
    u64 detail = 0;              ///< Delivery of #PF: the address; Exit: qualification
};

class Trail {
public:
    static constexpr std::size_t kEvents = 16;
    void note(const TrailEvent& e) { events_[next_++ % kEvents] = e; }
    /// How many there were, and of the last kEvents the one `back` before the end (0: the last).
    u64 count() const { return next_; }
    const TrailEvent& last(std::size_t back) const { return events_[(next_ - 1 - back) % kEvents]; }

private:
    std::array<TrailEvent, kEvents> events_{};
    u64 next_ = 0;
};

}  // namespace vmxsim::core
