// SPDX-License-Identifier: Apache-2.0
#include "nested/memory.hpp"

#include <stdexcept>

namespace vmxsim::nested {

HostPhysical PageAllocator::take() {
    HostPhysical page;
    if (!free_.empty()) {
        page = free_.back();
        free_.pop_back();
    } else {
        if (next_.raw + 0x1000 > end_.raw)
            throw std::runtime_error("nested unit: L0's memory below l1_base is exhausted");
        page = next_;
        next_ = next_ + 0x1000;
    }
    for (u64 i = 0; i < 4096; i += 8) ram_.write(page + i, 8, 0);
    return page;
}

HostPhysical L1Memory::host(GuestPhysical at) const {
    if (contains(at)) return base_ + at.raw;
    // The open bus of a bare machine: an address above all RAM, with the same offset in a 2-MiB page.
    constexpr u64 kLarge = u64{2} << 20;
    const u64 above = (ram_.size() + kLarge - 1) & ~(kLarge - 1);
    const u64 limit = u64{1} << address_bits_;
    const u64 moved = (above & ~(kLarge - 1)) + (at.raw & (kLarge - 1));
    return {moved < limit ? moved : limit - kLarge + (at.raw & (kLarge - 1))};
}

u64 L1Memory::read(GuestPhysical at, unsigned bytes) const {
    if (contains(at, bytes)) return ram_.read(base_ + at.raw, bytes);
    u64 value = 0;  // straddles the end, or lies outside: each byte on its own
    for (unsigned i = 0; i < bytes; ++i)
        value |= (contains(at + i) ? ram_.read(base_ + at.raw + i, 1) : u64{0xff}) << 8 * i;
    return value;
}

void L1Memory::write(GuestPhysical at, unsigned bytes, u64 value) {
    if (contains(at, bytes)) return ram_.write(base_ + at.raw, bytes, value);
    for (unsigned i = 0; i < bytes; ++i)
        if (contains(at + i)) ram_.write(base_ + at.raw + i, 1, value >> 8 * i & 0xff);
}

}  // namespace vmxsim::nested
