// SPDX-License-Identifier: Apache-2.0
// Transfers of whole lines: with the VM-entry and VM-exit micro-sequences, and between regions. Lines go in ascending order.
#include <bit>
#include <cstring>

#include "model/vmcs_cache/cache.hpp"

namespace vmxsim::vmcs_cache {
using arch::LineMask;
using arch::VmcsRequest;

namespace {
template <class Body>
void for_each_line(LineMask lines, Body&& body) {
    for (; lines; lines &= lines - 1) body(static_cast<unsigned>(std::countr_zero(lines)));
}
void copy_lines(arch::VmcsPage& to, const arch::VmcsPage& from, LineMask lines) {
    for_each_line(lines, [&](unsigned l) { std::memcpy(to.bytes.data() + 64 * l, from.bytes.data() + 64 * l, 64); });
}
/// Without lines there is still one step in which none moves.
u64 steps(LineMask lines) { return lines ? static_cast<u64>(std::popcount(lines)) : 1; }
}  // namespace

Cycles VmcsCache::bulk_read(const VmcsRequest& request) {
    ++stats_.bulk_reads;
    Cycles cycles = Cycles{params_.line_latency} * steps(request.lines);
    if (contexts_.empty()) {
        for_each_line(request.lines, [&](unsigned l) {
            ++stats_.misses;
            fetch(request.vmcs, l, line_of(*request.page, l), cycles);
        });
        return cycles;
    }
    Context& c = hold(request.vmcs, cycles);
    const LineMask missing = request.lines & ~c.valid;
    for_each_line(missing, [&](unsigned l) { need(c, l, cycles); });
    stats_.hits += static_cast<u64>(std::popcount(request.lines ^ missing));
    copy_lines(*request.page, c.page, request.lines);
    return cycles;
}

Cycles VmcsCache::bulk_write(const VmcsRequest& request) {
    ++stats_.bulk_writes;
    Cycles cycles = Cycles{params_.line_latency} * steps(request.lines);
    if (contexts_.empty()) {
        for_each_line(request.lines, [&](unsigned l) { store(request.vmcs, l, line_of(*request.page, l), cycles); });
        return cycles;
    }
    Context& c = hold(request.vmcs, cycles);
    copy_lines(c.page, *request.page, request.lines);
    c.valid |= request.lines;
    c.dirty |= request.lines;
    return cycles;
}

Cycles VmcsCache::merge(const VmcsRequest& request) {
    ++stats_.merges;
    Cycles cycles = Cycles{params_.line_latency} * steps(request.lines);
    if (contexts_.empty()) {
        for_each_line(request.lines, [&](unsigned l) {
            Line bytes;
            ++stats_.misses;
            fetch(request.source, l, bytes, cycles);
            store(request.vmcs, l, bytes, cycles);
        });
        return cycles;
    }
    if (contexts_.size() == 1 && request.source != request.vmcs) {  // no room for the source: its lines pass through
        Context& c = hold(request.vmcs, cycles);
        for_each_line(request.lines, [&](unsigned l) {
            ++stats_.misses;
            fetch(request.source, l, line_of(c.page, l), cycles);
        });
        c.valid |= request.lines;
        c.dirty |= request.lines;
        return cycles;
    }
    // Neither region may evict the other: what is present counts as used before a context is taken.
    if (Context* present = find(request.source)) touch(*present);
    if (Context* present = find(request.vmcs)) touch(*present);
    Context& source = hold(request.source, cycles);
    Context& c = hold(request.vmcs, cycles);
    for_each_line(request.lines, [&](unsigned l) {
        need(source, l, cycles);
        if (&c != &source) std::memcpy(line_of(c.page, l), line_of(source.page, l), sizeof(Line));
    });
    c.valid |= request.lines;
    c.dirty |= request.lines;
    return cycles;
}

}  // namespace vmxsim::vmcs_cache
