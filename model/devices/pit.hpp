// SPDX-License-Identifier: Apache-2.0
// The 8254 interval timer, ports 40H to 43H, and port 61H with channel 2's gate and output.
#pragma once
#include <array>

#include "model/devices/io_bus.hpp"
#include "model/devices/timers.hpp"

namespace vmxsim::devices {

/// Modes 0, 2, 3 and 4 count (1 and 5 by the gate's rising edge, which only channel 2 has). BCD counts too. Counts are
/// taken over at the write, not at the next clock edge, so a count of n ends n ticks behind the tick of its write.
class Pit : public PortDevice {
public:
    static constexpr u64 kHz = 1193182;  ///< 14.31818 MHz / 12
    static constexpr u16 kFirst = 0x40, kLast = 0x43, kPortB = 0x61;

    /// `irq0`: channel 0's output.
    Pit(Timers& timers, Line irq0);
    void attach_to(IoBus& bus);
    u32 in(u16 port, unsigned bytes) override;
    void out(u16 port, unsigned bytes, u32 value) override;

private:
    struct Channel {
        u8 mode = 3, access = 3;
        bool bcd = false, gate = true;
        bool counting = false;       ///< a count was loaded
        bool null_count = true;      ///< a control word or half a count was written last
        u64 start = 0;               ///< tick of the load
        u32 count = 0x10000;         ///< the reload value, 1 to 65536
        u32 held = 0;                ///< what it stood at while the gate is low
        u8 low = 0;                  ///< the first byte of a count
        bool write_high = false, read_high = false;
        bool latched = false, status_latched = false;
        u16 latch = 0;
        u8 status = 0;
    };
    u64 tick() const { return clock_.ticks(timers_.now()); }
    u32 value(const Channel& c) const;       ///< of the counter, in ticks
    bool output(const Channel& c) const;
    u16 shown(const Channel& c) const;       ///< as a guest reads it: BCD where asked for
    u8 read(Channel& c);
    void write(Channel& c, u8 byte);
    void control(u8 word);
    void latch_status(Channel& c) const;
    void load(Channel& c, u32 count);
    void set_gate2(bool high);
    void schedule();                         ///< channel 0's next change of output
    void changed(u64 cycle);
    void drive(bool high);                   ///< channel 0's output, where it changes

    Timers& timers_;
    Line irq0_;
    Clock clock_;
    Timers::Id timer_;
    std::array<Channel, 3> channels_;
    u8 port_b_ = 0;
    bool level_ = true;  ///< of channel 0's output: high at power-up, which is no edge
};

}  // namespace vmxsim::devices
