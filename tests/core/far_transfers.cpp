// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include "machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;

namespace {

constexpr u64 kTarget = 0x26000;
constexpr u8 kCallGate32 = 12;

bool fault(Machine& m, Outcome o, u8 vector, u32 error) {
    return o == Outcome::Fault && m.fault().vector == vector && m.fault().has_error_code &&
           m.fault().error_code == error;
}
Outcome jump32(Machine& m, u16 selector, u32 offset) {
    return m.run({0xea, static_cast<u8>(offset), static_cast<u8>(offset >> 8), static_cast<u8>(offset >> 16),
                  static_cast<u8>(offset >> 24), static_cast<u8>(selector), static_cast<u8>(selector >> 8)});
}
Outcome call32(Machine& m, u16 selector, u32 offset) {
    return m.run({0x9a, static_cast<u8>(offset), static_cast<u8>(offset >> 8), static_cast<u8>(offset >> 16),
                  static_cast<u8>(offset >> 24), static_cast<u8>(selector), static_cast<u8>(selector >> 8)});
}
void push(Machine& m, unsigned width, std::initializer_list<u64> top_first) {
    m.r(RSP) = kStack - width * top_first.size();
    u64 at = m.r(RSP);
    for (const u64 v : top_first) m.poke(at, v, width), at += width;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(far_transfers)

BOOST_AUTO_TEST_CASE(a_real_mode_far_call_pushes_segment_and_offset) {
    Machine m;
    m.real();
    BOOST_TEST((m.run({0x9a, 0x10, 0x00, 0x00, 0x26}) == Outcome::Jump));
    BOOST_TEST(m.core.state.seg[CS].base == 0x26000u);
    BOOST_TEST(m.core.state.rip == 0x10u);
    BOOST_TEST(m.peek(kStack + 0xffc, 2) == 5u);
    BOOST_TEST(m.peek(kStack + 0xffe, 2) == kCode >> 4);
    BOOST_TEST((m.run({0xcb}) == Outcome::Jump));  // retf
    BOOST_TEST(m.core.state.rip == 5u);
    BOOST_TEST(m.core.state.seg[CS].selector == kCode >> 4);
    BOOST_TEST(m.r(RSP) == 0x1000u);
}

BOOST_AUTO_TEST_CASE(a_far_jump_enters_64_bit_code_from_compatibility_mode) {
    Machine m;
    m.compatibility();
    BOOST_TEST((jump32(m, kCode64, kTarget) == Outcome::Jump));
    BOOST_TEST(m.core.state.code64());
    BOOST_TEST(m.core.state.rip == kTarget);
}

BOOST_AUTO_TEST_CASE(direct_transfers_obey_privilege_type_presence_and_limit) {
    Machine m;
    BOOST_TEST(fault(m, jump32(m, 0, kTarget), 13, 0));
    BOOST_TEST(fault(m, jump32(m, 0x8f8, kTarget), 13, 0x8f8));
    BOOST_TEST(fault(m, jump32(m, kData0, kTarget), 13, kData0));
    BOOST_TEST(fault(m, jump32(m, kCode3, kTarget), 13, kCode3 & 0xfffc));  // DPL != CPL
    BOOST_TEST(fault(m, jump32(m, kCode0 | 3, kTarget), 13, kCode0));       // RPL > CPL
    m.descriptor(kFree, 0, 0xfffff, 0xc01b);
    BOOST_TEST(fault(m, jump32(m, kFree, kTarget), 11, kFree));
    m.descriptor(kFree, 0, 0xfff, 0x409b);
    BOOST_TEST(fault(m, jump32(m, kFree, 0x1000), 13, 0));
    BOOST_TEST((jump32(m, kFree, 0xfff) == Outcome::Jump));
    m.protected32(3);
    BOOST_TEST((jump32(m, kConforming, kTarget) == Outcome::Jump));
    BOOST_TEST(m.core.state.seg[CS].selector == (kConforming | 3));
    BOOST_TEST(m.core.state.cpl() == 3);
}

BOOST_AUTO_TEST_CASE(long_mode_refuses_a_code_segment_with_l_and_d) {
    Machine m;
    m.compatibility();
    m.descriptor(kFree, 0, 0xfffff, 0xe09b);
    BOOST_TEST(fault(m, jump32(m, kFree, kTarget), 13, kFree));
}

BOOST_AUTO_TEST_CASE(a_call_gate_to_an_inner_level_switches_stacks_and_copies_parameters) {
    Machine m;
    m.protected32(3);
    m.call_gate(kFree, kCode0, kTarget, kCallGate32, 3, 2);
    push(m, 4, {0x11111111, 0x22222222});
    const u64 old = m.r(RSP);
    BOOST_TEST((call32(m, kFree | 3, 0xbad) == Outcome::Jump));
    BOOST_TEST(m.core.state.cpl() == 0);
    BOOST_TEST(m.core.state.rip == kTarget);
    BOOST_TEST(m.r(RSP) == kInnerStack - 24);
    const u64 expected[] = {kCode + 7, kCode3, 0x11111111, 0x22222222, old, kData3};
    for (unsigned i = 0; i < 6; ++i) BOOST_TEST(m.peek(kInnerStack - 24 + 4 * i, 4) == expected[i]);

    // ... and RET 8 goes back, releasing the parameters on both stacks.
    m.core.state.seg[DS] = m.core.state.seg[SS];
    BOOST_TEST((m.run({0xca, 0x08, 0x00}) == Outcome::Jump));
    BOOST_TEST(m.core.state.cpl() == 3);
    BOOST_TEST(m.core.state.rip == kCode + 7);
    BOOST_TEST(m.r(RSP) == old + 8);
    BOOST_TEST(m.core.state.seg[SS].selector == kData3);
    BOOST_TEST(m.core.state.seg[DS].ar.unusable(), "a segment of the inner level is dropped");
}

BOOST_AUTO_TEST_CASE(a_64_bit_call_gate_pushes_quadwords_and_nulls_ss) {
    Machine m;
    m.long64(3);
    m.call_gate(kFree, kCode64, kTarget, kCallGate32, 3);
    m.poke(kData, 0, 4);
    m.poke(kData + 4, kFree | 3, 2);
    m.r(RBX) = kData;
    BOOST_TEST((m.run({0xff, 0x1b}) == Outcome::Jump));  // call far [rbx]
    BOOST_TEST(m.r(RSP) == kInnerStack - 32);
    const u64 expected[] = {kCode + 2, kCode64User, kStack, kData3};
    for (unsigned i = 0; i < 4; ++i) BOOST_TEST(m.peek(kInnerStack - 32 + 8 * i, 8) == expected[i]);
    BOOST_TEST(m.core.state.seg[SS].ar.unusable());
    BOOST_TEST(m.core.state.cpl() == 0);
}

BOOST_AUTO_TEST_CASE(call_gates_obey_their_privilege) {
    Machine m;
    m.protected32(3);
    m.call_gate(kFree, kCode0, kTarget, kCallGate32, 0);
    BOOST_TEST(fault(m, call32(m, kFree | 3, 0), 13, kFree));
    m.call_gate(kFree, kCode0, kTarget, kCallGate32, 3);
    BOOST_TEST(fault(m, jump32(m, kFree | 3, 0), 13, kCode0));  // JMP cannot change the level
    m.poke(kGdt + kFree + 5, 0x6c, 1);
    BOOST_TEST(fault(m, call32(m, kFree | 3, 0), 11, kFree));
}

BOOST_AUTO_TEST_CASE(a_far_return_cannot_go_inward) {
    Machine m;
    m.protected32(3);
    push(m, 4, {kTarget, kCode0});
    BOOST_TEST(fault(m, m.run({0xcb}), 13, kCode0));
    push(m, 4, {kTarget, 3});
    BOOST_TEST(fault(m, m.run({0xcb}), 13, 0));
    BOOST_TEST(m.r(RSP) == kStack - 8, "nothing was popped");
}

BOOST_AUTO_TEST_CASE(iretq_returns_to_level_3_with_its_stack_and_flags) {
    Machine m;
    m.long64();
    push(m, 8, {kTarget, kCode64User, 0x2 | rflags::IF | rflags::CF | 0x3000, 0x35000, kData3});
    BOOST_TEST((m.run({0x48, 0xcf}) == Outcome::Jump));
    BOOST_TEST(m.core.state.rip == kTarget);
    BOOST_TEST(m.core.state.cpl() == 3);
    BOOST_TEST(m.r(RSP) == 0x35000u);
    BOOST_TEST(m.core.state.rflags == (0x2u | rflags::IF | rflags::CF | 0x3000));
    BOOST_TEST(m.core.state.seg[DS].ar.unusable());
}

BOOST_AUTO_TEST_CASE(a_return_outward_makes_privileged_segments_null_and_keeps_the_base_of_gs) {
    Machine m;
    m.long64();
    m.core.state.seg[GS].base = kData;
    push(m, 8, {kTarget, kCode64User, 2, kData + 0x80, kData3});
    BOOST_TEST((m.run({0x48, 0xcf}) == Outcome::Jump));
    for (const auto seg : {ES, DS, FS, GS}) {
        BOOST_TEST(m.core.state.seg[seg].selector == 0u);
        BOOST_TEST(m.core.state.seg[seg].ar.unusable());
    }
    BOOST_TEST(m.core.state.seg[GS].base == kData);
}

BOOST_AUTO_TEST_CASE(iretq_at_the_same_level_loads_the_stack_and_may_load_a_null_ss) {
    Machine m;
    m.long64();
    push(m, 8, {kTarget, kCode64, 2, 0x35008, 0});
    BOOST_TEST((m.run({0x48, 0xcf}) == Outcome::Jump));
    BOOST_TEST(m.r(RSP) == 0x35008u);
    BOOST_TEST(m.core.state.seg[SS].ar.unusable());
    BOOST_TEST(m.core.state.cpl() == 0);
}

BOOST_AUTO_TEST_CASE(iret_faults_as_the_sdm_orders) {
    Machine m;
    m.long64();
    push(m, 8, {u64{1} << 47, kCode64, 2, 0x35000, kData0});
    BOOST_TEST(fault(m, m.run({0x48, 0xcf}), 13, 0));  // RIP not canonical
    push(m, 8, {kTarget, kCode64User, 2, 0x35000, 3});
    BOOST_TEST(fault(m, m.run({0x48, 0xcf}), 13, 0));  // null SS for level 3
    push(m, 8, {kTarget, kCode64User, 2, 0x35000, kData0});
    BOOST_TEST(fault(m, m.run({0x48, 0xcf}), 13, kData0));  // SS of another level
    push(m, 8, {kTarget, kCode64, 2, 0x35000, kData0});
    m.core.state.rflags |= rflags::NT;
    BOOST_TEST(fault(m, m.run({0x48, 0xcf}), 13, 0));  // NT in IA-32e mode
}

BOOST_AUTO_TEST_CASE(a_32_bit_iret_within_a_level_pops_three_values_and_keeps_privileged_flags) {
    Machine m;
    m.protected32(3);
    push(m, 4, {kTarget, kCode3, 0x2 | rflags::IF | 0x3000 | rflags::ZF});
    BOOST_TEST((m.run({0xcf}) == Outcome::Jump));
    BOOST_TEST(m.r(RSP) == kStack);
    BOOST_TEST(m.core.state.rflags == (0x2u | rflags::ZF), "IF and IOPL are not level 3's");
}

BOOST_AUTO_TEST_CASE(iret_enters_virtual_8086_mode) {
    Machine m;
    push(m, 4, {0x100, 0x2000, 2 | rflags::VM | 0x3000, 0x8000, 0x2100, 0x2200, 0x2300, 0x2400, 0x2500});
    BOOST_TEST((m.run({0xcf}) == Outcome::Jump));
    const CpuState& s = m.core.state;
    BOOST_TEST(s.v8086());
    BOOST_TEST(s.cpl() == 3);
    BOOST_TEST(s.seg[CS].base == 0x20000u);
    BOOST_TEST(s.seg[ES].base == 0x22000u);
    BOOST_TEST(s.seg[GS].selector == 0x2500u);
    BOOST_TEST(s.seg[SS].ar.raw == 0xf3u);
    BOOST_TEST(s.r[RSP] == 0x8000u);
}

BOOST_AUTO_TEST_CASE(a_real_mode_iret_restores_flags) {
    Machine m;
    m.real();
    m.r(RSP) = 0xffa;
    m.poke(kStack + 0xffa, 0x22, 2);
    m.poke(kStack + 0xffc, 0x2600, 2);
    m.poke(kStack + 0xffe, rflags::IF | rflags::ZF | 2, 2);
    BOOST_TEST((m.run({0xcf}) == Outcome::Jump));
    BOOST_TEST(m.core.state.rip == 0x22u);
    BOOST_TEST(m.core.state.rflags == (2u | rflags::IF | rflags::ZF));
}

BOOST_AUTO_TEST_CASE(iret_ends_nmi_blocking_even_where_it_faults) {
    Machine m;
    m.long64();
    m.core.state.blocking = blocking::NMI;
    push(m, 8, {kTarget, 0, 2, 0x35000, kData0});
    BOOST_TEST(fault(m, m.run({0x48, 0xcf}), 13, 0));
    BOOST_TEST(m.core.state.blocking == 0u);
}

BOOST_AUTO_TEST_CASE(syscall_and_sysret_use_star) {
    Machine m;
    m.long64(3);
    CpuState& s = m.core.state;
    s.star = u64{kCode64User - 16u} << 48 | u64{kCode64} << 32;
    s.lstar = kTarget;
    s.fmask = rflags::IF;
    s.rflags |= rflags::IF | rflags::CF;
    BOOST_TEST((m.run({0x0f, 0x05}) == Outcome::Jump));
    BOOST_TEST(s.r[RCX] == kCode + 2);
    BOOST_TEST(s.r[R11] == (2u | rflags::IF | rflags::CF));
    BOOST_TEST(s.rflags == (2u | rflags::CF));
    BOOST_TEST(s.cpl() == 0);
    BOOST_TEST(s.seg[SS].selector == kCode64 + 8);
    BOOST_TEST((m.run({0x48, 0x0f, 0x07}) == Outcome::Jump));
    BOOST_TEST(s.rip == kCode + 2);
    BOOST_TEST(s.seg[CS].selector == kCode64User);
    BOOST_TEST(s.cpl() == 3);
    BOOST_TEST(s.code64());
    s.efer &= ~efer::SCE;
    BOOST_TEST((m.run({0x0f, 0x05}) == Outcome::Fault));
    BOOST_TEST(m.fault().vector == 6);
}

BOOST_AUTO_TEST_CASE(sysenter_and_sysexit_use_their_msrs) {
    Machine m;
    m.protected32(3);
    CpuState& s = m.core.state;
    BOOST_TEST(fault(m, m.run({0x0f, 0x34}), 13, 0));
    s.sysenter_cs = kCode0;
    s.sysenter_esp = kInnerStack;
    s.sysenter_eip = kTarget;
    BOOST_TEST((m.run({0x0f, 0x34}) == Outcome::Jump));
    BOOST_TEST(s.cpl() == 0);
    BOOST_TEST(s.r[RSP] == kInnerStack);
    s.r[RCX] = kStack;
    s.r[RDX] = kCode;
    BOOST_TEST((m.run({0x0f, 0x35}) == Outcome::Jump));
    BOOST_TEST(s.seg[CS].selector == (kCode0 + 16) + 3);
    BOOST_TEST(s.seg[SS].selector == (kCode0 + 24) + 3);
    BOOST_TEST(s.rip == kCode);
}

BOOST_AUTO_TEST_SUITE_END()
