// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include "machine.hpp"

namespace vmxsim::core {

namespace {
const TimingLevel kLevels[] = {TimingLevel::None, TimingLevel::Interval};
}

BOOST_AUTO_TEST_SUITE(code_changes)

BOOST_AUTO_TEST_CASE(a_store_into_the_next_instruction_of_its_block_is_seen) {
    for (const TimingLevel level : kLevels) {
        Machine m(level);
        m.put(Machine::kCode, {0xc6, 0x04, 0x25, 0x0b, 0, 1, 0, 7,  // mov byte [0x1000b], 7
                               0x90, 0x90,                          // nop; nop
                               0xb0, 1,                             // mov al, 1 -> mov al, 7
                               0xf4});
        BOOST_TEST((m.run() == StopReason::Halted));
        BOOST_TEST(m.s().r[vmx::RAX] == 7u);
        BOOST_TEST(m.core->instructions() == 5u);
    }
}

BOOST_AUTO_TEST_CASE(a_loop_that_changes_itself_sees_each_change) {
    for (const TimingLevel level : kLevels) {
        Machine m(level);
        m.put(Machine::kCode, {0xb9, 10, 0, 0, 0,                         // mov ecx, 10
                               0x05, 0, 0, 0, 0,                          // l: add eax, 0
                               0xfe, 0x04, 0x25, 0x06, 0, 1, 0,           // inc byte [l + 1]
                               0xff, 0xc9, 0x75, 0xf0, 0xf4});            // dec ecx; jnz l; hlt
        BOOST_TEST((m.run() == StopReason::Halted));
        BOOST_TEST(m.s().r[vmx::RAX] == 45u);
        BOOST_TEST(m.core->instructions() == 1 + 40 + 1u);
    }
}

BOOST_AUTO_TEST_CASE(code_of_another_page_written_by_the_guest_or_by_others_is_decoded_anew) {
    for (const TimingLevel level : kLevels) {
        Machine m(level);
        const u64 other = 0x14000;
        m.put(other, {0xb8, 1, 0, 0, 0, 0xc3});                        // mov eax, 1; ret
        m.put(Machine::kCode, {0xe8, 0xfb, 0x3f, 0, 0,                 // call other
                               0x01, 0xc3,                             // add ebx, eax
                               0xff, 0x04, 0x25, 0x01, 0x40, 1, 0,     // inc dword [other + 1]
                               0xff, 0xc9, 0x75, 0xee, 0xf4});         // dec ecx; jnz; hlt
        m.s().r[vmx::RCX] = 5;
        BOOST_TEST((m.run() == StopReason::Halted));
        BOOST_TEST(m.s().r[vmx::RBX] == 1 + 2 + 3 + 4 + 5u);
        m.put(other, {0xb8, 100, 0, 0, 0, 0xc3});                      // by another master
        m.s().rip = Machine::kCode;
        m.s().r[vmx::RCX] = 1;
        m.s().r[vmx::RBX] = 0;
        BOOST_TEST((m.run() == StopReason::Halted));
        BOOST_TEST(m.s().r[vmx::RBX] == 100u);
    }
}

BOOST_AUTO_TEST_CASE(a_repeated_store_over_its_own_instruction_ends_where_it_must) {
    Machine m;
    // rep stosb over the bytes that follow: they become NOPs up to the HLT.
    m.put(Machine::kCode, {0xf3, 0xaa, 0xff, 0xc2, 0xff, 0xc2, 0xff, 0xc2, 0xf4});
    m.s().r[vmx::RAX] = 0x90;
    m.s().r[vmx::RDI] = Machine::kCode + 2;
    m.s().r[vmx::RCX] = 6;
    BOOST_TEST((m.run() == StopReason::Halted));
    BOOST_TEST(m.s().r[vmx::RDX] == 0u);
    BOOST_TEST(m.s().r[vmx::RCX] == 0u);
}

BOOST_AUTO_TEST_CASE(data_beside_code_in_a_page_is_written_without_harm) {
    for (const TimingLevel level : kLevels) {
        Machine m(level);
        m.put(Machine::kCode, {0xff, 0x04, 0x25, 0x00, 8, 1, 0,        // l: inc dword [0x10800]
                               0xff, 0xc9, 0x75, 0xf5, 0xf4});
        m.s().r[vmx::RCX] = 1000;
        BOOST_TEST((m.run() == StopReason::Halted));
        BOOST_TEST(m.read(0x10800, 4) == 1000u);
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace vmxsim::core
