// SPDX-License-Identifier: Apache-2.0
// The RTL of the VMCS cache as a VmcsPort. Its clock runs only while a request is outstanding.
#pragma once
#include <memory>

#include "model/arch/vmcs_port.hpp"
#include "model/vmcs_cache/cache.hpp"
#include "model/vmcs_cache/params.hpp"

namespace vmxsim::rtl {

/// Drives the Verilated model directly: two evaluations a cycle. A reply's cycles are clock edges counted between the
/// request's handshake and the response's. Layout: generic (its offsets are in the RTL's generated field map).
/// A failed assertion in the RTL, or an answer that does not come, is a std::logic_error.
class RtlVmcsCache final : public arch::VmcsPort {
public:
    /// Throws std::invalid_argument as VmcsCache does.
    RtlVmcsCache(const vmcs_cache::VmcsCacheParams& params, arch::LineMemory& memory);
    ~RtlVmcsCache() override;

    arch::VmcsReply transact(const arch::VmcsRequest& request) override;
    arch::VmcsCacheStats stats() const override { return stats_; }

    /// The contexts in use, by index, as the RTL's probe port shows them.
    std::vector<vmcs_cache::ContextState> contexts() const;

    /// For tests: from now on the sides that take lines and responses are not ready in the cycles whose bit of the pattern
    /// (taken in turn) is set, so that costs grow and nothing else changes. 0: always ready.
    void stall(u64 pattern) { stall_ = pattern; }
    /// Clock cycles since construction.
    u64 clock() const { return clock_; }

private:
    struct Model;
    void count(arch::VmcsOp op);
    void serve_memory();

    std::unique_ptr<Model> model_;
    vmcs_cache::VmcsCacheParams params_;
    arch::LineMemory& memory_;
    arch::VmcsCacheStats stats_;
    u64 clock_ = 0;
    u64 stall_ = 0;
    u64 memory_wait_ = 0;  ///< cycles until the current transfer with memory ends; 0: none is under way
};

}  // namespace vmxsim::rtl
