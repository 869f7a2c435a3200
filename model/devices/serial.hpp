// SPDX-License-Identifier: Apache-2.0
// A 16550A serial port. The line has no speed: a byte written to the transmitter is out at once.
#pragma once
#include <deque>
#include <functional>

#include "model/devices/io_bus.hpp"

namespace vmxsim::devices {

/// Registers, FIFOs, loopback and the interrupt line. Not modelled: baud rate, parity and framing errors, breaks; the
/// receiver's time-out is immediate, since no time passes on the line.
class Serial : public PortDevice {
public:
    static constexpr u16 kCom1 = 0x3f8;
    /// Eight ports from `base`. `sink` gets each byte sent; `interrupt` (may be empty) each change of the INTR pin, which
    /// is wired through OUT2 as on a PC.
    explicit Serial(std::function<void(char)> sink, u16 base = kCom1, std::function<void(bool)> interrupt = {});
    u16 first() const { return base_; }
    u16 last() const { return static_cast<u16>(base_ + 7); }

    /// A byte arrives on the line. Lost, with the overrun bit, where the receiver is full.
    void receive(u8 byte);

    u32 in(u16 port, unsigned bytes) override;
    void out(u16 port, unsigned bytes, u32 value) override;

private:
    u8 read(unsigned reg);
    void write(unsigned reg, u8 value);
    void write_fifo_control(u8 value);
    void write_modem_control(u8 value);
    u8 modem_lines() const;
    u8 pending() const;  ///< interrupt identification, bits 3:0
    void update_interrupt();

    std::function<void(char)> sink_;
    std::function<void(bool)> interrupt_;
    u16 base_;
    std::deque<u8> received_;
    u16 divisor_ = 12;        ///< 9600 baud; kept, without effect
    u8 ier_ = 0, fcr_ = 0, lcr_ = 3, mcr_ = 0, scr_ = 0;
    u8 modem_deltas_ = 0;     ///< MSR bits 3:0
    bool overrun_ = false;
    bool transmitter_event_ = false;  ///< THR-empty interrupt armed: by a write of THR, or by its enable bit
    bool line_ = false;
};

}  // namespace vmxsim::devices
