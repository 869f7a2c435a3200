// SPDX-License-Identifier: Apache-2.0
// What a fuzz target has: an entry point that libFuzzer and the driver of this folder call, and inputs to start from.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "model/arch/types.hpp"

namespace vmxsim::fuzz {

using Input = std::vector<u8>;

/// Inputs that reach far. At least one.
std::vector<Input> seeds();

/// A property that holds for every input.
#define VMXSIM_HOLDS(condition)                                                                     \
    do {                                                                                            \
        if (!(condition)) {                                                                         \
            std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);     \
            std::abort();                                                                           \
        }                                                                                           \
    } while (0)

/// Takes values off an input; zeros behind its end.
class Reader {
public:
    explicit Reader(std::span<const u8> bytes) : left_(bytes) {}
    bool empty() const { return left_.empty(); }
    std::span<const u8> rest() const { return left_; }
    u8 byte() {
        if (left_.empty()) return 0;
        const u8 b = left_[0];
        left_ = left_.subspan(1);
        return b;
    }
    u64 number(unsigned bytes) {
        u64 value = 0;
        for (unsigned i = 0; i < bytes; ++i) value |= u64{byte()} << 8 * i;
        return value;
    }
    /// One byte that names a value worth trying, or, from 0xc0 on, says that 1, 2, 4 or 8 bytes of it follow.
    u64 value(std::span<const u64> pool) {
        const u8 b = byte();
        return b >= 0xc0 ? number(1u << (b & 3)) : pool[b % pool.size()];
    }

private:
    std::span<const u8> left_;
};

inline Input text(const std::string& s) { return {s.begin(), s.end()}; }

}  // namespace vmxsim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const vmxsim::u8* data, std::size_t size);
