// SPDX-License-Identifier: Apache-2.0
#include "nested/vmcs12.hpp"

#include <algorithm>

namespace vmxsim::nested {

namespace {
struct Range {
    u32 first, last;  ///< encodings, both included
};
// Encodings by width and type (SDM Appendix B). Left out: what came with later CPUs, and IA32_PERF_GLOBAL_CTRL.
constexpr Range kRanges[] = {
    {0x0000, 0x0000},  // VPID
    {0x0800, 0x080e}, {0x0c00, 0x0c0c}, {0x2000, 0x200c}, {0x2010, 0x2014}, {0x201a, 0x201a}, {0x2400, 0x2400},
    {0x2800, 0x2806}, {0x280a, 0x2810}, {0x2c00, 0x2c02}, {0x4000, 0x401e}, {0x4400, 0x440e}, {0x4800, 0x482a},
    {0x4c00, 0x4c00}, {0x6000, 0x600e}, {0x6400, 0x640a}, {0x6800, 0x6826}, {0x6c00, 0x6c16},
};
}  // namespace

bool vmcs12_has(arch::Field f) {
    const u32 e = arch::encoding_of(f);
    return std::any_of(std::begin(kRanges), std::end(kRanges),
                       [e](const Range& r) { return e >= r.first && e <= r.last; });
}

u64 vmcs12_highest_index() {
    u64 highest = 0;
    for (std::size_t i = 0; i < arch::kFieldCount; ++i)
        if (vmcs12_has(static_cast<arch::Field>(i)))
            highest = std::max<u64>(highest, arch::kFields[i].encoding >> 1 & 0x1ff);
    return highest;
}

u64 Vmcs12::get(arch::Field f) const { return memory_->read(at_ + vmcs12_offset(f), arch::size_of(f)); }
void Vmcs12::set(arch::Field f, u64 value) { memory_->write(at_ + vmcs12_offset(f), arch::size_of(f), value); }

}  // namespace vmxsim::nested
