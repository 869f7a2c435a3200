// SPDX-License-Identifier: Apache-2.0
// Any sequence of accesses to the devices, and any passing of time. Input: flags, then operations.
#include <array>
#include <iterator>

#include "model/devices/debug_exit.hpp"
#include "model/devices/fw_cfg.hpp"
#include "model/devices/platform.hpp"
#include "model/devices/serial.hpp"
#include "tests/fuzz/target.hpp"

using namespace vmxsim;
using namespace vmxsim::devices;

namespace {

constexpr u64 kPorts[] = {0x20, 0x21, 0xa0, 0xa1, 0x40, 0x41, 0x42, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x80, 0x92, 0xe0, 0xe8,
                          0xf4, 0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff, 0x4d0, 0x510, 0x511, 0x600, 0x604, 0x608,
                          0xb000, 0xb004, 0xb008, 0xcf8, 0xcf9, 0xcfc, 0x2000, 0x2005, 0x2017, 0x8900, 0, 0xffff, 0xfffe};
constexpr u64 kPages[] = {0xfee00000, 0xfec00000, 0xfed00000, 0xff000000, 0xff00f000, 0xfee01000};
constexpr u64 kOffsets[] = {0, 0x10, 0x20, 0x30, 0x80, 0xb0, 0xd0, 0xe0, 0xf0, 0x100, 0x108, 0x110, 0x120, 0x128, 0x300, 0x310,
                            0x320, 0x350, 0x360, 0x370, 0x380, 0x390, 0x3e0, 0x3f0, 0xff8, 0xfff};
constexpr u64 kValues[] = {0, 1, 2, 3, 0x10, 0x11, 0x20, 0x30, 0x34, 0x36, 0xb6, 0xff, 0x1ff, 0x10020, 0x20030, 0x4030, 0x8700,
                           0xc4500, 0x500, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff, ~u64{0}};

}  // namespace

std::vector<fuzz::Input> fuzz::seeds() {
    std::vector<Input> all;
    for (const u8 flags : {u8{0}, u8{1}})
        for (u8 start = 0; start < 8; ++start) {
            Input in{flags};
            for (u8 i = 0; i < 40; ++i)
                in.insert(in.end(), {static_cast<u8>(i + start), static_cast<u8>(i * 5 + start), static_cast<u8>(i * 3), static_cast<u8>(i * 11)});
            all.push_back(in);
        }
    return all;
}

int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
    fuzz::Reader in({data, size});
    const u8 flags = in.byte();
    // Two processors; the devices' time is that of the one that runs.
    std::array<u64, 2> cycles{};
    const std::array<const u64*, 2> counts{&cycles[0], &cycles[1]};
    std::size_t running = 0, sent = 0;
    Platform platform(counts, {.cycle_hz = 1'000'000'000, .bus_hz = 100'000'000, .ram_bytes = 64 << 20, .local_apic = (flags & 1) != 0,
                               .apic = {.x2apic = true, .tsc_deadline = true}, .reset = [] {}, .power_off = [] {}});
    IoBus io;
    std::array<MmioBus, 2> buses;
    Serial serial([&](char) { ++sent; }, Serial::kCom1, [&](bool high) { platform.set_irq(4, high); });
    FwCfg fw_cfg(64 << 20, 1);
    DebugExit debug_exit([](int) {});
    ShutdownPort shutdown([] {});
    platform.attach_to(io);
    for (unsigned i = 0; i < 2; ++i) platform.attach_to(buses[i], i);
    io.attach(serial.first(), serial.last(), serial);
    io.attach(DebugExit::kFirst, DebugExit::kLast, debug_exit);
    io.attach(FwCfg::kSelector, FwCfg::kData, fw_cfg);
    io.attach(ShutdownPort::kPort, ShutdownPort::kPort, shutdown);

    for (unsigned operations = 0; !in.empty() && operations < 4096; ++operations) {
        const u8 what = in.byte();
        MmioBus& mmio = buses[running];
        ProcessorPort& processor = platform.processor(static_cast<unsigned>(running));
        const unsigned bytes = 1u << (what >> 4) % 3;
        switch (what & 15) {
            case 0: case 1: case 2: case 3: {
                const u16 port = static_cast<u16>(in.value(kPorts));
                io.out(port, bytes, static_cast<u32>(in.value(kValues)));
                break;
            }
            case 4: case 5: io.in(static_cast<u16>(in.value(kPorts)), bytes); break;
            case 6: case 7: case 8: case 9: {
                const HostPhysical at{in.value(kPages) + in.value(kOffsets)};
                u8 buffer[32] = {};
                const u64 value = in.value(kValues);
                std::memcpy(buffer, &value, 8);
                const unsigned room = static_cast<unsigned>(4096 - at.page_offset());
                const unsigned n = std::min(room, (what & 0xf0) == 0xf0 ? 32u : 1u << (what >> 4) % 4);
                if (!mmio.claims(at)) break;
                if (what & 1) mmio.read(at, buffer, n);
                else mmio.write(at, buffer, n);
                break;
            }
            case 10: platform.set_irq(in.byte() % 24, what & 0x10); break;
            case 11: {
                u64 value = 0;
                const u32 msr = what & 0x20 ? 0x1b : 0x800u + (in.byte() & 0x3fu);
                if (what & 0x10) processor.write_msr(what & 0x40 ? 0x6e0 : msr, in.value(kValues));
                else processor.read_msr(msr, value);
                break;
            }
            case 12: if (processor.lines().interrupt) processor.acknowledge(); break;
            case 13: serial.receive(in.byte()); break;
            case 14:
                processor.set_task_priority(in.byte());
                if (what & 0x10) processor.initialised();
                if (what & 0x20) processor.tsc_adjusted(in.value(kValues));
                break;
            default:
                // At most a second: the timers' events one by one.
                if (what == 0xff) {
                    running ^= 1;
                    platform.follow(static_cast<unsigned>(running));
                    break;
                }
                cycles[running] += u64{1} << (what >> 4) * 2;
                if (cycles[running] >= processor.lines().deadline) processor.advance();
        }
        VMXSIM_HOLDS(processor.task_priority() <= 0xff);
    }
    return 0;
}
