// SPDX-License-Identifier: Apache-2.0
// A port under test with short names for its operations. The port is made by the suite: model or RTL, same tests.
#pragma once
#include <memory>
#include <type_traits>

#include "model/vmcs_cache/params.hpp"
#include "tests/vmcs_cache/line_memory.hpp"

namespace vmxsim::test {

inline constexpr HostPhysical kA{0x10000}, kB{0x20000}, kC{0x30000};
inline constexpr u64 kRegion = 4096;

/// Latencies that no sum of others makes look right by accident.
inline vmcs_cache::VmcsCacheParams test_params(u64 contexts) { return {contexts, 3, 2, 11}; }

struct Bench {
    vmcs_cache::VmcsCacheParams params;
    RecordingMemory memory;
    std::unique_ptr<arch::VmcsPort> port;

    template <class Port>
    Bench(std::type_identity<Port>, const vmcs_cache::VmcsCacheParams& p)
        : params(p), port(std::make_unique<Port>(p, memory)) {}

    // Expected parts of a cost.
    u64 access() const { return params.access_latency; }
    u64 line() const { return params.line_latency; }
    u64 activation() const { return params.activate_latency; }
    u64 fetch() const { return memory.read_latency; }
    u64 store() const { return memory.write_latency; }

    arch::VmcsReply operator()(arch::VmcsOp op, HostPhysical vmcs) { return port->transact({.op = op, .vmcs = vmcs}); }
    arch::VmcsReply read(HostPhysical vmcs, u32 encoding) {
        return port->transact({.op = arch::VmcsOp::Read, .vmcs = vmcs, .encoding = encoding});
    }
    arch::VmcsReply read(HostPhysical vmcs, arch::Field f) { return read(vmcs, arch::encoding_of(f)); }
    arch::VmcsReply write(HostPhysical vmcs, u32 encoding, u64 data) {
        return port->transact({.op = arch::VmcsOp::Write, .vmcs = vmcs, .encoding = encoding, .data = data});
    }
    arch::VmcsReply write(HostPhysical vmcs, arch::Field f, u64 data) { return write(vmcs, arch::encoding_of(f), data); }
    arch::VmcsReply activate(HostPhysical vmcs) { return (*this)(arch::VmcsOp::Activate, vmcs); }
    arch::VmcsReply clear(HostPhysical vmcs) { return (*this)(arch::VmcsOp::Clear, vmcs); }
    arch::VmcsReply flush() { return (*this)(arch::VmcsOp::FlushAll, {}); }
    arch::VmcsReply launch_state(HostPhysical vmcs) { return (*this)(arch::VmcsOp::GetLaunchState, vmcs); }
    arch::VmcsReply set_launch_state(HostPhysical vmcs, u64 launched) {
        return port->transact({.op = arch::VmcsOp::SetLaunchState, .vmcs = vmcs, .data = launched});
    }
    arch::VmcsReply bulk_read(HostPhysical vmcs, arch::LineMask lines, arch::VmcsPage& page) {
        return port->transact({.op = arch::VmcsOp::BulkRead, .vmcs = vmcs, .lines = lines, .page = &page});
    }
    arch::VmcsReply bulk_write(HostPhysical vmcs, arch::LineMask lines, arch::VmcsPage& page) {
        return port->transact({.op = arch::VmcsOp::BulkWrite, .vmcs = vmcs, .lines = lines, .page = &page});
    }
    arch::VmcsReply merge(HostPhysical source, HostPhysical into, arch::LineMask lines) {
        return port->transact({.op = arch::VmcsOp::Merge, .vmcs = into, .source = source, .lines = lines});
    }
    u64 in_memory(HostPhysical vmcs, arch::Field f) {
        u64 v = 0;
        const u64 at = vmcs.raw + arch::kGenericLayout.offset[arch::index_of(f)];
        std::memcpy(&v, memory.at(at & ~u64{63}).data() + (at & 63), arch::size_of(f));
        return v;
    }
    u32 header(HostPhysical vmcs) { return memory.value<u32>(vmcs.raw + arch::kLaunchStateOffset); }
};

}  // namespace vmxsim::test
