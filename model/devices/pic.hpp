// SPDX-License-Identifier: Apache-2.0
// The pair of 8259A interrupt controllers of a PC, ports 20H, 21H, A0H, A1H, 4D0H and 4D1H.
#pragma once
#include <array>

#include "model/devices/io_bus.hpp"
#include "model/devices/timers.hpp"

namespace vmxsim::devices {

/// One 8259A (Intel 8259A data sheet): ICW1 to ICW4, OCW1 to OCW3. 8080/8085 mode and buffered mode are not modelled.
class Pic {
public:
    explicit Pic(bool master) : master_(master) {}
    /// An interrupt request input. Edge-triggered unless ELCR says level.
    void set_input(unsigned n, bool high);
    bool output() const { return pending() >= 0; }
    /// The input that the acknowledge cycle gets; it goes in service (unless automatic EOI). -1: none, a spurious
    /// interrupt that is answered as input 7 and is never in service.
    int acknowledge();
    u8 vector(unsigned n) const { return static_cast<u8>(base_ | n); }

    u8 read_command();
    u8 read_mask() const { return imr_; }
    void write_command(u8 value);
    void write_data(u8 value);
    u8 edge_level() const { return elcr_; }
    void set_edge_level(u8 value);
    bool polled() const { return poll_; }

private:
    int pending() const;
    /// Distance of an input from the highest priority; 8 for an empty set.
    unsigned rank(u8 set) const;
    void end_of_interrupt(u8 command);
    const bool master_;
    u8 irr_ = 0, imr_ = 0xff, isr_ = 0, inputs_ = 0, elcr_ = 0;
    u8 base_ = 0, icw3_ = 0, icw4_ = 0;
    u8 lowest_ = 7;            ///< the input of the lowest priority
    unsigned next_icw_ = 0;    ///< 2, 3, 4 while initialising; 0: operating
    bool need_icw4_ = false, single_ = false, rotate_on_aeoi_ = false;
    bool special_mask_ = false, read_isr_ = false, poll_ = false;
};

class PicPair : public PortDevice {
public:
    /// `output`: the INTR wire, told each change.
    explicit PicPair(Line output) : output_(std::move(output)) {}
    void attach_to(IoBus& bus);
    /// IRQ 0 to 15; IRQ 2 is the cascade and cannot be driven.
    void set_irq(unsigned irq, bool high);
    /// Interrupt acknowledge: the vector.
    u8 acknowledge();
    bool output() const { return high_; }

    u32 in(u16 port, unsigned bytes) override;
    void out(u16 port, unsigned bytes, u32 value) override;

private:
    static constexpr unsigned kCascade = 2;
    void update();
    Line output_;
    Pic master_{true}, slave_{false};
    bool high_ = false;
};

}  // namespace vmxsim::devices
