// SPDX-License-Identifier: Apache-2.0
// Modeller's mistakes, and messages.
#include <cstdio>
#include <stdexcept>

#include "model/vmcs_cache/cache.hpp"

namespace vmxsim::vmcs_cache {
namespace {
std::string hex(u64 v) {
    char text[24];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(v));
    return text;
}
constexpr u64 kRegionBits = 0x000ffffffffff000;  // 52-bit physical addresses, 4-KiB aligned
}  // namespace

void check(const VmcsCacheParams& params) {
    for (const auto& row : vmcs_cache_params()) {
        const u64 v = params.*row.member;
        if (v < row.min || v > row.max)
            throw std::invalid_argument(std::string(row.key) + " = " + std::to_string(v) + ", expected " +
                                        std::to_string(row.min) + " to " + std::to_string(row.max));
    }
}

void check(const arch::VmcsRequest& request) {
    using arch::VmcsOp;
    if (request.vmcs.raw & ~kRegionBits && request.op != VmcsOp::FlushAll)
        throw std::invalid_argument("VMCS cache: region " + hex(request.vmcs.raw) + " is no 4-KiB-aligned physical address");
    if (request.op == VmcsOp::Merge && request.source.raw & ~kRegionBits)
        throw std::invalid_argument("VMCS cache: source region " + hex(request.source.raw) +
                                    " is no 4-KiB-aligned physical address");
    if ((request.op == VmcsOp::BulkRead || request.op == VmcsOp::BulkWrite) && !request.page)
        throw std::invalid_argument("VMCS cache: bulk transfer of region " + hex(request.vmcs.raw) + " without page");
}

std::string describe(const std::vector<ContextState>& contexts) {
    if (contexts.empty()) return "  no contexts in use\n";
    std::string text;
    for (const auto& c : contexts)
        text += "  context " + std::to_string(c.index) + ": vmcs " + hex(c.vmcs.raw) + " valid " + hex(c.valid) + " dirty " +
                hex(c.dirty) + " age " + std::to_string(c.age) + "\n";
    return text;
}

}  // namespace vmxsim::vmcs_cache
