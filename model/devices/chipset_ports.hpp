// SPDX-License-Identifier: Apache-2.0
// The chipset's small ports: POST codes, port 92H.
#pragma once
#include <functional>

#include "model/devices/io_bus.hpp"

namespace vmxsim::devices {

/// Port 80H: POST codes, and what kernels write to for a delay. Reads give the last value, as the latch does.
class PostCode : public PortDevice {
public:
    static constexpr u16 kPort = 0x80;
    u32 in(u16, unsigned) override { return last_; }
    void out(u16, unsigned, u32 value) override { last_ = value & 0xff; }

private:
    u32 last_ = 0;
};

/// Port 92H: bit 0 resets, bit 1 enables A20 (kept; the address line is never masked in this model).
class SystemControlA : public PortDevice {
public:
    static constexpr u16 kPort = 0x92;
    explicit SystemControlA(std::function<void()> reset) : reset_(std::move(reset)) {}
    u32 in(u16, unsigned) override { return value_; }
    void out(u16, unsigned, u32 value) override {
        const bool edge = value & ~value_ & 1;
        value_ = value & 3;
        if (edge && reset_) reset_();
    }

private:
    std::function<void()> reset_;
    u32 value_ = 2;
};

}  // namespace vmxsim::devices
