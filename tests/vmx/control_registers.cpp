// SPDX-License-Identifier: Apache-2.0
#include "tests/vmx/machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;
using arch::PrimaryControl;
using arch::SecondaryControl;

BOOST_AUTO_TEST_SUITE(vmx_control_registers)

BOOST_AUTO_TEST_CASE(host_owned_bits_read_from_the_shadow_and_keep_their_value) {
    Machine m;
    m.set(Field::CR0_GUEST_HOST_MASK, cr0::TS | cr0::PE);
    m.set(Field::CR0_READ_SHADOW, cr0::TS);
    m.set(Field::CR4_GUEST_HOST_MASK, cr4::VMXE | cr4::PGE);
    m.set(Field::CR4_READ_SHADOW, cr4::PGE);
    BOOST_TEST(m.vmx.visible_cr0() == m.cpu.cr0);
    BOOST_TEST(m.vmx.merged_cr4(0) == 0u);
    m.enter();
    BOOST_TEST(m.vmx.visible_cr0() == (0x80000030u | cr0::TS));
    BOOST_TEST(m.vmx.visible_cr4() == (cr4::PAE | cr4::PGE));
    BOOST_TEST(m.vmx.merged_cr0(cr0::TS | cr0::NE) == (cr0::PE | cr0::NE));
    BOOST_TEST(m.vmx.merged_cr4(cr4::PSE) == (cr4::PSE | cr4::VMXE));
}

BOOST_AUTO_TEST_CASE(mov_to_cr0_and_cr4_exit_where_an_owned_bit_differs_from_the_shadow) {
    Machine m;
    m.set(Field::CR0_GUEST_HOST_MASK, cr0::TS);
    m.set(Field::CR0_READ_SHADOW, cr0::TS);
    m.set(Field::CR4_GUEST_HOST_MASK, cr4::VMXE);
    m.enter();
    ExitInfo i;
    BOOST_TEST(!m.vmx.intercept_mov_to_cr(0, 2, cr0::TS | cr0::PE, i));
    BOOST_TEST(m.vmx.intercept_mov_to_cr(0, 2, cr0::PE, i));
    BOOST_TEST(i.qualification == 0x200u);
    BOOST_TEST(!m.vmx.intercept_mov_to_cr(4, 12, cr4::PAE, i));
    BOOST_TEST(m.vmx.intercept_mov_to_cr(4, 12, cr4::VMXE, i));
    BOOST_TEST(i.qualification == 0xc04u);
}

BOOST_AUTO_TEST_CASE(cr3_targets_count_up_to_the_count_and_compare_64_bits) {
    Machine m;
    m.control(PrimaryControl::CR3LoadExiting);
    m.set(Field::CR3_TARGET_COUNT, 2);
    m.set(Field::CR3_TARGET_VALUE0, 0x1000);
    m.set(Field::CR3_TARGET_VALUE1, 0x2000);
    m.set(Field::CR3_TARGET_VALUE2, 0x3000);
    m.enter();
    ExitInfo i;
    BOOST_TEST(!m.vmx.intercept_mov_to_cr(3, 0, 0x1000, i));
    BOOST_TEST(!m.vmx.intercept_mov_to_cr(3, 0, 0x2000, i));
    BOOST_TEST(m.vmx.intercept_mov_to_cr(3, 0, 0x3000, i));
    BOOST_TEST(m.vmx.intercept_mov_to_cr(3, 0, 0x1000 | u64{1} << 63, i));
}

BOOST_AUTO_TEST_CASE(clts_exits_only_where_the_host_owns_ts_and_shows_it_set) {
    const auto exits = [](u64 mask, u64 shadow) {
        Machine m;
        m.set(Field::CR0_GUEST_HOST_MASK, mask);
        m.set(Field::CR0_READ_SHADOW, shadow);
        m.enter();
        ExitInfo i;
        return m.vmx.intercept_clts(i);
    };
    BOOST_TEST(exits(cr0::TS, cr0::TS));
    BOOST_TEST(!exits(cr0::TS, 0));
    BOOST_TEST(!exits(0, cr0::TS));
}

BOOST_AUTO_TEST_CASE(lmsw_exits_on_owned_bits_but_not_for_a_cleared_pe) {
    const auto exits = [](u64 mask, u64 shadow, u16 source, ExitInfo& i) {
        Machine m;
        m.set(Field::CR0_GUEST_HOST_MASK, mask);
        m.set(Field::CR0_READ_SHADOW, shadow);
        m.enter();
        return m.vmx.intercept_lmsw(source, true, 0x5678, i);
    };
    ExitInfo i;
    BOOST_TEST(exits(cr0::PE, 0, 1, i));
    BOOST_TEST(i.qualification == 0x10070u);
    BOOST_TEST(i.guest_linear == 0x5678u);
    BOOST_TEST(!exits(cr0::PE, cr0::PE, 0, i));
    BOOST_TEST(!exits(cr0::PE, cr0::PE, 1, i));
    BOOST_TEST(exits(cr0::TS, cr0::TS, 1, i));
    BOOST_TEST(exits(cr0::MP, 0, 2, i));
    BOOST_TEST(!exits(0, 0, 0xf, i));
}

BOOST_AUTO_TEST_CASE(fixed_bits_hold_in_vmx_operation_and_unrestricted_guests_are_exempt_for_pe_and_pg) {
    Machine m;
    BOOST_TEST(!m.vmx.cr0_allowed(0x80000001));
    BOOST_TEST(m.vmx.cr0_allowed(0x80000021));
    BOOST_TEST(!m.vmx.cr0_allowed(0x21));
    BOOST_TEST(!m.vmx.cr4_allowed(cr4::PAE));
    BOOST_TEST(!m.vmx.cr4_allowed(cr4::VMXE | cr4::SMAP));
    BOOST_TEST(m.vmx.cr4_allowed(cr4::VMXE | cr4::PAE));
    m.vmx.vmxoff();
    BOOST_TEST(m.vmx.cr0_allowed(0));
    BOOST_TEST(m.vmx.cr4_allowed(0));
    Machine real;
    real.guest_real();
    real.enter();
    BOOST_TEST(real.vmx.cr0_allowed(cr0::NE));
    BOOST_TEST(!real.vmx.cr0_allowed(cr0::PE));
}

BOOST_AUTO_TEST_CASE(the_guests_tsc_is_scaled_then_offset) {
    Machine m(everything());
    m.cpu.tsc_adjust = 5;
    m.control(PrimaryControl::UseTSCOffsetting);
    m.set(Field::TSC_OFFSET, 0xffffffffffffff00);
    BOOST_TEST(m.vmx.guest_tsc() == m.cpu.cycles + 5);
    m.enter();
    BOOST_TEST(m.vmx.guest_tsc() == m.cpu.cycles + 5 - 0x100);
    Machine scaled(everything());
    scaled.control(PrimaryControl::UseTSCOffsetting);
    scaled.control(SecondaryControl::UseTSCScaling);
    scaled.set(Field::TSC_MULTIPLIER, u64{3} << 47);  // 1.5
    scaled.set(Field::TSC_OFFSET, 7);
    scaled.enter();
    scaled.cpu.cycles = 0x123456789abcdef0;
    BOOST_TEST(scaled.vmx.guest_tsc() == 0x123456789abcdef0 / 2 * 3 + 7);
    Machine unused(everything());  // scaling without offsetting has no effect
    unused.control(SecondaryControl::UseTSCScaling);
    unused.set(Field::TSC_MULTIPLIER, u64{3} << 47);
    unused.enter();
    BOOST_TEST(unused.vmx.guest_tsc() == unused.cpu.cycles);
}

BOOST_AUTO_TEST_CASE(with_the_tpr_shadow_cr8_is_the_virtual_task_priority) {
    Machine m;
    m.control(PrimaryControl::UseTPRShadow);
    m.set(Field::TPR_THRESHOLD, 4);
    m.ram.write({Machine::kVapic + 0x80}, 4, 0x50);
    BOOST_TEST(!m.vmx.virtual_cr8());
    m.enter();
    BOOST_TEST(m.vmx.virtual_cr8().value() == 5u);
    ExitInfo i;
    BOOST_TEST(!m.vmx.write_virtual_cr8(4, i));
    BOOST_TEST(m.ram.read({Machine::kVapic + 0x80}, 4) == 0x40u);
    BOOST_TEST(m.vmx.write_virtual_cr8(3, i));
    BOOST_TEST((i.reason == arch::ExitReason::TPR_BELOW_THRESHOLD));
    BOOST_TEST(m.vmx.virtual_cr8().value() == 3u);
}

BOOST_AUTO_TEST_SUITE_END()
