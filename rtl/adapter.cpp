// SPDX-License-Identifier: Apache-2.0
// The only file that includes what Verilator generates.
#include "rtl/adapter.hpp"

#include <Vvmcs_cache.h>
#include <verilated.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

namespace vmxsim::rtl {
using arch::VmcsOp;

static_assert(static_cast<int>(VmcsOp::FlushAll) == 9, "op_e of vmcs_cache_pkg.sv has the values of VmcsOp");

struct RtlVmcsCache::Model {
    VerilatedContext context;
    std::unique_ptr<Vvmcs_cache> top;
    Model() {
        context.threads(1);
        context.randReset(2);  // registers without reset start with pseudo-random values of a fixed seed
        context.randSeed(1);
        context.assertOn(true);
        context.fatalOnError(false);
        enter();
        top = std::make_unique<Vvmcs_cache>(&context);
    }
    ~Model() {
        enter();
        top->final();
    }
    /// Verilator's library reports errors to, and takes models out of, the thread's context: with several models in one
    /// process that is whichever came last, maybe one that is gone.
    void enter() { Verilated::threadContextp(&context); }
    void edge(bool clock) {
        top->clk_i = clock;
        top->eval();
    }
};

RtlVmcsCache::RtlVmcsCache(const vmcs_cache::VmcsCacheParams& params, arch::LineMemory& memory)
    : params_(params), memory_(memory) {
    vmcs_cache::check(params);
    model_ = std::make_unique<Model>();
    auto& top = *model_->top;
    top.cfg_contexts_i = static_cast<CData>(params.contexts);
    top.cfg_access_latency_i = static_cast<SData>(params.access_latency);
    top.cfg_line_latency_i = static_cast<SData>(params.line_latency);
    top.cfg_activate_latency_i = static_cast<SData>(params.activate_latency);
    top.line_ready_i = top.rsp_ready_i = 1;
    top.req_valid_i = top.mem_ready_i = 0;
    top.rst_ni = 1;
    model_->edge(false);
    top.rst_ni = 0;
    for (int i = 0; i < 2; ++i) {
        model_->edge(true);
        model_->edge(false);
    }
    top.rst_ni = 1;
    model_->edge(false);
}

RtlVmcsCache::~RtlVmcsCache() = default;

/// With the clock high: the RTL's wish for this cycle is on its outputs, the answer goes to its inputs.
void RtlVmcsCache::serve_memory() {
    auto& top = *model_->top;
    top.mem_ready_i = 0;
    if (!top.mem_valid_o) return;
    if (memory_wait_ == 0) {
        const HostPhysical line{top.mem_line_o << 6};
        u8 bytes[64];
        Cycles latency;
        if (top.mem_write_o) {
            ++stats_.line_writebacks;
            std::memcpy(bytes, top.mem_data_o.data(), sizeof bytes);
            latency = memory_.write_line(line, bytes);
        } else {
            ++stats_.line_fetches;
            latency = memory_.read_line(line, bytes);
            std::memcpy(top.mem_data_i.data(), bytes, sizeof bytes);
        }
        memory_wait_ = std::max(latency.raw, u64{1});
    }
    top.mem_ready_i = --memory_wait_ == 0;
}

arch::VmcsReply RtlVmcsCache::transact(const arch::VmcsRequest& request) {
    vmcs_cache::check(request);
    count(request.op);
    auto& top = *model_->top;
    model_->enter();
    top.req_valid_i = 1;
    top.req_op_i = static_cast<CData>(request.op);
    top.req_vmcs_i = request.vmcs.raw >> 12 & 0xff'ffff'ffff;
    top.req_source_i = request.source.raw >> 12 & 0xff'ffff'ffff;
    top.req_encoding_i = request.encoding;
    top.req_data_i = request.data;
    top.req_lines_i = request.lines;
    top.mem_ready_i = 0;
    model_->edge(false);
    if (!top.req_ready_o) throw std::logic_error("RTL VMCS cache: not ready for a request while none is outstanding");
    model_->edge(true);
    ++clock_;
    top.req_valid_i = 0;

    arch::VmcsReply reply;
    constexpr u64 kPatience = 1 << 18;  // no step without memory is longer
    for (u64 quiet = 0; quiet < kPatience; ++quiet) {
        serve_memory();
        const bool ready = !(stall_ >> clock_ % 64 & 1);
        top.line_ready_i = top.rsp_ready_i = ready;
        const bool takes_line = top.line_valid_o && top.line_write_o;
        if (takes_line && ready) std::memcpy(top.line_data_i.data(), request.page->bytes.data() + 64 * top.line_index_o, 64);
        model_->edge(false);
        if (top.line_valid_o && !top.line_write_o && ready)
            std::memcpy(request.page->bytes.data() + 64 * top.line_index_o, top.line_data_o.data(), 64);
        stats_.hits += top.event_hit_o;
        stats_.misses += top.event_miss_o;
        stats_.evictions += top.event_eviction_o;
        const bool answered = top.rsp_valid_o && ready;
        if (answered) {
            reply.status = top.rsp_unsupported_o ? arch::VmcsStatus::UnsupportedField : arch::VmcsStatus::Ok;
            reply.data = top.rsp_data_o;
        }
        if (top.mem_valid_o || top.line_valid_o) quiet = 0;
        model_->edge(true);
        ++clock_;
        ++reply.cycles.raw;
        if (answered) {
            if (model_->context.gotError()) throw std::logic_error("RTL VMCS cache: an assertion failed");
            return reply;
        }
    }
    throw std::logic_error("RTL VMCS cache: no answer after " + std::to_string(reply.cycles.raw) + " cycles");
}

void RtlVmcsCache::count(VmcsOp op) {
    switch (op) {
    case VmcsOp::Read: ++stats_.reads; break;
    case VmcsOp::Write: ++stats_.writes; break;
    case VmcsOp::BulkRead: ++stats_.bulk_reads; break;
    case VmcsOp::BulkWrite: ++stats_.bulk_writes; break;
    case VmcsOp::Merge: ++stats_.merges; break;
    case VmcsOp::Activate: ++stats_.activates; break;
    case VmcsOp::Clear: ++stats_.clears; break;
    case VmcsOp::FlushAll: ++stats_.flushes; break;
    case VmcsOp::GetLaunchState:
    case VmcsOp::SetLaunchState: break;
    }
}

std::vector<vmcs_cache::ContextState> RtlVmcsCache::contexts() const {
    std::vector<vmcs_cache::ContextState> out;
    auto& top = *model_->top;
    for (unsigned i = 0; i < params_.contexts; ++i) {
        top.probe_i = static_cast<CData>(i);
        top.eval();
        if (top.probe_used_o)
            out.push_back({i, {top.probe_vmcs_o << 12}, top.probe_valid_o, top.probe_dirty_o, top.probe_age_o});
    }
    return out;
}

}  // namespace vmxsim::rtl
