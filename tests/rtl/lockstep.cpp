// SPDX-License-Identifier: Apache-2.0
#include "rtl/lockstep.hpp"

#include <boost/test/unit_test.hpp>

#include "rtl/adapter.hpp"
#include "tests/vmcs_cache/fixture.hpp"
#include "tests/vmcs_cache/random_requests.hpp"

using namespace vmxsim;
using namespace vmxsim::arch;
using namespace vmxsim::rtl;
using namespace vmxsim::test;
using vmcs_cache::VmcsCache;
using vmcs_cache::VmcsCacheParams;

namespace {
/// The model, with a wrong answer to one request.
class FaultyCache : public VmcsPort {
public:
    enum class Fault { None, Data, Status, PageByte, ExtraCycle };
    static inline Fault fault = Fault::None;
    static inline u64 at = 0;
    FaultyCache(const VmcsCacheParams& params, LineMemory& memory) : inner_(params, memory) {}
    VmcsReply transact(const VmcsRequest& request) override {
        VmcsReply reply = inner_.transact(request);
        if (n_++ != at) return reply;
        if (fault == Fault::Data) reply.data ^= 1;
        if (fault == Fault::Status) reply.status = VmcsStatus::UnsupportedField;
        if (fault == Fault::PageByte && request.page) request.page->bytes[64 * 7 + 1] ^= 0x10;
        if (fault == Fault::ExtraCycle) reply.cycles += {1};
        return reply;
    }
    VmcsCacheStats stats() const override { return inner_.stats(); }
    std::vector<vmcs_cache::ContextState> contexts() const { return inner_.contexts(); }

private:
    VmcsCache inner_;
    u64 n_ = 0;
};

std::string failure(LockstepVmcsCache& pair, const std::vector<VmcsRequest>& requests) {
    try {
        for (const auto& r : requests) pair.transact(r);
    } catch (const LockstepError& e) { return e.what(); }
    return "";
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
}  // namespace

BOOST_AUTO_TEST_SUITE(lockstep)

BOOST_AUTO_TEST_CASE(model_and_rtl_agree_on_random_operations_under_every_number_of_contexts) {
    u64 operations = 0;
    const VmcsCacheParams sets[] = {{0, 1, 1, 1}, {0, 3, 2, 4}, {1, 1, 1, 1}, {1, 2, 3, 5}, {2, 1, 1, 1},
                                    {2, 5, 1, 2}, {3, 1, 2, 1}, {4, 1, 1, 1}, {4, 4, 3, 2}, {7, 2, 1, 3},
                                    {16, 1, 1, 1}, {16, 3, 2, 9}};
    for (u32 i = 0; i < std::size(sets); ++i) {
        RecordingMemory memory;
        memory.vary = true;
        LockstepVmcsCache pair(sets[i], memory);
        // Fewer regions than contexts, about as many, and more: hits, and evictions.
        for (const u64 regions : {std::max<u64>(2, sets[i].contexts / 2), sets[i].contexts + 1, 2 * sets[i].contexts + 3}) {
            RandomRequests requests(1000 * i + regions, regions);
            for (int n = 0; n < 6000; ++n) pair.transact(requests.next());
        }
        operations += pair.operations();
        const auto s = pair.stats();
        BOOST_TEST_MESSAGE(sets[i].contexts << " contexts: " << s.hits << " hits, " << s.misses << " misses, "
                                            << s.evictions << " evictions, " << s.line_writebacks << " write-backs");
        memory.log.clear();
        if (sets[i].contexts) BOOST_TEST(s.evictions > 1000u);
        if (sets[i].contexts) BOOST_TEST(s.hits > 1000u);
    }
    BOOST_TEST(operations >= 200000u);
}

BOOST_AUTO_TEST_CASE(a_wrong_latency_in_one_side_is_caught_at_its_first_use) {
    const std::vector<VmcsRequest> requests{{.op = VmcsOp::Activate, .vmcs = kA},
                                            {.op = VmcsOp::Read, .vmcs = kA, .encoding = encoding_of(Field::GUEST_RIP)},
                                            {.op = VmcsOp::Merge, .vmcs = kB, .source = kA, .lines = 2}};
    for (u64 VmcsCacheParams::*member : {&VmcsCacheParams::activate_latency, &VmcsCacheParams::access_latency,
                                         &VmcsCacheParams::line_latency}) {
        VmcsCacheParams wrong = test_params(2);
        ++(wrong.*member);
        RecordingMemory memory;
        LockstepVmcsCache pair(LockstepSide::of<VmcsCache>("tlm", test_params(2)), LockstepSide::of<RtlVmcsCache>("rtl", wrong),
                               memory);
        const std::string text = failure(pair, requests);
        BOOST_TEST(has(text, "cycles: "), text);
        const u64 first = member == &VmcsCacheParams::activate_latency ? 0 : member == &VmcsCacheParams::access_latency ? 1 : 2;
        BOOST_TEST(has(text, "operation " + std::to_string(first) + "\n"), text);
    }
}

BOOST_AUTO_TEST_CASE(a_wrong_number_of_contexts_shows_in_the_memory_traffic) {
    RecordingMemory memory;
    LockstepVmcsCache pair(LockstepSide::of<VmcsCache>("tlm", test_params(2)),
                           LockstepSide::of<RtlVmcsCache>("rtl", test_params(1)), memory);
    const auto write = [](HostPhysical vmcs) {
        return VmcsRequest{.op = VmcsOp::Write, .vmcs = vmcs, .encoding = encoding_of(Field::GUEST_RIP), .data = 1};
    };
    const std::string text = failure(pair, {write(kA), write(kB), write(kA)});
    BOOST_TEST(has(text, "operation 1\n"), text);
    BOOST_TEST(has(text, "  memory, transfer 0: "), text);
}

BOOST_AUTO_TEST_CASE(wrong_data_status_page_or_cost_of_one_reply_is_caught_and_reported_with_both_states_and_the_history) {
    using Fault = FaultyCache::Fault;
    VmcsPage page;
    std::vector<VmcsRequest> requests;
    for (u64 i = 0; i < 30; ++i)
        requests.push_back({.op = VmcsOp::Write, .vmcs = kA, .encoding = encoding_of(Field::GUEST_RIP), .data = i});
    requests.push_back({.op = VmcsOp::BulkRead, .vmcs = kA, .lines = LineMask{1} << 7, .page = &page});
    for (const auto& [fault, message] : {std::pair{Fault::Data, "data: "}, {Fault::Status, "status"},
                                         {Fault::PageByte, "page, byte 0x1c1 (line 7)"}, {Fault::ExtraCycle, "cycles: "}}) {
        FaultyCache::fault = fault;
        FaultyCache::at = 30;
        RecordingMemory memory;
        LockstepVmcsCache pair(LockstepSide::of<FaultyCache>("faulty", test_params(2)),
                               LockstepSide::of<RtlVmcsCache>("rtl", test_params(2)), memory);
        const std::string text = failure(pair, requests);
        BOOST_TEST(has(text, message), text);
        BOOST_TEST(has(text, "faulty and rtl differ at operation 30"), text);
        BOOST_TEST(has(text, "request: BulkRead vmcs 0x10000 lines 0x80"), text);
        BOOST_TEST(has(text, "faulty: "), text);
        BOOST_TEST(has(text, "rtl: "), text);
        BOOST_TEST(has(text, "  context 0: vmcs 0x10000 valid 0x800080 dirty 0x800000 age 0"), text);
        BOOST_TEST(has(text, "  14: Write vmcs 0x10000 encoding 0x681e (GUEST_RIP) data 0xe"), text);
        BOOST_TEST(!has(text, "  13: Write"), text);
    }
    FaultyCache::fault = Fault::None;
}

BOOST_AUTO_TEST_CASE(bytes_written_back_are_compared) {
    // A side that corrupts a page on its way in writes back other bytes than the other.
    struct Corrupting : FaultyCache {
        using FaultyCache::FaultyCache;
        VmcsReply transact(const VmcsRequest& request) override {
            VmcsRequest changed = request;
            if (changed.op == VmcsOp::Write) changed.data ^= 0x100;
            return FaultyCache::transact(changed);
        }
    };
    RecordingMemory memory;
    LockstepVmcsCache pair(LockstepSide::of<VmcsCache>("tlm", test_params(2)),
                           LockstepSide::of<Corrupting>("corrupting", test_params(2)), memory);
    const std::string text = failure(pair, {{.op = VmcsOp::Write, .vmcs = kA, .encoding = encoding_of(Field::GUEST_RIP)},
                                            {.op = VmcsOp::Clear, .vmcs = kA}});
    BOOST_TEST(has(text, "operation 1\n"), text);
    BOOST_TEST(has(text, "  memory, write of line 0x105c0, byte 1: 0x00, not 0x01"), text);
}

BOOST_AUTO_TEST_SUITE_END()
