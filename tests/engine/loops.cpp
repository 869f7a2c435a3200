// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdlib>
#include <iostream>

#include "machine.hpp"

namespace vmxsim::core {

BOOST_AUTO_TEST_SUITE(loops)

namespace {

/// Sums 1 to rcx into rax: loop of add, store, load, dec, jnz. Ends in HLT.
void load_sum(Machine& m) {
    m.put(Machine::kCode, {0x48, 0x31, 0xc0,                    // xor rax, rax
                           0x48, 0x01, 0xc8,                    // l: add rax, rcx
                           0x48, 0x89, 0x04, 0x25, 0, 0, 0x20, 0,  // mov [0x200000], rax
                           0x48, 0x8b, 0x14, 0x25, 0, 0, 0x20, 0,  // mov rdx, [0x200000]
                           0x48, 0xff, 0xc9,                    // dec rcx
                           0x75, 0xe8,                          // jnz l
                           0xf4});                              // hlt
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_loop_runs_to_its_halt_and_leaves_the_sum) {
    for (const TimingLevel level : {TimingLevel::None, TimingLevel::Interval}) {
        Machine m(level);
        load_sum(m);
        m.s().r[vmx::RCX] = 1000;
        BOOST_TEST((m.run() == StopReason::Halted));
        BOOST_TEST(m.s().r[vmx::RAX] == 500500u);
        BOOST_TEST(m.s().r[vmx::RDX] == 500500u);
        BOOST_TEST(m.read(Machine::kData) == 500500u);
        BOOST_TEST(m.s().rip == Machine::kCode + 28);
        BOOST_TEST(m.core->instructions() == 1 + 5 * 1000 + 1u);
        if (level == TimingLevel::None) BOOST_TEST(m.s().cycles == m.core->instructions());
    }
}

BOOST_AUTO_TEST_CASE(runs_in_slices_end_in_the_same_state_and_cycle_as_one_run) {
    for (const TimingLevel level : {TimingLevel::None, TimingLevel::Interval}) {
        Machine whole(level), sliced(level);
        for (Machine* m : {&whole, &sliced}) {
            load_sum(*m);
            m->s().r[vmx::RCX] = 5000;
        }
        BOOST_TEST((whole.run() == StopReason::Halted));
        StopReason why = StopReason::Budget;
        unsigned slices = 0;
        while (why == StopReason::Budget && slices < 100000) {
            const u64 until = sliced.s().cycles + 37;
            why = sliced.core->run(until);
            if (why == StopReason::Budget) BOOST_TEST(sliced.s().cycles >= until);
            ++slices;
        }
        BOOST_TEST((why == StopReason::Halted));
        BOOST_TEST(slices > 100u);
        BOOST_TEST(sliced.s().r == whole.s().r);
        BOOST_TEST(sliced.s().cycles == whole.s().cycles);
        BOOST_TEST(sliced.core->instructions() == whole.core->instructions());
    }
}

BOOST_AUTO_TEST_CASE(speed_of_a_simple_loop_is_reported_where_someone_asks) {
    BOOST_TEST(true);
    if (!std::getenv("VMXSIM_SPEED")) return;
    for (const TimingLevel level : {TimingLevel::None, TimingLevel::Interval}) {
        Machine m(level);
        load_sum(m);
        m.s().r[vmx::RCX] = 100'000'000;
        const auto begin = std::chrono::steady_clock::now();
        BOOST_TEST((m.run(~u64{0} / 2) == StopReason::Halted));
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        std::cout << (level == TimingLevel::None ? "no timing: " : "interval: ")
                  << static_cast<double>(m.core->instructions()) / seconds / 1e6 << " MIPS, "
                  << static_cast<double>(m.s().cycles) / static_cast<double>(m.core->instructions())
                  << " cycles per instruction\n";
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace vmxsim::core
