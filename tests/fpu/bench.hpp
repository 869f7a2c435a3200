// SPDX-License-Identifier: Apache-2.0
// The same few instructions in the simulated machine and on the host: FXRSTOR, the instruction, FXSAVE.
#pragma once
#include <string>

#include "../engine/machine.hpp"
#include "../engine/native.hpp"

namespace vmxsim::core {

/// The image of FXSAVE64.
struct alignas(16) FxImage {
    u16 control = 0x37f, status = 0;
    u16 tags = 0;
    u16 opcode = 0;
    u64 ip = 0, dp = 0;
    u32 mxcsr = 0x1f80, mask = 0;
    u8 st[8][16] = {};
    Vector xmm[16] = {};
    u8 rest[96] = {};
};
static_assert(sizeof(FxImage) == 512);

inline void append(std::vector<u8>& to, std::initializer_list<unsigned> bytes) {
    for (const unsigned b : bytes) to.push_back(static_cast<u8>(b));
}
inline void append_address(std::vector<u8>& to, u64 at) {
    for (unsigned i = 0; i < 4; ++i) to.push_back(static_cast<u8>(at >> 8 * i));
}

struct FpuMachine : Machine {
    static constexpr u64 kBefore = kData, kAfter = kData + 0x400, kHostCsr = kData + 0x800, kWindow = kData + 0xf80;
    static constexpr unsigned kWindowBytes = 256;

    explicit FpuMachine(TimingLevel timing = TimingLevel::None, unsigned bits = 64) : Machine(timing, bits) {
        s().cr4 |= vmx::cr4::OSFXSR | vmx::cr4::OSXMMEXCPT;
        s().cr0 |= vmx::cr0::NE | vmx::cr0::MP;
    }
    /// Runs bytes at kCode to the HLT behind them.
    StopReason execute(std::vector<u8> code) {
        code.push_back(0xf4);
        place_ += 64;
        if (place_ >= kData - 64) place_ = kCode;
        put(place_, code);
        s().rip = place_;
        return run(10000);
    }

private:
    u64 place_ = kCode;
};

/// FXRSTOR64 [kBefore]; the instruction; FXSAVE64 [kAfter].
inline std::vector<u8> between_saves(const std::vector<u8>& instruction) {
    std::vector<u8> code;
    append(code, {0x48, 0x0f, 0xae, 0x0c, 0x25}), append_address(code, FpuMachine::kBefore);
    code.insert(code.end(), instruction.begin(), instruction.end());
    append(code, {0x48, 0x0f, 0xae, 0x04, 0x25}), append_address(code, FpuMachine::kAfter);
    return code;
}
/// Leaves the host's FPU as the ABI has it: FNINIT, LDMXCSR.
inline void leave_host(std::vector<u8>& code) {
    append(code, {0xdb, 0xe3, 0x0f, 0xae, 0x14, 0x25}), append_address(code, FpuMachine::kHostCsr);
}

inline std::string hex(std::span<const u8> bytes) {
    std::string s;
    char b[4];
    for (const u8 v : bytes) std::snprintf(b, sizeof b, "%02x ", v), s += b;
    return s;
}

}  // namespace vmxsim::core
