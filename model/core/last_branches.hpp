// SPDX-License-Identifier: Apache-2.0
// The last branch record stack of 16 entries, as since Nehalem (SDM 19.9): written only while IA32_DEBUGCTL.LBR is set,
// for which the engine runs instructions one by one. A branch to the very next instruction is not seen.
#pragma once
#include <array>

#include "model/arch/types.hpp"

namespace vmxsim::core {

struct LastBranches {
    static constexpr u32 kSelect = 0x1c8, kTop = 0x1c9, kExceptionFrom = 0x1dd, kExceptionTo = 0x1de, kFrom = 0x680,
                         kTo = 0x6c0, kEntries = 16;
    /// MSR_LBR_SELECT: a set bit keeps branches of that kind out (SDM table 19-14).
    enum Kind : u16 {
        AtCpl0 = 1, AboveCpl0 = 2, Conditional = 4, RelativeCall = 8, IndirectCall = 16, NearReturn = 32,
        IndirectJump = 64, RelativeJump = 128, Far = 256
    };

    std::array<u64, kEntries> from{}, to{};
    u64 top = 0, select = 0;
    u64 exception_from = 0, exception_to = 0;

    void record(u64 source, u64 target, unsigned kind) {
        if (select & kind) return;
        top = (top + 1) % kEntries;
        from[top] = source;
        to[top] = target;
    }
    /// An interrupt or exception: what was the last branch before it is kept apart (SDM 19.4.3).
    void before_event() { exception_from = from[top], exception_to = to[top]; }

    /// The register of an MSR; null: not one of these.
    u64* find(u32 index) {
        if (index - kFrom < kEntries) return &from[index - kFrom];
        if (index - kTo < kEntries) return &to[index - kTo];
        switch (index) {
            case kSelect: return &select;
            case kTop: return &top;
            case kExceptionFrom: return &exception_from;
            case kExceptionTo: return &exception_to;
            default: return nullptr;
        }
    }
    static constexpr bool read_only(u32 index) { return index == kExceptionFrom || index == kExceptionTo; }
};

}  // namespace vmxsim::core
