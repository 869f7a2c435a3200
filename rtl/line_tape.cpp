// SPDX-License-Identifier: Apache-2.0
#include "rtl/line_tape.hpp"

#include <fmt/format.h>

namespace vmxsim::rtl {

std::string describe(const LineTransfer& t) {
    return fmt::format("{} of line {:#x}", t.write ? "write" : "read", t.line.raw);
}

Cycles LineTape::record(bool write, HostPhysical line, Cycles latency, const u8 (&bytes)[64]) {
    auto& t = transfers_.emplace_back(LineTransfer{write, line, latency, {}});
    std::memcpy(t.bytes.data(), bytes, sizeof bytes);
    return latency;
}

Cycles LineTape::Recorder::read_line(HostPhysical line, u8 (&bytes)[64]) {
    const Cycles latency = memory_.read_line(line, bytes);
    return tape_.record(false, line, latency, bytes);
}

Cycles LineTape::Recorder::write_line(HostPhysical line, const u8 (&bytes)[64]) {
    return tape_.record(true, line, memory_.write_line(line, bytes), bytes);
}

/// The recorded transfer that this one must be; null, and the difference noted, where it is another.
const LineTransfer* LineTape::play(bool write, HostPhysical line) {
    const std::size_t n = played_++;
    if (n < transfers_.size() && transfers_[n].write == write && transfers_[n].line == line) return &transfers_[n];
    if (difference_.empty())
        difference_ = fmt::format("transfer {}: {}, not {}", n,
                                  n < transfers_.size() ? describe(transfers_[n]) : std::string("none"),
                                  describe({write, line, {}, {}}));
    return nullptr;
}

Cycles LineTape::Player::read_line(HostPhysical line, u8 (&bytes)[64]) {
    const LineTransfer* t = tape_.play(false, line);
    if (!t) {
        std::memset(bytes, 0xff, sizeof bytes);
        return {1};
    }
    std::memcpy(bytes, t->bytes.data(), sizeof bytes);
    return t->latency;
}

Cycles LineTape::Player::write_line(HostPhysical line, const u8 (&bytes)[64]) {
    const LineTransfer* t = tape_.play(true, line);
    if (!t) return {1};
    for (std::size_t i = 0; i < sizeof bytes && tape_.difference_.empty(); ++i)
        if (bytes[i] != t->bytes[i])
            tape_.difference_ = fmt::format("write of line {:#x}, byte {}: {:#04x}, not {:#04x}", line.raw, i, t->bytes[i],
                                            bytes[i]);
    return t->latency;
}

std::string LineTape::difference() const {
    if (!difference_.empty() || played_ >= transfers_.size()) return difference_;
    return fmt::format("transfer {}: {}, not none", played_, describe(transfers_[played_]));
}

}  // namespace vmxsim::rtl
