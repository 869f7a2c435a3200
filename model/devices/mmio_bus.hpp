// SPDX-License-Identifier: Apache-2.0
// Devices in physical memory. What no device claims is RAM or, outside it, an open bus.
#pragma once
#include <vector>

#include "model/arch/types.hpp"

namespace vmxsim::devices {

class MmioDevice {
public:
    virtual ~MmioDevice() = default;
    /// `offset` in the claimed range; `bytes`: 1, 2, 4 or 8.
    virtual u64 read(u64 offset, unsigned bytes) = 0;
    virtual void write(u64 offset, unsigned bytes, u64 value) = 0;
};

class MmioBus {
public:
    /// Claims whole 4-KiB pages. Throws std::logic_error for other ranges, and where another device has claimed a part.
    /// Where two devices are moved onto one another by the guest, the one attached first answers.
    void attach(HostPhysical first, u64 bytes, MmioDevice& device);
    /// Gives a device another place (IA32_APIC_BASE), or none: `bytes` 0.
    void move(MmioDevice& device, HostPhysical first, u64 bytes);
    /// Below it there are no devices: one compare keeps RAM fast.
    u64 lowest() const { return lowest_; }
    bool claims(HostPhysical at) const { return at.raw >= lowest_ && find(at) != nullptr; }
    /// An access within one page that claims() its address, in parts of at most eight bytes.
    void read(HostPhysical at, u8* out, unsigned bytes) const;
    void write(HostPhysical at, const u8* in, unsigned bytes) const;

private:
    struct Claim { u64 first, bytes; MmioDevice* device; };
    const Claim* find(HostPhysical at) const;
    void update_lowest();
    std::vector<Claim> claims_;
    u64 lowest_ = ~u64{0};
};

}  // namespace vmxsim::devices
