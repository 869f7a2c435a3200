// SPDX-License-Identifier: Apache-2.0
#include "sim/firmware/memory_types.hpp"

namespace vmxsim::sim {

void set_memory_types(core::SystemState& system, u64 address_bits) {
    constexpr u64 kWriteBackRanges = 0x0606060606060606, kWriteProtectedRanges = 0x0505050505050505;
    constexpr u64 kEnable = 1u << 11, kEnableFixed = 1u << 10, kWriteBack = 6, kUncacheable = 0, kValid = 1u << 11;
    constexpr u64 kDevices = u64{3} << 30, kDeviceBytes = u64{1} << 30;  // the last GiB below 4 GiB
    system.mtrr_fixed[0] = system.mtrr_fixed[1] = kWriteBackRanges;      // 0 to 640 KiB
    system.mtrr_fixed[2] = 0;                                            // A0000H: video
    for (std::size_t i = 3; i < system.mtrr_fixed.size(); ++i) system.mtrr_fixed[i] = kWriteProtectedRanges;  // ROM
    system.mtrr_variable[0] = kDevices | kUncacheable;
    system.mtrr_variable[1] = (((u64{1} << address_bits) - 1) & ~(kDeviceBytes - 1)) | kValid;
    system.mtrr_default = kEnable | kEnableFixed | kWriteBack;
}

}  // namespace vmxsim::sim
