// SPDX-License-Identifier: Apache-2.0
// The I/O APIC (82093AA with an EOI register, version 20H), at FEC00000H.
#pragma once
#include <algorithm>
#include <array>
#include <functional>

#include "model/devices/local_apic.hpp"

namespace vmxsim::devices {

/// 24 pins. Edges on a masked pin are lost; a level that is still high at its EOI is delivered anew.
class IoApic : public MmioDevice {
public:
    static constexpr HostPhysical kPage{0xfec00000};
    static constexpr unsigned kPins = 24;
    /// `send`: the message to the local APICs. `pic`: what an ExtINT pin would pass on is not modelled.
    explicit IoApic(std::function<void(const InterruptMessage&)> send) : send_(std::move(send)) {
        entries_.fill(kMasked);
    }
    void set_pin(unsigned pin, bool high);
    /// A pin may yet send an NMI or INIT, which IF does not hold off.
    bool may_send_nmi() const {
        return std::any_of(entries_.begin(), entries_.end(), [](u64 e) {
            const auto mode = static_cast<DeliveryMode>(e >> 8 & 7);
            return !(e & kMasked) && (mode == DeliveryMode::Nmi || mode == DeliveryMode::Init);
        });
    }
    /// A local APIC's EOI of a level-triggered vector.
    void end_of_interrupt(u8 vector);

    u64 read(u64 offset, unsigned bytes) override;
    void write(u64 offset, unsigned bytes, u64 value) override;

private:
    static constexpr u64 kLevel = 1u << 15, kRemoteIrr = 1u << 14, kMasked = 1u << 16;
    u32 read_register() const;
    void write_register(u32 value);
    void deliver(unsigned pin);
    std::function<void(const InterruptMessage&)> send_;
    std::array<u64, kPins> entries_{};
    std::array<bool, kPins> high_{};
    u8 index_ = 0;
    u32 id_ = 0;
};

}  // namespace vmxsim::devices
