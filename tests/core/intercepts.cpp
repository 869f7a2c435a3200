// SPDX-License-Identifier: Apache-2.0
// Every instruction that VMX can intercept: reason, qualification, length, information; and what comes before the exit.
#include <boost/test/unit_test.hpp>
#include <functional>

#include "machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;
using arch::ExitReason;
using arch::Field;
using arch::PrimaryControl;
using arch::SecondaryControl;

namespace {

bool fault(Machine& m, Outcome o, u8 vector) { return o == Outcome::Fault && m.fault().vector == vector; }

void expect_exit(Machine& m, std::initializer_list<u8> bytes, ExitReason reason, u64 qualification, u32 info = 0) {
    const u64 rip = m.core.state.rip;
    const Outcome outcome = m.run(bytes);
    BOOST_TEST(static_cast<int>(outcome) == static_cast<int>(Outcome::VmExit),
               arch::exit_reason_name(static_cast<u32>(reason)));
    if (outcome != Outcome::VmExit) return;
    BOOST_TEST(static_cast<unsigned>(m.exit().reason) == static_cast<unsigned>(reason));
    BOOST_TEST(m.exit().qualification == qualification, arch::exit_reason_name(static_cast<u32>(reason)));
    BOOST_TEST(m.exit().instruction_length == bytes.size());
    BOOST_TEST(m.exit().instruction_info == info, arch::exit_reason_name(static_cast<u32>(reason)));
    BOOST_TEST(m.core.state.rip == rip, "RIP names the instruction");
}

struct Row {
    const char* what;
    u64 primary, secondary;
    std::initializer_list<u8> bytes;
    ExitReason reason;
    u64 qualification;
    u32 info;
};

constexpr u64 P(PrimaryControl b) { return u64{1} << static_cast<u8>(b); }
constexpr u64 S(SecondaryControl b) { return u64{1} << static_cast<u8>(b); }
constexpr u32 kMem64 = 2u << 7 | 3u << 15 | 1u << 22;  ///< [base]: 64-bit addresses, DS, no index

}  // namespace

BOOST_AUTO_TEST_SUITE(intercepts)

BOOST_AUTO_TEST_CASE(each_instruction_exits_under_its_control_and_not_without) {
    const Row rows[] = {
        {"hlt", P(PrimaryControl::HLTExiting), 0, {0xf4}, ExitReason::HLT, 0, 0},
        {"wbinvd", 0, S(SecondaryControl::WBINVDExiting), {0x0f, 0x09}, ExitReason::WBINVD, 0, 0},
        {"invlpg [rbx+8]",
         P(PrimaryControl::INVLPGExiting),
         0,
         {0x0f, 0x01, 0x7b, 0x08},
         ExitReason::INVLPG,
         kData + 8,
         0},
        {"rdtsc", P(PrimaryControl::RDTSCExiting), 0, {0x0f, 0x31}, ExitReason::RDTSC, 0, 0},
        {"rdtscp",
         P(PrimaryControl::RDTSCExiting),
         S(SecondaryControl::EnableRDTSCP),
         {0x0f, 0x01, 0xf9},
         ExitReason::RDTSCP,
         0,
         0},
        {"monitor", P(PrimaryControl::MONITORExiting), 0, {0x0f, 0x01, 0xc8}, ExitReason::MONITOR_INSTRUCTION, 0, 0},
        {"mwait", P(PrimaryControl::MWAITExiting), 0, {0x0f, 0x01, 0xc9}, ExitReason::MWAIT_INSTRUCTION, 0, 0},
        {"pause", P(PrimaryControl::PAUSEExiting), 0, {0xf3, 0x90}, ExitReason::PAUSE_INSTRUCTION, 0, 0},
        {"rdrand r9d",
         0,
         S(SecondaryControl::RDRANDExiting),
         {0x41, 0x0f, 0xc7, 0xf1},
         ExitReason::RDRAND,
         0,
         9u << 3 | 1u << 11},
        {"rdseed rdx",
         0,
         S(SecondaryControl::RDSEEDExiting),
         {0x48, 0x0f, 0xc7, 0xfa},
         ExitReason::RDSEED,
         0,
         2u << 3 | 2u << 11},
        {"sgdt [rbx]",
         0,
         S(SecondaryControl::DescriptorTableExiting),
         {0x0f, 0x01, 0x03},
         ExitReason::GDTR_IDTR,
         0,
         kMem64 | 3u << 23 | 1u << 11},
        {"lidt [rbx-16]",
         0,
         S(SecondaryControl::DescriptorTableExiting),
         {0x0f, 0x01, 0x5b, 0xf0},
         ExitReason::GDTR_IDTR,
         ~u64{15},
         kMem64 | 3u << 23 | 1u << 11 | 3u << 28},
        {"str edx",
         0,
         S(SecondaryControl::DescriptorTableExiting),
         {0x0f, 0x00, 0xca},
         ExitReason::LDTR_TR,
         0,
         2u << 7 | 2u << 3 | 1u << 10 | 1u << 28},
        {"lldt [rbx]",
         0,
         S(SecondaryControl::DescriptorTableExiting),
         {0x0f, 0x00, 0x13},
         ExitReason::LDTR_TR,
         0,
         kMem64 | 3u << 23 | 2u << 28},
        {"mov r12, cr3",
         P(PrimaryControl::CR3StoreExiting),
         0,
         {0x41, 0x0f, 0x20, 0xdc},
         ExitReason::CR_ACCESS,
         3 | 1u << 4 | 12u << 8,
         0},
        {"mov cr3, rcx",
         P(PrimaryControl::CR3LoadExiting),
         0,
         {0x0f, 0x22, 0xd9},
         ExitReason::CR_ACCESS,
         3 | 1u << 8,
         0},
        {"mov cr8, rsi",
         P(PrimaryControl::CR8LoadExiting),
         0,
         {0x44, 0x0f, 0x22, 0xc6},
         ExitReason::CR_ACCESS,
         8 | 6u << 8,
         0},
        {"mov rdi, cr8",
         P(PrimaryControl::CR8StoreExiting),
         0,
         {0x44, 0x0f, 0x20, 0xc7},
         ExitReason::CR_ACCESS,
         8 | 1u << 4 | 7u << 8,
         0},
        {"mov dr7, rbx", P(PrimaryControl::MOVDRExiting), 0, {0x0f, 0x23, 0xfb}, ExitReason::DR_ACCESS, 7 | 3u << 8, 0},
        {"mov r8, dr6",
         P(PrimaryControl::MOVDRExiting),
         0,
         {0x41, 0x0f, 0x21, 0xf0},
         ExitReason::DR_ACCESS,
         6 | 1u << 4 | 8u << 8,
         0},
        {"in ax, 64h",
         P(PrimaryControl::UnconditionalIOExiting),
         0,
         {0x66, 0xe5, 0x64},
         ExitReason::IO_INSTRUCTION,
         1 | 1u << 3 | 1u << 6 | 0x64u << 16,
         0},
        {"out dx, al",
         P(PrimaryControl::UnconditionalIOExiting),
         0,
         {0xee},
         ExitReason::IO_INSTRUCTION,
         0x70u << 16,
         0},
        {"rep outsb",
         P(PrimaryControl::UnconditionalIOExiting),
         0,
         {0xf3, 0x6e},
         ExitReason::IO_INSTRUCTION,
         1u << 4 | 1u << 5 | 0x70u << 16,
         2u << 7 | 3u << 15},
        {"gs outsd, 32-bit addresses",
         P(PrimaryControl::UnconditionalIOExiting),
         0,
         {0x65, 0x67, 0x6f},
         ExitReason::IO_INSTRUCTION,
         3 | 1u << 4 | 0x70u << 16,
         1u << 7 | 5u << 15},
        {"insb",
         P(PrimaryControl::UnconditionalIOExiting),
         0,
         {0x6c},
         ExitReason::IO_INSTRUCTION,
         1u << 3 | 1u << 4 | 0x70u << 16,
         2u << 7},
        {"invpcid rax, [rbx]",
         P(PrimaryControl::INVLPGExiting),
         S(SecondaryControl::EnableINVPCID),
         {0x66, 0x0f, 0x38, 0x82, 0x03},
         ExitReason::INVPCID,
         0,
         kMem64 | 3u << 23},
    };
    for (const Row& row : rows) {
        BOOST_TEST_CONTEXT(row.what) {
            const auto prepare = [&](Machine& m, bool control) {
                m.primary = control ? row.primary : 0;
                m.secondary = control ? row.secondary : row.secondary & S(SecondaryControl::EnableRDTSCP);
                if (row.reason == ExitReason::INVPCID) m.secondary |= S(SecondaryControl::EnableINVPCID);
                if (row.reason == ExitReason::RDTSCP) m.secondary |= S(SecondaryControl::EnableRDTSCP);
                m.guest64();
                for (const Reg reg : {RAX, RCX, RDX, RSI, RDI, R12}) m.r(reg) = 0;
                m.r(RBX) = kData;
                m.r(RDX) = 0x70;
                m.r(RCX) = row.reason == ExitReason::MONITOR_INSTRUCTION || row.reason == ExitReason::MWAIT_INSTRUCTION
                               ? 0
                               : kPages;
                m.r(RSI) = 0;
                if (row.bytes.begin()[0] == 0x6c) m.r(RDI) = kData;
                if (row.reason == ExitReason::DR_ACCESS || row.reason == ExitReason::LDTR_TR) m.r(RBX) = kData;
            };
            Machine with;
            prepare(with, true);
            expect_exit(with, row.bytes, row.reason, row.qualification, row.info);
            Machine without;
            prepare(without, false);
            BOOST_TEST((without.run(row.bytes) != Outcome::VmExit));
        }
    }
}

BOOST_AUTO_TEST_CASE(some_instructions_always_exit) {
    Machine m;
    m.core.state.cr4 = 0;
    m.guest64();
    expect_exit(m, {0x0f, 0xa2}, ExitReason::CPUID, 0);
    expect_exit(m, {0x0f, 0x08}, ExitReason::INVD, 0);
    BOOST_TEST(fault(m, m.run({0x0f, 0x01, 0xd1}), 6), "XSETBV without OSXSAVE is undefined, not an exit");
    m.core.state.cr4 |= cr4::OSXSAVE;
    expect_exit(m, {0x0f, 0x01, 0xd1}, ExitReason::XSETBV, 0);
    m.r(RCX) = 0x10;
    expect_exit(m, {0x0f, 0x32}, ExitReason::MSR_READ, 0);  // no MSR bitmaps
    expect_exit(m, {0x0f, 0x30}, ExitReason::MSR_WRITE, 0);
}

BOOST_AUTO_TEST_CASE(faults_of_privilege_and_undefined_opcodes_come_before_the_exit) {
    Machine m;
    m.primary = P(PrimaryControl::HLTExiting) | P(PrimaryControl::INVLPGExiting) | P(PrimaryControl::CR3LoadExiting) |
                P(PrimaryControl::MOVDRExiting) | P(PrimaryControl::UnconditionalIOExiting) |
                P(PrimaryControl::RDTSCExiting) | P(PrimaryControl::MONITORExiting);
    m.secondary = S(SecondaryControl::DescriptorTableExiting);
    m.guest64();
    m.core.state.seg[SS].ar.raw |= 0x60;  // level 3
    m.core.state.cr4 |= cr4::TSD | cr4::UMIP;
    BOOST_TEST(fault(m, m.run({0xf4}), 13));
    BOOST_TEST(fault(m, m.run({0x0f, 0x01, 0x38}), 13));
    BOOST_TEST(fault(m, m.run({0x0f, 0x22, 0xd9}), 13));
    BOOST_TEST(fault(m, m.run({0x0f, 0x31}), 13));
    BOOST_TEST(fault(m, m.run({0x0f, 0x01, 0x10}), 13));
    BOOST_TEST(fault(m, m.run({0x0f, 0x01, 0x00}), 13));  // sgdt under UMIP
    BOOST_TEST(fault(m, m.run({0x0f, 0x08}), 13));
    BOOST_TEST(fault(m, m.run({0x0f, 0x32}), 13));
    BOOST_TEST(fault(m, m.run({0x0f, 0x01, 0xc8}), 6));
    m.core.state.seg[TR].limit = 0x67;
    BOOST_TEST(fault(m, m.run({0xe4, 0x80}), 13));       // I/O permission
    BOOST_TEST(fault(m, m.run({0x0f, 0x01, 0xf9}), 6));  // RDTSCP not enabled
    BOOST_TEST((m.run({0x0f, 0xa2}) == Outcome::VmExit));
    BOOST_TEST((m.run({0x0f, 0x21, 0xe0}) == Outcome::VmExit), "MOV DR exits before its CPL and DR4 faults");
}

BOOST_AUTO_TEST_CASE(memory_operands_are_not_touched_before_the_exit) {
    Machine m;
    m.secondary = S(SecondaryControl::DescriptorTableExiting);
    m.primary = P(PrimaryControl::UnconditionalIOExiting);
    m.guest64();
    m.r(RBX) = m.r(RSI) = 0x90000000;
    m.r(RDX) = 0x80;
    BOOST_TEST((m.run({0x0f, 0x01, 0x13}) == Outcome::VmExit));
    BOOST_TEST((m.run({0x0f, 0x00, 0x13}) == Outcome::VmExit));
    BOOST_TEST((m.run({0x6e}) == Outcome::VmExit));
    BOOST_TEST(m.exit().guest_linear == 0x90000000u);
}

BOOST_AUTO_TEST_CASE(a_string_instruction_without_elements_does_not_exit) {
    Machine m;
    m.primary = P(PrimaryControl::UnconditionalIOExiting);
    m.guest64();
    m.r(RCX) = 0;
    BOOST_TEST((m.run({0xf3, 0x6e}) == Outcome::Next));
}

BOOST_AUTO_TEST_CASE(guest_and_host_masks_split_cr0_and_cr4) {
    Machine m;
    m.long64();
    m.vmxon();
    m.prepare_vmcs();
    m.field(Field::CR0_GUEST_HOST_MASK, cr0::TS | cr0::NE);
    m.field(Field::CR0_READ_SHADOW, cr0::TS);
    m.field(Field::CR4_GUEST_HOST_MASK, cr4::VMXE);
    m.field(Field::CR4_READ_SHADOW, 0);
    m.enter();
    m.run({0x0f, 0x20, 0xc0});
    BOOST_TEST(m.r(RAX) == ((m.core.state.cr0 & ~cr0::NE) | cr0::TS));
    m.run({0x0f, 0x20, 0xe0});
    BOOST_TEST(m.r(RAX) == cr4::PAE);
    m.r(RAX) |= cr4::PGE;
    BOOST_TEST((m.run({0x0f, 0x22, 0xe0}) == Outcome::Jump));
    BOOST_TEST(m.core.state.cr4 == (cr4::PAE | cr4::PGE | cr4::VMXE), "the host's bit stays");
    m.r(RAX) |= cr4::VMXE;
    expect_exit(m, {0x0f, 0x22, 0xe0}, ExitReason::CR_ACCESS, 4);
    expect_exit(m, {0x0f, 0x06}, ExitReason::CR_ACCESS, 2u << 4);  // CLTS
    m.r(RAX) = 1;                                                  // TS clear, shadow set
    expect_exit(m, {0x0f, 0x01, 0xf0}, ExitReason::CR_ACCESS, 3u << 4 | 1u << 16);
    m.poke(kData, 1, 2);
    m.r(RBX) = kData;
    expect_exit(m, {0x0f, 0x01, 0x33}, ExitReason::CR_ACCESS, 3u << 4 | 1u << 6 | 1u << 16);
    BOOST_TEST(m.exit().guest_linear == kData);
    m.r(RAX) = (m.core.state.cr0 & ~cr0::NE) | cr0::TS | cr0::WP;
    BOOST_TEST((m.run({0x0f, 0x22, 0xc0}) == Outcome::Jump));
    BOOST_TEST((m.core.state.cr0 & (cr0::WP | cr0::NE | cr0::TS)) == (cr0::WP | cr0::NE));
}

BOOST_AUTO_TEST_CASE(rdmsr_and_rdtsc_show_the_offset_tsc_and_wrmsr_does_not) {
    Machine m;
    m.primary = P(PrimaryControl::UseTSCOffsetting) | P(PrimaryControl::UseMSRBitmaps);
    m.long64();
    m.vmxon();
    m.prepare_vmcs();
    m.field(Field::TSC_OFFSET, 1'000'000);
    m.enter();
    m.r(RCX) = 0x10;
    m.run({0x0f, 0x32});
    BOOST_TEST((m.r(RAX) | m.r(RDX) << 32) == m.core.state.cycles + 1'000'000);
    m.run({0x0f, 0x31});
    BOOST_TEST((m.r(RAX) | m.r(RDX) << 32) == m.core.state.cycles + 1'000'000);
    m.r(RAX) = 500;
    m.r(RDX) = 0;
    m.run({0x0f, 0x30});
    m.run({0x0f, 0x31});
    BOOST_TEST((m.r(RAX) | m.r(RDX) << 32) == 1'000'500 + m.params.rdtsc);
}

BOOST_AUTO_TEST_CASE(msr_bitmaps_select_msrs) {
    Machine m;
    m.primary = P(PrimaryControl::UseMSRBitmaps);
    m.guest64();
    m.r(RCX) = arch::msr::LSTAR;
    BOOST_TEST((m.run({0x0f, 0x32}) == Outcome::Next));
    m.poke(Machine::kBitmaps + 0x2000 + 1024 + (0x82 >> 3), 1u << (0x82 & 7), 1);
    expect_exit(m, {0x0f, 0x32}, ExitReason::MSR_READ, 0);
    m.r(RCX) = 0x3000;
    expect_exit(m, {0x0f, 0x30}, ExitReason::MSR_WRITE, 0);
}

BOOST_AUTO_TEST_SUITE_END()
