// SPDX-License-Identifier: Apache-2.0
// Control words as value classes, one enumerator per bit (controls.def).
#pragma once
#include <string_view>

#include "model/arch/types.hpp"

namespace vmxsim::arch {

enum class ControlWord : u8 { Pin, Primary, Secondary, Tertiary, Exit, Exit2, Entry };

// One enumeration per word: the value is the bit number.
#define VMXSIM_WORD(w) enum class w##Control : u8 {
#define VMXSIM_WORD_END };
VMXSIM_WORD(Pin)
#define VMXSIM_CONTROL(word, bit, name, default1, sdm, meaning) VMXSIM_ONLY_##word(name = bit,)
#define VMXSIM_ONLY_Pin(...) __VA_ARGS__
#define VMXSIM_ONLY_Primary(...)
#define VMXSIM_ONLY_Secondary(...)
#define VMXSIM_ONLY_Tertiary(...)
#define VMXSIM_ONLY_Exit(...)
#define VMXSIM_ONLY_Exit2(...)
#define VMXSIM_ONLY_Entry(...)
#include "model/arch/controls.def"
VMXSIM_WORD_END
#undef VMXSIM_ONLY_Pin
#define VMXSIM_ONLY_Pin(...)
#undef VMXSIM_ONLY_Primary
#define VMXSIM_ONLY_Primary(...) __VA_ARGS__
VMXSIM_WORD(Primary)
#include "model/arch/controls.def"
VMXSIM_WORD_END
#undef VMXSIM_ONLY_Primary
#define VMXSIM_ONLY_Primary(...)
#undef VMXSIM_ONLY_Secondary
#define VMXSIM_ONLY_Secondary(...) __VA_ARGS__
VMXSIM_WORD(Secondary)
#include "model/arch/controls.def"
VMXSIM_WORD_END
#undef VMXSIM_ONLY_Secondary
#define VMXSIM_ONLY_Secondary(...)
#undef VMXSIM_ONLY_Tertiary
#define VMXSIM_ONLY_Tertiary(...) __VA_ARGS__
VMXSIM_WORD(Tertiary)
#include "model/arch/controls.def"
VMXSIM_WORD_END
#undef VMXSIM_ONLY_Tertiary
#define VMXSIM_ONLY_Tertiary(...)
#undef VMXSIM_ONLY_Exit
#define VMXSIM_ONLY_Exit(...) __VA_ARGS__
VMXSIM_WORD(Exit)
#include "model/arch/controls.def"
VMXSIM_WORD_END
#undef VMXSIM_ONLY_Exit
#define VMXSIM_ONLY_Exit(...)
#undef VMXSIM_ONLY_Exit2
#define VMXSIM_ONLY_Exit2(...) __VA_ARGS__
VMXSIM_WORD(Exit2)
#include "model/arch/controls.def"
VMXSIM_WORD_END
#undef VMXSIM_ONLY_Exit2
#define VMXSIM_ONLY_Exit2(...)
#undef VMXSIM_ONLY_Entry
#define VMXSIM_ONLY_Entry(...) __VA_ARGS__
VMXSIM_WORD(Entry)
#include "model/arch/controls.def"
VMXSIM_WORD_END
#undef VMXSIM_ONLY_Entry
#undef VMXSIM_CONTROL
#undef VMXSIM_WORD
#undef VMXSIM_WORD_END

/// A control word: `w.has(PrimaryControl::HLTExiting)`, `w.set(...)`, `w.clear(...)`.
template <class Bit>
struct Controls {
    u64 raw = 0;
    constexpr bool operator==(const Controls&) const = default;
    static constexpr u64 mask(Bit b) { return u64{1} << static_cast<u8>(b); }
    constexpr bool has(Bit b) const { return raw & mask(b); }
    constexpr Controls& set(Bit b) { raw |= mask(b); return *this; }
    constexpr Controls& clear(Bit b) { raw &= ~mask(b); return *this; }
    constexpr Controls with(Bit b) const { return {raw | mask(b)}; }
    constexpr Controls without(Bit b) const { return {raw & ~mask(b)}; }
    friend constexpr Controls operator|(Controls a, Controls b) { return {a.raw | b.raw}; }
};
using PinControls = Controls<PinControl>;
using PrimaryControls = Controls<PrimaryControl>;
using SecondaryControls = Controls<SecondaryControl>;
using TertiaryControls = Controls<TertiaryControl>;
using ExitControls = Controls<ExitControl>;
using Exit2Controls = Controls<Exit2Control>;
using EntryControls = Controls<EntryControl>;

struct ControlInfo {
    ControlWord word;
    u8 bit;
    bool default1;
    std::string_view name;
    std::string_view sdm_name;
    std::string_view meaning;
};

inline constexpr ControlInfo kControls[] = {
#define VMXSIM_CONTROL(word, bit, name, default1, sdm_name, meaning) \
    {ControlWord::word, bit, default1 != 0, #name, sdm_name, meaning},
#include "model/arch/controls.def"
#undef VMXSIM_CONTROL
};

}  // namespace vmxsim::arch
