// SPDX-License-Identifier: Apache-2.0
#include "model/vmcs_cache/cache.hpp"

#include <bit>
#include <boost/test/unit_test.hpp>

#include "tests/vmcs_cache/fixture.hpp"

using Port = vmxsim::vmcs_cache::VmcsCache;
BOOST_AUTO_TEST_SUITE(vmcs_cache_model)
#include "tests/vmcs_cache/contract.hpp"

BOOST_AUTO_TEST_CASE(contexts_report_what_they_hold) {
    RecordingMemory memory;
    Port cache(test_params(4), memory);
    cache.transact({.op = VmcsOp::Activate, .vmcs = kA});
    cache.transact({.op = VmcsOp::Write, .vmcs = kB, .encoding = encoding_of(Field::GUEST_RIP), .data = 1});
    const LineMask line = bit(line_of(Field::GUEST_RIP));
    const auto held = cache.contexts();
    BOOST_TEST(held.size() == 2u);
    BOOST_TEST((held.at(0) == vmxsim::vmcs_cache::ContextState{0, kA, 0, 0, 1}));
    BOOST_TEST((held.at(1) == vmxsim::vmcs_cache::ContextState{1, kB, line, line, 0}));
}

BOOST_AUTO_TEST_CASE(another_layout_moves_the_fields_in_memory_and_nothing_else) {
    VmcsLayout layout = kGenericLayout;
    std::swap(layout.offset[index_of(Field::GUEST_RIP)], layout.offset[index_of(Field::HOST_RIP)]);
    RecordingMemory memory;
    Port cache(test_params(1), memory, layout);
    cache.transact({.op = VmcsOp::Write, .vmcs = kA, .encoding = encoding_of(Field::GUEST_RIP), .data = 0x77});
    cache.transact({.op = VmcsOp::Clear, .vmcs = kA});
    BOOST_TEST(memory.value<u64>(kA.raw + kGenericLayout.offset[index_of(Field::HOST_RIP)]) == 0x77u);
    layout.offset[index_of(Field::GUEST_RIP)] = 60;
    BOOST_CHECK_THROW(Port(test_params(1), memory, layout), std::invalid_argument);
}

BOOST_AUTO_TEST_SUITE_END()
