// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include "machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;

namespace {

bool gp0(Machine& m, Outcome o) { return o == Outcome::Fault && m.fault().vector == 13 && m.fault().error_code == 0; }
Outcome mov_cr(Machine& m, unsigned cr, u64 value) {
    m.r(RAX) = value;
    return m.run({0x0f, 0x22, static_cast<u8>(0xc0 | cr << 3)});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(control_registers)

BOOST_AUTO_TEST_CASE(cr0_refuses_impossible_combinations) {
    Machine m;
    const u64 base = m.core.state.cr0;
    BOOST_TEST(gp0(m, mov_cr(m, 0, cr0::PG)));         // PG without PE
    BOOST_TEST(gp0(m, mov_cr(m, 0, base | cr0::NW)));  // NW without CD
    m.long64();
    BOOST_TEST(gp0(m, mov_cr(m, 0, m.core.state.cr0 | u64{1} << 32)));
    BOOST_TEST(gp0(m, mov_cr(m, 0, m.core.state.cr0 & ~cr0::PG)));  // paging off in 64-bit code
    m.long64(3);
    BOOST_TEST(gp0(m, mov_cr(m, 0, m.core.state.cr0)));
}

BOOST_AUTO_TEST_CASE(cr0_ignores_reserved_bits_and_keeps_et) {
    Machine m;
    BOOST_TEST((mov_cr(m, 0, cr0::PE | 0x1ff8ffc0) == Outcome::Jump));
    BOOST_TEST(m.core.state.cr0 == (cr0::PE | cr0::ET | cr0::WP * 0 | (0x1ff8ffc0 & (cr0::WP | cr0::AM))));
}

BOOST_AUTO_TEST_CASE(paging_with_lme_begins_ia_32e_mode) {
    Machine m;
    m.core.state.efer = efer::LME;
    BOOST_TEST(gp0(m, mov_cr(m, 0, m.core.state.cr0 | cr0::PG)));  // without PAE
    m.core.state.cr4 = cr4::PAE;
    BOOST_TEST((mov_cr(m, 0, m.core.state.cr0 | cr0::PG) == Outcome::Jump));
    BOOST_TEST(m.core.state.long_mode());
    BOOST_TEST(m.mmu.context().efer == m.core.state.efer);
    BOOST_TEST((mov_cr(m, 0, m.core.state.cr0 & ~cr0::PG) == Outcome::Jump));  // from compatibility mode
    BOOST_TEST(!m.core.state.long_mode());
    BOOST_TEST((m.core.state.efer & efer::LME) != 0u);
    m.core.state.seg[TR].ar.raw = 0x83;  // a 16-bit TSS
    BOOST_TEST(gp0(m, mov_cr(m, 0, m.core.state.cr0 | cr0::PG)));
}

BOOST_AUTO_TEST_CASE(pae_paging_loads_its_four_pointers_and_checks_them) {
    Machine m;
    m.core.state.cr3 = kData;
    m.core.state.cr4 = cr4::PAE;
    for (unsigned i = 0; i < 4; ++i) m.poke(kData + 8 * i, (kPages + 0x2000) | 1, 8);
    m.poke(kData + 16, 0x1e6, 8);  // not present: its bits do not matter
    BOOST_TEST((mov_cr(m, 0, m.core.state.cr0 | cr0::PG) == Outcome::Jump));
    BOOST_TEST(m.core.state.pdpte[3] == ((kPages + 0x2000) | 1));
    BOOST_TEST(m.core.state.pdpte[2] == 0x1e6u);
    m.poke(kData + 16, 0x1e7, 8);
    BOOST_TEST(gp0(m, mov_cr(m, 3, kData)));
    BOOST_TEST(m.core.state.pdpte[2] == 0x1e6u, "nothing was loaded");
}

BOOST_AUTO_TEST_CASE(cr3_flushes_what_is_not_global) {
    Machine m;
    m.long64();
    m.mmu.translate({kData}, mmu::AccessType::Read, false);
    const u64 walks = m.mmu.stats().walks;
    m.mmu.translate({kData}, mmu::AccessType::Read, false);
    BOOST_TEST(m.mmu.stats().walks == walks);
    BOOST_TEST((mov_cr(m, 3, kPages) == Outcome::Jump));
    m.mmu.translate({kData}, mmu::AccessType::Read, false);
    BOOST_TEST(m.mmu.stats().walks == walks + 1);
    BOOST_TEST(gp0(m, mov_cr(m, 3, kPages | u64{1} << 50)));  // beyond the physical width
}

BOOST_AUTO_TEST_CASE(cr3_with_bit_63_keeps_translations_under_pcide) {
    Machine m;
    m.long64();
    BOOST_TEST((mov_cr(m, 4, cr4::PAE | cr4::PCIDE) == Outcome::Jump));
    m.mmu.translate({kData}, mmu::AccessType::Read, false);
    const u64 walks = m.mmu.stats().walks;
    BOOST_TEST((mov_cr(m, 3, kPages | u64{1} << 63) == Outcome::Jump));
    BOOST_TEST(m.core.state.cr3 == kPages);
    m.mmu.translate({kData}, mmu::AccessType::Read, false);
    BOOST_TEST(m.mmu.stats().walks == walks);
}

BOOST_AUTO_TEST_CASE(cr4_has_the_bits_that_cpuid_names) {
    Machine m;
    m.long64();
    BOOST_TEST(
        (mov_cr(m, 4, cr4::PAE | cr4::SMEP | cr4::SMAP | cr4::UMIP | cr4::FSGSBASE | cr4::OSXSAVE) == Outcome::Jump));
    BOOST_TEST(gp0(m, mov_cr(m, 4, cr4::PAE | cr4::LA57)));
    BOOST_TEST(gp0(m, mov_cr(m, 4, cr4::PAE | cr4::PKE)));
    BOOST_TEST(gp0(m, mov_cr(m, 4, cr4::PAE | u64{1} << 40)));
    BOOST_TEST(gp0(m, mov_cr(m, 4, 0)));  // PAE off in IA-32e mode
    m.core.state.cr3 = kPages | 5;
    BOOST_TEST(gp0(m, mov_cr(m, 4, cr4::PAE | cr4::PCIDE)));  // PCID not 0
}

BOOST_AUTO_TEST_CASE(fixed_bits_hold_in_vmx_operation) {
    Machine m;
    m.long64();
    m.vmxon();
    BOOST_TEST(gp0(m, mov_cr(m, 4, cr4::PAE)));  // VMXE off
    BOOST_TEST(gp0(m, mov_cr(m, 0, m.core.state.cr0 & ~cr0::NE)));
    BOOST_TEST((mov_cr(m, 4, cr4::PAE | cr4::VMXE | cr4::PGE) == Outcome::Jump));
}

BOOST_AUTO_TEST_CASE(cr8_holds_four_bits) {
    Machine m;
    m.long64();
    m.r(RAX) = 9;
    BOOST_TEST((m.run({0x44, 0x0f, 0x22, 0xc0}) == Outcome::Jump));
    m.run({0x44, 0x0f, 0x20, 0xc3});
    BOOST_TEST(m.r(RBX) == 9u);
    m.r(RAX) = 16;
    BOOST_TEST(gp0(m, m.run({0x44, 0x0f, 0x22, 0xc0})));
}

BOOST_AUTO_TEST_CASE(lmsw_sets_pe_and_cannot_clear_it) {
    Machine m;
    m.r(RAX) = cr0::TS;
    BOOST_TEST((m.run({0x0f, 0x01, 0xf0}) == Outcome::Jump));
    BOOST_TEST((m.core.state.cr0 & (cr0::PE | cr0::TS)) == (cr0::PE | cr0::TS));
    BOOST_TEST((m.run({0x0f, 0x06}) == Outcome::Next));  // clts
    BOOST_TEST((m.core.state.cr0 & cr0::TS) == 0u);
}

BOOST_AUTO_TEST_CASE(smsw_is_open_to_users_unless_umip) {
    Machine m;
    m.long64(3);
    BOOST_TEST((m.run({0x0f, 0x01, 0xe3}) == Outcome::Next));
    BOOST_TEST(m.r(RBX) == m.core.state.cr0);
    m.core.state.cr4 |= cr4::UMIP;
    BOOST_TEST(gp0(m, m.run({0x0f, 0x01, 0xe3})));
}

BOOST_AUTO_TEST_CASE(debug_registers_alias_4_and_5_unless_de) {
    Machine m;
    m.long64();
    m.r(RAX) = 0xffffffff;
    m.run({0x0f, 0x23, 0xe0});  // mov dr4, rax: DR6
    BOOST_TEST(m.core.state.dr6 == (0xffff0ff0u | 0xe00fu));
    m.core.state.cr4 |= cr4::DE;
    BOOST_TEST((m.run({0x0f, 0x23, 0xe0}) == Outcome::Fault));
    BOOST_TEST(m.fault().vector == 6);
    m.r(RAX) = u64{1} << 32;
    BOOST_TEST(gp0(m, m.run({0x0f, 0x23, 0xf8})));  // dr7
    m.long64(3);
    BOOST_TEST(gp0(m, m.run({0x0f, 0x21, 0xc0})));
}

BOOST_AUTO_TEST_CASE(moves_cost_what_the_parameters_say) {
    Machine m;
    const u64 before = m.core.state.cycles;
    m.run({0x0f, 0x20, 0xc0});
    BOOST_TEST(m.core.state.cycles == before + m.params.mov_cr);
}

BOOST_AUTO_TEST_SUITE_END()
