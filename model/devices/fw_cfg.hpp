// SPDX-License-Identifier: Apache-2.0
// Firmware configuration: what the machine tells its firmware, as QEMU does it ("QEMU Firmware Configuration (fw_cfg)
// Device" in its documentation). Port interface only: no DMA, no files, nothing can be written.
#pragma once
#include <map>
#include <vector>

#include "model/devices/io_bus.hpp"

namespace vmxsim::devices {

class FwCfg : public PortDevice {
public:
    static constexpr u16 kSelector = 0x510, kData = 0x511;
    enum Key : u16 { kSignature = 0, kId = 1, kUuid = 2, kRamSize = 3, kNoGraphic = 4, kCpuCount = 5, kMaxCpus = 15,
                     kFileDirectory = 0x19 };

    FwCfg(u64 ram_bytes, u16 cpus);
    /// Gives a key its bytes; a later value replaces an earlier one.
    void set(u16 key, std::vector<u8> bytes);
    /// A little-endian number of `bytes` bytes.
    void set_number(u16 key, u64 value, unsigned bytes);

    u32 in(u16 port, unsigned bytes) override;
    void out(u16 port, unsigned bytes, u32 value) override;

private:
    std::map<u16, std::vector<u8>> items_;
    u16 selected_ = 0;
    std::size_t offset_ = 0;  ///< next byte of the selected item; beyond its end come zeros
};

}  // namespace vmxsim::devices
