// SPDX-License-Identifier: Apache-2.0
// A reproducible stream of requests that visits every operation, with the weights of a nested hypervisor gone wild.
#pragma once
#include <algorithm>
#include <cstring>
#include <random>

#include "model/arch/vmcs_port.hpp"

namespace vmxsim::test {

class RandomRequests {
public:
    RandomRequests(u64 seed, u64 regions) : random_(seed), regions_(regions) {}

    arch::VmcsRequest next() {
        using arch::VmcsOp;
        static constexpr struct { VmcsOp op; unsigned weight; } kMix[] = {
            {VmcsOp::Read, 34},     {VmcsOp::Write, 28},    {VmcsOp::Activate, 8},        {VmcsOp::Clear, 3},
            {VmcsOp::BulkRead, 7},  {VmcsOp::BulkWrite, 5}, {VmcsOp::GetLaunchState, 4},  {VmcsOp::SetLaunchState, 4},
            {VmcsOp::Merge, 6},     {VmcsOp::FlushAll, 1}};
        arch::VmcsRequest r;
        for (u64 pick = below(100); const auto& row : kMix) {
            r.op = row.op;
            if (pick < row.weight) break;
            pick -= row.weight;
        }
        r.vmcs = region();
        r.source = region();
        r.encoding = encoding();
        r.data = random_();
        r.lines = lines();
        if (r.op == VmcsOp::BulkWrite)
            for (std::size_t i = 0; i < page_.bytes.size(); i += 8) {
                const u64 v = random_();
                std::memcpy(page_.bytes.data() + i, &v, 8);
            }
        r.page = &page_;
        return r;
    }

private:
    u64 below(u64 n) { return random_() % n; }
    /// Mostly few, so that there are hits; some with all address bits in use.
    HostPhysical region() {
        const u64 i = below(2) ? below(regions_) : below(std::min<u64>(regions_, 2));
        return {i % 3 == 2 ? 0x000f'ffff'0000'0000 + (i << 12) : (i + 1) << 12};
    }
    u32 encoding() {
        const auto& f = arch::kFields[below(arch::kFieldCount)];
        switch (below(16)) {
        case 0: return f.encoding | 1;                                  // high, where the field is a 64-bit one
        case 1: return static_cast<u32>(below(0x10000));
        case 2: return below(4) ? f.encoding : f.encoding ^ (1u << below(32));
        default: return f.encoding;
        }
    }
    arch::LineMask lines() {
        switch (below(8)) {
        case 0: return 0;
        case 1: return random_();
        case 2: return ~u64{0};
        case 3: return arch::kGenericLayout.lines[below(4)];
        default: return u64{1} << below(64) | u64{1} << below(64);
        }
    }
    std::mt19937_64 random_;
    u64 regions_;
    arch::VmcsPage page_;
};

}  // namespace vmxsim::test
