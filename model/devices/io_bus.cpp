// SPDX-License-Identifier: Apache-2.0
#include "model/devices/io_bus.hpp"

#include <stdexcept>
#include <string>

namespace vmxsim::devices {

void IoBus::attach(u16 first, u16 last, PortDevice& device) {
    if (first > last)
        throw std::logic_error("io bus: ports " + std::to_string(first) + " to " + std::to_string(last) +
                               " are no range");
    for (const Claim& claim : claims_)
        if (first <= claim.last && claim.first <= last)
            throw std::logic_error("io bus: ports " + std::to_string(first) + " to " + std::to_string(last) +
                                   " overlap a device at " + std::to_string(claim.first) + " to " +
                                   std::to_string(claim.last));
    claims_.push_back({first, last, &device});
}

u32 IoBus::in(u16 port, unsigned bytes) const {
    const unsigned end = unsigned{port} + bytes - 1;
    for (const Claim& claim : claims_)
        if (claim.first <= port && end <= claim.last) return claim.device->in(port, bytes);
    if (bytes == 1) return 0xff;
    // An access over the edge of a device is one of bytes, as a bus bridge breaks it up. There is no port above 0xffff.
    u32 value = 0;
    for (unsigned i = 0; i < bytes; ++i)
        value |= (port + i > 0xffff ? 0xffu : in(static_cast<u16>(port + i), 1) & 0xff) << 8 * i;
    return value;
}

void IoBus::out(u16 port, unsigned bytes, u32 value) const {
    const unsigned end = unsigned{port} + bytes - 1;
    for (const Claim& claim : claims_)
        if (claim.first <= port && end <= claim.last) return claim.device->out(port, bytes, value);
    if (bytes == 1) return;
    for (unsigned i = 0; i < bytes && port + i <= 0xffff; ++i)
        out(static_cast<u16>(port + i), 1, value >> 8 * i & 0xff);
}

}  // namespace vmxsim::devices
