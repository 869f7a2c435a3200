// SPDX-License-Identifier: Apache-2.0
// MONITOR and MWAIT (SDM 10.10.4), and the interrupt of performance counters.
#include <boost/test/unit_test.hpp>

#include "machine.hpp"
#include "model/core/system/handlers.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;

namespace {

constexpr u64 kApic = 0xfee00000;

struct Waiting : Pc {
    Waiting() : Pc(true) {
        poke(kPages + 0x1000 + 3 * 8, 0xc0000000 | 0x83, 8);
        for (unsigned v = 0x20; v < 0x50; ++v) handler(static_cast<u8>(v), {0x48, 0xff, 0xc3, 0x48, 0xcf});
        r(RAX) = kData;
        // monitor; mov ecx, esi; mwait; inc rdi; hlt
        place(kCode, {0x31, 0xc9, 0x31, 0xd2, 0x0f, 0x01, 0xc8, 0x89, 0xf1, 0x0f, 0x01, 0xc9, 0x48, 0xff, 0xc7, 0xf4});
    }
    void apic(u32 at, u32 value) { mmio.write({kApic + at}, reinterpret_cast<const u8*>(&value), 4); }
    void timer(u32 count) {
        apic(0x320, 0x31);
        apic(0x3e0, 0xb);
        apic(0x380, count);
    }
    u64 waits() { return core.state.activity == ActivityState::Mwait; }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(mwait, Waiting)

BOOST_AUTO_TEST_CASE(mwait_waits_for_a_write_to_the_line) {
    timer(10'000);  // something to wait for, masked
    run(5'000);
    BOOST_TEST(waits());
    poke(kData + 64, 1, 1);  // the next line
    run(5'000);
    BOOST_TEST(waits());
    poke(kData + 63, 1, 1);
    run(5'000);
    BOOST_TEST(!waits());
    BOOST_TEST(r(RDI) == 1u);
}

BOOST_AUTO_TEST_CASE(an_interrupt_ends_mwait_and_returns_behind_it) {
    core.state.rflags |= rflags::IF;
    timer(1'000);
    run(5'000);
    BOOST_TEST(waits());
    run(50'000);
    BOOST_TEST(r(RBX) == 1u);
    BOOST_TEST(r(RDI) == 1u);
}

BOOST_AUTO_TEST_CASE(mwait_with_ecx_0_ends_by_a_masked_interrupt_without_it_being_taken) {
    r(RSI) = 1;
    timer(1'000);
    run(50'000);
    BOOST_TEST(r(RBX) == 0u);
    BOOST_TEST(r(RDI) == 1u);
    Waiting without;
    without.timer(1'000);
    without.run(50'000);
    BOOST_TEST(without.waits(), "without ECX[0] a masked interrupt does not end it");
}

BOOST_AUTO_TEST_CASE(mwait_without_an_armed_monitor_or_behind_a_write_does_not_wait) {
    place(kCode, {0x31, 0xc9, 0x0f, 0x01, 0xc9, 0x48, 0xff, 0xc7, 0xf4});
    run(1'000);
    BOOST_TEST(r(RDI) == 1u);
    // monitor; mov byte [rax], 5; mwait; inc rdi; hlt
    place(kCode, {0x31, 0xc9, 0x0f, 0x01, 0xc8, 0xc6, 0x00, 5, 0x0f, 0x01, 0xc9, 0x48, 0xff, 0xc7, 0xf4});
    core.state.rip = kCode;
    core.state.activity = ActivityState::Active;
    run(1'000);
    BOOST_TEST(r(RDI) == 2u);
}

BOOST_AUTO_TEST_CASE(mwait_faults_on_hints_that_do_not_exist) {
    const auto gp = [this](std::initializer_list<u8> code, u64 rcx) {
        r(RCX) = rcx;
        core.state.rip = kCode;
        return Machine::run(code) == Outcome::Fault && fault().vector == 13;
    };
    BOOST_TEST(gp({0x0f, 0x01, 0xc8}, 1));
    BOOST_TEST(gp({0x0f, 0x01, 0xc9}, 2));
    BOOST_TEST(gp({0x0f, 0x01, 0xc9}, u64{1} << 32), "all of RCX in 64-bit mode");
    BOOST_TEST(!gp({0x0f, 0x01, 0xc9}, 1));
    compatibility();
    BOOST_TEST(!gp({0x0f, 0x01, 0xc9}, u64{1} << 32));
}

BOOST_AUTO_TEST_CASE(a_guest_that_leaves_mwait_by_an_interrupt_is_saved_as_active) {
    pin |= 1;  // external-interrupt exiting
    guest64();
    timer(1'000);
    poke(kHostEntry, 0xf4, 1);
    core::Core& c = core;
    c.run(c.state.cycles + 50'000);
    BOOST_TEST(field(arch::Field::VM_EXIT_REASON) == 1u);
    BOOST_TEST(field(arch::Field::GUEST_ACTIVITY_STATE) == 0u);
    BOOST_TEST(field(arch::Field::GUEST_RIP) == kCode + 12);
}

BOOST_AUTO_TEST_CASE(a_counter_that_overflows_interrupts_through_the_apic_once) {
    apic(0xf0, 0x1ff);
    apic(0x340, 0x32);  // the performance-counter entry
    core.state.rflags |= rflags::IF;
    const auto set = [this](u32 index, u64 value) { BOOST_REQUIRE(core::write_msr(core, index, value)); };
    set(0x186, 1u << 22 | 1u << 20 | 1u << 17 | 0xc0);
    set(0xc1, static_cast<u32>(-1000));
    set(0x1d9, 1u << 12);  // freeze on PMI
    set(0x38f, 1);
    place(kCode, {0x48, 0xff, 0xc7, 0xeb, 0xfb});  // inc rdi; jmp
    // The handler keeps where it was interrupted: mov rdx, rdi; inc rbx; iretq
    handler(0x32, {0x48, 0x89, 0xfa, 0x48, 0xff, 0xc3, 0x48, 0xcf});
    run(20'000);
    BOOST_TEST(r(RBX) == 1u);
    BOOST_TEST(r(RDX) >= 500u);
    BOOST_TEST(r(RDX) < 520u, "within a few instructions of the 1000th");
    u32 entry = 0;
    mmio.read({kApic + 0x340}, reinterpret_cast<u8*>(&entry), 4);
    BOOST_TEST(entry == (0x32 | 1u << 16), "the entry is masked by its interrupt");
    u64 value = 0;
    core::read_msr(core, 0x38e, value);
    BOOST_TEST(value == 1u);
    core::read_msr(core, 0x38f, value);
    BOOST_TEST(value == 0u, "frozen");
}

BOOST_AUTO_TEST_SUITE_END()
