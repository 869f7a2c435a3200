// SPDX-License-Identifier: Apache-2.0
// Ports by which a test image prints and ends the run.
#pragma once
#include <functional>
#include <string_view>

#include "model/devices/io_bus.hpp"

namespace vmxsim::devices {

/// QEMU's isa-debug-exit: a value written is the run's exit status, (value << 1) | 1, so that 0 cannot be faked by a guest
/// that only writes zeros. Reads give 0.
class DebugExit : public PortDevice {
public:
    static constexpr u16 kFirst = 0xf4, kLast = 0xf7;
    /// `exit` gets the status, uncut: a host keeps its low eight bits.
    explicit DebugExit(std::function<void(int)> exit) : exit_(std::move(exit)) {}
    u32 in(u16, unsigned) override { return 0; }
    void out(u16, unsigned bytes, u32 value) override {
        const u32 mask = bytes >= 4 ? ~u32{0} : (u32{1} << 8 * bytes) - 1;
        if (exit_) exit_(static_cast<int>((value & mask) << 1 | 1));
    }

private:
    std::function<void(int)> exit_;
};

/// Bochs's port E9H and QEMU's isa-debugcon: what is written is text, and reads give E9H, by which an image knows it.
class DebugConsole : public PortDevice {
public:
    static constexpr u16 kPort = 0xe9;
    explicit DebugConsole(std::function<void(char)> put) : put_(std::move(put)) {}
    u32 in(u16, unsigned) override { return kPort; }
    void out(u16, unsigned, u32 value) override {
        if (put_) put_(static_cast<char>(value & 0xff));
    }

private:
    std::function<void(char)> put_;
};

/// Bochs's and old QEMU's power-off port: the letters of "Shutdown", one byte each, in a row.
class ShutdownPort : public PortDevice {
public:
    static constexpr u16 kPort = 0x8900;
    explicit ShutdownPort(std::function<void()> shutdown) : shutdown_(std::move(shutdown)) {}
    u32 in(u16, unsigned) override { return 0; }
    void out(u16, unsigned, u32 value) override {
        constexpr std::string_view kWord = "Shutdown";
        const char letter = static_cast<char>(value & 0xff);
        seen_ = letter == kWord[seen_] ? seen_ + 1 : letter == kWord[0] ? 1 : 0;
        if (seen_ < kWord.size()) return;
        seen_ = 0;
        if (shutdown_) shutdown_();
    }

private:
    std::function<void()> shutdown_;
    std::size_t seen_ = 0;  ///< letters of the word so far
};

}  // namespace vmxsim::devices
