// SPDX-License-Identifier: Apache-2.0
// The ports of PCI configuration mechanism 1 (PCI Local Bus 3.0, 3.2.2.3.2), with no device behind them.
#pragma once
#include <functional>

#include "model/devices/io_bus.hpp"

namespace vmxsim::devices {

/// CF8H takes the address of a register, CFCH to CFFH are its bytes: all ones, as of any absent device. CF9H is the chipset's
/// reset control: bit 2 going from 0 to 1 resets.
class PciPorts : public PortDevice {
public:
    static constexpr u16 kFirst = 0xcf8, kLast = 0xcff, kReset = 0xcf9, kData = 0xcfc;
    explicit PciPorts(std::function<void()> reset) : reset_(std::move(reset)) {}
    u32 in(u16 port, unsigned bytes) override {
        const u32 mask = bytes == 4 ? ~u32{0} : (u32{1} << 8 * bytes) - 1;
        if (port == kFirst && bytes == 4) return address_;
        if (port == kReset && bytes == 1) return control_;
        return mask;
    }
    void out(u16 port, unsigned bytes, u32 value) override {
        if (port == kFirst && bytes == 4) address_ = value & (kEnable | 0xfffffc);
        if (port != kReset || bytes != 1) return;
        const bool edge = value & ~control_ & 4;
        control_ = value & 0xe;
        if (edge && reset_) reset_();
    }

private:
    static constexpr u32 kEnable = 1u << 31;
    std::function<void()> reset_;
    u32 address_ = 0, control_ = 0;
};

}  // namespace vmxsim::devices
