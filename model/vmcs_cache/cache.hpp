// SPDX-License-Identifier: Apache-2.0
// The transaction-level VMCS cache: VMCS regions held on chip, line by line (SDM 27.1 and 27.11.1 permit it: software may
// not expect VMCS data in memory before VMCLEAR). The RTL in rtl/ has the same contract; docs/vmcs-cache.md states it.
#pragma once
#include <string>
#include <vector>

#include "model/arch/vmcs_port.hpp"
#include "model/vmcs_cache/params.hpp"

namespace vmxsim::vmcs_cache {

/// What a context holds, for messages and tests. The launch state is bit 0 of kLaunchStateOffset in line 0.
struct ContextState {
    unsigned index = 0;
    HostPhysical vmcs{};
    arch::LineMask valid = 0, dirty = 0;
    unsigned age = 0;  ///< 0: most recently used
    constexpr bool operator==(const ContextState&) const = default;
};
std::string describe(const std::vector<ContextState>& contexts);

/// Throws std::invalid_argument naming the parameter and its value, where one is out of its row's range.
void check(const VmcsCacheParams& params);
/// Throws std::invalid_argument where the request could come from no instruction: a region that is not 4-KiB aligned or
/// beyond 52 bits, a bulk transfer without page.
void check(const arch::VmcsRequest& request);

/// Cycles of each operation, with A, X, L the params' activate, access and line latencies; M a line's transfer with
/// memory, max(1, LineMemory's latency); hold = 0 for a region that has a context, else A + M of each write-back of the
/// evicted context; need(l) = 0 for a line on chip, else M.
///   Activate                   present: A; else hold
///   Read, GetLaunchState       hold + need(line) + X       (unsupported encoding: X, and nothing changes)
///   Write, SetLaunchState      hold + need(line) + X
///   BulkRead                   hold + sum of need(l) + L   (no lines: hold + L, also for BulkWrite and Merge)
///   BulkWrite                  hold + sum of L
///   Merge                      hold(source) + hold(vmcs) + sum of need(source's l) + L
///   Clear                      M of each dirty line but 0 + header (M if it must be read) + M + A
///   FlushAll                   M of each dirty line of each context + A
/// contexts = 0: hold = 0, each line needed is read, each line written is written at once (+ M).
class VmcsCache final : public arch::VmcsPort {
public:
    VmcsCache(const VmcsCacheParams& params, arch::LineMemory& memory,
              const arch::VmcsLayout& layout = arch::kGenericLayout);

    arch::VmcsReply transact(const arch::VmcsRequest& request) override;
    arch::VmcsCacheStats stats() const override { return stats_; }
    std::optional<arch::LineMask> inspect(HostPhysical vmcs, arch::VmcsPage& page) const override;

    /// The contexts in use, by index. No effect on anything.
    std::vector<ContextState> contexts() const;

private:
    struct Context {
        HostPhysical vmcs{kFree};
        arch::LineMask valid = 0, dirty = 0;
        u64 used = 0;  ///< time stamp of the last operation that named it
        arch::VmcsPage page;
    };
    using Line = u8[64];
    /// Bytes of the page that a field access names.
    struct Place {
        unsigned offset, size;
    };
    static constexpr u64 kFree = ~u64{0};  // no region: it is not aligned
    static Line& line_of(arch::VmcsPage& page, unsigned line) {
        return *reinterpret_cast<Line*>(page.bytes.data() + 64 * line);
    }

    arch::VmcsReply access(const arch::VmcsRequest& request, Place place, bool write);
    arch::VmcsReply access_memory(const arch::VmcsRequest& request, Place place, bool write);
    Cycles activate(HostPhysical vmcs);
    Cycles clear(HostPhysical vmcs);
    Cycles flush_all();
    Cycles bulk_read(const arch::VmcsRequest& request);
    Cycles bulk_write(const arch::VmcsRequest& request);
    Cycles merge(const arch::VmcsRequest& request);

    Context* find(HostPhysical vmcs);
    Context& hold(HostPhysical vmcs, Cycles& cycles);
    Context& take(HostPhysical vmcs, Cycles& cycles);
    void touch(Context& c) { c.used = ++now_; }
    void need(Context& c, unsigned line, Cycles& cycles);
    void write_back(Context& c, arch::LineMask lines, Cycles& cycles);
    void fetch(HostPhysical vmcs, unsigned line, Line& bytes, Cycles& cycles);
    void store(HostPhysical vmcs, unsigned line, const Line& bytes, Cycles& cycles);

    VmcsCacheParams params_;
    arch::LineMemory& memory_;
    arch::VmcsLayout layout_;
    arch::VmcsCacheStats stats_;
    std::vector<Context> contexts_;
    Context* recent_ = nullptr;  ///< where the next request most likely looks; any context or null
    u64 now_ = 0;
};

}  // namespace vmxsim::vmcs_cache
