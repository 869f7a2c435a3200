// SPDX-License-Identifier: Apache-2.0
// The one contract of everything that holds VMCS data: the transaction-level cache, the RTL behind its adapter, and the
// lockstep pair of both. Same requests, same replies, same cycles.
#pragma once
#include <optional>

#include "model/arch/vmcs_layout.hpp"

namespace vmxsim::arch {

enum class VmcsOp : u8 {
    Activate,        ///< VMPTRLD: take a context for the region (evicting another where full); no data moves yet
    Clear,           ///< VMCLEAR: write the region's dirty lines back, set its launch state in memory to clear, free it
    Read,            ///< one field, by `encoding` (bit 0: high half); fetches its line on first use
    Write,           ///< one field from `data`; other half kept on a high access; full 64-bit access writes all of it
    GetLaunchState,  ///< reply.data: 0 clear, 1 launched
    SetLaunchState,  ///< from `data`
    BulkRead,        ///< the lines of `lines` into `page` (VM entry: control, guest; VM exit: host)
    BulkWrite,       ///< the lines of `lines` from `page`, whole lines (VM exit: guest, exit information)
    Merge,           ///< the lines of `lines` of region `source` into `vmcs`, on chip
    FlushAll,        ///< VMXOFF: write back and free every context
};

enum class VmcsStatus : u8 { Ok, UnsupportedField };

struct VmcsRequest {
    VmcsOp op{};
    HostPhysical vmcs{};    ///< the region: its 4-KiB-aligned physical address is the tag
    HostPhysical source{};  ///< Merge only
    u32 encoding = 0;       ///< Read, Write
    u64 data = 0;           ///< Write, SetLaunchState
    LineMask lines = 0;     ///< BulkRead, BulkWrite, Merge
    VmcsPage* page = nullptr;  ///< BulkRead: filled; BulkWrite: read
};

struct VmcsReply {
    VmcsStatus status = VmcsStatus::Ok;
    u64 data = 0;
    Cycles cycles{};  ///< from the request's acceptance to the reply
};

/// Counters of a holder of VMCS data since its construction. All are numbers of events.
struct VmcsCacheStats {
    u64 reads = 0, writes = 0, bulk_reads = 0, bulk_writes = 0, merges = 0;
    u64 activates = 0, clears = 0, flushes = 0;
    u64 hits = 0, misses = 0;          ///< line look-ups on chip
    u64 evictions = 0;                 ///< contexts lost to another
    u64 line_fetches = 0, line_writebacks = 0;  ///< 64-byte transfers with memory
};

/// A region that has no context when a request names it is treated as if activated first (the cost included).
class VmcsPort {
public:
    virtual ~VmcsPort() = default;
    virtual VmcsReply transact(const VmcsRequest& request) = 0;
    virtual VmcsCacheStats stats() const = 0;
    /// For debuggers: copies the lines of the region that are held here into `page`, without cost or effect, and tells
    /// which; the others are as memory has them. Empty: this holder shows nothing without a transaction.
    virtual std::optional<LineMask> inspect(HostPhysical /*vmcs*/, VmcsPage& /*page*/) const { return std::nullopt; }
};

/// What the cache needs of memory: whole lines, each with its latency.
class LineMemory {
public:
    virtual ~LineMemory() = default;
    virtual Cycles read_line(HostPhysical line, u8 (&bytes)[64]) = 0;
    virtual Cycles write_line(HostPhysical line, const u8 (&bytes)[64]) = 0;
};

}  // namespace vmxsim::arch
