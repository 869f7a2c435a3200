// SPDX-License-Identifier: Apache-2.0
// Which exception an instruction raises.
#pragma once
#include "bench.hpp"
#include "model/core/fpu.hpp"
#include "model/core/operand.hpp"

namespace vmxsim::core {

using Bytes = std::vector<u8>;
constexpr u64 kHandler = 0x1800;

struct Bench : FpuMachine {
    Bench() {
        put(kHandler, {0xf4});
        for (const u8 v : {vector::UD, vector::NM, vector::GP, vector::PF, vector::MF, vector::XM}) {
            gate(v, kHandler + v * 16u);
            put(kHandler + v * 16u, {0xf4});
        }
        s().r[vmx::RBX] = kData;
    }
    /// The vector that the instruction raises, or none (-1).
    int raises(const Bytes& code) {
        s().r[vmx::RSP] = kStack;
        execute(code);
        const u64 at = s().rip - 1;
        return at >= kHandler && at < kHandler + 0x200 ? static_cast<int>((at - kHandler) / 16) : -1;
    }
};

}  // namespace vmxsim::core
