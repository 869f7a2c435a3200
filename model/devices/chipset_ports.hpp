// SPDX-License-Identifier: Apache-2.0
// The chipset's small ports: POST codes, port 92H, PCI configuration without devices, the reset control register.
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

/// PCI configuration mechanism 1 on a bus without devices: the address is kept, data are all ones. CF9H is the
/// chipset's reset control: bit 2 going from 0 to 1 resets.
class PciHost : public PortDevice {
public:
    static constexpr u16 kFirst = 0xcf8, kLast = 0xcff, kReset = 0xcf9;
    explicit PciHost(std::function<void()> reset) : reset_(std::move(reset)) {}
    u32 in(u16 port, unsigned bytes) override {
        if (port == kFirst && bytes == 4) return address_;
        if (port == kReset && bytes == 1) return control_;
        return bytes == 4 ? ~u32{0} : (u32{1} << 8 * bytes) - 1;
    }
    void out(u16 port, unsigned bytes, u32 value) override {
        if (port == kFirst && bytes == 4) address_ = value & 0x80fffffc;
        if (port != kReset || bytes != 1) return;
        const bool edge = value & ~control_ & 4;
        control_ = value & 0xe;
        if (edge && reset_) reset_();
    }

private:
    std::function<void()> reset_;
    u32 address_ = 0, control_ = 0;
};

}  // namespace vmxsim::devices
