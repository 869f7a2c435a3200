// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include "machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;

namespace {

void expect_fault(Machine& m, Outcome outcome, u8 vector, u32 error) {
    BOOST_TEST(static_cast<int>(outcome) == static_cast<int>(Outcome::Fault));
    BOOST_TEST(m.fault().vector == vector);
    BOOST_TEST(m.fault().has_error_code);
    BOOST_TEST(m.fault().error_code == error);
}

Outcome mov_ds(Machine& m, u16 selector) {
    m.r(RAX) = selector;
    return m.run({0x8e, 0xd8});
}
Outcome mov_ss(Machine& m, u16 selector) {
    m.r(RAX) = selector;
    return m.run({0x8e, 0xd0});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(segment_loads)

BOOST_AUTO_TEST_CASE(a_data_segment_takes_base_limit_and_rights_of_its_descriptor) {
    Machine m;
    m.descriptor(kFree, 0x12345678, 0x00fff, 0x4092);
    BOOST_TEST((mov_ds(m, kFree) == Outcome::Jump));
    const Segment& ds = m.core.state.seg[DS];
    BOOST_TEST(ds.selector == kFree);
    BOOST_TEST(ds.base == 0x12345678u);
    BOOST_TEST(ds.limit == 0xfffu);
    BOOST_TEST(ds.ar.raw == 0x4093u);
    BOOST_TEST(m.peek(kGdt + kFree + 5, 1) == 0x93u, "the accessed bit is set in memory");
}

BOOST_AUTO_TEST_CASE(granular_limits_count_pages) {
    Machine m;
    m.descriptor(kFree, 0, 0x00012, 0xc093);
    mov_ds(m, kFree);
    BOOST_TEST(m.core.state.seg[DS].limit == 0x12fffu);
}

BOOST_AUTO_TEST_CASE(a_null_selector_makes_a_data_segment_unusable) {
    Machine m;
    BOOST_TEST((mov_ds(m, 3) == Outcome::Jump));
    BOOST_TEST(m.core.state.seg[DS].ar.unusable());
    BOOST_TEST(m.core.state.seg[DS].selector == 3);
}

BOOST_AUTO_TEST_CASE(data_segment_loads_fault_as_the_sdm_orders) {
    Machine m;
    expect_fault(m, mov_ds(m, 0x8f8), 13, 0x8f8);                // beyond the GDT
    expect_fault(m, mov_ds(m, 0x0c), 13, 0x0c);                  // LDT without LDTR
    expect_fault(m, mov_ds(m, kTss), 13, kTss);                  // system descriptor
    expect_fault(m, mov_ds(m, kExecuteOnly), 13, kExecuteOnly);  // not readable
    expect_fault(m, mov_ds(m, kData0 | 3), 13, kData0);          // RPL > DPL
    expect_fault(m, mov_ds(m, kAbsent), 11, kAbsent);            // not present
    Machine user;
    user.protected32(3);
    expect_fault(user, mov_ds(user, kData0), 13, kData0);  // CPL > DPL
    BOOST_TEST((mov_ds(user, kConforming) == Outcome::Jump), "conforming code is readable from any level");
}

BOOST_AUTO_TEST_CASE(the_stack_segment_must_match_the_privilege_level) {
    Machine m;
    expect_fault(m, mov_ss(m, 0), 13, 0);
    expect_fault(m, mov_ss(m, kData0 | 1), 13, kData0);         // RPL != CPL
    expect_fault(m, mov_ss(m, kData3 & ~3), 13, kData3 & ~3u);  // DPL != CPL
    expect_fault(m, mov_ss(m, kReadOnly), 13, kReadOnly);
    expect_fault(m, mov_ss(m, kCode0), 13, kCode0);
    m.descriptor(kFree, 0, 0xfffff, 0xc013);
    expect_fault(m, mov_ss(m, kFree), 12, kFree);  // not present: #SS
    BOOST_TEST(m.core.state.seg[SS].selector == kData0, "nothing changed");
    BOOST_TEST((m.core.state.blocking & blocking::MOV_SS) == 0u);
    BOOST_TEST((mov_ss(m, kData0) == Outcome::Jump));
    BOOST_TEST((m.core.state.blocking & blocking::MOV_SS) != 0u);
}

BOOST_AUTO_TEST_CASE(a_null_stack_segment_is_allowed_in_64_bit_code_below_level_3_and_keeps_the_cpl) {
    Machine m;
    m.long64();
    BOOST_TEST((mov_ss(m, 0) == Outcome::Jump));
    BOOST_TEST(m.core.state.cpl() == 0);
    BOOST_TEST(m.core.state.seg[SS].ar.unusable());
    m.long64(3);
    expect_fault(m, mov_ss(m, 3), 13, 0);
    BOOST_TEST(m.core.state.cpl() == 3);
}

BOOST_AUTO_TEST_CASE(loading_cs_by_mov_is_undefined) {
    // Zydis refuses the encoding, so that the instruction never reaches execute_system().
    Machine m;
    BOOST_CHECK_THROW(m.run({0x8e, 0xc8}), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(real_mode_loads_change_the_base_only) {
    Machine m;
    m.real();
    m.core.state.seg[DS].limit = 0xffffffff;  // "big real mode"
    m.r(RAX) = 0x1234;
    BOOST_TEST((m.run({0x8e, 0xd8}) == Outcome::Jump));
    BOOST_TEST(m.core.state.seg[DS].base == 0x12340u);
    BOOST_TEST(m.core.state.seg[DS].limit == 0xffffffffu);
}

BOOST_AUTO_TEST_CASE(lss_loads_pointer_and_segment_without_blocking) {
    Machine m;
    m.poke(kData, 0x00035000, 4);
    m.poke(kData + 4, kData0, 2);
    m.r(RBX) = kData;
    BOOST_TEST((m.run({0x0f, 0xb2, 0x23}) == Outcome::Jump));  // lss esp, [ebx]
    BOOST_TEST(m.r(RSP) == 0x35000u);
    BOOST_TEST(m.core.state.blocking == 0u);
}

BOOST_AUTO_TEST_CASE(push_and_pop_of_segments_use_the_operand_size) {
    Machine m;
    BOOST_TEST((m.run({0x1e}) == Outcome::Next));  // push ds
    BOOST_TEST(m.r(RSP) == kStack - 4);
    BOOST_TEST(m.peek(kStack - 4, 4) == kData0);
    m.poke(kStack - 4, kReadOnly, 4);
    BOOST_TEST((m.run({0x07}) == Outcome::Jump));  // pop es
    BOOST_TEST(m.core.state.seg[ES].selector == kReadOnly);
    BOOST_TEST(m.r(RSP) == kStack);
    m.long64();
    BOOST_TEST((m.run({0x0f, 0xa0}) == Outcome::Next));  // push fs
    BOOST_TEST(m.r(RSP) == kStack - 8);
}

BOOST_AUTO_TEST_CASE(mov_from_a_segment_writes_16_bits_to_memory_and_extends_in_a_register) {
    Machine m;
    m.poke(kData, 0xffffffff, 4);
    m.r(RBX) = kData;
    m.run({0x8c, 0x1b});  // mov [ebx], ds
    BOOST_TEST(m.peek(kData, 4) == (0xffff0000u | kData0));
    m.r(RAX) = ~u64{0};
    m.run({0x8c, 0xd8});  // mov eax, ds
    BOOST_TEST(m.r(RAX) == kData0);
}

BOOST_AUTO_TEST_CASE(lldt_takes_only_an_ldt_of_the_gdt) {
    Machine m;
    m.r(RAX) = kLdt;
    BOOST_TEST((m.run({0x0f, 0x00, 0xd0}) == Outcome::Jump));
    BOOST_TEST(m.core.state.seg[LDTR].base == 0x3000u);
    m.r(RAX) = kData0;
    expect_fault(m, m.run({0x0f, 0x00, 0xd0}), 13, kData0);
    m.r(RAX) = kLdt | 4;
    expect_fault(m, m.run({0x0f, 0x00, 0xd0}), 13, kLdt | 4);
    m.r(RAX) = 0;
    BOOST_TEST((m.run({0x0f, 0x00, 0xd0}) == Outcome::Jump));
    BOOST_TEST(m.core.state.seg[LDTR].ar.unusable());
    m.core.state.rflags |= rflags::VM;  // in real-address mode the decoder already refuses the opcode
    BOOST_TEST((m.run({0x0f, 0x00, 0xd0}) == Outcome::Fault));
    BOOST_TEST(m.fault().vector == 6);
}

BOOST_AUTO_TEST_CASE(ltr_makes_the_tss_busy_and_refuses_a_busy_one) {
    Machine m;
    m.long64();
    m.descriptor(kTss, kTssBase, 0x67, 0x89);
    m.poke(kGdt + kTss + 8, 0xffff8000, 8);
    m.r(RAX) = kTss;
    BOOST_TEST((m.run({0x0f, 0x00, 0xd8}) == Outcome::Jump));
    BOOST_TEST(m.core.state.seg[TR].base == (0xffff800000000000 | kTssBase));
    BOOST_TEST(m.core.state.seg[TR].ar.type() == 11);
    BOOST_TEST(m.peek(kGdt + kTss + 5, 1) == 0x8bu);
    expect_fault(m, m.run({0x0f, 0x00, 0xd8}), 13, kTss);
    m.r(RAX) = 0;
    expect_fault(m, m.run({0x0f, 0x00, 0xd8}), 13, 0);
}

BOOST_AUTO_TEST_CASE(lgdt_takes_10_bytes_in_64_bit_code_and_a_canonical_base) {
    Machine m;
    m.long64();
    m.r(RBX) = kData;
    m.poke(kData, 0x1ff, 2);
    m.poke(kData + 2, 0xffff800000001000, 8);
    BOOST_TEST((m.run({0x0f, 0x01, 0x13}) == Outcome::Jump));
    BOOST_TEST(m.core.state.gdtr.base == 0xffff800000001000u);
    BOOST_TEST(m.core.state.gdtr.limit == 0x1ffu);
    m.poke(kData + 2, 0x0000800000001000, 8);
    expect_fault(m, m.run({0x0f, 0x01, 0x13}), 13, 0);
    m.long64(3);
    expect_fault(m, m.run({0x0f, 0x01, 0x1b}), 13, 0);  // lidt
}

BOOST_AUTO_TEST_CASE(lgdt_takes_24_or_32_bits_of_base_by_operand_size_in_16_bit_code) {
    Machine m;
    m.real();
    m.poke(kData + 0x40, 0x1ff, 2);
    m.poke(kData + 0x42, 0x12345678, 4);
    BOOST_TEST((m.run({0x0f, 0x01, 0x16, 0x40, 0x00}) == Outcome::Jump));
    BOOST_TEST(m.core.state.gdtr.base == 0x345678u);
    BOOST_TEST((m.run({0x66, 0x0f, 0x01, 0x16, 0x40, 0x00}) == Outcome::Jump));
    BOOST_TEST(m.core.state.gdtr.base == 0x12345678u);
    BOOST_TEST((m.run({0x0f, 0x01, 0x06, 0x50, 0x00}) == Outcome::Next));  // sgdt: always 32 bits
    BOOST_TEST(m.peek(kData + 0x50, 2) == 0x1ffu);
    BOOST_TEST(m.peek(kData + 0x52, 4) == 0x12345678u);
}

BOOST_AUTO_TEST_CASE(selectors_of_the_ldt_use_its_base_and_limit) {
    Machine m;
    m.core.state.seg[LDTR] = {kLdt, {0x82}, 0x17, 0x3000};
    m.poke(0x3000 + 0x10, 0x00cf93000000ffff, 8);
    BOOST_TEST((mov_ds(m, 0x14) == Outcome::Jump));
    expect_fault(m, mov_ds(m, 0x1c), 13, 0x1c);
}

BOOST_AUTO_TEST_CASE(arpl_raises_the_rpl_to_the_callers) {
    Machine m;
    m.r(RAX) = 0x10;
    m.r(RBX) = 0x03;
    m.run({0x63, 0xd8});  // arpl ax, bx
    BOOST_TEST(m.r(RAX) == 0x13u);
    BOOST_TEST((m.core.state.rflags & rflags::ZF) != 0u);
    m.run({0x63, 0xd8});
    BOOST_TEST((m.core.state.rflags & rflags::ZF) == 0u);
}

BOOST_AUTO_TEST_CASE(lar_lsl_and_verr_describe_without_faulting) {
    Machine m;
    m.r(RBX) = kData0;
    BOOST_TEST((m.run({0x0f, 0x02, 0xc3}) == Outcome::Next));  // lar eax, ebx
    BOOST_TEST((m.core.state.rflags & rflags::ZF) != 0u);
    BOOST_TEST(m.r(RAX) == 0x00cf9300u);
    m.run({0x0f, 0x03, 0xc3});  // lsl eax, ebx
    BOOST_TEST(m.r(RAX) == 0xffffffffu);
    m.r(RBX) = 0x8f8;
    BOOST_TEST((m.run({0x0f, 0x02, 0xc3}) == Outcome::Next));
    BOOST_TEST((m.core.state.rflags & rflags::ZF) == 0u);
    m.r(RBX) = kReadOnly;
    m.run({0x0f, 0x00, 0xe3});  // verr bx
    BOOST_TEST((m.core.state.rflags & rflags::ZF) != 0u);
    m.run({0x0f, 0x00, 0xeb});  // verw bx
    BOOST_TEST((m.core.state.rflags & rflags::ZF) == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
