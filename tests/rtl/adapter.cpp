// SPDX-License-Identifier: Apache-2.0
#include "rtl/adapter.hpp"

#include <bit>
#include <boost/test/unit_test.hpp>

#include "model/vmcs_cache/cache.hpp"
#include "tests/vmcs_cache/fixture.hpp"
#include "tests/vmcs_cache/random_requests.hpp"

using Port = vmxsim::rtl::RtlVmcsCache;
BOOST_AUTO_TEST_SUITE(rtl_vmcs_cache)
#include "tests/vmcs_cache/contract.hpp"

BOOST_AUTO_TEST_CASE(the_clock_runs_for_the_cost_of_an_operation_and_its_handshake_and_not_while_idle) {
    RecordingMemory memory;
    Port rtl(test_params(2), memory);
    BOOST_TEST(rtl.clock() == 0u);
    u64 cost = 0;
    for (u64 i = 1; i <= 20; ++i) {
        cost += rtl.transact({.op = VmcsOp::Read, .vmcs = {i % 3 << 12}, .encoding = encoding_of(Field::GUEST_RIP)}).cycles.raw;
        BOOST_TEST(rtl.clock() == cost + i);
    }
}

BOOST_AUTO_TEST_CASE(a_stalled_receiver_changes_costs_and_nothing_else) {
    for (const u64 contexts : {0u, 1u, 2u, 4u}) {
        RecordingMemory memory, model_memory;
        Port rtl(test_params(contexts), memory);
        vmxsim::vmcs_cache::VmcsCache model(test_params(contexts), model_memory);
        rtl.stall(0x6db6'ffff'1111'5a5a);
        RandomRequests requests(7, 5);
        u64 slower = 0;
        for (int i = 0; i < 3000; ++i) {
            VmcsRequest request = requests.next();
            VmcsPage page = *request.page, model_page = page;
            request.page = &page;
            const auto a = rtl.transact(request);
            request.page = &model_page;
            const auto b = model.transact(request);
            BOOST_TEST(a.data == b.data);
            BOOST_TEST((a.status == b.status));
            BOOST_TEST((page.bytes == model_page.bytes));
            BOOST_TEST(a.cycles.raw >= b.cycles.raw);
            slower += a.cycles != b.cycles;
        }
        BOOST_TEST((rtl.contexts() == model.contexts()));
        BOOST_TEST((memory.log == model_memory.log));
        BOOST_TEST((memory.lines() == model_memory.lines()));
        BOOST_TEST(slower > 500u);
    }
}

BOOST_AUTO_TEST_CASE(an_assertion_that_fails_in_the_rtl_is_an_exception) {
    RecordingMemory memory;
    Port rtl(test_params(2), memory);
    const auto unknown = static_cast<VmcsOp>(static_cast<u8>(VmcsOp::FlushAll) + 1);
    BOOST_CHECK_EXCEPTION(rtl.transact({.op = unknown, .vmcs = kA}), std::logic_error, [](const std::logic_error& e) {
        return std::string(e.what()) == "RTL VMCS cache: an assertion failed";
    });
}

BOOST_AUTO_TEST_SUITE_END()
