// SPDX-License-Identifier: Apache-2.0
// QEMU's pc-testdev, for test images: interrupt lines as ports, a latch to test I/O, a page of memory-mapped I/O.
#pragma once
#include <array>
#include <cstring>
#include <functional>

#include "model/devices/io_bus.hpp"
#include "model/devices/mmio_bus.hpp"

namespace vmxsim::devices {

/// Ports 2000H + n: the level of IRQ n. Ports E0H to E8H: what was written is read back. 64 KiB at FF000000H: the
/// same in memory.
class TestDevice : public PortDevice, public MmioDevice {
public:
    static constexpr u16 kIrqFirst = 0x2000, kIrqLast = 0x2017, kLatchFirst = 0xe0, kLatchLast = 0xe8;
    static constexpr HostPhysical kMemory{0xff000000};
    static constexpr u64 kMemoryBytes = 0x10000;
    explicit TestDevice(std::function<void(unsigned irq, bool high)> irq) : irq_(std::move(irq)) {}

    u32 in(u16 port, unsigned bytes) override {
        if (port >= kIrqFirst) return 0;
        u32 value = 0;
        std::memcpy(&value, latch_.data() + (port - kLatchFirst), bytes);
        return value;
    }
    void out(u16 port, unsigned bytes, u32 value) override {
        if (port >= kIrqFirst) irq_(port - kIrqFirst, value != 0);
        else std::memcpy(latch_.data() + (port - kLatchFirst), &value, bytes);
    }
    u64 read(u64 offset, unsigned bytes) override {
        u64 value = 0;
        std::memcpy(&value, memory_.data() + offset, bytes);
        return value;
    }
    void write(u64 offset, unsigned bytes, u64 value) override { std::memcpy(memory_.data() + offset, &value, bytes); }

private:
    std::function<void(unsigned, bool)> irq_;
    std::array<u8, 16> latch_{};
    std::array<u8, kMemoryBytes> memory_{};
};

}  // namespace vmxsim::devices
