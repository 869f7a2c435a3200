// SPDX-License-Identifier: Apache-2.0
#include "model/devices/mmio_bus.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>

namespace vmxsim::devices {

void MmioBus::attach(HostPhysical first, u64 bytes, MmioDevice& device) {
    if (bytes == 0 || (first.raw | bytes) % 4096 != 0) throw std::logic_error("mmio bus: a device claims whole pages");
    for (const Claim& c : claims_)
        if (first.raw < c.first + c.bytes && c.first < first.raw + bytes)
            throw std::logic_error("mmio bus: two devices at one address");
    claims_.push_back({first.raw, bytes, &device});
    update_lowest();
}

void MmioBus::move(MmioDevice& device, HostPhysical first, u64 bytes) {
    for (Claim& c : claims_)
        if (c.device == &device) c.first = first.raw, c.bytes = bytes;
    update_lowest();
}

void MmioBus::update_lowest() {
    lowest_ = ~u64{0};
    for (const Claim& c : claims_)
        if (c.bytes) lowest_ = std::min(lowest_, c.first);
}

const MmioBus::Claim* MmioBus::find(HostPhysical at) const {
    for (const Claim& c : claims_)
        if (at.raw >= c.first && at.raw - c.first < c.bytes) return &c;
    return nullptr;
}

namespace {
/// The largest power of two that the rest allows: how a bus splits odd lengths.
unsigned part(unsigned left) { return std::min(8u, std::bit_floor(left)); }
}  // namespace

void MmioBus::read(HostPhysical at, u8* out, unsigned bytes) const {
    const Claim* c = find(at);
    for (unsigned done = 0; done < bytes;) {
        const unsigned n = part(bytes - done);
        const u64 value = c->device->read(at.raw - c->first + done, n);
        std::memcpy(out + done, &value, n);
        done += n;
    }
}

void MmioBus::write(HostPhysical at, const u8* in, unsigned bytes) const {
    const Claim* c = find(at);
    for (unsigned done = 0; done < bytes;) {
        const unsigned n = part(bytes - done);
        u64 value = 0;
        std::memcpy(&value, in + done, n);
        c->device->write(at.raw - c->first + done, n, value);
        done += n;
    }
}

}  // namespace vmxsim::devices
