// SPDX-License-Identifier: Apache-2.0
// Two VMCS caches on one request stream, by default the transaction-level model and the RTL: stops at the first difference.
#pragma once
#include <array>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "model/arch/vmcs_port.hpp"
#include "model/vmcs_cache/cache.hpp"
#include "rtl/line_tape.hpp"

namespace vmxsim::rtl {

/// The two sides differ. what(): the differences, the request, both states and the last operations, as text.
struct LockstepError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// One side: a port and a view into it. `Port` has contexts() beside VmcsPort's functions.
struct LockstepSide {
    std::string name;
    std::unique_ptr<arch::VmcsPort> port;
    std::function<std::vector<vmcs_cache::ContextState>()> contexts;

    using Maker = std::function<LockstepSide(arch::LineMemory&)>;
    template <class Port>
    static Maker of(std::string name, const vmcs_cache::VmcsCacheParams& params) {
        return [=](arch::LineMemory& memory) {
            auto port = std::make_unique<Port>(params, memory);
            auto* const raw = port.get();
            return LockstepSide{name, std::move(port), [raw] { return raw->contexts(); }};
        };
    }
};

/// The first side works on memory; its line transfers are recorded, and the second must ask for the very same ones, which
/// it gets with the same bytes and latencies. After each operation status, data, page, cycles and transfers are compared;
/// after every kStateInterval-th also the contexts' states and the counters.
class LockstepVmcsCache final : public arch::VmcsPort {
public:
    static constexpr u64 kStateInterval = 64;
    static constexpr std::size_t kHistory = 16;

    /// TLM model against RTL.
    LockstepVmcsCache(const vmcs_cache::VmcsCacheParams& params, arch::LineMemory& memory);
    LockstepVmcsCache(const LockstepSide::Maker& first, const LockstepSide::Maker& second, arch::LineMemory& memory);

    arch::VmcsReply transact(const arch::VmcsRequest& request) override;
    arch::VmcsCacheStats stats() const override { return first_.port->stats(); }
    std::optional<arch::LineMask> inspect(HostPhysical vmcs, arch::VmcsPage& page) const override {
        return first_.port->inspect(vmcs, page);
    }
    std::vector<vmcs_cache::ContextState> contexts() const { return first_.contexts(); }
    /// Operations compared so far.
    u64 operations() const { return operations_; }

private:
    struct Record {
        arch::VmcsRequest request;
        arch::VmcsReply reply;  ///< the first side's
    };
    void compare_states(std::string& differences) const;
    [[noreturn]] void fail(const arch::VmcsRequest& request, const arch::VmcsReply& a, const arch::VmcsReply& b,
                           const std::string& differences) const;

    LineTape tape_;
    LockstepSide first_, second_;
    arch::VmcsPage page_;  ///< the second side's, of a bulk read
    std::array<Record, kHistory> history_{};
    u64 operations_ = 0;
};

}  // namespace vmxsim::rtl
