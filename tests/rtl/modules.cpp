// SPDX-License-Identifier: Apache-2.0
// Model, RTL and lockstep pair behind TLM sockets. One elaboration: all modules are made before the simulation starts.
#include "rtl/module.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/vmcs_cache/fixture.hpp"
#include "tests/vmcs_cache/random_requests.hpp"

using namespace vmxsim;
using namespace vmxsim::arch;
using namespace vmxsim::test;

namespace {
/// The initiators' side: sockets belong to a module. `stranger` sends payloads without a request in them.
struct Core : sc_core::sc_module {
    vmcs_cache::TlmVmcsPort to_tlm, to_rtl, to_pair;
    tlm_utils::simple_initiator_socket<Core> stranger{"stranger"};
    Core(const sc_core::sc_module_name& name, sc_core::sc_time period)
        : sc_module(name), to_tlm("to_tlm", period), to_rtl("to_rtl", period), to_pair("to_pair", period) {}
};
}  // namespace

BOOST_AUTO_TEST_SUITE(tlm_modules)

BOOST_AUTO_TEST_CASE(a_socket_to_any_holder_answers_as_the_port_itself_and_annotates_its_cycles) {
    const sc_core::sc_time period(400, sc_core::SC_PS);
    const auto params = test_params(2);
    RecordingMemory direct_memory, tlm_memory, rtl_memory, pair_memory, stranger_memory;
    for (auto* m : {&direct_memory, &tlm_memory, &rtl_memory, &pair_memory}) m->vary = true;
    vmcs_cache::VmcsCache direct(params, direct_memory);
    vmcs_cache::VmcsModule<vmcs_cache::VmcsCache> model("tlm", params, tlm_memory, period);
    rtl::RtlVmcsModule rtl("rtl", params, rtl_memory, period);
    rtl::LockstepVmcsModule pair("pair", params, pair_memory, period);
    vmcs_cache::VmcsModule<vmcs_cache::VmcsCache> other("other", params, stranger_memory, period);
    Core core("core", period);
    auto &to_tlm = core.to_tlm, &to_rtl = core.to_rtl, &to_pair = core.to_pair;
    to_tlm.socket.bind(model.socket);
    to_rtl.socket.bind(rtl.socket);
    to_pair.socket.bind(pair.socket);
    core.stranger.bind(other.socket);
    sc_core::sc_start(sc_core::SC_ZERO_TIME);

    RandomRequests requests(42, 4);
    for (int i = 0; i < 2000; ++i) {
        const VmcsRequest request = requests.next();
        const VmcsPage before = *request.page;
        const auto expected = direct.transact(request);
        const VmcsPage after = *request.page;
        for (VmcsPort* port : {static_cast<VmcsPort*>(&to_tlm), static_cast<VmcsPort*>(&to_rtl),
                               static_cast<VmcsPort*>(&to_pair)}) {
            *request.page = before;
            const auto reply = port->transact(request);
            BOOST_TEST((reply.status == expected.status));
            BOOST_TEST(reply.data == expected.data);
            BOOST_TEST(reply.cycles.raw == expected.cycles.raw);
            BOOST_TEST((request.page->bytes == after.bytes));
        }
    }
    for (const VmcsPort* port : {static_cast<VmcsPort*>(&to_tlm), static_cast<VmcsPort*>(&to_rtl),
                                 static_cast<VmcsPort*>(&to_pair)}) {
        BOOST_TEST(port->stats().reads == direct.stats().reads);
        BOOST_TEST(port->stats().hits == direct.stats().hits);
        BOOST_TEST(port->stats().line_writebacks == direct.stats().line_writebacks);
    }
    BOOST_TEST((tlm_memory.log == rtl_memory.log));
    BOOST_TEST((tlm_memory.lines() == rtl_memory.lines()));

    tlm::tlm_generic_payload payload;
    sc_core::sc_time delay;
    core.stranger->b_transport(payload, delay);
    BOOST_TEST((payload.get_response_status() == ::tlm::TLM_GENERIC_ERROR_RESPONSE));
    BOOST_TEST((delay == sc_core::SC_ZERO_TIME));
}

BOOST_AUTO_TEST_SUITE_END()
