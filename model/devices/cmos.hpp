// SPDX-License-Identifier: Apache-2.0
// CMOS memory and the real-time clock (MC146818), ports 70H and 71H.
#pragma once
#include <array>

#include "model/devices/io_bus.hpp"
#include "model/devices/timers.hpp"

namespace vmxsim::devices {

/// The clock starts at a fixed date, so that runs repeat: Saturday, 2000-01-01 00:00:00. Interrupts: update ended, alarm,
/// periodic. BCD or binary, 24 or 12 hours. Not modelled: daylight saving, the divider's other rates.
class Cmos : public PortDevice {
public:
    static constexpr u16 kIndex = 0x70, kData = 0x71;
    /// `irq8`: the interrupt output. `ram_bytes`: reported as PC firmware does, at 15H to 18H, 30H, 31H, 34H, 35H and
    /// 5BH to 5DH.
    Cmos(Timers& timers, Line irq8, u64 ram_bytes);
    u32 in(u16 port, unsigned bytes) override;
    void out(u16 port, unsigned bytes, u32 value) override;

private:
    u8 read(u8 index);
    void write(u8 index, u8 value);
    u64 seconds() const;          ///< since 2000-01-01
    void set_field(u8 index, u8 value);
    u8 encode(unsigned value) const;
    unsigned decode(u8 value) const;
    u64 period() const;           ///< of the periodic interrupt, in ticks of 32768 Hz; 0: none
    void second_passed(u64 cycle);
    void period_passed(u64 cycle);
    void schedule();
    bool alarm_now() const;
    void flag(u8 bits);

    Timers& timers_;
    Line irq8_;
    Clock second_, crystal_;
    Timers::Id second_timer_, periodic_timer_;
    std::array<u8, 128> memory_{};
    u8 index_ = 0;
    s64 offset_ = 0;              ///< seconds that the guest has added to the clock
    u64 frozen_ = 0;              ///< while register B's SET bit is on
};

}  // namespace vmxsim::devices
