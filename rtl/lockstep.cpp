// SPDX-License-Identifier: Apache-2.0
#include "rtl/lockstep.hpp"

#include <fmt/format.h>

#include "rtl/adapter.hpp"

namespace vmxsim::rtl {
using arch::VmcsOp;
using arch::VmcsReply;
using arch::VmcsRequest;

namespace {
std::string describe(const VmcsRequest& r) {
    static constexpr const char* kNames[] = {"Activate", "Clear", "Read", "Write", "GetLaunchState", "SetLaunchState",
                                             "BulkRead", "BulkWrite", "Merge", "FlushAll"};
    std::string text = fmt::format("{} vmcs {:#x}", kNames[static_cast<int>(r.op)], r.vmcs.raw);
    if (r.op == VmcsOp::Merge) text += fmt::format(" source {:#x}", r.source.raw);
    if (r.op == VmcsOp::Read || r.op == VmcsOp::Write) {
        const auto named = arch::decode_encoding(r.encoding);
        text += fmt::format(" encoding {:#x} ({}{})", r.encoding, named ? arch::info(named->field).name : "no field",
                            named && named->high ? ", high" : "");
    }
    if (r.op == VmcsOp::Write || r.op == VmcsOp::SetLaunchState) text += fmt::format(" data {:#x}", r.data);
    if (r.op == VmcsOp::BulkRead || r.op == VmcsOp::BulkWrite || r.op == VmcsOp::Merge)
        text += fmt::format(" lines {:#x}", r.lines);
    return text;
}
std::string describe(const VmcsReply& r) {
    return fmt::format("{}, data {:#x}, {} cycles", r.status == arch::VmcsStatus::Ok ? "ok" : "unsupported field", r.data,
                       r.cycles.raw);
}
/// Counters by name, so that a difference can be named.
struct Counter {
    const char* name;
    u64 arch::VmcsCacheStats::*member;
};
constexpr Counter kCounters[] = {{"hits", &arch::VmcsCacheStats::hits},
                                 {"misses", &arch::VmcsCacheStats::misses},
                                 {"evictions", &arch::VmcsCacheStats::evictions},
                                 {"line_fetches", &arch::VmcsCacheStats::line_fetches},
                                 {"line_writebacks", &arch::VmcsCacheStats::line_writebacks}};
}  // namespace

LockstepVmcsCache::LockstepVmcsCache(const vmcs_cache::VmcsCacheParams& params, arch::LineMemory& memory)
    : LockstepVmcsCache(LockstepSide::of<vmcs_cache::VmcsCache>("tlm", params), LockstepSide::of<RtlVmcsCache>("rtl", params),
                        memory) {}

LockstepVmcsCache::LockstepVmcsCache(const LockstepSide::Maker& first, const LockstepSide::Maker& second,
                                     arch::LineMemory& memory)
    : tape_(memory), first_(first(tape_.recorder())), second_(second(tape_.player())) {}

VmcsReply LockstepVmcsCache::transact(const VmcsRequest& request) {
    vmcs_cache::check(request);
    tape_.rewind();
    VmcsRequest mirrored = request;
    const bool reads_page = request.op == VmcsOp::BulkRead;
    if (reads_page) {
        page_ = *request.page;
        mirrored.page = &page_;
    }
    const VmcsReply a = first_.port->transact(request);
    const VmcsReply b = second_.port->transact(mirrored);

    std::string differences;
    if (a.status != b.status) differences += "  status\n";
    if (a.data != b.data) differences += fmt::format("  data: {:#x}, not {:#x}\n", a.data, b.data);
    if (a.cycles != b.cycles) differences += fmt::format("  cycles: {}, not {}\n", a.cycles.raw, b.cycles.raw);
    if (const auto traffic = tape_.difference(); !traffic.empty()) differences += "  memory, " + traffic + "\n";
    if (reads_page && request.page->bytes != page_.bytes)
        for (std::size_t i = 0; i < page_.bytes.size(); ++i)
            if (request.page->bytes[i] != page_.bytes[i]) {
                differences += fmt::format("  page, byte {:#x} (line {}): {:#04x}, not {:#04x}\n", i, i / 64,
                                           request.page->bytes[i], page_.bytes[i]);
                break;
            }
    if (operations_ % kStateInterval == kStateInterval - 1) compare_states(differences);
    if (!differences.empty()) fail(request, a, b, differences);
    history_[operations_++ % kHistory] = {request, a};
    return a;
}

void LockstepVmcsCache::compare_states(std::string& differences) const {
    if (first_.contexts() != second_.contexts()) differences += "  state of the contexts\n";
    const auto a = first_.port->stats(), b = second_.port->stats();
    for (const auto& c : kCounters)
        if (a.*c.member != b.*c.member)
            differences += fmt::format("  counter {}: {}, not {}\n", c.name, a.*c.member, b.*c.member);
}

void LockstepVmcsCache::fail(const VmcsRequest& request, const VmcsReply& a, const VmcsReply& b,
                             const std::string& differences) const {
    std::string text = fmt::format("VMCS cache lockstep: {} and {} differ at operation {}\n{}request: {}\n", first_.name,
                                   second_.name, operations_, differences, describe(request));
    text += fmt::format("{}: {}\n{}", first_.name, describe(a), vmcs_cache::describe(first_.contexts()));
    text += fmt::format("{}: {}\n{}", second_.name, describe(b), vmcs_cache::describe(second_.contexts()));
    text += fmt::format("memory, as {} saw it:\n", first_.name);
    for (const auto& t : tape_.transfers()) text += "  " + rtl::describe(t) + "\n";
    text += "operations before, the latest last:\n";
    for (u64 i = operations_ > kHistory ? operations_ - kHistory : 0; i < operations_; ++i) {
        const Record& r = history_[i % kHistory];
        text += fmt::format("  {}: {} -> {}\n", i, describe(r.request), describe(r.reply));
    }
    throw LockstepError(text);
}

}  // namespace vmxsim::rtl
