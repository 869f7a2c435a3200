// SPDX-License-Identifier: Apache-2.0
// ACPI's fixed hardware: PM1 event and control blocks, and the PM timer (ACPI 6.4, 4.8.3). Always in ACPI mode.
#pragma once
#include <functional>

#include "model/devices/io_bus.hpp"
#include "model/devices/timers.hpp"

namespace vmxsim::devices {

class AcpiPm : public PortDevice {
public:
    static constexpr u16 kEvent = 0x600, kControl = 0x604, kTimer = 0x608, kLast = 0x60b;
    static constexpr u64 kHz = 3579545;
    /// SLP_TYP of soft-off, as the DSDT's _S5 says. QEMU's: test images write 2000H to port 604H without reading tables.
    static constexpr u8 kSleepTypeS5 = 0;
    AcpiPm(const Timers& timers, std::function<void()> power_off)
        : timers_(timers), clock_(timers.clock(kHz)), power_off_(std::move(power_off)) {}

    u32 in(u16 port, unsigned bytes) override {
        u32 value = 0;
        for (unsigned i = 0; i < bytes; ++i) value |= u32{byte(static_cast<u16>(port + i))} << 8 * i;
        return value;
    }
    void out(u16 port, unsigned bytes, u32 value) override {
        for (unsigned i = 0; i < bytes; ++i, value >>= 8) {
            const unsigned p = port + i, shift = 8 * (p & 1);
            const u16 in_place = static_cast<u16>((value & 0xff) << shift), kept = static_cast<u16>(0xff00u >> shift);
            if (p == kEvent + 2 || p == kEvent + 3) enable_ = static_cast<u16>((enable_ & kept) | in_place);
            if (p == kControl || p == kControl + 1) write_control(static_cast<u16>((control_ & kept) | in_place));
        }
    }

private:
    static constexpr u16 kSciEnable = 1, kSleepEnable = 1u << 13;
    u8 byte(u16 port) const {
        if (port >= kTimer) return static_cast<u8>((clock_.ticks(timers_.now()) & 0xffffff) >> 8 * (port - kTimer));
        const u16 word = port < kEvent + 2 ? u16{0} : port < kControl ? enable_ : port < kControl + 2 ? control_ : u16{0};
        return static_cast<u8>(word >> 8 * (port & 1));
    }
    void write_control(u16 value) {
        control_ = (value & static_cast<u16>(~kSleepEnable)) | kSciEnable;
        if (value & kSleepEnable && (value >> 10 & 7) == kSleepTypeS5 && power_off_) power_off_();
    }
    const Timers& timers_;
    Clock clock_;
    std::function<void()> power_off_;
    u16 enable_ = 0, control_ = kSciEnable;
};

}  // namespace vmxsim::devices
