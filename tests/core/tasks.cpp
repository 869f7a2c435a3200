// SPDX-License-Identifier: Apache-2.0
// Hardware task switches by jump, call, IRET and task gate (SDM 8.3).
#include <boost/test/unit_test.hpp>

#include "machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;

namespace {

constexpr u16 kNew = kFree, kGate = kFree + 8;
constexpr u64 kNewTss = 0x5000, kNewCode = 0x27000, kNewStack = 0x3a000;

struct Tasks : Machine {
    Tasks() {
        descriptor(kNew, kNewTss, 0x67, 0x89);
        for (u64 i = 0; i < 104; i += 4) poke(kNewTss + i, 0, 4);
        poke(kNewTss + 0x20, kNewCode, 4);
        poke(kNewTss + 0x24, 0x202, 4);
        for (u64 i = 0; i < 8; ++i) poke(kNewTss + 0x28 + 4 * i, 0x1000 + i, 4);
        poke(kNewTss + 0x38, kNewStack, 4);
        for (const u64 at : {0x48, 0x50, 0x54, 0x58, 0x5c}) poke(kNewTss + at, kData0, 2);
        poke(kNewTss + 0x4c, kCode0, 2);
        for (unsigned i = 0; i < 8; ++i)
            if (i != RSP) core.state.r[i] = 0x2000 + i;
        core.state.dr7 = 0x7ff;
    }
    Outcome far(u8 opcode, u16 selector) {
        return run({opcode, 0, 0, 0, 0, static_cast<u8>(selector), static_cast<u8>(selector >> 8)});
    }
    u8 type_of(u16 selector) { return static_cast<u8>(peek(kGdt + selector + 5, 1)); }
    bool fault_is(Outcome o, u8 vector, u32 error) {
        return o == Outcome::Fault && fault().vector == vector && fault().error_code == error;
    }
};

constexpr u8 kJump = 0xea, kCall = 0x9a;

}  // namespace

BOOST_AUTO_TEST_SUITE(tasks)

BOOST_AUTO_TEST_CASE(a_jump_to_a_tss_saves_the_old_task_and_loads_the_new_one) {
    Tasks m;
    m.core.state.rflags = 0x46;
    BOOST_TEST((m.far(kJump, kNew) == Outcome::Jump));
    const CpuState& s = m.core.state;
    BOOST_TEST(m.peek(kTssBase + 0x20, 4) == kCode + 7);
    BOOST_TEST(m.peek(kTssBase + 0x24, 4) == 0x46u);
    BOOST_TEST(m.peek(kTssBase + 0x28, 4) == 0x2000u);
    BOOST_TEST(m.peek(kTssBase + 0x38, 4) == kStack);
    BOOST_TEST(m.peek(kTssBase + 0x44, 4) == 0x2007u);
    BOOST_TEST(m.peek(kTssBase + 0x4c, 2) == kCode0);
    BOOST_TEST(m.peek(kTssBase + 0x5c, 2) == kData0);
    BOOST_TEST(m.peek(kTssBase + 4, 4) == kInnerStack, "stacks are not written");
    BOOST_TEST(s.rip == kNewCode);
    BOOST_TEST(s.rflags == 0x202u, "no NT: the task is not nested");
    BOOST_TEST(s.r[RAX] == 0x1000u);
    BOOST_TEST(s.r[RDI] == 0x1007u);
    BOOST_TEST(s.r[RSP] == kNewStack);
    BOOST_TEST(s.seg[TR].selector == kNew);
    BOOST_TEST(s.seg[TR].base == kNewTss);
    BOOST_TEST(s.seg[TR].ar.raw == 0x8bu);
    BOOST_TEST((s.cr0 & cr0::TS) != 0u);
    BOOST_TEST(s.dr7 == 0x6aau, "local breakpoints end");
    BOOST_TEST(m.type_of(kTss) == 0x89);
    BOOST_TEST(m.type_of(kNew) == 0x8b);
    BOOST_TEST(m.peek(kNewTss, 2) == 0u, "no link");
}

BOOST_AUTO_TEST_CASE(a_call_nests_and_iret_comes_back) {
    Tasks m;
    BOOST_TEST((m.far(kCall, kNew) == Outcome::Jump));
    BOOST_TEST(m.core.state.rflags == (0x202u | rflags::NT));
    BOOST_TEST(m.peek(kNewTss, 2) == kTss);
    BOOST_TEST(m.type_of(kTss) == 0x8b, "the calling task stays busy");
    BOOST_TEST((m.run({0xcf}) == Outcome::Jump));
    BOOST_TEST(m.core.state.rip == kCode + 7);
    BOOST_TEST(m.core.state.seg[TR].selector == kTss);
    BOOST_TEST(m.core.state.r[RBX] == 0x2003u);
    BOOST_TEST(m.type_of(kTss) == 0x8b);
    BOOST_TEST(m.type_of(kNew) == 0x89);
    BOOST_TEST((m.peek(kNewTss + 0x24, 4) & rflags::NT) == 0u, "IRET clears NT in the image that it saves");
}

BOOST_AUTO_TEST_CASE(a_task_gate_leads_to_its_tss) {
    Tasks m;
    m.poke(kGdt + kGate, u64{kNew} << 16 | u64{0x85} << 40, 8);
    BOOST_TEST((m.far(kJump, kGate) == Outcome::Jump));
    BOOST_TEST(m.core.state.rip == kNewCode);
}

BOOST_AUTO_TEST_CASE(an_exception_through_a_task_gate_pushes_its_error_code_on_the_new_stack) {
    Tasks m;
    m.gate(13, kNew, 0, 5);
    Event e;
    e.vector = 13;
    e.has_error_code = true;
    e.error_code = 0x1234;
    m.core.deliver(e);
    BOOST_TEST(m.core.state.rip == kNewCode);
    BOOST_TEST(m.r(RSP) == kNewStack - 4);
    BOOST_TEST(m.peek(kNewStack - 4, 4) == 0x1234u);
    BOOST_TEST(m.peek(kTssBase + 0x20, 4) == kCode, "at the instruction that faulted");
    BOOST_TEST((m.peek(kTssBase + 0x24, 4) & rflags::RF) != 0u);
    BOOST_TEST(m.peek(kNewTss, 2) == kTss);
    BOOST_TEST((m.core.state.rflags & rflags::NT) != 0u);
}

BOOST_AUTO_TEST_CASE(a_16_bit_tss_holds_words) {
    Tasks m;
    m.descriptor(kNew, kNewTss, 0x2b, 0x81);
    for (u64 i = 0; i < 44; i += 4) m.poke(kNewTss + i, 0, 4);
    m.poke(kNewTss + 0x0e, 0x7000, 2);
    m.poke(kNewTss + 0x10, 2, 2);
    m.poke(kNewTss + 0x12, 0xabcd, 2);
    for (const u64 at : {0x22, 0x26, 0x28}) m.poke(kNewTss + at, kData0, 2);
    m.poke(kNewTss + 0x24, kCode0, 2);
    BOOST_TEST((m.far(kJump, kNew) == Outcome::Jump));
    BOOST_TEST(m.core.state.rip == 0x7000u);
    BOOST_TEST(m.r(RAX) == 0xabcdu);
    BOOST_TEST(m.core.state.seg[FS].ar.unusable());
    BOOST_TEST(m.core.state.seg[TR].ar.raw == 0x83u);
    BOOST_TEST((m.far(kJump, kTss) == Outcome::Jump), "and back");
    BOOST_TEST(m.peek(kNewTss + 0x0e, 2) == 0x7007u);
    BOOST_TEST(m.peek(kNewTss + 0x10, 2) == 2u);
}

BOOST_AUTO_TEST_CASE(a_tss_must_be_available_present_and_large_enough) {
    Tasks m;
    BOOST_TEST(m.fault_is(m.far(kJump, kTss), 13, kTss));  // busy
    m.descriptor(kNew, kNewTss, 0x66, 0x89);
    BOOST_TEST(m.fault_is(m.far(kJump, kNew), 10, kNew));
    m.descriptor(kNew, kNewTss, 0x67, 0x09);
    BOOST_TEST(m.fault_is(m.far(kJump, kNew), 11, kNew));
    m.descriptor(kNew, kNewTss, 0x67, 0x89);
    m.core.state.rflags |= rflags::NT;
    m.poke(kTssBase, kNew, 2);  // a link to a task that is not busy
    BOOST_TEST(m.fault_is(m.run({0xcf}), 10, kNew));
    BOOST_TEST(m.type_of(kNew) == 0x89);
    BOOST_TEST(m.core.state.seg[TR].selector == kTss);
}

BOOST_AUTO_TEST_CASE(a_bad_segment_of_the_new_task_is_a_fault_of_that_task) {
    Tasks m;
    m.gate(10, kCode0, 0x28000, 14);
    m.poke(kNewTss + 0x54, kExecuteOnly, 2);  // DS
    BOOST_TEST((m.far(kJump, kNew) == Outcome::Jump));
    BOOST_TEST(m.core.state.rip == 0x28000u);
    BOOST_TEST(m.core.state.seg[TR].selector == kNew);
}

BOOST_AUTO_TEST_CASE(the_new_task_may_be_a_virtual_8086_one) {
    Tasks m;
    m.poke(kNewTss + 0x20, 0x100, 4);
    m.poke(kNewTss + 0x24, 0x20202, 4);
    m.poke(kNewTss + 0x4c, 0x2700, 2);
    BOOST_TEST((m.far(kJump, kNew) == Outcome::Jump));
    BOOST_TEST(m.core.state.v8086());
    BOOST_TEST(m.core.state.seg[CS].base == 0x27000u);
    BOOST_TEST(m.core.state.cpl() == 3);
}

BOOST_AUTO_TEST_CASE(the_trap_flag_of_a_tss_raises_a_debug_exception) {
    Tasks m;
    m.poke(kNewTss + 0x64, 1, 1);
    BOOST_TEST((m.far(kJump, kNew) == Outcome::Jump));
    BOOST_TEST((m.core.state.pending_debug & 0x8000) != 0u);
}

BOOST_AUTO_TEST_CASE(long_mode_has_no_task_switches) {
    Tasks m;
    m.compatibility();
    BOOST_TEST(m.fault_is(m.far(kJump, kNew), 13, kNew));
}

BOOST_AUTO_TEST_SUITE_END()
