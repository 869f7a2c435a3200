// SPDX-License-Identifier: Apache-2.0
// The 8042 keyboard controller without keyboard or mouse, ports 60H and 64H: it answers its own commands.
#pragma once
#include <deque>
#include <functional>

#include "model/devices/io_bus.hpp"

namespace vmxsim::devices {

class KeyboardController : public PortDevice {
public:
    static constexpr u16 kData = 0x60, kStatus = 0x64;
    /// `reset`: the pulse on the processor's reset line (command FEH, or output port bit 0 written 0).
    explicit KeyboardController(std::function<void()> reset) : reset_(std::move(reset)) {}
    u32 in(u16 port, unsigned bytes) override;
    void out(u16 port, unsigned bytes, u32 value) override;

private:
    void command(u8 value);
    void data(u8 value);
    std::function<void()> reset_;
    std::deque<u8> answers_;
    u8 last_ = 0, expecting_ = 0;
    u8 mode_ = 0x34;         ///< command byte: system flag, both ports disabled
    u8 output_port_ = 0x03;  ///< bit 0: not in reset, bit 1: A20 enabled. A20 is never masked in this model
    bool after_command_ = false;
};

}  // namespace vmxsim::devices
