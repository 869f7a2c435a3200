// SPDX-License-Identifier: Apache-2.0
// The high-precision event timer (IA-PC HPET specification 1.0a), at FED00000H.
#pragma once
#include <array>
#include <functional>

#include "model/devices/mmio_bus.hpp"
#include "model/devices/timers.hpp"

namespace vmxsim::devices {

/// Three comparators, each one-shot or periodic, 64 or 32 bits, edge or level, legacy replacement routing. No FSB (MSI)
/// delivery.
class Hpet : public MmioDevice {
public:
    static constexpr HostPhysical kPage{0xfed00000};
    static constexpr unsigned kComparators = 3;
    static constexpr u64 kHz = 14318180, kPeriod = 69841279;  ///< femtoseconds of a tick
    struct Wires {
        std::function<void(unsigned pin, bool high)> io_apic;   ///< a pin of the I/O APIC
        std::function<void(unsigned irq, bool high)> legacy;    ///< IRQ 0 or 8, in place of PIT and RTC
    };
    Hpet(Timers& timers, Wires wires);
    /// Legacy replacement is on: PIT and RTC do not reach their interrupts.
    bool replaces_legacy() const { return config_ & 2; }

    u64 read(u64 offset, unsigned bytes) override;
    void write(u64 offset, unsigned bytes, u64 value) override;

private:
    struct Comparator {
        u64 config = 0, value = ~u64{0}, period = 0;
        bool accumulator_next = false;  ///< VAL_SET: the next write sets the comparator in periodic mode
        Timers::Id timer = 0;
    };
    bool enabled() const { return config_ & 1; }
    u64 counter() const;
    void schedule(Comparator& c);
    void fired(unsigned n, u64 cycle);
    void drive(unsigned n, bool high);
    u64 read_word(u64 offset) const;
    void write_word(u64 offset, u64 value, u64 mask);
    void write_config(unsigned n, u64 value);
    void write_comparator(unsigned n, u64 value, u64 mask);
    void enable(bool on);

    Timers& timers_;
    Wires wires_;
    Clock clock_;
    u64 config_ = 0, status_ = 0;
    u64 base_ = 0;   ///< the counter where it stands, or its difference to the clock while it runs
    std::array<Comparator, kComparators> comparators_;
};

}  // namespace vmxsim::devices
