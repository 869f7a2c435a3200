// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include "machine.hpp"
#include "model/core/system/handlers.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;
namespace msr = vmxsim::arch::msr;

namespace {

bool gp0(Machine& m, Outcome o) { return o == Outcome::Fault && m.fault().vector == 13 && m.fault().error_code == 0; }
Outcome rdmsr(Machine& m, u32 index) {
    m.r(RCX) = index;
    return m.run({0x0f, 0x32});
}
Outcome wrmsr(Machine& m, u32 index, u64 value) {
    m.r(RCX) = index;
    m.r(RAX) = value & 0xffffffff;
    m.r(RDX) = value >> 32;
    return m.run({0x0f, 0x30});
}
u64 value(Machine& m) { return m.r(RAX) | m.r(RDX) << 32; }

/// Level 3, IOPL 0, a bitmap that allows only port 65H.
void user_with_bitmap(Machine& m) {
    m.protected32(3);
    for (u64 i = 0; i < 0x20; ++i) m.poke(kTssBase + 104 + i, 0xff, 1);
    m.poke(kTssBase + 104 + 0x65 / 8, 0xff & ~(1u << (0x65 & 7)), 1);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(msrs_and_ports)

// SDM 10.11.7.1: CPUID with EAX 1 loads the signature, where there is one.
BOOST_AUTO_TEST_CASE(cpuid_1_leaves_the_revision_of_a_loaded_microcode_update) {
    for (const u32 revision : {0u, 0x3au}) {
        Machine m;
        m.long64();
        m.cpuid.microcode = revision;
        wrmsr(m, msr::BIOS_SIGN_ID, 0x1234);
        m.r(RAX) = 0;
        m.run({0x0f, 0xa2});
        rdmsr(m, msr::BIOS_SIGN_ID);
        BOOST_TEST(value(m) == 0x1234u);
        m.r(RAX) = 1;
        m.run({0x0f, 0xa2});
        rdmsr(m, msr::BIOS_SIGN_ID);
        BOOST_TEST(value(m) == (revision ? u64{revision} << 32 : 0x1234));
    }
}

BOOST_AUTO_TEST_CASE(msrs_of_cpu_state_keep_what_is_written) {
    Machine m;
    m.long64();
    for (const u32 index : {msr::SYSENTER_ESP, msr::SYSENTER_EIP, msr::LSTAR, msr::CSTAR, msr::FS_BASE, msr::GS_BASE,
                            msr::KERNEL_GS_BASE}) {
        BOOST_TEST((wrmsr(m, index, 0xffff800012345678 + index) == Outcome::Jump));
        BOOST_TEST((rdmsr(m, index) == Outcome::Next));
        BOOST_TEST(value(m) == 0xffff800012345678 + index);
        BOOST_TEST(gp0(m, wrmsr(m, index, u64{1} << 47)), "not canonical");
    }
    BOOST_TEST(m.core.state.seg[FS].base == 0xffff800012345678 + msr::FS_BASE);
    wrmsr(m, msr::STAR, 0x0018000800000000);
    BOOST_TEST(m.core.state.star == 0x0018000800000000u);
}

BOOST_AUTO_TEST_CASE(unknown_and_read_only_msrs_fault) {
    Machine m;
    BOOST_TEST(gp0(m, rdmsr(m, 0x4321)));
    BOOST_TEST(gp0(m, wrmsr(m, 0x4321, 0)));
    BOOST_TEST(gp0(m, wrmsr(m, msr::IA32_VMX_BASIC, 0)));
    BOOST_TEST(gp0(m, wrmsr(m, msr::MTRRCAP, 0)));
    BOOST_TEST(gp0(m, wrmsr(m, msr::FEATURE_CONTROL, 5)), "locked");
    m.core.state.feature_control = 0;
    BOOST_TEST((wrmsr(m, msr::FEATURE_CONTROL, 5) == Outcome::Jump));
    BOOST_TEST(gp0(m, wrmsr(m, msr::FEATURE_CONTROL, 5)));
    m.long64(3);
    BOOST_TEST(gp0(m, rdmsr(m, msr::TSC)));
}

BOOST_AUTO_TEST_CASE(capability_msrs_exist_as_the_capabilities_say) {
    Machine m;
    rdmsr(m, msr::IA32_VMX_BASIC);
    BOOST_TEST(value(m) == m.capabilities.get(msr::IA32_VMX_BASIC));
    BOOST_TEST((rdmsr(m, msr::IA32_VMX_VMFUNC) == Outcome::Next));
    m.capabilities.set(msr::IA32_VMX_PROCBASED_CTLS2, 0);
    BOOST_TEST(gp0(m, rdmsr(m, msr::IA32_VMX_VMFUNC)));
    BOOST_TEST(gp0(m, rdmsr(m, msr::IA32_VMX_EPT_VPID_CAP)));
}

BOOST_AUTO_TEST_CASE(efer_has_reserved_bits_and_a_frozen_lme_under_paging) {
    Machine m;
    BOOST_TEST((wrmsr(m, msr::EFER, efer::LME | efer::NXE | efer::SCE) == Outcome::Jump));
    BOOST_TEST(gp0(m, wrmsr(m, msr::EFER, 2)));
    m.long64();
    BOOST_TEST(gp0(m, wrmsr(m, msr::EFER, efer::SCE)));
    BOOST_TEST((wrmsr(m, msr::EFER, efer::LME) == Outcome::Jump));
    BOOST_TEST(m.core.state.efer == (efer::LME | efer::LMA), "LMA is the processor's");
}

BOOST_AUTO_TEST_CASE(pat_and_mtrrs_take_defined_memory_types_only) {
    Machine m;
    BOOST_TEST((wrmsr(m, msr::PAT, 0x0706050401000706) == Outcome::Jump));
    BOOST_TEST(gp0(m, wrmsr(m, msr::PAT, 0x02)));
    BOOST_TEST((wrmsr(m, 0x200, 0x80000006) == Outcome::Jump));
    BOOST_TEST((wrmsr(m, 0x201, 0xff80000800) == Outcome::Jump));
    BOOST_TEST((rdmsr(m, 0x200) == Outcome::Next));
    BOOST_TEST(value(m) == 0x80000006u);
    BOOST_TEST(gp0(m, wrmsr(m, 0x200, 3)));
    BOOST_TEST(gp0(m, wrmsr(m, 0x268, 0x0606060606060602)));
    BOOST_TEST((wrmsr(m, 0x2ff, 0xc06) == Outcome::Jump));
    BOOST_TEST(gp0(m, wrmsr(m, 0x2ff, 0x100)));
}

BOOST_AUTO_TEST_CASE(power_management_registers_keep_what_is_written) {
    Machine m;
    for (const u32 index : {0xe2u, 0x1fcu}) {
        BOOST_TEST((wrmsr(m, index, 0x1234500000003 + index) == Outcome::Jump), index);
        BOOST_TEST((rdmsr(m, index) == Outcome::Next));
        BOOST_TEST(value(m) == 0x1234500000003 + index);
    }
    BOOST_TEST((wrmsr(m, msr::MISC_ENABLE, m.core.state.misc_enable | 1u << 3 | 1u << 16 | 1u << 23) == Outcome::Jump));
    BOOST_TEST((rdmsr(m, msr::MISC_ENABLE) == Outcome::Next));
    BOOST_TEST((value(m) & 0x810008) == 0x810008u);
}

BOOST_AUTO_TEST_CASE(features_that_cpuid_lacks_have_no_msrs_and_no_instructions) {
    Machine m;
    m.long64();
    for (core::CpuidLeaf& leaf : m.cpuid.leaves) {
        if (leaf.leaf == 1) leaf.edx &= ~(1u << 12), leaf.ecx = 0;
        if (leaf.leaf == 7) leaf.ebx = leaf.ecx = 0;
        if (leaf.leaf == 0x80000001) leaf.edx = 0;
    }
    BOOST_TEST(gp0(m, rdmsr(m, msr::MTRRCAP)));
    BOOST_TEST(gp0(m, wrmsr(m, msr::MTRR_DEF_TYPE, 0)));
    BOOST_TEST(gp0(m, rdmsr(m, msr::IA32_VMX_BASIC)));
    BOOST_TEST(gp0(m, wrmsr(m, msr::EFER, m.core.state.efer | efer::NXE)));
    m.r(RAX) = kData;
    const auto undefined = [&](std::initializer_list<u8> bytes) {
        return m.run(bytes) == Outcome::Fault && m.fault().vector == 6;
    };
    BOOST_TEST(undefined({0x0f, 0x01, 0xf9}));              // rdtscp
    BOOST_TEST(undefined({0x0f, 0x01, 0xc8}));              // monitor
    BOOST_TEST(undefined({0x0f, 0x01, 0xc9}));              // mwait
    BOOST_TEST(undefined({0x0f, 0xc7, 0xf0}));              // rdrand eax
    BOOST_TEST(undefined({0x0f, 0xc7, 0xf8}));              // rdseed eax
    BOOST_TEST(undefined({0x0f, 0x01, 0xca}));              // clac
    BOOST_TEST(undefined({0x66, 0x0f, 0x38, 0x82, 0x00}));  // invpcid rax, [rax]
    BOOST_TEST(undefined({0xf3, 0x0f, 0xc7, 0xf8}));        // rdpid rax
}

BOOST_AUTO_TEST_CASE(machine_checks_have_a_status_and_no_banks) {
    Machine m;
    u64 value = 1;
    BOOST_TEST(core::read_msr(m.core, 0x179, value));
    BOOST_TEST((value & 0xff) == 0u);
    BOOST_TEST(core::write_msr(m.core, 0x17a, 4));
    BOOST_TEST((core::read_msr(m.core, 0x17a, value) && value == 4u));
    BOOST_TEST(!core::write_msr(m.core, 0x17a, 8));
    BOOST_TEST(!core::write_msr(m.core, 0x179, 0));
    BOOST_TEST(!core::read_msr(m.core, 0x400, value), "no bank");
}

BOOST_AUTO_TEST_CASE(invpcid_checks_type_descriptor_and_pcide) {
    Machine m;
    m.long64();
    m.r(RBX) = kData;
    const auto invpcid = [&](u64 type, u64 pcid, u64 address) {
        m.r(RAX) = type;
        m.poke(kData, pcid, 8);
        m.poke(kData + 8, address, 8);
        return m.run({0x66, 0x0f, 0x38, 0x82, 0x03});
    };
    m.mmu.translate({kStack}, mmu::AccessType::Read, false);
    BOOST_TEST((invpcid(2, 0, 0) == Outcome::Jump));
    const u64 walks = m.mmu.stats().walks;
    m.mmu.translate({kStack}, mmu::AccessType::Read, false);
    BOOST_TEST(m.mmu.stats().walks == walks + 1);
    BOOST_TEST(gp0(m, invpcid(4, 0, 0)));
    BOOST_TEST(gp0(m, invpcid(2, 0x1000, 0)));
    BOOST_TEST(gp0(m, invpcid(0, 0, u64{1} << 47)));
    BOOST_TEST(gp0(m, invpcid(1, 5, 0)));
    m.core.state.cr4 |= cr4::PCIDE;
    BOOST_TEST((invpcid(1, 5, 0) == Outcome::Jump));
    m.long64(3);
    BOOST_TEST(gp0(m, invpcid(2, 0, 0)));
}

BOOST_AUTO_TEST_CASE(stac_and_clac_set_ac_at_level_0_only) {
    Machine m;
    m.long64();
    BOOST_TEST((m.run({0x0f, 0x01, 0xcb}) == Outcome::Jump));
    BOOST_TEST((m.core.state.rflags & rflags::AC) != 0u);
    m.run({0x0f, 0x01, 0xca});
    BOOST_TEST((m.core.state.rflags & rflags::AC) == 0u);
    m.long64(3);
    BOOST_TEST((m.run({0x0f, 0x01, 0xcb}) == Outcome::Fault));
    BOOST_TEST(m.fault().vector == 6);
}

BOOST_AUTO_TEST_CASE(the_tsc_counts_cycles_and_a_write_moves_tsc_adjust) {
    Machine m;
    m.core.state.cycles = 1000;
    wrmsr(m, msr::TSC, 5'000'000);
    rdmsr(m, msr::TSC);
    BOOST_TEST(value(m) == 5'000'000 + m.params.rdmsr);
    const u64 adjust = m.core.state.tsc_adjust;
    rdmsr(m, msr::TSC_ADJUST);
    BOOST_TEST(value(m) == adjust);
    m.run({0x0f, 0x31});
    BOOST_TEST(value(m) == m.core.state.cycles + adjust);
}

BOOST_AUTO_TEST_CASE(ports_reach_their_device_with_size_and_cost) {
    Machine m;
    m.r(RAX) = 0x12345678;
    m.r(RDX) = 0x61;
    const u64 before = m.core.state.cycles;
    BOOST_TEST((m.run({0x66, 0xef}) == Outcome::Jump));  // out dx, ax
    BOOST_TEST(m.core.state.cycles == before + m.params.io);
    BOOST_TEST(m.echo.written.at(0).port == 0x61);
    BOOST_TEST(m.echo.written.at(0).bytes == 2u);
    BOOST_TEST(m.echo.written.at(0).value == 0x5678u);
    m.run({0xe4, 0x60});  // in al, 60h
    BOOST_TEST(m.r(RAX) == 0x12345601u);
    m.run({0xed});  // in eax, dx
    BOOST_TEST(m.r(RAX) == 0xa5006104u);
}

BOOST_AUTO_TEST_CASE(iopl_and_the_bitmap_guard_ports) {
    Machine m;
    user_with_bitmap(m);
    m.r(RDX) = 0x64;
    BOOST_TEST(gp0(m, m.run({0xec})));
    m.r(RDX) = 0x65;
    BOOST_TEST((m.run({0xec}) == Outcome::Jump));
    BOOST_TEST(gp0(m, m.run({0x66, 0xed})), "both bytes of a word count");
    m.core.state.rflags |= rflags::IOPL;
    m.r(RDX) = 0x64;
    BOOST_TEST((m.run({0xec}) == Outcome::Jump));
    user_with_bitmap(m);
    m.r(RDX) = 0x65;
    m.core.state.seg[TR].limit = 104 + 0x65 / 8;  // the second byte of the pair lies beyond
    BOOST_TEST(gp0(m, m.run({0xec})));
    m.core.state.seg[TR].limit = 102;
    BOOST_TEST(gp0(m, m.run({0xec})));
}

BOOST_AUTO_TEST_CASE(string_output_repeats_one_element_at_a_time) {
    Machine m;
    m.poke(kData, 0x00030201, 4);
    m.r(RSI) = kData;
    m.r(RCX) = 3;
    m.r(RDX) = 0x60;
    BOOST_TEST((m.run({0xf3, 0x6e}) == Outcome::Repeat));
    BOOST_TEST(m.r(RCX) == 2u);
    BOOST_TEST(m.core.state.rip == kCode);
    BOOST_TEST((m.run({0xf3, 0x6e}) == Outcome::Repeat));
    BOOST_TEST((m.run({0xf3, 0x6e}) == Outcome::Jump));
    BOOST_TEST(m.core.state.rip == kCode + 2);
    BOOST_TEST(m.r(RSI) == kData + 3);
    BOOST_TEST(m.echo.written.size() == 3u);
    BOOST_TEST(m.echo.written[2].value == 3u);
    BOOST_TEST((m.run({0xf3, 0x6e}) == Outcome::Next), "nothing is left");
    BOOST_TEST(m.echo.written.size() == 3u);
}

BOOST_AUTO_TEST_CASE(string_input_goes_downwards_with_df_and_reads_no_port_where_the_store_faults) {
    Machine m;
    m.core.state.rflags |= rflags::DF;
    m.r(RDI) = kData + 4;
    m.r(RDX) = 0x60;
    BOOST_TEST((m.run({0x6d}) == Outcome::Jump));
    BOOST_TEST(m.r(RDI) == kData);
    BOOST_TEST(m.peek(kData + 4, 4) == 0xa5006004u);
    m.long64();
    m.r(RDI) = 0x90000000;  // not mapped
    const unsigned reads = m.echo.reads;
    BOOST_TEST((m.run({0x6d}) == Outcome::Fault));
    BOOST_TEST(m.fault().vector == 14);
    BOOST_TEST(m.echo.reads == reads);
}

BOOST_AUTO_TEST_CASE(cpuid_answers_by_table_with_bits_of_the_state) {
    Machine m;
    m.long64();
    m.r(RAX) = 1;
    m.run({0x0f, 0xa2});
    BOOST_TEST((m.r(RCX) >> 27 & 1) == 0u);
    BOOST_TEST((m.r(RDX) >> 9 & 1) == 1u);
    m.core.state.cr4 |= cr4::OSXSAVE;
    m.core.state.apic_base &= ~u64{1u << 11};
    m.r(RAX) = 1;
    const u64 before = m.core.state.cycles;
    m.run({0x0f, 0xa2});
    BOOST_TEST(m.core.state.cycles == before + m.params.cpuid);
    BOOST_TEST((m.r(RCX) >> 27 & 1) == 1u);
    BOOST_TEST((m.r(RDX) >> 9 & 1) == 0u);
    m.r(RAX) = 0x80000001;
    m.run({0x0f, 0xa2});
    BOOST_TEST((m.r(RDX) >> 11 & 1) == 1u);
    m.compatibility();
    m.r(RAX) = 0x80000001;
    m.run({0x0f, 0xa2});
    BOOST_TEST((m.r(RDX) >> 11 & 1) == 0u);
}

BOOST_AUTO_TEST_CASE(cpuid_beyond_the_highest_leaf_answers_as_the_highest_basic_one) {
    Machine m;
    for (const u32 leaf : {0xeu, 0x1000u, 0x40000000u, 0x80000009u}) {
        m.r(RAX) = leaf;
        m.r(RCX) = 0;
        m.run({0x0f, 0xa2});
        BOOST_TEST(m.r(RAX) == 7u);
        BOOST_TEST(m.r(RBX) == 576u);
    }
    m.core.state.xcr0 = 7;
    m.r(RAX) = 0xd;
    m.r(RCX) = 0;
    m.run({0x0f, 0xa2});
    BOOST_TEST(m.r(RBX) == 0x340u, "the area grows with what XCR0 enables");
    m.r(RAX) = 7;
    m.r(RCX) = 5;  // a subleaf that does not exist
    m.run({0x0f, 0xa2});
    BOOST_TEST(m.r(RBX) == 0u);
    m.r(RAX) = 4;  // in range, not in the table
    m.run({0x0f, 0xa2});
    BOOST_TEST((m.r(RAX) | m.r(RBX) | m.r(RCX) | m.r(RDX)) == 0u);
}

BOOST_AUTO_TEST_CASE(xsetbv_checks_its_bits) {
    Machine m;
    m.long64();
    BOOST_TEST((m.run({0x0f, 0x01, 0xd1}) == Outcome::Fault));
    BOOST_TEST(m.fault().vector == 6);
    m.core.state.cr4 |= cr4::OSXSAVE;
    m.r(RCX) = m.r(RDX) = 0;
    m.r(RAX) = 7;
    BOOST_TEST((m.run({0x0f, 0x01, 0xd1}) == Outcome::Jump));
    BOOST_TEST(m.core.state.xcr0 == 7u);
    for (const u64 bad : {6u, 5u, 8u | 1u}) {
        m.r(RAX) = bad;
        BOOST_TEST(gp0(m, m.run({0x0f, 0x01, 0xd1})));
    }
}

BOOST_AUTO_TEST_CASE(users_may_not_halt_invalidate_or_disable_interrupts) {
    Machine m;
    m.long64(3);
    m.r(RAX) = kData;
    BOOST_TEST(gp0(m, m.run({0xf4})));
    BOOST_TEST(gp0(m, m.run({0x0f, 0x08})));
    BOOST_TEST(gp0(m, m.run({0x0f, 0x09})));
    BOOST_TEST(gp0(m, m.run({0x0f, 0x01, 0x38})));
    BOOST_TEST(gp0(m, m.run({0xfa})));
    BOOST_TEST(gp0(m, m.run({0xfb})));
    BOOST_TEST(gp0(m, m.run({0x0f, 0x01, 0xf8})));  // swapgs
    m.core.state.cr4 |= cr4::TSD;
    BOOST_TEST(gp0(m, m.run({0x0f, 0x31})));
}

BOOST_AUTO_TEST_CASE(sti_blocks_for_one_instruction_where_interrupts_were_off) {
    Machine m;
    BOOST_TEST((m.run({0xfb}) == Outcome::Jump));
    BOOST_TEST(m.core.state.blocking == blocking::STI);
    m.core.state.blocking = 0;
    m.run({0xfb});
    BOOST_TEST(m.core.state.blocking == 0u);
    m.run({0xfa});
    BOOST_TEST((m.core.state.rflags & rflags::IF) == 0u);
}

BOOST_AUTO_TEST_CASE(hlt_stops_behind_itself) {
    Machine m;
    BOOST_TEST((m.run({0xf4}) == Outcome::Jump));
    BOOST_TEST((m.core.state.activity == ActivityState::Hlt));
    BOOST_TEST(m.core.state.rip == kCode + 1);
}

BOOST_AUTO_TEST_CASE(invlpg_drops_one_page_and_checks_no_limit) {
    Machine m;
    m.long64();
    m.mmu.translate({kData}, mmu::AccessType::Read, false);
    const u64 walks = m.mmu.stats().walks;
    m.r(RAX) = kData;
    BOOST_TEST((m.run({0x0f, 0x01, 0x38}) == Outcome::Jump));
    m.mmu.translate({kData}, mmu::AccessType::Read, false);
    BOOST_TEST(m.mmu.stats().walks == walks + 1);
    m.r(RAX) = u64{1} << 47;
    BOOST_TEST((m.run({0x0f, 0x01, 0x38}) == Outcome::Jump), "an address that is not canonical is no fault");
}

BOOST_AUTO_TEST_CASE(fs_and_gs_bases_move_with_fsgsbase_only) {
    Machine m;
    m.long64();
    BOOST_TEST((m.run({0xf3, 0x48, 0x0f, 0xae, 0xd0}) == Outcome::Fault));
    m.core.state.cr4 |= cr4::FSGSBASE;
    m.r(RAX) = 0xffff800000001000;
    BOOST_TEST((m.run({0xf3, 0x48, 0x0f, 0xae, 0xd0}) == Outcome::Jump));  // wrfsbase rax
    BOOST_TEST(m.core.state.seg[FS].base == 0xffff800000001000u);
    m.run({0xf3, 0x48, 0x0f, 0xae, 0xc3});  // rdfsbase rbx
    BOOST_TEST(m.r(RBX) == 0xffff800000001000u);
    m.r(RAX) = u64{1} << 47;
    BOOST_TEST(gp0(m, m.run({0xf3, 0x48, 0x0f, 0xae, 0xd0})));
    m.core.state.seg[GS].base = 5;
    m.core.state.kernel_gs_base = 7;
    m.run({0x0f, 0x01, 0xf8});
    BOOST_TEST(m.core.state.seg[GS].base == 7u);
    BOOST_TEST(m.core.state.kernel_gs_base == 5u);
}

BOOST_AUTO_TEST_CASE(undefined_opcodes_are_undefined) {
    Machine m;
    BOOST_TEST((m.run({0x0f, 0x0b}) == Outcome::Fault));
    BOOST_TEST(m.fault().vector == 6);
    BOOST_TEST(!m.fault().has_error_code);
    BOOST_TEST((m.run({0x0f, 0xaa}) == Outcome::Fault));  // rsm
    BOOST_TEST(m.fault().vector == 6);
}

BOOST_AUTO_TEST_CASE(every_knob_of_the_core_has_a_row) {
    const auto rows = core::core_params();
    BOOST_TEST(rows.size() == sizeof(core::CoreParams) / sizeof(u64));
    core::CoreParams defaults;
    for (const auto& row : rows) {
        BOOST_TEST(row.key.starts_with("core."));
        BOOST_TEST((defaults.*row.member >= row.min));
        BOOST_TEST((defaults.*row.member <= row.max));
    }
}

BOOST_AUTO_TEST_SUITE_END()
