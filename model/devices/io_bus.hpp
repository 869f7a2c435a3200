// SPDX-License-Identifier: Apache-2.0
// I/O ports. A device claims a range; a port that no one claims reads all ones and swallows writes.
#pragma once
#include <vector>

#include "model/arch/types.hpp"

namespace vmxsim::devices {

class PortDevice {
public:
    virtual ~PortDevice() = default;
    /// `bytes`: 1, 2 or 4. `port` is absolute.
    virtual u32 in(u16 port, unsigned bytes) = 0;
    virtual void out(u16 port, unsigned bytes, u32 value) = 0;
};

class IoBus {
public:
    /// Claims ports first to last. Throws std::logic_error where another device has claimed one of them.
    void attach(u16 first, u16 last, PortDevice& device);
    u32 in(u16 port, unsigned bytes) const;
    void out(u16 port, unsigned bytes, u32 value) const;

private:
    struct Claim { u16 first, last; PortDevice* device; };
    std::vector<Claim> claims_;
};

}  // namespace vmxsim::devices
