// SPDX-License-Identifier: Apache-2.0
// The 512 bytes that FXSAVE and the XSAVE family share (SDM 1, table 10-2).
#pragma once
#include "model/core/vector/table.hpp"

namespace vmxsim::core::simd {

namespace fxsave {
enum : unsigned { kControl = 0, kStatus = 2, kTags = 4, kOpcode = 6, kIp = 8, kCs = 12, kDp = 16, kDs = 20, kMxcsr = 24,
                  kMxcsrMask = 28, kSt = 32, kXmm = 160 };
inline constexpr unsigned kBytes = 512, kStBytes = 16;
}  // namespace fxsave

using FxsaveImage = std::array<u8, fxsave::kBytes>;

template <class T>
void put(FxsaveImage& image, unsigned at, T value) { std::memcpy(&image[at], &value, sizeof value); }
template <class T>
T get(const FxsaveImage& image, unsigned at) {
    T value;
    std::memcpy(&value, &image[at], sizeof value);
    return value;
}

/// XMM8 to XMM15 are there in 64-bit mode only.
inline unsigned xmm_count(const Core& core) { return core.state.code64() ? 16 : 8; }

/// `wide`: 64-bit pointers, without selectors.
void save_x87(const FpuState& fpu, bool wide, FxsaveImage& image);
void load_x87(FpuState& fpu, bool wide, const FxsaveImage& image);
void save_xmm(const FpuState& fpu, unsigned count, FxsaveImage& image);
void load_xmm(FpuState& fpu, unsigned count, const FxsaveImage& image);
void save_mxcsr(const FpuState& fpu, FxsaveImage& image);

void add_xsave(Table& t);  // xsave.cpp

}  // namespace vmxsim::core::simd
