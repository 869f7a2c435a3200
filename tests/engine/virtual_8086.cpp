// SPDX-License-Identifier: Apache-2.0
// Virtual-8086 mode with CR4.VME: the virtual interrupt flag, and redirected interrupts (SDM 21.3, 21.4).
#include <boost/test/unit_test.hpp>

#include "tests/engine/machine.hpp"

namespace vmxsim::core {

namespace {

using namespace vmx::rflags;

constexpr u64 kTss = 0x6000, kBitmap = 0x88 - 32, kHandler = 0x5000;

/// A virtual-8086 task with IOPL 0, whose software interrupts all stay in it. Code at 1000:0, stack at 3000:0.
struct Task : Machine {
    Task() : Machine(TimingLevel::None, 32) {
        vmx::CpuState& st = s();
        st.cr4 |= vmx::cr4::VME;
        st.rflags = 2 | VM;
        for (auto seg : {vmx::ES, vmx::DS, vmx::FS, vmx::GS}) st.seg[seg] = {0, {0xf3}, 0xffff, 0};
        st.seg[vmx::CS] = {0x1000, {0xf3}, 0xffff, 0x10000};
        st.seg[vmx::SS] = {0x3000, {0xf3}, 0xffff, 0x30000};
        st.seg[vmx::TR] = {0x28, {0x8b}, 0x2fff, kTss};
        st.rip = 0;
        st.r[vmx::RSP] = 0x100;
        write(kTss + 102, 0x88, 2);
        write(0x21 * 4, 0x0500'0000, 4);  // vector 21H: 0500:0000
        st.idtr = {0x8000, 0};
    }
    /// Runs the bytes, then HLT, whose #GP ends in shutdown at its address.
    void execute(std::vector<u8> code) {
        code.push_back(0xf4);
        put(0x10000, code);
        run();
    }
    u64 top() const { return read(0x30000 + core->state.r[vmx::RSP], 2); }
    bool ran(u64 bytes) { return s().rip == bytes; }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(virtual_8086)

BOOST_AUTO_TEST_CASE(pushf_shows_vif_as_if_and_iopl_3) {
    Task m;
    m.s().rflags |= VIF;
    m.execute({0x9c});
    BOOST_TEST(m.ran(1));
    BOOST_TEST((m.top() & (IF | IOPL)) == (IF | IOPL));
    Task off;
    off.s().rflags |= IF;
    off.execute({0x9c});
    BOOST_TEST((off.top() & IF) == 0u, "the real IF is not shown");
}

BOOST_AUTO_TEST_CASE(popf_changes_vif_and_leaves_if_and_iopl) {
    Task m;
    m.write(0x30100, IF | IOPL | CF, 2);
    m.execute({0x9d});
    BOOST_TEST(m.ran(1));
    BOOST_TEST((m.s().rflags & (VIF | IF | IOPL | CF)) == (VIF | CF));
}

BOOST_AUTO_TEST_CASE(popf_faults_where_an_interrupt_waits_or_tf_would_be_set) {
    for (const u64 value : {IF, TF}) {
        Task m;
        m.s().rflags |= VIP;
        m.write(0x30100, value, 2);
        m.execute({0x9d});
        BOOST_TEST(m.ran(0));
        BOOST_TEST(m.s().r[vmx::RSP] == 0x100u);
    }
}

BOOST_AUTO_TEST_CASE(without_vme_or_with_32_bits_the_flag_instructions_fault) {
    for (const bool vme : {false, true}) {
        Task m;
        if (!vme) m.s().cr4 &= ~vmx::cr4::VME;
        m.execute(vme ? std::vector<u8>{0x66, 0x9c} : std::vector<u8>{0x9c});
        BOOST_TEST(m.ran(0));
    }
}

BOOST_AUTO_TEST_CASE(cli_and_sti_act_on_vif) {
    Task m;
    m.execute({0xfb});
    BOOST_TEST((m.s().rflags & (VIF | IF)) == VIF);
    Task n;
    n.s().rflags |= VIF | IF;
    n.execute({0xfa});
    BOOST_TEST((n.s().rflags & (VIF | IF)) == IF);
}

BOOST_AUTO_TEST_CASE(a_redirected_interrupt_goes_through_the_tasks_own_vector_table) {
    Task m;
    m.s().rflags |= VIF;
    m.put(kHandler, {0xf4});
    m.execute({0xcd, 0x21});
    BOOST_TEST(m.s().seg[vmx::CS].selector == 0x500);
    BOOST_TEST(m.s().rip == 0u);
    BOOST_TEST((m.s().rflags & VIF) == 0u);
    BOOST_TEST(m.s().r[vmx::RSP] == 0xfau);
    BOOST_TEST(m.top() == 2u);
    BOOST_TEST(m.read(0x300fc, 2) == 0x1000u);
    BOOST_TEST((m.read(0x300fe, 2) & (IF | IOPL)) == (IF | IOPL));
}

BOOST_AUTO_TEST_CASE(an_iret_of_the_task_restores_vif) {
    Task m;
    m.put(kHandler, {0xcf});
    m.s().rflags |= VIF;
    m.execute({0xcd, 0x21});
    BOOST_TEST(m.ran(2));
    BOOST_TEST((m.s().rflags & (VIF | IOPL)) == VIF);
    BOOST_TEST(m.s().r[vmx::RSP] == 0x100u);
}

BOOST_AUTO_TEST_CASE(a_set_bit_in_the_bitmap_keeps_the_interrupt_from_being_redirected) {
    Task m;
    m.write(kTss + kBitmap + 0x21 / 8, 1u << (0x21 & 7), 1);
    m.execute({0xcd, 0x21});
    BOOST_TEST(m.ran(0), "#GP, for IOPL is not 3");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace vmxsim::core
