// SPDX-License-Identifier: Apache-2.0
#include "model/vmcs_cache/cache.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>

namespace vmxsim::vmcs_cache {
using arch::LineMask;
using arch::VmcsOp;
using arch::VmcsReply;
using arch::VmcsRequest;

VmcsCache::VmcsCache(const VmcsCacheParams& params, arch::LineMemory& memory, const arch::VmcsLayout& layout)
    : params_(params), memory_(memory), layout_(layout) {
    check(params);
    for (std::size_t i = 0; i < arch::kFieldCount; ++i)
        if (layout.offset[i] % 64 + arch::size_of(arch::kFields[i].width) > 64 || layout.offset[i] >= 4096)
            throw std::invalid_argument("VMCS cache: layout puts " + std::string(arch::kFields[i].name) + " at " +
                                        std::to_string(layout.offset[i]) + ", which is not within one line of the region");
    contexts_.resize(params.contexts);
}

VmcsReply VmcsCache::transact(const VmcsRequest& request) {
    constexpr Place kLaunchState{arch::kLaunchStateOffset, 4};
    check(request);
    VmcsReply reply;
    switch (request.op) {
    case VmcsOp::Read:
    case VmcsOp::Write: {
        const bool write = request.op == VmcsOp::Write;
        ++(write ? stats_.writes : stats_.reads);
        const auto named = arch::decode_encoding(request.encoding);
        if (!named) return {arch::VmcsStatus::UnsupportedField, 0, {params_.access_latency}};
        const unsigned offset = layout_.offset[arch::index_of(named->field)];
        return access(request, named->high ? Place{offset + 4, 4} : Place{offset, arch::size_of(named->field)}, write);
    }
    case VmcsOp::GetLaunchState:
        reply = access(request, kLaunchState, false);
        reply.data &= 1;
        break;
    case VmcsOp::SetLaunchState: {
        VmcsRequest bit = request;
        bit.data &= 1;
        reply = access(bit, kLaunchState, true);
        break;
    }
    case VmcsOp::Activate: reply.cycles = activate(request.vmcs); break;
    case VmcsOp::Clear: reply.cycles = clear(request.vmcs); break;
    case VmcsOp::BulkRead: reply.cycles = bulk_read(request); break;
    case VmcsOp::BulkWrite: reply.cycles = bulk_write(request); break;
    case VmcsOp::Merge: reply.cycles = merge(request); break;
    case VmcsOp::FlushAll: reply.cycles = flush_all(); break;
    }
    return reply;
}

namespace {
/// Constant sizes: one host load or store each, instead of a call.
void copy_field(u8* to, const u8* from, unsigned size) {
    switch (size) {
    case 2: std::memcpy(to, from, 2); break;
    case 4: std::memcpy(to, from, 4); break;
    default: std::memcpy(to, from, 8); break;
    }
}
u8* bytes_of(u64& v) { return reinterpret_cast<u8*>(&v); }
const u8* bytes_of(const u64& v) { return reinterpret_cast<const u8*>(&v); }
}  // namespace

std::optional<LineMask> VmcsCache::inspect(HostPhysical vmcs, arch::VmcsPage& page) const {
    for (const Context& c : contexts_) {
        if (c.vmcs != vmcs) continue;
        for (unsigned line = 0; line < arch::kVmcsLines; ++line)
            if (c.valid >> line & 1) std::memcpy(page.bytes.data() + 64 * line, c.page.bytes.data() + 64 * line, 64);
        return c.valid;
    }
    return 0;
}

VmcsReply VmcsCache::access(const VmcsRequest& request, Place place, bool write) {
    if (contexts_.empty()) return access_memory(request, place, write);
    VmcsReply reply;
    Context& c = hold(request.vmcs, reply.cycles);
    const unsigned line = place.offset / 64;
    need(c, line, reply.cycles);
    u8* const at = c.page.bytes.data() + place.offset;
    if (write) {
        copy_field(at, bytes_of(request.data), place.size);
        c.dirty |= LineMask{1} << line;
    } else {
        copy_field(bytes_of(reply.data), at, place.size);
    }
    reply.cycles += {params_.access_latency};
    return reply;
}

VmcsReply VmcsCache::access_memory(const VmcsRequest& request, Place place, bool write) {
    VmcsReply reply;
    Line bytes;
    ++stats_.misses;
    fetch(request.vmcs, place.offset / 64, bytes, reply.cycles);
    reply.cycles += {params_.access_latency};
    if (write) {
        std::memcpy(bytes + place.offset % 64, &request.data, place.size);
        store(request.vmcs, place.offset / 64, bytes, reply.cycles);
    } else {
        std::memcpy(&reply.data, bytes + place.offset % 64, place.size);
    }
    return reply;
}

Cycles VmcsCache::activate(HostPhysical vmcs) {
    ++stats_.activates;
    Cycles cycles{};
    if (contexts_.empty()) return {params_.activate_latency};
    hold(vmcs, cycles);
    return std::max(cycles, Cycles{params_.activate_latency});  // hold() of a present region is free of charge
}

Cycles VmcsCache::clear(HostPhysical vmcs) {
    ++stats_.clears;
    Cycles cycles{};
    Line header;
    Context* const c = find(vmcs);
    if (c) write_back(*c, c->dirty & ~LineMask{1}, cycles);
    if (c && c->valid & 1) {
        ++stats_.hits;
        std::memcpy(header, line_of(c->page, 0), sizeof header);
    } else {
        ++stats_.misses;
        fetch(vmcs, 0, header, cycles);
    }
    header[arch::kLaunchStateOffset] &= 0xfe;
    store(vmcs, 0, header, cycles);  // dirty or not: SDM 33.3 "VMCLEAR" initializes the region's launch state in memory
    if (c) c->vmcs = {kFree};
    return cycles + Cycles{params_.activate_latency};
}

Cycles VmcsCache::flush_all() {
    ++stats_.flushes;
    Cycles cycles{};
    for (Context& c : contexts_) {
        if (c.vmcs.raw == kFree) continue;
        write_back(c, c.dirty, cycles);
        c.vmcs = {kFree};
    }
    return cycles + Cycles{params_.activate_latency};
}

VmcsCache::Context* VmcsCache::find(HostPhysical vmcs) {
    for (Context& c : contexts_)
        if (c.vmcs == vmcs) return &c;
    return nullptr;
}

VmcsCache::Context& VmcsCache::hold(HostPhysical vmcs, Cycles& cycles) {
    if (recent_ && recent_->vmcs == vmcs) {
        touch(*recent_);
        return *recent_;
    }
    Context* c = find(vmcs);
    if (!c) c = &take(vmcs, cycles);
    touch(*c);
    recent_ = c;
    return *c;
}

/// A free context, the lowest; else the least recently used, written back.
VmcsCache::Context& VmcsCache::take(HostPhysical vmcs, Cycles& cycles) {
    Context* c = find({kFree});
    if (!c) {
        c = &*std::min_element(contexts_.begin(), contexts_.end(),
                               [](const Context& a, const Context& b) { return a.used < b.used; });
        ++stats_.evictions;
        write_back(*c, c->dirty, cycles);
    }
    c->vmcs = vmcs;
    c->valid = c->dirty = 0;
    cycles += {params_.activate_latency};
    return *c;
}

void VmcsCache::need(Context& c, unsigned line, Cycles& cycles) {
    const LineMask bit = LineMask{1} << line;
    if (c.valid & bit) {
        ++stats_.hits;
        return;
    }
    ++stats_.misses;
    fetch(c.vmcs, line, line_of(c.page, line), cycles);
    c.valid |= bit;
}

void VmcsCache::write_back(Context& c, LineMask lines, Cycles& cycles) {
    for (; lines; lines &= lines - 1) {
        const auto line = static_cast<unsigned>(std::countr_zero(lines));
        store(c.vmcs, line, line_of(c.page, line), cycles);
        c.dirty &= ~(LineMask{1} << line);
    }
}

void VmcsCache::fetch(HostPhysical vmcs, unsigned line, Line& bytes, Cycles& cycles) {
    ++stats_.line_fetches;
    cycles += std::max(memory_.read_line(vmcs + 64 * line, bytes), Cycles{1});
}

void VmcsCache::store(HostPhysical vmcs, unsigned line, const Line& bytes, Cycles& cycles) {
    ++stats_.line_writebacks;
    cycles += std::max(memory_.write_line(vmcs + 64 * line, bytes), Cycles{1});
}

std::vector<ContextState> VmcsCache::contexts() const {
    std::vector<ContextState> out;
    for (std::size_t i = 0; i < contexts_.size(); ++i) {
        const Context& c = contexts_[i];
        if (c.vmcs.raw == kFree) continue;
        const auto newer = std::count_if(contexts_.begin(), contexts_.end(), [&](const Context& o) {
            return o.vmcs.raw != kFree && o.used > c.used;
        });
        out.push_back({static_cast<unsigned>(i), c.vmcs, c.valid, c.dirty, static_cast<unsigned>(newer)});
    }
    return out;
}

}  // namespace vmxsim::vmcs_cache
