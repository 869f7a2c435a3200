// SPDX-License-Identifier: Apache-2.0
#include "model/devices/io_apic.hpp"

namespace vmxsim::devices {

namespace {
constexpr u64 kSelect = 0x00, kWindow = 0x10, kEoi = 0x40;
constexpr u32 kVersion = 0x00170020;  ///< highest entry 23
constexpr u64 kDeliveryStatus = 1u << 12;
constexpr u64 kDefined = 0xff0000000001ffff;
}  // namespace

void IoApic::deliver(unsigned pin) {
    u64& e = entries_[pin];
    const bool level = e & kLevel;
    if (e & kMasked || (level && e & kRemoteIrr)) return;
    const auto mode = static_cast<DeliveryMode>(e >> 8 & 7);
    const bool fixed = mode == DeliveryMode::Fixed || mode == DeliveryMode::LowestPriority;
    if (level && fixed) e |= kRemoteIrr;
    send_({.mode = mode, .vector = static_cast<u8>(e), .level = level && fixed, .logical = (e >> 11 & 1) != 0,
           .destination = static_cast<u32>(e >> 56)});
}

/// Lines are driven active high inside the model; the polarity bit is kept and has no effect.
void IoApic::set_pin(unsigned pin, bool high) {
    if (pin >= kPins) return;
    const bool edge = high && !high_[pin];
    high_[pin] = high;
    if (edge) deliver(pin);
}

void IoApic::end_of_interrupt(u8 vector) {
    for (unsigned pin = 0; pin < kPins; ++pin) {
        u64& e = entries_[pin];
        if (static_cast<u8>(e) != vector || !(e & kLevel)) continue;
        e &= ~kRemoteIrr;
        if (high_[pin]) deliver(pin);
    }
}

u32 IoApic::read_register() const {
    if (index_ == 0) return id_;
    if (index_ == 1) return kVersion;
    if (index_ == 2) return id_;  // arbitration ID
    const unsigned n = index_ - 0x10u;
    if (n >= 2 * kPins) return 0;
    return static_cast<u32>(entries_[n / 2] >> (n & 1 ? 32 : 0));
}

void IoApic::write_register(u32 value) {
    if (index_ == 0) id_ = value & 0x0f000000;
    const unsigned n = index_ - 0x10u;
    if (n >= 2 * kPins) return;
    u64& e = entries_[n / 2];
    constexpr u64 kReadOnly = kRemoteIrr | kDeliveryStatus;
    const u64 word = n & 1 ? (e & 0xffffffff) | u64{value} << 32 : (e & ~u64{0xffffffff}) | value;
    e = (word & kDefined & ~kReadOnly) | (e & kReadOnly);
    if (!(e & kLevel)) e &= ~kRemoteIrr;
    else if (high_[n / 2]) deliver(n / 2);  // a level that waited for the mask
}

u64 IoApic::read(u64 offset, unsigned) {
    if (offset == kSelect) return index_;
    return offset == kWindow ? read_register() : 0;
}

void IoApic::write(u64 offset, unsigned, u64 value) {
    if (offset == kSelect) index_ = static_cast<u8>(value);
    else if (offset == kWindow) write_register(static_cast<u32>(value));
    else if (offset == kEoi) end_of_interrupt(static_cast<u8>(value));
}

}  // namespace vmxsim::devices
