// SPDX-License-Identifier: Apache-2.0
// Random operands with the edges of all formats among them.
#pragma once
#include <random>

#include "bench.hpp"

namespace vmxsim::core {

class Operands {
public:
    explicit Operands(u64 seed) : random_(seed) {}
    u64 number(u64 n) { return random_() % n; }
    u64 any() { return random_(); }

    u32 single() {
        static constexpr u32 kEdges[] = {0,          0x80000000, 1,          0x80000001, 0x007fffff, 0x00800000, 0x3f800000,
                                         0xbf800000, 0x7f7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffc12345,
                                         0x4f000000, 0xcf000000, 0x3f000000, 0x3fc00000, 0x4b000001, 0x5f000000};
        switch (number(4)) {
            case 0: return kEdges[number(std::size(kEdges))];
            case 1: return static_cast<u32>(random_() & 0x807fffff) | static_cast<u32>(120 + number(16)) << 23;
            case 2: return static_cast<u32>(random_() & 0x807fffff) | static_cast<u32>(number(4) * 84) << 23;
            default: return static_cast<u32>(random_());
        }
    }
    u64 real() {
        static constexpr u64 kEdges[] = {0, 1, 0x8000000000000000, 0x000fffffffffffff, 0x0010000000000000,
                                         0x3ff0000000000000, 0xbff0000000000000, 0x7fefffffffffffff, 0x7ff0000000000000,
                                         0xfff0000000000000, 0x7ff8000000000000, 0x7ff0000000000001, 0xfff8000000012345,
                                         0x41e0000000000000, 0x43e0000000000000, 0xc1e0000000200000, 0x3fe0000000000000,
                                         0x36a0000000000000, 0x3810000000000000, 0x47efffffffffffff};
        switch (number(4)) {
            case 0: return kEdges[number(std::size(kEdges))];
            case 1: return (random_() & 0x800fffffffffffff) | (1010 + number(30)) << 52;
            case 2: return (random_() & 0x800fffffffffffff) | (number(4) * 682) << 52;
            default: return random_();
        }
    }
    u64 integer() {
        static constexpr u64 kEdges[] = {0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000,
                                         0x7fffffffffffffff, 0x8000000000000000, ~u64{0}};
        switch (number(4)) {
            case 0: return kEdges[number(std::size(kEdges))];
            case 1: return number(70);
            case 2: return random_() & random_() & random_();
            default: return random_();
        }
    }
    u64 quadword(u64 kind) {
        switch (kind) {
            case 0: return u64{single()} << 32 | single();
            case 1: return real();
            case 2: return integer();
            default: {  // text: few values, zeros among them
                u64 v = 0;
                for (unsigned i = 0; i < 8; ++i) v = v << 8 | (number(9) ? 'a' + number(4) : 0);
                return v;
            }
        }
    }
    void extended(u8* to) {
        u64 significand = random_() | u64{1} << 63;
        unsigned exponent = 16383;
        switch (number(8)) {
            case 0: exponent = 0, significand = number(2) ? 0 : random_() >> number(64); break;  // zero, denormals
            case 1: exponent = 0x7fff, significand = number(2) ? u64{1} << 63 : random_(); break;  // infinity, NaNs, pseudo
            case 2: exponent = static_cast<unsigned>(number(0x8000)); break;
            case 3: exponent = static_cast<unsigned>(16383 + number(70)), significand = (number(1000) + 1) << 53 | u64{1} << 63; break;
            case 4: exponent = static_cast<unsigned>(16383 + number(64)); break;
            case 5: significand = random_(); break;  // unnormals
            default: exponent = static_cast<unsigned>(16383 - 40 + number(80)); break;
        }
        exponent |= number(2) ? 0x8000u : 0u;
        std::memcpy(to, &significand, 8);
        to[8] = static_cast<u8>(exponent), to[9] = static_cast<u8>(exponent >> 8);
    }

    /// No x87 exception is pending; SSE exceptions are masked.
    FxImage image() {
        FxImage x;
        const u64 kind = number(4);
        x.control = static_cast<u16>(0x40 | (number(4) ? 0x3f : number(64)) | number(4) << 10 | (number(2) ? 3 : number(4)) << 8);
        x.status = static_cast<u16>((number(64) & x.control) | (random_() & 0x7f00));
        x.tags = static_cast<u16>(number(2) ? 0xff : random_() & 0xff);
        x.mxcsr = static_cast<u32>(0x1f80 | (random_() & 0xe07f));
        if (number(2)) x.mxcsr = 0x1f80;
        for (auto& r : x.st) extended(r);
        for (auto& v : x.xmm) v.q = {quadword(kind), quadword(kind)};
        if (number(3) == 0) x.xmm[number(16)] = x.xmm[number(16)];
        return x;
    }

private:
    std::mt19937_64 random_;
};

}  // namespace vmxsim::core
