// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "machine.hpp"

namespace vmxsim::core {

namespace {

constexpr u64 kHandler = 0x12000;
const TimingLevel kLevels[] = {TimingLevel::None, TimingLevel::Interval};

/// A machine with paging whose handler for `vector` halts.
struct Faulting : Machine {
    Faulting(TimingLevel level, u8 vector) : Machine(level) {
        page_tables();
        gate(vector, kHandler);
        put(kHandler, {0xf4});
    }
    /// Words of the exception's frame, from the top of the stack.
    u64 frame(unsigned i) { return read(s().r[vmx::RSP] + 8 * i); }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(faults)

BOOST_AUTO_TEST_CASE(a_page_fault_names_its_instruction_and_leaves_no_effect) {
    for (const TimingLevel level : kLevels) {
        Faulting m(level, 14);
        m.map(0x201000, 0);
        m.put(Machine::kCode, {0x48, 0xff, 0xc0,                          // inc rax
                               0x48, 0xff, 0x04, 0x25, 0, 0x10, 0x20, 0,  // inc qword [0x201000]
                               0x48, 0xff, 0xc0, 0xf4});
        BOOST_TEST((m.run() == StopReason::Halted));
        BOOST_TEST(m.s().rip == kHandler + 1);
        BOOST_TEST(m.s().r[vmx::RAX] == 1u);
        BOOST_TEST(m.s().cr2 == 0x201000u);
        BOOST_TEST(m.frame(0) == 2u);  // write, not present, supervisor
        BOOST_TEST(m.frame(1) == Machine::kCode + 3);
        BOOST_TEST(m.core->instructions() == 2u);  // the one before, and the handler's
    }
}

BOOST_AUTO_TEST_CASE(rep_movs_faults_in_the_middle_with_registers_of_the_completed_iterations) {
    for (const TimingLevel level : kLevels) {
        Faulting m(level, 14);
        m.map(0x203000, 0);
        for (u64 i = 0; i < 32; ++i) m.write(0x200000 + 8 * i, 0x1111 * i);
        m.s().r[vmx::RSI] = 0x200000;
        m.s().r[vmx::RDI] = 0x203000 - 8 * 5 - 3;
        m.s().r[vmx::RCX] = 20;
        m.put(Machine::kCode, {0xf3, 0x48, 0xa5, 0xf4});
        BOOST_TEST((m.run() == StopReason::Halted));
        BOOST_TEST(m.frame(1) == Machine::kCode);
        BOOST_TEST(m.s().r[vmx::RCX] == 15u);
        BOOST_TEST(m.s().r[vmx::RSI] == 0x200000u + 40);
        BOOST_TEST(m.s().r[vmx::RDI] == 0x203000u - 3);
        BOOST_TEST(m.s().cr2 == 0x203000u);
        BOOST_TEST(m.read(0x203000 - 3, 1) == 0u);  // nothing of the element that crosses the page was written
        BOOST_TEST(m.read(0x203000 - 11) == 0x4444u);
    }
}

BOOST_AUTO_TEST_CASE(long_string_moves_equal_a_copy_element_by_element) {
    for (const TimingLevel level : kLevels)
        for (const u64 distance : {u64{0x8000}, u64{24}, u64{1}, ~u64{0} - 39})
            for (const unsigned width : {1u, 8u}) {
                Machine m(level);
                std::vector<u8> expected(0x20000);
                for (u64 i = 0; i < expected.size(); ++i) expected[i] = static_cast<u8>(i * 7 + (i >> 8));
                m.put(Machine::kData, expected);
                const u64 from = 0x8005, count = 6000;
                for (u64 i = 0; i < count * width; ++i) {
                    // Whole elements are read before they are written.
                    if (i % width == 0) {
                        std::vector<u8> element(expected.begin() + static_cast<std::ptrdiff_t>(from + i),
                                                expected.begin() + static_cast<std::ptrdiff_t>(from + i + width));
                        std::copy(element.begin(), element.end(),
                                  expected.begin() + static_cast<std::ptrdiff_t>(from + distance + i));
                    }
                }
                m.s().r[vmx::RSI] = Machine::kData + from;
                m.s().r[vmx::RDI] = Machine::kData + from + distance;
                m.s().r[vmx::RCX] = count;
                if (width == 8) m.put(Machine::kCode, {0xf3, 0x48, 0xa5, 0xf4});
                else m.put(Machine::kCode, {0xf3, 0xa4, 0xf4});
                BOOST_TEST((m.run() == StopReason::Halted));
                std::vector<u8> found(expected.size());
                m.ram.read_block({Machine::kData}, found);
                BOOST_TEST((found == expected));
                BOOST_TEST(m.s().r[vmx::RCX] == 0u);
                BOOST_TEST(m.s().r[vmx::RDI] == Machine::kData + from + distance + count * width);
            }
}

BOOST_AUTO_TEST_CASE(an_access_across_pages_reaches_both_wherever_they_are) {
    for (const TimingLevel level : kLevels) {
        Faulting m(level, 14);
        m.map(0x201000, 0x205000 | 3);
        m.s().r[vmx::RAX] = 0x1122334455667788;
        m.put(Machine::kCode, {0x48, 0x89, 0x04, 0x25, 0xfd, 0x0f, 0x20, 0,   // mov [0x200ffd], rax
                               0x48, 0x03, 0x1c, 0x25, 0xfd, 0x0f, 0x20, 0,   // add rbx, [0x200ffd]
                               0xf4});
        BOOST_TEST((m.run() == StopReason::Halted));
        BOOST_TEST(m.read(0x200ffd, 2) == 0x7788u);
        BOOST_TEST(m.read(0x200fff, 1) == 0x66u);
        BOOST_TEST(m.read(0x205000) == 0x1122334455u);
        BOOST_TEST(m.read(0x201000) == 0u);
        BOOST_TEST(m.s().r[vmx::RBX] == 0x1122334455667788u);
    }
}

BOOST_AUTO_TEST_CASE(an_instruction_across_pages_runs_and_its_second_page_may_fault) {
    Faulting m(TimingLevel::Interval, 14);
    m.map(0x21000, 0x30000 | 3);
    m.put(0x20ffd, {0x48, 0x05, 0x01});            // add rax, 0x04030201
    m.put(0x30000, {0x02, 0x03, 0x04, 0xf4});
    m.s().rip = 0x20ffd;
    BOOST_TEST((m.run() == StopReason::Halted));
    BOOST_TEST(m.s().r[vmx::RAX] == 0x04030201u);
    // Elsewhere, now: the block that was decoded is not used.
    m.map(0x21000, 0x31000 | 3);
    m.mmu.flush_everything();
    m.put(0x31000, {0x02, 0x03, 0x05, 0xf4});
    m.s().rip = 0x20ffd;
    m.s().r[vmx::RAX] = 0;
    BOOST_TEST((m.run() == StopReason::Halted));
    BOOST_TEST(m.s().r[vmx::RAX] == 0x05030201u);
    // Absent: #PF with the second page's address, at the instruction.
    m.map(0x21000, 0);
    m.mmu.flush_everything();
    m.s().rip = 0x20ffd;
    BOOST_TEST((m.run() == StopReason::Halted));
    BOOST_TEST(m.s().cr2 == 0x21000u);
    BOOST_TEST(m.frame(1) == 0x20ffdu);
}

BOOST_AUTO_TEST_CASE(undefined_and_overlong_instructions_raise_their_exceptions) {
    const auto vector_of = [](std::initializer_list<unsigned> bytes) {
        for (unsigned v : {0u, 6u, 13u}) {
            Faulting m(TimingLevel::None, static_cast<u8>(v));
            m.put(Machine::kCode, bytes);
            if (m.run(1000) == StopReason::Halted && m.s().rip == kHandler + 1) {
                BOOST_TEST(m.frame(v == 13 ? 1 : 0) == Machine::kCode);
                return static_cast<int>(v);
            }
        }
        return -1;
    };
    BOOST_TEST(vector_of({0xf0, 0x01, 0xc8}) == 6);         // lock add eax, ecx
    BOOST_TEST(vector_of({0xf0, 0x8b, 0x03}) == 6);         // lock mov eax, [rbx]
    BOOST_TEST(vector_of({0x0f, 0x0b}) == 6);               // ud2
    BOOST_TEST(vector_of({0x06}) == 6);                     // push es, in 64-bit mode
    BOOST_TEST(vector_of({0x0f, 0x58, 0xc1}) == 6);         // addps: not implemented
    BOOST_TEST(vector_of({0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
                          0x90}) == 13);
    BOOST_TEST(vector_of({0xf7, 0xf1}) == 0);
}

BOOST_AUTO_TEST_CASE(a_jump_to_no_canonical_address_faults_at_the_jump) {
    Faulting m(TimingLevel::Interval, 13);
    m.s().r[vmx::RAX] = u64{1} << 47;
    m.put(Machine::kCode, {0x90, 0xff, 0xe0});
    BOOST_TEST((m.run() == StopReason::Halted));
    BOOST_TEST(m.frame(1) == Machine::kCode + 1);
    m.s().rip = Machine::kCode;
    m.put(Machine::kCode + 0x100, {0x48, 0x8b, 0x00});  // mov rax, [rax]
    m.s().rip = Machine::kCode + 0x100;
    BOOST_TEST((m.run() == StopReason::Halted));
    BOOST_TEST(m.frame(1) == Machine::kCode + 0x100);
}

BOOST_AUTO_TEST_CASE(tf_traps_behind_each_instruction_and_sti_holds_for_one) {
    Faulting m(TimingLevel::None, 1);
    m.put(Machine::kCode, {0xff, 0xc0, 0xff, 0xc0, 0xf4});
    m.s().rflags |= vmx::rflags::TF;
    BOOST_TEST((m.run() == StopReason::Halted));
    BOOST_TEST(m.s().rip == kHandler + 1);
    BOOST_TEST(m.frame(0) == Machine::kCode + 2);
    BOOST_TEST(m.s().r[vmx::RAX] == 1u);
    BOOST_TEST((m.s().dr6 & 0x4000) != 0u);

    Faulting n(TimingLevel::None, 1);
    n.put(Machine::kCode, {0xfb, 0x90, 0xf4});  // sti; nop; hlt
    n.run(1);
    BOOST_TEST((n.s().blocking & vmx::blocking::STI) != 0u);
    n.core->run(n.s().cycles + 1);
    BOOST_TEST(n.s().blocking == 0u);
    BOOST_TEST(n.s().rip == Machine::kCode + 2);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace vmxsim::core
