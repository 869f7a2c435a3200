// SPDX-License-Identifier: Apache-2.0
#include "model/devices/fw_cfg.hpp"

#include <utility>

namespace vmxsim::devices {

FwCfg::FwCfg(u64 ram_bytes, u16 cpus) {
    set(kSignature, {'Q', 'E', 'M', 'U'});
    set_number(kId, 1, 4);  // bit 0: the port interface; bit 1 would be DMA
    set(kUuid, std::vector<u8>(16));
    set_number(kRamSize, ram_bytes, 8);
    set_number(kNoGraphic, 1, 2);
    set_number(kCpuCount, cpus, 2);
    set_number(kMaxCpus, cpus, 2);
    set_number(kFileDirectory, 0, 4);  // a count of files (big-endian, but zero)
}

void FwCfg::set(u16 key, std::vector<u8> bytes) { items_[key] = std::move(bytes); }

void FwCfg::set_number(u16 key, u64 value, unsigned bytes) {
    std::vector<u8> image;
    for (unsigned i = 0; i < bytes; ++i) image.push_back(static_cast<u8>(value >> 8 * i));
    set(key, std::move(image));
}

u32 FwCfg::in(u16 port, unsigned bytes) {
    // The data register is one byte wide; wider reads are not claimed, and the selector cannot be read back.
    if (port != kData || bytes != 1) return 0;
    const auto item = items_.find(selected_);
    if (item == items_.end() || offset_ >= item->second.size()) return 0;
    return item->second[offset_++];
}

void FwCfg::out(u16 port, unsigned bytes, u32 value) {
    if (port != kSelector || bytes != 2) return;
    selected_ = static_cast<u16>(value & ~u32{0x4000});  // bit 14 selected the write channel, which is gone
    offset_ = 0;
}

}  // namespace vmxsim::devices
