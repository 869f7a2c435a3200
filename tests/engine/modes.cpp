// SPDX-License-Identifier: Apache-2.0
// 16- and 32-bit code, segments, RIP-relative addresses.
#include <boost/test/unit_test.hpp>

#include "machine.hpp"

namespace vmxsim::core {

BOOST_AUTO_TEST_SUITE(modes)

BOOST_AUTO_TEST_CASE(flat_32_bit_code_calls_loops_and_wraps_addresses) {
    for (const TimingLevel level : {TimingLevel::None, TimingLevel::Interval}) {
        Machine m(level, 32);
        m.put(Machine::kCode, {0xb9, 5, 0, 0, 0,                // mov ecx, 5
                               0xe8, 6, 0, 0, 0,                // l: call f
                               0x49, 0x75, 0xf8, 0xf4, 0x90, 0x90,  // dec ecx; jnz l; hlt
                               0x60, 0x01, 0x0d, 0, 0, 0x20, 0, // f: pusha; add [0x200000], ecx
                               0x61, 0x8d, 0x43, 0xff,          // popa; lea eax, [ebx - 1]
                               0xc3});
        BOOST_TEST((m.run() == StopReason::Halted));
        BOOST_TEST(m.read(Machine::kData, 4) == 15u);
        BOOST_TEST(m.s().r[vmx::RAX] == 0xffffffffu);
        BOOST_TEST(m.s().r[vmx::RSP] == Machine::kStack);
    }
}

BOOST_AUTO_TEST_CASE(real_mode_code_uses_segment_bases_and_16_bit_offsets) {
    for (const TimingLevel level : {TimingLevel::None, TimingLevel::Interval}) {
        Machine m(level, 16);
        m.s().seg[vmx::CS] = {0x1000, m.s().seg[vmx::CS].ar, 0xffff, 0x10000};
        m.s().seg[vmx::DS] = {0x2000, m.s().seg[vmx::DS].ar, 0xffff, 0x20000};
        m.s().seg[vmx::SS] = {0x3000, m.s().seg[vmx::SS].ar, 0xffff, 0x30000};
        m.s().rip = 0x100;
        m.put(0x10100, {0xb8, 0x34, 0x12,        // mov ax, 0x1234
                        0xa3, 0x10, 0,           // mov [0x10], ax
                        0x50, 0x5b,              // push ax; pop bx
                        0xe8, 1, 0,              // call +1
                        0xf4, 0x43, 0xc3});      // hlt; inc bx; ret
        BOOST_TEST((m.run() == StopReason::Halted));
        BOOST_TEST(m.read(0x20010, 2) == 0x1234u);
        BOOST_TEST(m.read(0x3ffee, 2) == 0x10bu);
        BOOST_TEST(m.s().r[vmx::RBX] == 0x1235u);
        BOOST_TEST(m.s().rip == 0x10cu);
    }
}

BOOST_AUTO_TEST_CASE(rip_relative_and_gs_relative_operands_find_their_data) {
    for (const TimingLevel level : {TimingLevel::None, TimingLevel::Interval}) {
        Machine m(level);
        m.s().seg[vmx::GS].base = 0x201000;
        m.write(0x10107, 42);
        m.write(0x201020, 43);
        m.put(Machine::kCode, {0x48, 0x8b, 0x05, 0, 1, 0, 0,                       // mov rax, [rip + 0x100]
                               0x65, 0x48, 0x8b, 0x1c, 0x25, 0x20, 0, 0, 0,        // mov rbx, gs:[0x20]
                               0x48, 0x8d, 0x0d, 0, 0, 0, 0, 0xf4});               // lea rcx, [rip]
        BOOST_TEST((m.run() == StopReason::Halted));
        BOOST_TEST(m.s().r[vmx::RAX] == 42u);
        BOOST_TEST(m.s().r[vmx::RBX] == 43u);
        BOOST_TEST(m.s().r[vmx::RCX] == Machine::kCode + 23);
    }
}

BOOST_AUTO_TEST_CASE(timing_counts_issue_slots_latencies_and_cache_misses_to_the_cycle) {
    Machine m(TimingLevel::Interval);
    const memory::CacheParams& c = m.cache_params;
    m.put(Machine::kCode, {0x48, 0x8b, 0x04, 0x25, 0, 0, 0x20, 0,  // mov rax, [0x200000]
                           0xf7, 0xe1,                             // mul ecx
                           0x90, 0x90, 0x90, 0xf4});               // three NOPs, HLT
    BOOST_TEST((m.run() == StopReason::Halted));
    const u64 issue = (6 + m.params.issue_width - 1) / m.params.issue_width;
    const u64 miss = c.dram_latency - c.l1_latency;
    const u64 cold = m.s().cycles;
    BOOST_TEST(cold >= issue + m.params.mul + 2 * miss);
    m.s().rip = Machine::kCode;
    const u64 before = m.s().cycles;
    BOOST_TEST((m.run() == StopReason::Halted));
    // All in the first-level caches now: what remains is the same run without its two misses.
    BOOST_TEST(m.s().cycles - before == cold - 2 * miss);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace vmxsim::core
