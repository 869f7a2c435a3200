// SPDX-License-Identifier: Apache-2.0
// VM exit: information, saving, MSR areas, host state, aborts.
#include <map>

#include "tests/vmx/machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;
using arch::EventInfo;
using arch::EventType;
using arch::ExitControl;
using arch::ExitReason;
using arch::PinControl;
using arch::PrimaryControl;
using arch::SecondaryControl;

namespace {

ExitInfo because(ExitReason reason) {
    ExitInfo info;
    info.reason = reason;
    return info;
}
ExitInfo exception(u8 vector, EventType type = EventType::HardwareException) {
    ExitInfo info = because(ExitReason::EXCEPTION_NMI);
    info.intr_info = EventInfo::make(vector, type);
    return info;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vmx_exit)

BOOST_AUTO_TEST_CASE(entry_and_exit_without_a_guest_instruction_preserve_every_guest_field) {
    for (const auto prepare : {+[](Machine&) {}, +[](Machine& m) { m.guest32(); }, +[](Machine& m) { m.guest_v86(); },
                               +[](Machine& m) { m.guest_real(); },
                               +[](Machine& m) { m.set(Field::GUEST_SS_AR_BYTES, 0x14000 | 0x10000); },
                               +[](Machine& m) { m.set(Field::GUEST_ACTIVITY_STATE, 1); },
                               +[](Machine& m) { m.set(Field::GUEST_INTERRUPTIBILITY_INFO, 9); }}) {
        Machine m;
        prepare(m);
        m.add(Field::GUEST_CR0, cr0::WP | cr0::AM);
        for (const auto c : {ExitControl::SaveDebugControls, ExitControl::SaveIA32EFER, ExitControl::SaveIA32PAT})
            m.control(c);
        for (const auto c : {arch::EntryControl::LoadDebugControls, arch::EntryControl::LoadIA32EFER,
                             arch::EntryControl::LoadIA32PAT})
            m.control(c);
        const arch::VmcsPage before = m.port.pages[Machine::kVmcs];
        m.enter();
        m.vmx.exit(because(ExitReason::EXTERNAL_INTERRUPT));
        const arch::VmcsPage& after = m.port.pages[Machine::kVmcs];
        for (std::size_t i = 0; i < arch::kFieldCount; ++i) {
            if (arch::kFields[i].type == arch::FieldType::ReadOnly) continue;
            const auto f = static_cast<Field>(i);
            BOOST_TEST(after.get(f) == before.get(f), arch::kFields[i].name);
        }
    }
}

BOOST_AUTO_TEST_CASE(what_the_guest_changed_is_saved) {
    Machine m;
    m.enter();
    m.cpu.cr3 = 0x55000;
    m.cpu.r[RSP] = 0x7777;
    m.cpu.rip = 0x402000;
    m.cpu.seg[GS].base = 0x1234567;
    m.cpu.idtr = {0x9000, 0x7ff};
    m.cpu.sysenter_esp = 0x4444;
    m.cpu.dr7 = 0x4ff;
    m.cpu.efer |= efer::NXE;
    m.cpu.pat = 6;
    m.cpu.activity = ActivityState::Hlt;
    m.cpu.blocking = blocking::NMI;
    m.vmx.exit(because(ExitReason::EXTERNAL_INTERRUPT));
    BOOST_TEST(m.get(Field::GUEST_CR3) == 0x55000u);
    BOOST_TEST(m.get(Field::GUEST_RSP) == 0x7777u);
    BOOST_TEST(m.get(Field::GUEST_RIP) == 0x402000u);
    BOOST_TEST(m.get(Field::GUEST_GS_BASE) == 0x1234567u);
    BOOST_TEST(m.get(Field::GUEST_IDTR_BASE) == 0x9000u);
    BOOST_TEST(m.get(Field::GUEST_IDTR_LIMIT) == 0x7ffu);
    BOOST_TEST(m.get(Field::GUEST_SYSENTER_ESP) == 0x4444u);
    BOOST_TEST(m.get(Field::GUEST_ACTIVITY_STATE) == 1u);
    BOOST_TEST(m.get(Field::GUEST_INTERRUPTIBILITY_INFO) == blocking::NMI);
    // Not without their controls
    BOOST_TEST(m.get(Field::GUEST_DR7) == 0x400u);
    BOOST_TEST(m.get(Field::GUEST_IA32_EFER) == (efer::LMA | efer::LME));
    BOOST_TEST(m.get(Field::GUEST_IA32_PAT) == 0x0007040600070406u);
}

BOOST_AUTO_TEST_CASE(exit_information_is_written_whole_and_the_instruction_error_stays) {
    Machine m;
    m.vmx.conclude({VmxResult::FailValid, 12});
    m.set(Field::VM_EXIT_INTR_INFO, 0x12345678);
    m.set(Field::VM_ENTRY_INTR_INFO_FIELD, EventInfo::make(6, EventType::HardwareException).raw);
    m.enter();
    ExitInfo info = because(ExitReason::IO_INSTRUCTION);
    info.qualification = 0x3f80008;
    info.guest_linear = 0x1000;
    info.guest_physical = 0x2000;
    info.instruction_length = 2;
    info.instruction_info = 0x380;
    info.idt_vectoring = EventInfo::make(32, EventType::ExternalInterrupt);
    info.idt_vectoring_error_code = 5;
    info.io_rcx = 9;
    m.vmx.exit(info);
    const std::map<Field, u64> expected{{Field::VM_EXIT_REASON, 30},
                                        {Field::EXIT_QUALIFICATION, 0x3f80008},
                                        {Field::GUEST_LINEAR_ADDRESS, 0x1000},
                                        {Field::GUEST_PHYSICAL_ADDRESS, 0x2000},
                                        {Field::VM_EXIT_INSTRUCTION_LEN, 2},
                                        {Field::VMX_INSTRUCTION_INFO, 0x380},
                                        {Field::IDT_VECTORING_INFO_FIELD, 0x80000020},
                                        {Field::IDT_VECTORING_ERROR_CODE, 5},
                                        {Field::IO_RCX, 9},
                                        {Field::IO_RSI, 0},
                                        {Field::VM_EXIT_INTR_INFO, 0},
                                        {Field::VM_EXIT_INTR_ERROR_CODE, 0},
                                        {Field::VM_INSTRUCTION_ERROR, 12},
                                        {Field::VM_ENTRY_INTR_INFO_FIELD, 0x306}};  // its valid bit cleared
    for (const auto& [field, value] : expected) BOOST_TEST(m.get(field) == value, arch::info(field).name);
}

BOOST_AUTO_TEST_CASE(host_state_is_loaded_with_the_fixed_parts) {
    Machine m;
    m.set(Field::HOST_GS_SELECTOR, 0);
    m.set(Field::HOST_SS_SELECTOR, 0);
    m.enter();
    m.cpu.dr7 = 0x7ff;
    m.cpu.debugctl = 3;
    m.cpu.blocking = blocking::STI;
    m.cpu.activity = ActivityState::Hlt;
    m.cpu.pending_debug = 1;
    m.cpu.rflags = rflags::IF | rflags::TF | 2;
    m.translations.calls.clear();
    m.vmx.exit(because(ExitReason::CPUID));
    BOOST_TEST(!m.cpu.vmx.non_root);
    BOOST_TEST(m.cpu.rip == 0xffff800000008000u);
    BOOST_TEST(m.cpu.r[RSP] == 0xffff800000009000u);
    BOOST_TEST(m.cpu.rflags == 2u);
    BOOST_TEST(m.cpu.cr0 == 0x80050033u);
    BOOST_TEST(m.cpu.cr3 == 0x21000u);
    BOOST_TEST(m.cpu.cr4 == (cr4::PAE | cr4::VMXE));
    BOOST_TEST(m.cpu.dr7 == 0x400u);
    BOOST_TEST(m.cpu.debugctl == 0u);
    BOOST_TEST(m.cpu.blocking == 0u);
    BOOST_TEST(m.cpu.pending_debug == 0u);
    BOOST_TEST((m.cpu.activity == ActivityState::Active));
    const auto& s = m.cpu.seg;
    BOOST_TEST(s[CS].selector == 0x10);
    BOOST_TEST(s[CS].ar.raw == 0xa09bu);
    BOOST_TEST(s[CS].limit == 0xffffffffu);
    BOOST_TEST(s[DS].ar.raw == 0xc093u);
    BOOST_TEST(s[ES].ar.unusable());
    BOOST_TEST(s[SS].ar.unusable());
    BOOST_TEST(unsigned{m.cpu.cpl()} == 0u);
    BOOST_TEST(s[FS].base == 0xffff800000001000u);
    BOOST_TEST(s[GS].base == 0xffff800000002000u);  // also of an unusable register
    BOOST_TEST(s[GS].ar.unusable());
    BOOST_TEST(s[TR].ar.raw == 0x8bu);
    BOOST_TEST(s[TR].limit == 0x67u);
    BOOST_TEST(s[LDTR].ar.unusable());
    BOOST_TEST(m.cpu.gdtr.limit == 0xffffu);
    BOOST_TEST(m.cpu.idtr.base == 0xffff800000005000u);
    BOOST_TEST(m.cpu.sysenter_eip == 0xffff800000007000u);
    BOOST_TEST(m.translations.calls == std::vector<std::string>{"vpid 0"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_32_bit_host_gets_a_32_bit_code_segment_and_its_pdptes) {
    Machine m;
    m.cpu.efer = 0;
    m.control(ExitControl::HostAddressSpaceSize, false);
    m.guest32();
    m.set(Field::HOST_RIP, 0x8000);
    m.set(Field::HOST_CR3, Machine::kPdpt);
    m.ram.write({Machine::kPdpt}, 8, 0x1001);
    m.enter();
    m.vmx.exit(because(ExitReason::CPUID));
    BOOST_TEST(m.cpu.seg[CS].ar.raw == 0xc09bu);
    BOOST_TEST(m.cpu.efer == 0u);
    BOOST_TEST(m.cpu.pdpte[0] == 0x1001u);
    BOOST_TEST(m.vmx.abort_indicator() == 0u);
    BOOST_TEST((m.vmx.vmresume().kind == EntryResult::Entered));
    m.ram.write({Machine::kPdpt}, 8, 0x1003);
    m.vmx.exit(because(ExitReason::CPUID));
    BOOST_TEST(m.vmx.abort_indicator() == 2u);
}

BOOST_AUTO_TEST_CASE(exit_controls_load_efer_pat_and_performance_control_of_the_host) {
    Machine m;
    for (const auto c : {ExitControl::LoadIA32EFER, ExitControl::LoadIA32PAT, ExitControl::LoadIA32PERFGLOBALCTRL})
        m.control(c);
    m.set(Field::HOST_IA32_EFER, efer::LMA | efer::LME | efer::NXE);
    m.set(Field::HOST_IA32_PAT, 0x0101010101010101);
    m.set(Field::HOST_IA32_PERF_GLOBAL_CTRL, 3);
    m.enter();
    m.vmx.exit(because(ExitReason::CPUID));
    BOOST_TEST(m.cpu.efer == (efer::LMA | efer::LME | efer::NXE));
    BOOST_TEST(m.cpu.pat == 0x0101010101010101u);
    BOOST_TEST(m.cpu.perf_global_ctrl == 3u);
}

BOOST_AUTO_TEST_CASE(msr_areas_of_the_exit_store_the_guests_and_load_the_hosts) {
    Machine m;
    m.set(Field::VM_EXIT_MSR_STORE_COUNT, 2);
    m.msr_entry(Machine::kList, 0, msr::KERNEL_GS_BASE, 0);
    m.msr_entry(Machine::kList, 1, msr::FS_BASE, 0);
    m.set(Field::VM_EXIT_MSR_LOAD_COUNT, 1);
    m.msr_entry(Machine::kList + 0x1000, 0, msr::KERNEL_GS_BASE, 0x2222);
    m.enter();
    m.cpu.kernel_gs_base = 0x1111;
    m.cpu.seg[FS].base = 0x3333;
    m.vmx.exit(because(ExitReason::CPUID));
    BOOST_TEST(m.ram.read({Machine::kList + 8}, 8) == 0x1111u);
    BOOST_TEST(m.ram.read({Machine::kList + 24}, 8) == 0x3333u);
    BOOST_TEST(m.cpu.kernel_gs_base == 0x2222u);
}

BOOST_AUTO_TEST_CASE(a_bad_msr_area_entry_aborts_with_its_indicator_in_memory) {
    struct { Field count; u64 area; u32 index; u32 indicator; } const cases[] = {
        {Field::VM_EXIT_MSR_STORE_COUNT, Machine::kList, 0x800, 1},
        {Field::VM_EXIT_MSR_STORE_COUNT, Machine::kList, 0x9e, 1},
        {Field::VM_EXIT_MSR_STORE_COUNT, Machine::kList, 0x12345, 1},
        {Field::VM_EXIT_MSR_LOAD_COUNT, Machine::kList + 0x1000, msr::GS_BASE, 4}};
    for (const auto& c : cases) {
        Machine m;
        m.set(c.count, 1);
        m.msr_entry(c.area, 0, c.index, 0);
        m.enter();
        m.vmx.exit(because(ExitReason::CPUID));
        BOOST_TEST(m.vmx.abort_indicator() == c.indicator);
        BOOST_TEST(m.ram.read({Machine::kVmcs + 4}, 4) == c.indicator);
        BOOST_TEST((m.cpu.activity == ActivityState::Shutdown));
    }
}

BOOST_AUTO_TEST_CASE(msrs_beyond_the_processors_own_come_from_the_attached_port) {
    struct Port : MsrPort {
        u64 held = 5;
        bool read(u32 i, u64& v) override { v = held; return i == 0x250; }
        bool write(u32 i, u64 v) override { held = v; return i == 0x250; }
    } msrs;
    Machine m;
    m.vmx.attach(&msrs);
    m.set(Field::VM_EXIT_MSR_STORE_COUNT, 1);
    m.msr_entry(Machine::kList, 0, 0x250, 0);
    m.set(Field::VM_EXIT_MSR_LOAD_COUNT, 1);
    m.msr_entry(Machine::kList + 0x1000, 0, 0x250, 9);
    m.enter();
    m.vmx.exit(because(ExitReason::CPUID));
    BOOST_TEST(m.vmx.abort_indicator() == 0u);
    BOOST_TEST(m.ram.read({Machine::kList + 8}, 8) == 5u);
    BOOST_TEST(msrs.held == 9u);
}

BOOST_AUTO_TEST_CASE(rf_is_saved_as_the_kind_of_exit_says) {
    const auto rf = [](const ExitInfo& info, bool now) {
        Machine m;
        m.enter();
        m.cpu.rflags = 2 | (now ? rflags::RF : 0);
        m.vmx.exit(info);
        return (m.get(Field::GUEST_RFLAGS) & rflags::RF) != 0;
    };
    BOOST_TEST(!rf(because(ExitReason::CPUID), true));          // instruction: 0
    BOOST_TEST(rf(because(ExitReason::EPT_VIOLATION), false));  // outside delivery: 1
    ExitInfo delivery = because(ExitReason::EPT_VIOLATION);
    delivery.idt_vectoring = EventInfo::make(32, EventType::ExternalInterrupt);
    BOOST_TEST(!rf(delivery, false));                           // as delivery would push it
    delivery.idt_vectoring = EventInfo::make(13, EventType::HardwareException);
    BOOST_TEST(rf(delivery, false));
    BOOST_TEST(rf(exception(14), false));                       // a fault pushes 1
    BOOST_TEST(!rf(exception(3, EventType::SoftwareException), true));
    BOOST_TEST(!rf(exception(1), false));                       // a #DB trap
    BOOST_TEST(!rf(because(ExitReason::EXTERNAL_INTERRUPT), false));
    BOOST_TEST(rf(because(ExitReason::EXTERNAL_INTERRUPT), true));
    BOOST_TEST(rf(because(ExitReason::INTERRUPT_WINDOW), true));
}

BOOST_AUTO_TEST_CASE(pending_debug_exceptions_are_saved_for_some_exits_only) {
    const auto saved = [](const ExitInfo& info, u32 blocked) {
        Machine m;
        m.enter();
        m.cpu.pending_debug = 0x4000;
        m.cpu.blocking = blocked;
        m.vmx.exit(info);
        return m.get(Field::GUEST_PENDING_DBG_EXCEPTIONS) != 0;
    };
    BOOST_TEST(!saved(because(ExitReason::CPUID), 0));
    BOOST_TEST(saved(because(ExitReason::CPUID), blocking::MOV_SS));
    BOOST_TEST(!saved(exception(1), blocking::MOV_SS));
    BOOST_TEST(saved(because(ExitReason::INIT_SIGNAL), 0));
    BOOST_TEST(saved(because(ExitReason::MONITOR_TRAP_FLAG), 0));
    BOOST_TEST(saved(because(ExitReason::TPR_BELOW_THRESHOLD), 0));
    BOOST_TEST(saved(exception(18), 0));
    BOOST_TEST(!saved(exception(2, EventType::Nmi), 0));
}

BOOST_AUTO_TEST_CASE(nmis_are_blocked_after_an_nmi_exit_and_stay_blocked_only_without_virtual_nmis) {
    const auto blocked = [](const ExitInfo& info, bool virtual_nmis, u32 guest) {
        Machine m;
        m.control(PinControl::NMIExiting);
        m.control(PinControl::VirtualNMIs, virtual_nmis);
        m.enter();
        m.cpu.blocking = guest;
        m.vmx.exit(info);
        BOOST_TEST(m.get(Field::GUEST_INTERRUPTIBILITY_INFO) == guest);
        return m.cpu.blocking == blocking::NMI;
    };
    BOOST_TEST(blocked(exception(2, EventType::Nmi), true, 0));
    BOOST_TEST(!blocked(because(ExitReason::CPUID), true, blocking::NMI));
    BOOST_TEST(blocked(because(ExitReason::CPUID), false, blocking::NMI));
    BOOST_TEST(!blocked(because(ExitReason::CPUID), false, blocking::STI));
}

BOOST_AUTO_TEST_CASE(processors_with_unrestricted_guest_keep_lma_in_the_entry_controls) {
    Machine m;
    m.guest_real();
    m.enter();
    m.cpu.efer |= efer::LMA | efer::LME;
    m.vmx.exit(because(ExitReason::CPUID));
    BOOST_TEST((m.get(Field::VM_ENTRY_CONTROLS) >> 9 & 1) == 1u);
}

BOOST_AUTO_TEST_CASE(under_ept_the_pdptes_in_use_are_saved) {
    Machine m;
    m.guest32();
    m.add(Field::GUEST_CR4, cr4::PAE);
    m.use_ept();
    m.enter();
    m.cpu.pdpte[1] = 0x9001;
    m.vmx.exit(because(ExitReason::CPUID));
    BOOST_TEST(m.get(Field::GUEST_PDPTR1) == 0x9001u);
}

BOOST_AUTO_TEST_CASE(a_layout_that_mixes_types_in_lines_gives_the_same_fields) {
    arch::VmcsLayout mixed;  // neighbours in the table 2 KiB apart: each line holds fields of two types
    for (std::size_t i = 0; i < arch::kFieldCount; ++i) {
        mixed.offset[i] = static_cast<u16>(64 + i / 2 * 8 + i % 2 * 1024);
        mixed.lines[static_cast<std::size_t>(arch::kFields[i].type)] |= arch::LineMask{1} << mixed.offset[i] / 64;
    }
    Machine m(haswell(), mixed), plain;
    for (Machine* x : {&m, &plain}) {
        x->vmx.conclude({VmxResult::FailValid, 12});
        x->enter();
        x->cpu.rip = 0x1234;
        x->vmx.exit(because(ExitReason::CPUID));
    }
    for (std::size_t i = 0; i < arch::kFieldCount; ++i)
        BOOST_TEST(m.get(static_cast<Field>(i)) == plain.get(static_cast<Field>(i)), arch::kFields[i].name);
    BOOST_TEST(m.cpu.rip == plain.cpu.rip);
    BOOST_TEST(m.cpu.cycles == plain.cpu.cycles);
}

BOOST_AUTO_TEST_CASE(exit_costs_its_base_the_port_and_each_msr_entry) {
    Machine m;
    m.timing.exit_base = 500;
    m.timing.msr_list_entry = 30;
    m.set(Field::VM_EXIT_MSR_LOAD_COUNT, 1);
    m.msr_entry(Machine::kList + 0x1000, 0, msr::STAR, 0);
    m.enter();
    const u64 before = m.cpu.cycles;
    m.vmx.exit(because(ExitReason::CPUID));
    // Bulk write and bulk read; the instruction error read, the injected event's valid bit written
    BOOST_TEST(m.cpu.cycles - before == 500 + 30 + 2 * PlainPort::kBulk + 2 * PlainPort::kAccess);
}

BOOST_AUTO_TEST_SUITE_END()
