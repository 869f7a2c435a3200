// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include "machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;

namespace {

constexpr u64 kHandler = 0x24000;
constexpr u8 kInterruptGate = 14, kTrapGate = 15, kTaskGate = 5;

Event exception(u8 vector) {
    Event e;
    e.vector = vector;
    return e;
}
Event exception(u8 vector, u32 code) {
    Event e = exception(vector);
    e.has_error_code = true;
    e.error_code = code;
    return e;
}
Event of_type(arch::EventType type, u8 vector, u8 length = 0) {
    Event e;
    e.vector = vector;
    e.type = type;
    e.instruction_length = length;
    return e;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(event_delivery)

BOOST_AUTO_TEST_CASE(real_mode_pushes_three_words_and_clears_if_tf_ac) {
    Machine m;
    m.real();
    m.poke(kIdt + 4 * 0x21, 0x2340 | u64{0x0800} << 16, 4);
    m.core.state.rflags = 0x2 | rflags::IF | rflags::TF | rflags::CF;
    m.run_and_deliver({0xcd, 0x21});
    BOOST_TEST(m.core.state.seg[CS].selector == 0x0800);
    BOOST_TEST(m.core.state.seg[CS].base == 0x8000u);
    BOOST_TEST(m.core.state.rip == 0x2340u);
    BOOST_TEST(m.r(RSP) == 0x1000u - 6);
    const u64 sp = kStack + 0x1000 - 6;
    BOOST_TEST(m.peek(sp, 2) == 2u);  // IP behind INT 21h
    BOOST_TEST(m.peek(sp + 2, 2) == kCode >> 4);
    BOOST_TEST(m.peek(sp + 4, 2) == (2u | rflags::IF | rflags::TF | rflags::CF));
    BOOST_TEST(m.core.state.rflags == (2u | rflags::CF));
}

BOOST_AUTO_TEST_CASE(real_mode_pushes_no_error_code) {
    Machine m;
    m.real();
    m.core.deliver(exception(13, 0x123));
    BOOST_TEST(m.r(RSP) == 0x1000u - 6);
}

BOOST_AUTO_TEST_CASE(a_32_bit_interrupt_gate_pushes_flags_cs_eip_and_error_code_on_the_same_stack) {
    Machine m;
    m.gate(13, kCode0, kHandler, kInterruptGate);
    m.core.state.rflags |= rflags::IF | rflags::NT;
    m.core.deliver(exception(13, 0x1234));
    BOOST_TEST(m.core.state.rip == kHandler);
    BOOST_TEST(m.r(RSP) == kStack - 16);
    BOOST_TEST(m.peek(kStack - 16, 4) == 0x1234u);
    BOOST_TEST(m.peek(kStack - 12, 4) == kCode);
    BOOST_TEST(m.peek(kStack - 8, 4) == kCode0);
    BOOST_TEST(m.peek(kStack - 4, 4) == (2u | rflags::IF | rflags::NT | rflags::RF),
               "RF is set in the image of a fault");
    BOOST_TEST(m.core.state.rflags == 2u);
}

BOOST_AUTO_TEST_CASE(a_trap_gate_leaves_interrupts_enabled) {
    Machine m;
    m.gate(3, kCode0, kHandler, kTrapGate);
    m.core.state.rflags |= rflags::IF;
    m.run_and_deliver({0xcc});
    BOOST_TEST(m.core.state.rflags == (2u | rflags::IF));
    BOOST_TEST(m.peek(kStack - 12, 4) == kCode + 1);
    BOOST_TEST((m.peek(kStack - 4, 4) & rflags::RF) == 0u);
}

BOOST_AUTO_TEST_CASE(a_16_bit_gate_pushes_words) {
    Machine m;
    m.gate(6, kCode0, 0x4000, 6);
    m.core.state.rip = 0x14567;
    m.core.deliver(exception(6));
    BOOST_TEST(m.core.state.rip == 0x4000u);
    BOOST_TEST(m.r(RSP) == kStack - 6);
    BOOST_TEST(m.peek(kStack - 6, 2) == 0x4567u);
}

BOOST_AUTO_TEST_CASE(an_event_at_level_3_switches_to_the_stack_of_the_tss) {
    Machine m;
    m.protected32(3);
    m.gate(14, kCode0, kHandler, kInterruptGate);
    Event pf = exception(14, 6);
    pf.cr2 = 0xdeadb000;
    m.core.deliver(pf);
    BOOST_TEST(m.core.state.cpl() == 0);
    BOOST_TEST(m.core.state.seg[SS].selector == kData0);
    BOOST_TEST(m.core.state.seg[CS].selector == kCode0);
    BOOST_TEST(m.r(RSP) == kInnerStack - 24);
    const u64 sp = kInnerStack - 24;
    BOOST_TEST(m.peek(sp, 4) == 6u);
    BOOST_TEST(m.peek(sp + 4, 4) == kCode);
    BOOST_TEST(m.peek(sp + 8, 4) == kCode3);
    BOOST_TEST(m.peek(sp + 16, 4) == kStack);
    BOOST_TEST(m.peek(sp + 20, 4) == kData3);
    BOOST_TEST(m.core.state.cr2 == 0xdeadb000u);
}

BOOST_AUTO_TEST_CASE(virtual_8086_mode_pushes_its_data_segments_and_nulls_them) {
    Machine m;
    m.protected32(3);
    CpuState& s = m.core.state;
    s.rflags |= rflags::VM;
    for (Segment& seg : s.seg) seg.ar.raw = seg.ar.raw;  // TR and LDTR stay
    for (const Seg seg : {ES, CS, SS, DS, FS, GS})
        s.seg[seg] = {static_cast<u16>(0x100 + seg), {0xf3}, 0xffff, u64{0x100u + seg} << 4};
    s.rip = 0x44;
    s.r[RSP] = 0x800;
    m.gate(13, kCode0, kHandler, kInterruptGate);
    m.core.deliver(exception(13, 0));
    BOOST_TEST(s.r[RSP] == kInnerStack - 40);
    const u64 expected[] = {0, 0x44, 0x101, 2 | rflags::VM | rflags::RF, 0x800, 0x102, 0x100, 0x103, 0x104, 0x105};
    for (unsigned i = 0; i < 10; ++i) BOOST_TEST(m.peek(kInnerStack - 40 + 4 * i, 4) == expected[i]);
    BOOST_TEST(!s.v8086());
    BOOST_TEST(s.seg[DS].ar.unusable());
}

BOOST_AUTO_TEST_CASE(long_mode_aligns_the_stack_and_always_pushes_ss_and_rsp) {
    Machine m;
    m.long64();
    m.gate(14, kCode64, 0xffff800000024000, kInterruptGate);
    m.r(RSP) = kStack - 3;
    m.core.deliver(exception(14, 2));
    BOOST_TEST(m.core.state.rip == 0xffff800000024000u);
    const u64 sp = kStack - 16 - 48;
    BOOST_TEST(m.r(RSP) == sp);
    const u64 expected[] = {2, kCode, kCode64, 2 | rflags::RF, kStack - 3, kData0};
    for (unsigned i = 0; i < 6; ++i) BOOST_TEST(m.peek(sp + 8 * i, 8) == expected[i]);
    BOOST_TEST(m.core.state.seg[SS].selector == kData0, "SS stays without a change of level");
}

BOOST_AUTO_TEST_CASE(long_mode_takes_a_null_stack_segment_for_an_inner_level) {
    Machine m;
    m.long64(3);
    m.gate(6, kCode64, kHandler, kInterruptGate);
    m.core.deliver(exception(6));
    BOOST_TEST(m.core.state.cpl() == 0);
    BOOST_TEST(m.core.state.seg[SS].ar.unusable());
    BOOST_TEST(m.core.state.seg[SS].selector == 0);
    BOOST_TEST(m.r(RSP) == kInnerStack - 40);
    BOOST_TEST(m.peek(kInnerStack - 8, 8) == kData3);
    BOOST_TEST(m.peek(kInnerStack - 16, 8) == kStack);
}

BOOST_AUTO_TEST_CASE(an_ist_stack_is_used_at_any_level) {
    Machine m;
    m.long64();
    m.poke(kTssBase + 0x24 + 8 * 2, 0x3c000, 8);  // IST 3
    m.gate(2, kCode64, kHandler, kInterruptGate, 0, true, 3);
    m.core.deliver(of_type(arch::EventType::Nmi, 2));
    BOOST_TEST(m.r(RSP) == 0x3c000u - 40);
    BOOST_TEST((m.core.state.blocking & blocking::NMI) != 0u, "an NMI blocks further ones");
}

BOOST_AUTO_TEST_CASE(software_interrupts_respect_the_gates_dpl_and_exceptions_do_not) {
    Machine m;
    m.long64(3);
    m.gate(0x30, kCode64, kHandler, kInterruptGate, 0);
    m.gate(13, kCode64, kHandler + 0x100, kInterruptGate, 0);
    m.run_and_deliver({0xcd, 0x30});
    BOOST_TEST(m.core.state.rip == kHandler + 0x100);
    BOOST_TEST(m.peek(kInnerStack - 48, 8) == 0x30u * 8 + 2, "IDT bit set, EXT clear");
    BOOST_TEST(m.peek(kInnerStack - 40, 8) == kCode, "RIP of the INT instruction itself");
}

BOOST_AUTO_TEST_CASE(a_fault_during_an_external_events_delivery_has_ext_set) {
    Machine m;
    m.long64();
    m.gate(0x30, kCode64, kHandler, kInterruptGate, 0, false);
    m.gate(11, kCode64, kHandler + 0x100, kInterruptGate);
    m.core.deliver(of_type(arch::EventType::ExternalInterrupt, 0x30));
    BOOST_TEST(m.core.state.rip == kHandler + 0x100);
    BOOST_TEST(m.peek(m.r(RSP), 8) == 0x30u * 8 + 3);
}

BOOST_AUTO_TEST_CASE(two_contributory_exceptions_make_a_double_fault) {
    Machine m;
    m.long64();
    m.gate(8, kCode64, kHandler, kInterruptGate);
    m.core.deliver(exception(13, 0x10));  // its gate is empty: #GP
    BOOST_TEST(m.core.state.rip == kHandler);
    BOOST_TEST(m.peek(m.r(RSP), 8) == 0u, "#DF has error code 0");
}

BOOST_AUTO_TEST_CASE(a_benign_exception_and_a_contributory_one_are_handled_serially) {
    Machine m;
    m.long64();
    m.gate(8, kCode64, kHandler, kInterruptGate);
    m.gate(13, kCode64, kHandler + 0x100, kInterruptGate);
    m.core.deliver(exception(6));
    BOOST_TEST(m.core.state.rip == kHandler + 0x100);
    BOOST_TEST(m.peek(m.r(RSP), 8) == 6u * 8 + 3);
}

BOOST_AUTO_TEST_CASE(a_page_fault_during_a_contributory_one_is_handled_serially_but_not_the_other_way_round) {
    Machine m;
    m.long64();
    m.gate(8, kCode64, kHandler, kInterruptGate);
    m.gate(14, kCode64, kHandler + 0x100, kInterruptGate);
    m.core.deliver(exception(14, 0));
    BOOST_TEST(m.core.state.rip == kHandler + 0x100);
    m.long64();
    m.poke(kTssBase + 0x24, 0x90000000, 8);  // IST 1 is not mapped
    m.gate(13, kCode64, kHandler + 0x200, kInterruptGate, 0, true, 1);
    m.core.deliver(exception(13, 0));
    BOOST_TEST(m.core.state.rip == kHandler + 0x100, "#GP, then #PF: the page fault is delivered");
    BOOST_TEST(m.core.state.cr2 == 0x90000000u - 48);
    m.long64();
    m.gate(14, kCode64, kHandler + 0x100, kInterruptGate, 0, false);
    m.core.deliver(exception(14, 0));
    BOOST_TEST(m.core.state.rip == kHandler, "#PF, then #NP: double fault");
}

BOOST_AUTO_TEST_CASE(a_fault_on_the_double_fault_handler_shuts_the_processor_down) {
    Machine m;
    m.long64();
    const u64 rip = m.core.state.rip;
    m.core.deliver(exception(13, 0));
    BOOST_TEST((m.core.stop_reason() == core::StopReason::Shutdown));
    BOOST_TEST(m.core.state.rip == rip);
    BOOST_TEST(m.r(RSP) == kStack);
}

BOOST_AUTO_TEST_CASE(a_handler_must_be_64_bit_code_in_long_mode_and_not_of_an_outer_level) {
    Machine m;
    m.long64();
    m.gate(13, kCode64, kHandler, kInterruptGate);
    m.gate(6, kCode0, kHandler, kInterruptGate);
    m.core.deliver(exception(6));
    BOOST_TEST(m.peek(m.r(RSP), 8) == kCode0 + 1u);
    m.long64();
    m.gate(6, kCode64User, kHandler, kInterruptGate);
    m.core.deliver(exception(6));
    BOOST_TEST(m.peek(m.r(RSP), 8) == (kCode64User & 0xfffcu) + 1u);
}

BOOST_AUTO_TEST_CASE(a_bad_stack_in_the_tss_is_an_invalid_tss_fault) {
    Machine m;
    m.protected32(3);
    m.gate(6, kCode0, kHandler, kInterruptGate);
    m.descriptor(kFree, 0, 0xfffff, 0xc09b);
    m.descriptor(kConforming, 0, 0xfffff, 0xc0ff);  // conforming, DPL 3: runs at level 3 on the current stack
    m.gate(10, kConforming, kHandler + 0x100, kInterruptGate);
    const struct {
        u16 ss;
        u32 error;
    } rows[] = {{0, 1}, {0x8f8, 0x8f9}, {kFree, kFree | 1u}, {kData3, (kData3 & 0xfffcu) | 1u}};
    for (const auto& row : rows) {
        m.protected32(3);
        m.poke(kTssBase + 8, row.ss, 2);
        m.core.deliver(exception(6));
        BOOST_TEST(m.core.state.rip == kHandler + 0x100);
        BOOST_TEST(m.peek(m.r(RSP), 4) == row.error);
    }
}

BOOST_AUTO_TEST_CASE(debug_exceptions_set_dr6_and_clear_general_detect) {
    Machine m;
    m.long64();
    m.gate(1, kCode64, kHandler, kInterruptGate);
    m.core.state.dr7 = 0x400 | 1u << 13;
    m.core.state.dr6 = 0xffff0ff0 | 3;
    BOOST_TEST((m.run({0x0f, 0x21, 0xc0}) == Outcome::Fault));  // mov rax, dr0
    BOOST_TEST(m.fault().vector == 1);
    m.core.deliver(Event{m.fault()});
    BOOST_TEST(m.core.state.dr6 == (0xffff0ff0u | 1u << 13));
    BOOST_TEST(m.core.state.dr7 == 0x400u);
    BOOST_TEST((m.peek(m.r(RSP) + 16, 8) & rflags::RF) != 0u, "a fault, and not one of an instruction breakpoint");
}

BOOST_AUTO_TEST_CASE(a_task_gate_to_a_busy_task_faults_with_the_selector_of_its_tss) {
    Machine m;
    m.gate(6, kTss, 0, kTaskGate);
    m.gate(13, kCode0, kHandler, kInterruptGate);
    m.core.deliver(exception(6));
    BOOST_TEST(m.core.state.rip == kHandler);
    BOOST_TEST(m.peek(m.r(RSP), 4) == (kTss | 1u));
}

BOOST_AUTO_TEST_CASE(delivery_costs_a_far_transfer) {
    Machine m;
    m.long64();
    m.gate(6, kCode64, kHandler, kInterruptGate);
    const u64 before = m.core.state.cycles;
    m.core.deliver(exception(6));
    BOOST_TEST(m.core.state.cycles >= before + m.params.far_transfer);
}

BOOST_AUTO_TEST_SUITE_END()
