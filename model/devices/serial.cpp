// SPDX-License-Identifier: Apache-2.0
#include "model/devices/serial.hpp"

#include <utility>

namespace vmxsim::devices {
namespace {

// Registers by offset. With LCR.DLAB, 0 and 1 are the divisor.
enum : unsigned { kData = 0, kIer = 1, kIirFcr = 2, kLcr = 3, kMcr = 4, kLsr = 5, kMsr = 6, kScr = 7 };

constexpr u8 kIerReceived = 1, kIerTransmitter = 2, kIerLine = 4, kIerModem = 8;
constexpr u8 kFcrEnable = 1, kFcrClearReceiver = 2, kFcrTrigger = 0xc0;
constexpr u8 kLcrDlab = 0x80;
constexpr u8 kMcrDtr = 1, kMcrRts = 2, kMcrOut1 = 4, kMcrOut2 = 8, kMcrLoop = 16;
constexpr u8 kLsrDataReady = 1, kLsrOverrun = 2, kLsrTransmitterEmpty = 0x60;
constexpr u8 kMsrCts = 0x10, kMsrDsr = 0x20, kMsrRi = 0x40, kMsrDcd = 0x80;
constexpr u8 kIirNone = 1, kIirModem = 0, kIirTransmitter = 2, kIirReceived = 4, kIirLine = 6, kIirTimeout = 12;
constexpr u8 kIirFifos = 0xc0;

constexpr std::size_t kFifoDepth = 16;
constexpr std::size_t kTriggerLevel[4] = {1, 4, 8, 14};

}  // namespace

Serial::Serial(std::function<void(char)> sink, u16 base, std::function<void(bool)> interrupt)
    : sink_(std::move(sink)), interrupt_(std::move(interrupt)), base_(base) {}

u32 Serial::in(u16 port, unsigned bytes) {
    u32 value = 0;
    for (unsigned i = 0; i < bytes; ++i) value |= u32{read((port - base_ + i) & 7)} << 8 * i;
    update_interrupt();
    return value;
}

void Serial::out(u16 port, unsigned bytes, u32 value) {
    for (unsigned i = 0; i < bytes; ++i) write((port - base_ + i) & 7, static_cast<u8>(value >> 8 * i));
    update_interrupt();
}

void Serial::receive(u8 byte) {
    const std::size_t depth = fcr_ & kFcrEnable ? kFifoDepth : 1;
    if (received_.size() < depth) {
        received_.push_back(byte);
    } else {
        overrun_ = true;
        if (!(fcr_ & kFcrEnable)) received_.back() = byte;  // no FIFO: the new byte overwrites the unread one
    }
    update_interrupt();
}

u8 Serial::read(unsigned reg) {
    switch (reg) {
        case kData: {
            if (lcr_ & kLcrDlab) return static_cast<u8>(divisor_);
            if (received_.empty()) return 0;
            const u8 byte = received_.front();
            received_.pop_front();
            return byte;
        }
        case kIer: return lcr_ & kLcrDlab ? static_cast<u8>(divisor_ >> 8) : ier_;
        case kIirFcr: {
            const u8 cause = pending();
            if (cause == kIirTransmitter) transmitter_event_ = false;  // reading it is the acknowledgement
            return static_cast<u8>(cause | (fcr_ & kFcrEnable ? kIirFifos : 0));
        }
        case kLcr: return lcr_;
        case kMcr: return mcr_;
        case kLsr: {
            const u8 value = static_cast<u8>(kLsrTransmitterEmpty | (received_.empty() ? 0 : kLsrDataReady) |
                                             (overrun_ ? kLsrOverrun : 0));
            overrun_ = false;
            return value;
        }
        case kMsr: {
            const u8 value = static_cast<u8>(modem_lines() | modem_deltas_);
            modem_deltas_ = 0;
            return value;
        }
        default: return scr_;
    }
}

void Serial::write(unsigned reg, u8 value) {
    switch (reg) {
        case kData:
            if (lcr_ & kLcrDlab) {
                divisor_ = static_cast<u16>((divisor_ & 0xff00) | value);
                return;
            }
            if (mcr_ & kMcrLoop)
                receive(value);
            else if (sink_)
                sink_(static_cast<char>(value));
            transmitter_event_ = true;  // empty again at once
            return;
        case kIer:
            if (lcr_ & kLcrDlab) {
                divisor_ = static_cast<u16>((divisor_ & 0xff) | value << 8);
                return;
            }
            if (value & ~ier_ & kIerTransmitter) transmitter_event_ = true;  // enabling with an empty THR interrupts
            ier_ = value & 0xf;
            return;
        case kIirFcr: return write_fifo_control(value);
        case kLcr: lcr_ = value; return;
        case kMcr: return write_modem_control(value);
        case kScr: scr_ = value; return;
        default: return;  // LSR and MSR: written only by factory tests
    }
}

void Serial::write_fifo_control(u8 value) {
    // Switching the FIFOs on or off empties them; the clear bits act only together with the enable bit.
    const bool toggled = (value ^ fcr_) & kFcrEnable;
    if (toggled || (value & kFcrEnable && value & kFcrClearReceiver)) received_.clear();
    fcr_ = value & kFcrEnable ? value & (kFcrEnable | kFcrTrigger) : 0;
}

void Serial::write_modem_control(u8 value) {
    const u8 before = modem_lines();
    mcr_ = value & 0x1f;
    const u8 after = modem_lines();
    const u8 changed = before ^ after;
    // Deltas in the order of the lines; the ring indicator tells only its trailing edge.
    modem_deltas_ |= static_cast<u8>(changed >> 4 & 0xb);
    if (changed & kMsrRi && !(after & kMsrRi)) modem_deltas_ |= 4;
}

u8 Serial::modem_lines() const {
    if (!(mcr_ & kMcrLoop)) return kMsrCts | kMsrDsr | kMsrDcd;  // someone listens at the other end
    return static_cast<u8>((mcr_ & kMcrRts ? kMsrCts : 0) | (mcr_ & kMcrDtr ? kMsrDsr : 0) |
                           (mcr_ & kMcrOut1 ? kMsrRi : 0) | (mcr_ & kMcrOut2 ? kMsrDcd : 0));
}

u8 Serial::pending() const {
    if (ier_ & kIerLine && overrun_) return kIirLine;
    if (ier_ & kIerReceived && !received_.empty()) {
        const bool full = !(fcr_ & kFcrEnable) || received_.size() >= kTriggerLevel[fcr_ >> 6];
        return full ? kIirReceived : kIirTimeout;
    }
    if (ier_ & kIerTransmitter && transmitter_event_) return kIirTransmitter;
    if (ier_ & kIerModem && modem_deltas_) return kIirModem;
    return kIirNone;
}

void Serial::update_interrupt() {
    const bool line = pending() != kIirNone && mcr_ & kMcrOut2 && !(mcr_ & kMcrLoop);
    if (line == line_) return;
    line_ = line;
    if (interrupt_) interrupt_(line);
}

}  // namespace vmxsim::devices
