// SPDX-License-Identifier: Apache-2.0
// The PCI host bridge: configuration mechanism 1 (PCI Local Bus 3.0, 3.2.2.3.2) and the bridge itself, alone on bus 0.
#pragma once
#include <functional>

#include "model/devices/io_bus.hpp"

namespace vmxsim::devices {

/// CF8H takes the address of a register, CFCH to CFFH are its bytes. The bridge is device 0: nothing but the header that
/// each device has, and no register to write. All other devices are absent: ones. CF9H is the chipset's reset control:
/// bit 2 going from 0 to 1 resets.
class PciHost : public PortDevice {
public:
    static constexpr u16 kFirst = 0xcf8, kLast = 0xcff, kReset = 0xcf9, kData = 0xcfc;
    /// QEMU's generic host bridge, which has no registers of its own either (pci.ids: Red Hat 1b36, 0008).
    static constexpr u32 kIds = 0x00081b36;
    static constexpr u32 kClassAndRevision = 0x06000000;  ///< a host bridge (PCI 3.0, appendix D)
    explicit PciHost(std::function<void()> reset) : reset_(std::move(reset)) {}
    u32 in(u16 port, unsigned bytes) override {
        const u32 mask = bytes == 4 ? ~u32{0} : (u32{1} << 8 * bytes) - 1;
        if (port >= kData) return configuration() >> 8 * (port - kData) & mask;
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
    static constexpr u32 kEnable = 1u << 31, kDevice = 0xffff00, kRegister = 0xfc;
    u32 configuration() const {
        if (!(address_ & kEnable) || address_ & kDevice) return ~u32{0};
        switch (address_ & kRegister) {
            case 0: return kIds;
            case 8: return kClassAndRevision;
            default: return 0;
        }
    }
    std::function<void()> reset_;
    u32 address_ = 0, control_ = 0;
};

}  // namespace vmxsim::devices
