// SPDX-License-Identifier: Apache-2.0
// VM entry: basic checks, loading of guest state, MSR area, injection.
#include "tests/vmx/machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;
using arch::EntryControl;
using arch::EventType;
using arch::PrimaryControl;
using arch::SecondaryControl;

namespace {

void refused(const EntryResult& r, VmxResult::Kind kind, unsigned error, const std::string& id) {
    BOOST_TEST((r.kind == EntryResult::Failed));
    BOOST_TEST((r.result.kind == kind));
    BOOST_TEST(unsigned{r.result.error} == error);
    BOOST_TEST(std::string(r.violated) == id);
}
void inject(Machine& m, unsigned vector, EventType type, bool error_code = false) {
    m.set(Field::VM_ENTRY_INTR_INFO_FIELD,
          arch::EventInfo::make(static_cast<u8>(vector), type, error_code).raw);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vmx_entry)

BOOST_AUTO_TEST_CASE(basic_checks_come_in_the_order_of_the_text) {
    Machine m;
    m.cpu.blocking = blocking::MOV_SS;
    refused(m.vmx.vmresume(), VmxResult::FailValid, 26, "BASIC-MOVSS");  // before the launch state
    m.cpu.blocking = blocking::STI;
    refused(m.vmx.vmresume(), VmxResult::FailValid, 5, "BASIC-RESUME-LAUNCHED");
    m.port.launched[Machine::kVmcs] = true;
    m.set(Field::PIN_BASED_VM_EXEC_CONTROL, 0);
    refused(m.vmx.vmlaunch(), VmxResult::FailValid, 4, "BASIC-LAUNCH-CLEAR");  // before the controls
    m.vmx.vmclear(Machine::kVmcs);
    refused(m.vmx.vmlaunch(), VmxResult::FailInvalid, 0, "BASIC-NO-CURRENT-VMCS");
    m.vmx.vmptrld(Machine::kShadow);
    refused(m.vmx.vmlaunch(), VmxResult::FailInvalid, 0, "BASIC-SHADOW-VMCS");
}

BOOST_AUTO_TEST_CASE(vmlaunch_sets_the_launch_state_and_vmresume_wants_it) {
    Machine m;
    m.enter();
    BOOST_TEST(m.port.launched[Machine::kVmcs]);
    ExitInfo info;
    BOOST_TEST(m.vmx.intercept_cpuid(info));
    m.vmx.exit(info);
    BOOST_TEST((m.vmx.vmresume().kind == EntryResult::Entered));
}

BOOST_AUTO_TEST_CASE(minimal_vmcs_enters_on_nehalem_too) {
    Machine m(nehalem());
    m.enter();
    BOOST_TEST(m.cpu.vmx.non_root);
    BOOST_TEST(m.cpu.rip == 0x401000u);
}

BOOST_AUTO_TEST_CASE(guest_state_is_loaded_with_the_special_rules) {
    Machine m;
    m.cpu.dr7 = 0x455;
    m.cpu.debugctl = 1;
    m.cpu.pat = 0x0606060606060606;
    m.cpu.perf_global_ctrl = 3;
    m.set(Field::GUEST_CR0, 0x80050035 | 0x5fc0);  // EM; reserved bits 15:6 are not loaded
    m.cpu.cr0 |= cr0::CD;                          // nor is CD cleared
    m.set(Field::GUEST_DR7, 0x1ff);
    m.set(Field::GUEST_IA32_DEBUGCTL, 2);
    m.set(Field::GUEST_IA32_PAT, 0x0007040600070400);
    m.set(Field::GUEST_IA32_EFER, efer::LMA | efer::LME | efer::NXE);
    m.enter();
    BOOST_TEST(m.cpu.cr0 == (0x80050035 | cr0::ET | cr0::CD));
    BOOST_TEST(m.cpu.cr3 == 0x30000u);
    BOOST_TEST(m.cpu.cr4 == (cr4::PAE | cr4::VMXE));
    // Nothing of these without its control
    BOOST_TEST(m.cpu.dr7 == 0x455u);
    BOOST_TEST(m.cpu.debugctl == 1u);
    BOOST_TEST(m.cpu.pat == 0x0606060606060606u);
    BOOST_TEST(m.cpu.efer == (efer::LMA | efer::LME | efer::SCE));
    BOOST_TEST(m.cpu.r[RSP] == 0x6000u);
    BOOST_TEST(m.cpu.rflags == (rflags::IF | 2));
    BOOST_TEST(m.cpu.gdtr.base == 0xffff900000001000u);
    BOOST_TEST(m.cpu.gdtr.limit == 0x7fu);
    BOOST_TEST(m.cpu.idtr.limit == 0xfffu);
    BOOST_TEST(m.cpu.sysenter_cs == 8u);
    BOOST_TEST(m.cpu.seg[TR].selector == 0x18);
    BOOST_TEST(m.cpu.seg[CS].ar.raw == 0xa09bu);
    BOOST_TEST(m.cpu.code64());
}

BOOST_AUTO_TEST_CASE(load_controls_bring_debug_registers_efer_pat_and_performance_control) {
    Machine m;
    for (const EntryControl c : {EntryControl::LoadDebugControls, EntryControl::LoadIA32EFER, EntryControl::LoadIA32PAT,
                                 EntryControl::LoadIA32PERFGLOBALCTRL})
        m.control(c);
    m.set(Field::GUEST_DR7, 0xf1ff);
    m.set(Field::GUEST_IA32_DEBUGCTL, 2);
    m.set(Field::GUEST_IA32_PAT, 0x0007040600070400);
    m.set(Field::GUEST_IA32_EFER, efer::LMA | efer::LME | efer::NXE);
    m.set(Field::GUEST_IA32_PERF_GLOBAL_CTRL, 7);
    m.enter();
    BOOST_TEST(m.cpu.dr7 == 0x25ffu);  // bits 12, 15:14 zero, bit 10 one
    BOOST_TEST(m.cpu.debugctl == 2u);
    BOOST_TEST(m.cpu.pat == 0x0007040600070400u);
    BOOST_TEST(m.cpu.efer == (efer::LMA | efer::LME | efer::NXE));
    BOOST_TEST(m.cpu.perf_global_ctrl == 7u);
}

BOOST_AUTO_TEST_CASE(without_load_efer_a_32_bit_guest_loses_lma_and_with_paging_lme) {
    Machine paged;
    paged.guest32();
    paged.enter();
    BOOST_TEST(paged.cpu.efer == efer::SCE);
    Machine real;
    real.guest_real();
    real.enter();
    BOOST_TEST(real.cpu.efer == (efer::SCE | efer::LME));
    BOOST_TEST(!real.cpu.protected_mode());
}

BOOST_AUTO_TEST_CASE(an_unusable_ss_gets_a_big_flag_and_an_aligned_base) {
    Machine m;
    m.set(Field::GUEST_SS_AR_BYTES, 0x10000);
    m.set(Field::GUEST_SS_BASE, 0x100000018);
    m.set(Field::GUEST_DS_AR_BYTES, 0x10000);
    m.set(Field::GUEST_DS_BASE, 0x100000018);
    m.set(Field::GUEST_FS_AR_BYTES, 0x10000);
    m.set(Field::GUEST_FS_BASE, 0x100000018);
    m.enter();
    BOOST_TEST(m.cpu.seg[SS].base == 0x10u);
    BOOST_TEST(m.cpu.seg[SS].ar.big());
    BOOST_TEST(m.cpu.seg[DS].base == 0x18u);
    BOOST_TEST(m.cpu.seg[FS].base == 0x100000018u);
}

BOOST_AUTO_TEST_CASE(pdptes_come_from_memory_without_ept_and_from_the_fields_with_it) {
    for (const bool ept : {false, true}) {
        Machine m;
        m.guest32();
        m.add(Field::GUEST_CR4, cr4::PAE);
        m.set(Field::GUEST_CR3, Machine::kPdpt | 0x20);
        for (unsigned i = 0; i < 4; ++i) m.ram.write({Machine::kPdpt + 0x20 + 8 * i}, 8, 0x1001 + i * 0x1000);
        m.set(Field::GUEST_PDPTR2, 0x77001);
        if (ept) m.use_ept();
        m.enter();
        BOOST_TEST(m.cpu.pdpte[2] == (ept ? 0x77001u : 0x3001u));
    }
}

BOOST_AUTO_TEST_CASE(translations_of_vpid_0_go_unless_the_guest_has_a_vpid) {
    Machine m;
    m.enter();
    BOOST_TEST(m.translations.calls == std::vector<std::string>{"vpid 0"}, boost::test_tools::per_element());
    Machine tagged;
    tagged.control(SecondaryControl::EnableVPID);
    tagged.enter();
    BOOST_TEST(tagged.translations.calls.empty());
    BOOST_TEST(tagged.vmx.controls().vpid.raw == 7);
}

BOOST_AUTO_TEST_CASE(controls_that_are_not_activated_count_as_zero) {
    Machine m;
    m.set(Field::SECONDARY_VM_EXEC_CONTROL, 0xffffffff);  // the primary word does not activate them
    m.enter();
    BOOST_TEST(m.vmx.controls().secondary.raw == 0u);
    BOOST_TEST(m.vmx.controls().vpid.raw == 0);
    BOOST_TEST(m.vmx.controls().eptp.raw == 0u);
}

BOOST_AUTO_TEST_CASE(the_msr_area_is_loaded_in_order_and_its_first_bad_entry_fails_the_entry) {
    struct { u64 index, value; const char* id; } const bad[] = {
        {msr::FS_BASE, 0, "MSRLD-FSBASE"}, {msr::GS_BASE, 0, "MSRLD-GSBASE"}, {0x808, 0, "MSRLD-X2APIC"},
        {0x9b, 0, "MSRLD-SMMONLY"}, {0x9e, 0, "MSRLD-SMBASE"}, {msr::BIOS_SIGN_ID, 0, "MSRLD-MODEL"},
        {u64{1} << 32 | msr::STAR, 0, "MSRLD-RSVD"}, {msr::LSTAR, u64{1} << 47, "MSRLD-GP"},
        {msr::EFER, efer::SCE, "MSRLD-GP"},  // LME cleared while paging
        {msr::EFER, 2, "MSRLD-GP"}, {0x12345, 0, "MSRLD-GP"}, {msr::IA32_VMX_BASIC, 0, "MSRLD-GP"},
        {msr::PAT, 2, "MSRLD-GP"}, {msr::FEATURE_CONTROL, 5, "MSRLD-GP"}};
    for (const auto& b : bad) {
        BOOST_TEST_CONTEXT(b.id << " " << b.index) {
            Machine m;
            constexpr u64 kArea = Machine::kList + 0x2000;
            m.set(Field::VM_ENTRY_MSR_LOAD_COUNT, 2);
            m.msr_entry(kArea, 0, msr::STAR, 0x1234);
            m.msr_entry(kArea, 1, msr::KERNEL_GS_BASE, 0x5678);
            inject(m, 6, EventType::HardwareException);
            Machine good;  // the same without the bad entry
            good.set(Field::VM_ENTRY_MSR_LOAD_COUNT, 2);
            good.msr_entry(kArea, 0, msr::STAR, 0x1234);
            good.msr_entry(kArea, 1, msr::KERNEL_GS_BASE, 0x5678);
            good.enter();
            BOOST_TEST(good.cpu.star == 0x1234u);
            BOOST_TEST(good.cpu.kernel_gs_base == 0x5678u);

            m.msr_entry(kArea, 1, b.index, b.value);
            const EntryResult r = m.vmx.vmlaunch();
            BOOST_TEST((r.kind == EntryResult::FailedExit));
            BOOST_TEST(std::string(r.violated) == b.id);
            BOOST_TEST(m.get(Field::VM_EXIT_REASON) == 0x80000022u);
            BOOST_TEST(m.get(Field::EXIT_QUALIFICATION) == 2u);
            BOOST_TEST(m.cpu.rip == 0xffff800000008000u);
            BOOST_TEST(m.cpu.star == 0x1234u);
            BOOST_TEST(!m.cpu.vmx.non_root);
            BOOST_TEST(!m.port.launched[Machine::kVmcs]);
            BOOST_TEST(arch::EventInfo{static_cast<u32>(m.get(Field::VM_ENTRY_INTR_INFO_FIELD))}.valid());
        }
    }
}

BOOST_AUTO_TEST_CASE(without_paging_the_msr_area_may_change_lme_but_never_lma) {
    Machine m;
    m.guest_real();
    m.set(Field::VM_ENTRY_MSR_LOAD_COUNT, 1);
    m.msr_entry(Machine::kList + 0x2000, 0, msr::EFER, efer::NXE | efer::LMA);
    m.enter();
    BOOST_TEST(m.cpu.efer == efer::NXE);
}

BOOST_AUTO_TEST_CASE(a_failed_entry_runs_the_exit_msr_load_area_but_not_the_store_area) {
    Machine m;
    m.set(Field::GUEST_RFLAGS, 0);
    m.set(Field::VM_EXIT_MSR_LOAD_COUNT, 1);
    m.msr_entry(Machine::kList + 0x1000, 0, msr::STAR, 0x77);
    m.set(Field::VM_EXIT_MSR_STORE_COUNT, 1);
    m.msr_entry(Machine::kList, 0, msr::STAR, 0x99);
    const EntryResult r = m.vmx.vmlaunch();
    BOOST_TEST((r.kind == EntryResult::FailedExit));
    BOOST_TEST(m.cpu.star == 0x77u);
    BOOST_TEST(m.ram.read({Machine::kList + 8}, 8) == 0x99u);
    BOOST_TEST(m.get(Field::GUEST_RFLAGS) == 0u);
}

BOOST_AUTO_TEST_CASE(an_injected_event_comes_with_error_code_and_instruction_length) {
    Machine m;
    m.cpu.cr2 = 0xdead;
    inject(m, 14, EventType::HardwareException, true);
    m.set(Field::VM_ENTRY_EXCEPTION_ERROR_CODE, 7);
    m.set(Field::VM_ENTRY_INSTRUCTION_LEN, 3);
    EntryResult r = m.enter();
    BOOST_REQUIRE(r.inject);
    BOOST_TEST(unsigned{r.inject->vector} == 14u);
    BOOST_TEST((r.inject->type == EventType::HardwareException));
    BOOST_TEST(r.inject->has_error_code);
    BOOST_TEST(r.inject->error_code == 7u);
    BOOST_TEST(r.inject->cr2 == 0xdeadu);
    BOOST_TEST(unsigned{r.inject->instruction_length} == 0u);
    Machine software;
    inject(software, 0x80, EventType::SoftwareInterrupt);
    software.set(Field::VM_ENTRY_INSTRUCTION_LEN, 2);
    r = software.enter();
    BOOST_REQUIRE(r.inject);
    BOOST_TEST(unsigned{r.inject->instruction_length} == 2u);
}

BOOST_AUTO_TEST_CASE(injection_ends_blocking_by_mov_ss_and_an_inactive_state_and_an_nmi_blocks_nmis) {
    Machine m;
    m.set(Field::GUEST_INTERRUPTIBILITY_INFO, blocking::MOV_SS);
    m.set(Field::GUEST_PENDING_DBG_EXCEPTIONS, 0x1001);
    m.enter();
    BOOST_TEST(m.cpu.blocking == blocking::MOV_SS);
    BOOST_TEST(m.cpu.pending_debug == 0x1001u);
    Machine exception;
    exception.set(Field::GUEST_INTERRUPTIBILITY_INFO, blocking::MOV_SS);
    exception.set(Field::GUEST_PENDING_DBG_EXCEPTIONS, 0x1001);
    inject(exception, 6, EventType::HardwareException);
    exception.enter();
    BOOST_TEST(exception.cpu.blocking == 0u);
    BOOST_TEST(exception.cpu.pending_debug == 0u);
    Machine nmi;
    nmi.set(Field::GUEST_ACTIVITY_STATE, 1);
    inject(nmi, 2, EventType::Nmi);
    nmi.enter();
    BOOST_TEST(nmi.cpu.blocking == blocking::NMI);
    BOOST_TEST((nmi.cpu.activity == ActivityState::Active));
    Machine halted;
    halted.set(Field::GUEST_ACTIVITY_STATE, 1);
    halted.enter();
    BOOST_TEST((halted.cpu.activity == ActivityState::Hlt));
}

BOOST_AUTO_TEST_CASE(entry_costs_its_base_the_port_and_each_msr_entry) {
    const auto cost = [](u32 msrs) {
        Machine m;
        m.timing.entry_base = 400;
        m.timing.msr_list_entry = 30;
        m.set(Field::VM_ENTRY_MSR_LOAD_COUNT, msrs);
        for (unsigned i = 0; i < msrs; ++i) m.msr_entry(Machine::kList + 0x2000, i, msr::STAR, 0);
        const u64 before = m.cpu.cycles;
        m.enter();
        return m.cpu.cycles - before;
    };
    BOOST_TEST(cost(0) == 400 + PlainPort::kBulk + 2 * PlainPort::kAccess);  // the launch state read and written
    BOOST_TEST(cost(3) - cost(0) == 90u);
}

BOOST_AUTO_TEST_SUITE_END()
