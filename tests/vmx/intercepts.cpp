// SPDX-License-Identifier: Apache-2.0
// Each intercept: off without its control, on with it, and exact exit information.
#include "tests/vmx/machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;
using arch::EventInfo;
using arch::EventType;
using arch::ExitReason;
using arch::PinControl;
using arch::PrimaryControl;
using arch::SecondaryControl;

namespace {

void expect(bool exits, const ExitInfo& info, ExitReason reason, u64 qualification = 0) {
    BOOST_TEST(exits);
    BOOST_TEST(static_cast<unsigned>(info.reason) == static_cast<unsigned>(reason));
    BOOST_TEST(info.qualification == qualification);
    BOOST_TEST(!info.idt_vectoring.valid());
}

struct Row {
    const char* name;
    void (*prepare)(Machine&);
    bool (*ask)(Machine&, ExitInfo&);
    ExitReason reason;
    u64 qualification;
};
#define PRIMARY(bit) [](Machine& m) { m.control(PrimaryControl::bit); }
#define SECONDARY(bit) [](Machine& m) { m.control(SecondaryControl::bit); }
#define ASK(...) [](Machine& m, ExitInfo& i) -> bool { return m.vmx.__VA_ARGS__; }

const Row kByControl[] = {
    {"HLT", PRIMARY(HLTExiting), ASK(intercept_hlt(i)), ExitReason::HLT, 0},
    {"WBINVD", SECONDARY(WBINVDExiting), ASK(intercept_wbinvd(i)), ExitReason::WBINVD, 0},
    {"INVLPG", PRIMARY(INVLPGExiting), ASK(intercept_invlpg({0x1234}, i)), ExitReason::INVLPG, 0x1234},
    {"INVPCID", PRIMARY(INVLPGExiting), ASK(intercept_invpcid(i)), ExitReason::INVPCID, 0},
    {"RDPMC", PRIMARY(RDPMCExiting), ASK(intercept_rdpmc(i)), ExitReason::RDPMC, 0},
    {"RDTSC", PRIMARY(RDTSCExiting), ASK(intercept_rdtsc(i)), ExitReason::RDTSC, 0},
    {"RDTSCP", PRIMARY(RDTSCExiting), ASK(intercept_rdtscp(i)), ExitReason::RDTSCP, 0},
    {"MONITOR", PRIMARY(MONITORExiting), ASK(intercept_monitor(i)), ExitReason::MONITOR_INSTRUCTION, 0},
    {"MWAIT", PRIMARY(MWAITExiting), ASK(intercept_mwait(false, i)), ExitReason::MWAIT_INSTRUCTION, 0},
    {"MWAIT armed", PRIMARY(MWAITExiting), ASK(intercept_mwait(true, i)), ExitReason::MWAIT_INSTRUCTION, 1},
    {"PAUSE", PRIMARY(PAUSEExiting), ASK(intercept_pause(i)), ExitReason::PAUSE_INSTRUCTION, 0},
    {"RDRAND", SECONDARY(RDRANDExiting), ASK(intercept_rdrand(i)), ExitReason::RDRAND, 0},
    {"RDSEED", SECONDARY(RDSEEDExiting), ASK(intercept_rdseed(i)), ExitReason::RDSEED, 0},
    {"LGDT", SECONDARY(DescriptorTableExiting), ASK(intercept_descriptor_table(i, ExitReason::GDTR_IDTR)),
     ExitReason::GDTR_IDTR, 0},
    {"LTR", SECONDARY(DescriptorTableExiting), ASK(intercept_descriptor_table(i, ExitReason::LDTR_TR)),
     ExitReason::LDTR_TR, 0},
    {"MOV to DR7", PRIMARY(MOVDRExiting), ASK(intercept_mov_dr(7, false, 3, i)), ExitReason::DR_ACCESS, 0x307},
    {"MOV from DR6", PRIMARY(MOVDRExiting), ASK(intercept_mov_dr(6, true, 8, i)), ExitReason::DR_ACCESS, 0x816},
    {"OUT", PRIMARY(UnconditionalIOExiting),
     ASK(intercept_io({.port = 0x3f8, .bytes = 1, .in = false, .string = false, .rep = false, .immediate = false}, i)),
     ExitReason::IO_INSTRUCTION, 0x03f80000},
    {"REP INSD", PRIMARY(UnconditionalIOExiting),
     ASK(intercept_io({.port = 0x70, .bytes = 4, .in = true, .string = true, .rep = true, .immediate = false}, i)),
     ExitReason::IO_INSTRUCTION, 0x0070003b},
    {"IN AL, 60h", PRIMARY(UnconditionalIOExiting),
     ASK(intercept_io({.port = 0x60, .bytes = 1, .in = true, .string = false, .rep = false, .immediate = true}, i)),
     ExitReason::IO_INSTRUCTION, 0x00600048},
    {"MOV CR3, RBX", PRIMARY(CR3LoadExiting), ASK(intercept_mov_to_cr(3, 3, 0x1000, i)), ExitReason::CR_ACCESS, 0x303},
    {"MOV R9, CR3", PRIMARY(CR3StoreExiting), ASK(intercept_mov_from_cr(3, 9, i)), ExitReason::CR_ACCESS, 0x913},
    {"MOV CR8, RAX", PRIMARY(CR8LoadExiting), ASK(intercept_mov_to_cr(8, 0, 3, i)), ExitReason::CR_ACCESS, 0x008},
    {"MOV RCX, CR8", PRIMARY(CR8StoreExiting), ASK(intercept_mov_from_cr(8, 1, i)), ExitReason::CR_ACCESS, 0x118},
    {"CLTS",
     [](Machine& m) {
         m.set(Field::CR0_GUEST_HOST_MASK, cr0::TS);
         m.set(Field::CR0_READ_SHADOW, cr0::TS);
     },
     ASK(intercept_clts(i)), ExitReason::CR_ACCESS, 0x20},
    {"RDMSR", [](Machine& m) { m.ram.write({Machine::kMsrBitmap + 1024 + 0x80 / 8}, 1, 1); },
     ASK(intercept_rdmsr(msr::EFER, i)), ExitReason::MSR_READ, 0},
    {"WRMSR", [](Machine& m) { m.ram.write({Machine::kMsrBitmap + 2048 + 0x174 / 8}, 1, 1 << 4); },
     ASK(intercept_wrmsr(msr::SYSENTER_CS, i)), ExitReason::MSR_WRITE, 0},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(vmx_intercepts)

BOOST_AUTO_TEST_CASE(each_control_makes_its_instruction_exit_in_non_root_operation_only) {
    for (const Row& row : kByControl) {
        BOOST_TEST_CONTEXT(row.name) {
            Machine off(everything());
            off.control(PrimaryControl::UseMSRBitmaps);
            ExitInfo info;
            off.enter();
            BOOST_TEST(!row.ask(off, info));
            Machine on(everything());
            on.control(PrimaryControl::UseMSRBitmaps);
            row.prepare(on);
            BOOST_TEST(!row.ask(on, info));
            on.enter();
            expect(row.ask(on, info), info, row.reason, row.qualification);
        }
    }
}

BOOST_AUTO_TEST_CASE(cpuid_invd_and_xsetbv_always_exit) {
    Machine m;
    ExitInfo i;
    BOOST_TEST(!m.vmx.intercept_cpuid(i));
    BOOST_TEST(!m.vmx.intercept_invd(i));
    BOOST_TEST(!m.vmx.intercept_xsetbv(i));
    m.enter();
    expect(m.vmx.intercept_cpuid(i), i, ExitReason::CPUID);
    expect(m.vmx.intercept_invd(i), i, ExitReason::INVD);
    expect(m.vmx.intercept_xsetbv(i), i, ExitReason::XSETBV);
}

BOOST_AUTO_TEST_CASE(io_bitmaps_decide_by_any_byte_and_override_the_unconditional_control) {
    Machine m;
    m.control(PrimaryControl::UseIOBitmaps);
    m.control(PrimaryControl::UnconditionalIOExiting);
    m.ram.write({Machine::kIoA + 0x3f8 / 8}, 1, 1);
    m.ram.write({Machine::kIoB + 0x7000 / 8}, 1, 2);  // port F001H
    m.enter();
    ExitInfo i;
    const auto io = [&](u16 port, unsigned bytes) {
        return m.vmx.intercept_io(
            {.port = port, .bytes = bytes, .in = true, .string = false, .rep = false, .immediate = false}, i);
    };
    BOOST_TEST(io(0x3f8, 1));
    BOOST_TEST(io(0x3f7, 2));
    BOOST_TEST(io(0x3f5, 4));
    BOOST_TEST(!io(0x3f4, 4));
    BOOST_TEST(!io(0x3f9, 1));
    BOOST_TEST(io(0xf000, 2));
    BOOST_TEST(!io(0xf000, 1));
    BOOST_TEST(!io(0xffff, 1));
    BOOST_TEST(io(0xffff, 2));  // wraps around
    BOOST_TEST(io(0xfffd, 4));
    BOOST_TEST(!io(0xfffc, 4));
}

BOOST_AUTO_TEST_CASE(msr_bitmaps_have_four_parts_and_what_lies_outside_exits) {
    Machine m;
    m.control(PrimaryControl::UseMSRBitmaps);
    m.ram.write({Machine::kMsrBitmap + 0x1b / 8}, 1, 1 << 3);
    m.ram.write({Machine::kMsrBitmap + 3072 + 0x101 / 8}, 1, 2);
    m.enter();
    ExitInfo i;
    BOOST_TEST(m.vmx.intercept_rdmsr(msr::APIC_BASE, i));
    BOOST_TEST(!m.vmx.intercept_wrmsr(msr::APIC_BASE, i));
    BOOST_TEST(m.vmx.intercept_wrmsr(msr::GS_BASE, i));
    BOOST_TEST(!m.vmx.intercept_rdmsr(msr::GS_BASE, i));
    BOOST_TEST(!m.vmx.intercept_rdmsr(0x1fff, i));
    BOOST_TEST(m.vmx.intercept_rdmsr(0x2000, i));
    BOOST_TEST(m.vmx.intercept_rdmsr(0xbfffffff, i));
    BOOST_TEST(!m.vmx.intercept_rdmsr(0xc0001fff, i));
    BOOST_TEST(m.vmx.intercept_rdmsr(0xc0002000, i));
    Machine without;
    without.enter();
    BOOST_TEST(without.vmx.intercept_rdmsr(msr::EFER, i));
    BOOST_TEST(without.vmx.intercept_wrmsr(0, i));
}

BOOST_AUTO_TEST_CASE(the_exception_bitmap_selects_exceptions_by_vector_not_int_n) {
    Machine m;
    m.set(Field::EXCEPTION_BITMAP, 1u << 3 | 1u << 13 | 1u << 1);
    m.enter();
    ExitInfo i;
    const Event gp{.vector = 13, .has_error_code = true, .error_code = 0x18};
    BOOST_TEST(m.vmx.intercept_event(gp, nullptr, i));
    BOOST_TEST(i.intr_info.raw == 0x80000b0du);
    BOOST_TEST(i.intr_error_code == 0x18u);
    BOOST_TEST(i.instruction_length == 0u);
    const Event bp{.vector = 3, .type = EventType::SoftwareException, .instruction_length = 1};
    BOOST_TEST(m.vmx.intercept_event(bp, nullptr, i));
    BOOST_TEST(i.intr_info.raw == 0x80000603u);
    BOOST_TEST(i.instruction_length == 1u);
    const Event db{.vector = 1, .dr6 = 0x4000};
    BOOST_TEST(m.vmx.intercept_event(db, nullptr, i));
    BOOST_TEST(i.qualification == 0x4000u);
    BOOST_TEST(!m.vmx.intercept_event({.vector = 3, .type = EventType::SoftwareInterrupt}, nullptr, i));
    BOOST_TEST(!m.vmx.intercept_event({.vector = 6}, nullptr, i));
}

BOOST_AUTO_TEST_CASE(page_faults_follow_mask_and_match_and_a_mismatch_inverts_the_bit) {
    const auto exits = [](bool bit, u32 error_code) {
        Machine m;
        m.set(Field::EXCEPTION_BITMAP, bit ? 1u << 14 : 0);
        m.set(Field::PAGE_FAULT_ERROR_CODE_MASK, 0x5);
        m.set(Field::PAGE_FAULT_ERROR_CODE_MATCH, 0x1);
        m.enter();
        ExitInfo i;
        const Event pf{.vector = 14, .has_error_code = true, .error_code = error_code, .cr2 = 0xabc000};
        const bool r = m.vmx.intercept_event(pf, nullptr, i);
        if (r) BOOST_TEST(i.qualification == 0xabc000u);
        return r;
    };
    BOOST_TEST(exits(true, 3));    // matches
    BOOST_TEST(!exits(true, 7));   // does not
    BOOST_TEST(!exits(false, 3));
    BOOST_TEST(exits(false, 7));
}

BOOST_AUTO_TEST_CASE(nmis_and_external_interrupts_follow_the_pin_controls) {
    Machine off;
    off.enter();
    ExitInfo i;
    const Event nmi{.vector = 2, .type = EventType::Nmi}, irq{.vector = 0x30, .type = EventType::ExternalInterrupt};
    BOOST_TEST(!off.vmx.intercept_event(nmi, nullptr, i));
    BOOST_TEST(!off.vmx.intercept_event(irq, nullptr, i));
    for (const bool acknowledge : {false, true}) {
        Machine m;
        m.control(PinControl::NMIExiting);
        m.control(PinControl::ExternalInterruptExiting);
        m.control(arch::ExitControl::AcknowledgeInterruptOnExit, acknowledge);
        m.enter();
        expect(m.vmx.intercept_event(nmi, nullptr, i), i, ExitReason::EXCEPTION_NMI);
        BOOST_TEST(i.intr_info.raw == 0x80000202u);
        expect(m.vmx.intercept_event(irq, nullptr, i), i, ExitReason::EXTERNAL_INTERRUPT);
        BOOST_TEST(i.intr_info.raw == (acknowledge ? 0x80000030u : 0u));
    }
}

BOOST_AUTO_TEST_CASE(the_original_event_is_recorded_unless_a_double_fault_exits) {
    Machine m;
    m.set(Field::EXCEPTION_BITMAP, 1u << 14 | 1u << 8);
    m.enter();
    ExitInfo i;
    const Event original{.vector = 0x80, .type = EventType::SoftwareInterrupt, .instruction_length = 2};
    BOOST_TEST(m.vmx.intercept_event({.vector = 14, .has_error_code = true}, &original, i));
    BOOST_TEST(i.idt_vectoring.raw == 0x80000480u);
    BOOST_TEST(i.instruction_length == 2u);
    const Event fault{.vector = 13, .has_error_code = true, .error_code = 9};
    BOOST_TEST(m.vmx.intercept_event({.vector = 14, .has_error_code = true}, &fault, i));
    BOOST_TEST(i.idt_vectoring.raw == 0x80000b0du);
    BOOST_TEST(i.idt_vectoring_error_code == 9u);
    BOOST_TEST(m.vmx.intercept_event({.vector = 8, .has_error_code = true}, &fault, i));
    BOOST_TEST(i.idt_vectoring.raw == 0u);
}

BOOST_AUTO_TEST_CASE(triple_faults_and_task_switches_exit_unconditionally) {
    Machine m;
    ExitInfo i;
    BOOST_TEST(!m.vmx.intercept_triple_fault(i));
    BOOST_TEST(!m.vmx.intercept_task_switch(0x28, 3, i));
    m.enter();
    expect(m.vmx.intercept_triple_fault(i), i, ExitReason::TRIPLE_FAULT);
    expect(m.vmx.intercept_task_switch(0x28, 3, i), i, ExitReason::TASK_SWITCH, 0xc0000028);
}

BOOST_AUTO_TEST_CASE(pause_loop_exiting_counts_a_loop_from_its_first_pause) {
    Machine m(everything());
    m.control(SecondaryControl::PAUSELoopExiting);
    m.set(Field::PLE_GAP, 40);
    m.set(Field::PLE_WINDOW, 100);
    m.enter();
    ExitInfo i;
    const u64 start = m.cpu.cycles;
    const auto pause_at = [&](u64 t) {
        m.cpu.cycles = start + t;
        return m.vmx.intercept_pause(i);
    };
    BOOST_TEST(!pause_at(0));
    BOOST_TEST(!pause_at(40));
    BOOST_TEST(!pause_at(80));
    BOOST_TEST(!pause_at(100));  // not yet longer than the window
    BOOST_TEST(pause_at(101));
    BOOST_TEST(!pause_at(142));  // a gap above 40: a new loop
    m.cpu.seg[SS].ar.raw |= 0x60;
    BOOST_TEST(!pause_at(143));
    for (u64 t = 150; t < 400; t += 10) BOOST_TEST(!pause_at(t));  // CPL 3
}

BOOST_AUTO_TEST_SUITE_END()
