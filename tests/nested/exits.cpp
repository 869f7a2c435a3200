// SPDX-License-Identifier: Apache-2.0
// Exits of L2: what L1 finds in vmcs12 and in its own registers, and who gets which exit.
#include <boost/test/unit_test.hpp>

#include "tests/nested/bench.hpp"

using namespace nested_bench;
using arch::PrimaryControl;

namespace {
template <class B>
constexpr u64 bit(B b) {
    return u64{1} << static_cast<u8>(b);
}
}  // namespace

BOOST_AUTO_TEST_SUITE(exits)

BOOST_AUTO_TEST_CASE(l1_finds_l2s_state_and_the_exit_information_in_vmcs12) {
    for (const bool ept : {true, false}) {
        Bench b({.ept = ept});
        b.run_l2();
        auto& c = b.cpu;
        for (unsigned i = 0; i < vmx::kSegCount; ++i)
            c.seg[i] = {static_cast<u16>(0x100 + 8 * i), {0x91 + i}, 0x1000 + i, 0x500000 + i};
        c.gdtr = {0x111000, 0x77};
        c.idtr = {0x222000, 0x88};
        c.r[vmx::RSP] = 0x345678;
        c.rip = 0x34567;
        c.rflags = 0x8d7;
        c.sysenter_cs = 0x21;
        c.sysenter_esp = 0x2121;
        c.sysenter_eip = 0x212121;
        c.debugctl = 2;
        c.blocking = vmx::blocking::NMI;
        b.set12(Field::VM_ENTRY_INTR_INFO_FIELD, 0x80000306);
        ExitInfo info;
        info.reason = ExitReason::CPUID;
        info.qualification = 0x1234;
        info.instruction_length = 2;
        info.instruction_info = 0x5678;
        b.exit(info);
        BOOST_TEST_REQUIRE(!b.l0->nested.guest_mode);
        for (unsigned i = 0; i < vmx::kSegCount; ++i) {
            const auto nth = [i](Field f) { return static_cast<Field>(arch::index_of(f) + i); };
            BOOST_TEST(b.get12(nth(Field::GUEST_ES_SELECTOR)) == 0x100 + 8 * i);
            BOOST_TEST(b.get12(nth(Field::GUEST_ES_AR_BYTES)) == 0x91 + i);
            BOOST_TEST(b.get12(nth(Field::GUEST_ES_LIMIT)) == 0x1000 + i);
            BOOST_TEST(b.get12(nth(Field::GUEST_ES_BASE)) == 0x500000 + i);
        }
        const std::pair<Field, u64> rows[] = {{Field::GUEST_GDTR_BASE, 0x111000},
                                              {Field::GUEST_GDTR_LIMIT, 0x77},
                                              {Field::GUEST_IDTR_BASE, 0x222000},
                                              {Field::GUEST_IDTR_LIMIT, 0x88},
                                              {Field::GUEST_RSP, 0x345678},
                                              {Field::GUEST_RIP, 0x34567},
                                              {Field::GUEST_RFLAGS, 0x8d7},
                                              {Field::GUEST_SYSENTER_CS, 0x21},
                                              {Field::GUEST_SYSENTER_ESP, 0x2121},
                                              {Field::GUEST_SYSENTER_EIP, 0x212121},
                                              {Field::GUEST_IA32_DEBUGCTL, 2},
                                              {Field::GUEST_INTERRUPTIBILITY_INFO, 8},
                                              {Field::GUEST_ACTIVITY_STATE, 0},
                                              {Field::GUEST_PENDING_DBG_EXCEPTIONS, 0},
                                              {Field::GUEST_DR7, 0x400},
                                              {Field::GUEST_CR0, 0x80010031},
                                              {Field::GUEST_CR4, 0x20a0},
                                              {Field::GUEST_CR3, Bench::kL2Cr3},
                                              {Field::VM_EXIT_REASON, 10},
                                              {Field::EXIT_QUALIFICATION, 0x1234},
                                              {Field::VM_EXIT_INSTRUCTION_LEN, 2},
                                              {Field::VMX_INSTRUCTION_INFO, 0x5678},
                                              {Field::VM_EXIT_INTR_INFO, 0},
                                              {Field::IDT_VECTORING_INFO_FIELD, 0},
                                              {Field::VM_ENTRY_INTR_INFO_FIELD, 0x306}};
        for (const auto& [f, value] : rows)
            BOOST_TEST(b.get12(f) == value,
                       arch::info(f).name << " is " << std::hex << b.get12(f) << ", not " << value);
    }
}

BOOST_AUTO_TEST_CASE(l1_goes_on_in_its_host_state_as_an_exit_leaves_it) {
    Bench b;
    b.start();
    b.enter_vmx();
    b.fill_vmcs12();
    b.set12(Field::HOST_FS_BASE, 0x123000);
    b.set12(Field::HOST_GS_BASE, 0xffff800000123000);
    b.set12(Field::HOST_FS_SELECTOR, 0x18);
    b.set12(Field::HOST_IA32_SYSENTER_CS, 0x31);
    b.set12(Field::HOST_IA32_SYSENTER_ESP, 0x3131);
    b.set12(Field::HOST_IA32_SYSENTER_EIP, 0x313131);
    b.cpu.seg[vmx::DS] = {0x28, {0x4091}, 0xfff, 0x1000};  // L1 enters with odd segments and flags
    b.cpu.gdtr.limit = 0x3f;
    b.cpu.rflags = 0x246;
    b.cpu.dr7 = 0x400;
    b.launch();
    b.cpu.cr2 = 0xdead000;
    b.exit(ExitReason::CPUID, 2);
    const auto& c = b.cpu;
    BOOST_TEST(c.vmx.non_root);
    BOOST_TEST(c.rip == Bench::kHostRip);
    BOOST_TEST(c.r[vmx::RSP] == Bench::kHostRsp);
    BOOST_TEST(c.rflags == 2u);
    BOOST_TEST(b.vmx.visible_cr0() == 0x80010031u);
    BOOST_TEST(b.vmx.visible_cr4() == 0x20a0u);
    BOOST_TEST(c.cr3 == Bench::kL1Cr3);
    BOOST_TEST(c.cr2 == 0xdead000u);
    BOOST_TEST(c.efer == 0xd01u);
    BOOST_TEST(c.seg[vmx::CS].ar.raw == 0xa09bu);
    BOOST_TEST(c.seg[vmx::DS].selector == 0x10u);
    BOOST_TEST(c.seg[vmx::DS].ar.raw == 0xc093u);
    BOOST_TEST(c.seg[vmx::DS].limit == 0xffffffffu);
    BOOST_TEST(c.seg[vmx::DS].base == 0u);
    BOOST_TEST(c.seg[vmx::FS].base == 0x123000u);
    BOOST_TEST(c.seg[vmx::FS].ar.raw == 0xc093u);
    BOOST_TEST(c.seg[vmx::GS].ar.unusable());
    BOOST_TEST(c.seg[vmx::GS].base == 0xffff800000123000u);
    BOOST_TEST(c.seg[vmx::TR].selector == 0x40u);
    BOOST_TEST(c.seg[vmx::TR].base == 0x9000u);
    BOOST_TEST(c.seg[vmx::TR].limit == 0x67u);
    BOOST_TEST(c.seg[vmx::LDTR].ar.unusable());
    BOOST_TEST(c.gdtr.base == 0xa000u);
    BOOST_TEST(c.gdtr.limit == 0xffffu);
    BOOST_TEST(c.idtr.limit == 0xffffu);
    BOOST_TEST(c.sysenter_cs == 0x31u);
    BOOST_TEST(c.sysenter_esp == 0x3131u);
    BOOST_TEST(c.sysenter_eip == 0x313131u);
    BOOST_TEST(c.dr7 == 0x400u);
}

BOOST_AUTO_TEST_CASE(bits_of_cr0_and_cr4_come_back_from_who_owns_them) {
    Bench b;
    b.start();
    b.enter_vmx();
    b.fill_vmcs12();
    b.set12(Field::CR0_GUEST_HOST_MASK, 1u << 16);  // L1 traps WP, believes it clear for L2
    b.set12(Field::CR0_READ_SHADOW, 0);
    b.launch();
    BOOST_TEST(b.vmx.visible_cr0() == 0x80000031u);
    // L2 sets TS and AM, which only L0 traps: L0 handles it.
    b.cpu.r[vmx::RBX] = 0x80040039;
    b.exit(ExitReason::CR_ACCESS, 3, 0 | u64{vmx::RBX} << 8);
    BOOST_TEST(b.l0->nested.guest_mode);
    BOOST_TEST(b.vmx.visible_cr0() == 0x80040039u);
    b.cpu.cr4 |= 0x100;  // CR4.PCE is L2's own
    b.exit(ExitReason::CPUID, 2);
    BOOST_TEST(b.get12(Field::GUEST_CR0) == 0x80050039u);
    BOOST_TEST(b.get12(Field::GUEST_CR4) == 0x21a0u);
}

BOOST_AUTO_TEST_CASE(an_event_interrupted_by_an_exit_that_l0_handles_is_delivered_anew) {
    Bench b;
    b.run_l2();
    ExitInfo info;
    info.reason = ExitReason::EPT_VIOLATION;
    info.qualification = 0x181;
    info.guest_physical = 0x30000;
    info.idt_vectoring = arch::EventInfo::make(13, arch::EventType::HardwareException, true);
    info.idt_vectoring_error_code = 0x50;
    b.exit(info);
    BOOST_TEST(b.l0->nested.guest_mode);
    BOOST_TEST_REQUIRE(b.injected.has_value());
    BOOST_TEST(b.injected->vector == 13);
    BOOST_TEST(b.injected->error_code == 0x50u);
    // Of an exit that goes to L1, L1 has to deliver it.
    info.reason = ExitReason::CPUID;
    b.exit(info);
    BOOST_TEST(!b.injected.has_value());
    BOOST_TEST(b.get12(Field::IDT_VECTORING_INFO_FIELD) == 0x80000b0du);
    BOOST_TEST(b.get12(Field::IDT_VECTORING_ERROR_CODE) == 0x50u);
}

BOOST_AUTO_TEST_CASE(the_decision_table_sends_each_exit_where_it_belongs) {
    struct Case {
        ExitReason reason;
        Field field;  ///< of vmcs12
        u64 set;      ///< bits set in it
        bool to_l1;
        const char* what;
        u64 qualification = 0;
        u64 rcx = 0;
        arch::EventInfo event{};
    };
    constexpr Field kPrimary = Field::CPU_BASED_VM_EXEC_CONTROL, kNone = Field::GUEST_RSP;
    const auto event = [](u8 vector) { return arch::EventInfo::make(vector, arch::EventType::HardwareException); };
    const Case cases[] = {
        {ExitReason::EXCEPTION_NMI, Field::EXCEPTION_BITMAP, 1u << 13, true, "#GP in the bitmap", 0, 0, event(13)},
        {ExitReason::EXCEPTION_NMI, kNone, 0, false, "#UD not in the bitmap", 0, 0, event(6)},
        {ExitReason::EXCEPTION_NMI, Field::EXCEPTION_BITMAP, 1u << 14, true, "#PF under EPT", 0, 0, event(14)},
        {ExitReason::EXCEPTION_NMI, Field::EXCEPTION_BITMAP, 1u << 7, false, "#NM of the lazy FPU switch", 0, 0,
         event(7)},
        {ExitReason::EXCEPTION_NMI, kNone, 0, false, "NMI", 0, 0, arch::EventInfo::make(2, arch::EventType::Nmi)},
        {ExitReason::EXTERNAL_INTERRUPT, kNone, 0, false, "external interrupt"},
        {ExitReason::TRIPLE_FAULT, kNone, 0, true, "triple fault"},
        {ExitReason::INTERRUPT_WINDOW, kNone, 0, true, "interrupt window"},
        {ExitReason::NMI_WINDOW, kNone, 0, true, "NMI window"},
        {ExitReason::TASK_SWITCH, kNone, 0, true, "task switch"},
        {ExitReason::CPUID, kNone, 0, true, "CPUID"},
        {ExitReason::HLT, kPrimary, bit(PrimaryControl::HLTExiting), true, "HLT exiting"},
        {ExitReason::INVD, kNone, 0, true, "INVD"},
        {ExitReason::INVLPG, kPrimary, bit(PrimaryControl::INVLPGExiting), true, "INVLPG exiting"},
        {ExitReason::INVLPG, kNone, 0, false, "INVLPG not exiting"},
        {ExitReason::RDPMC, kNone, 0, false, "RDPMC exiting is not L1's to set"},
        {ExitReason::VMCALL, kNone, 0, true, "VMCALL"},
        {ExitReason::VMCLEAR, kNone, 0, true, "VMCLEAR"},
        {ExitReason::VMLAUNCH, kNone, 0, true, "VMLAUNCH"},
        {ExitReason::VMPTRLD, kNone, 0, true, "VMPTRLD"},
        {ExitReason::VMPTRST, kNone, 0, true, "VMPTRST"},
        {ExitReason::VMREAD, kNone, 0, true, "VMREAD"},
        {ExitReason::VMRESUME, kNone, 0, true, "VMRESUME"},
        {ExitReason::VMWRITE, kNone, 0, true, "VMWRITE"},
        {ExitReason::VMXOFF, kNone, 0, true, "VMXOFF"},
        {ExitReason::VMXON, kNone, 0, true, "VMXON"},
        {ExitReason::CR_ACCESS, Field::CR0_GUEST_HOST_MASK, 8, true, "MOV to CR0 of a trapped bit", 0, 0x80010039},
        {ExitReason::CR_ACCESS, kNone, 0, false, "MOV to CR0 of bits not trapped", 0 | 1 << 8, 0x80010039},
        {ExitReason::CR_ACCESS, Field::CR4_GUEST_HOST_MASK, 0x80, true, "MOV to CR4 of a trapped bit", 4 | 1 << 8,
         0x20a0},
        {ExitReason::CR_ACCESS, kNone, 0, false, "MOV to CR4 of bits not trapped", 4 | 1 << 8, 0x2020},
        {ExitReason::CR_ACCESS, kPrimary, bit(PrimaryControl::CR3LoadExiting), true, "CR3-load exiting", 3 | 1 << 8,
         0x20000},
        {ExitReason::CR_ACCESS, kPrimary, bit(PrimaryControl::CR3StoreExiting), true, "CR3-store exiting",
         0x13 | 1 << 8},
        {ExitReason::CR_ACCESS, kPrimary, bit(PrimaryControl::CR8LoadExiting), true, "CR8-load exiting", 8 | 1 << 8, 3},
        {ExitReason::CR_ACCESS, kPrimary, bit(PrimaryControl::CR8StoreExiting), true, "CR8-store exiting",
         0x18 | 1 << 8},
        {ExitReason::CR_ACCESS, kNone, 0, false, "CLTS not trapped", 0x20},
        {ExitReason::CR_ACCESS, kNone, 0, false, "LMSW not trapped", 0x30 | u64{0x39} << 16},
        {ExitReason::CR_ACCESS, Field::CR0_GUEST_HOST_MASK, 8, true, "LMSW of trapped TS", 0x30 | u64{0x9} << 16},
        {ExitReason::DR_ACCESS, kPrimary, bit(PrimaryControl::MOVDRExiting), true, "MOV-DR exiting", 0x10},
        {ExitReason::DR_ACCESS, kNone, 0, false, "MOV DR not exiting", 0x10},
        {ExitReason::IO_INSTRUCTION, kPrimary, bit(PrimaryControl::UnconditionalIOExiting), true, "I/O", 0x80u << 16},
        {ExitReason::MSR_READ, kNone, 0, true, "RDMSR without bitmap", 0, 0xc0000080},
        {ExitReason::MSR_WRITE, kNone, 0, true, "WRMSR without bitmap", 0, 0xc0000080},
        {ExitReason::MWAIT_INSTRUCTION, kPrimary, bit(PrimaryControl::MWAITExiting), true, "MWAIT exiting"},
        {ExitReason::MWAIT_INSTRUCTION, kNone, 0, false, "MWAIT not exiting"},
        {ExitReason::MONITOR_INSTRUCTION, kPrimary, bit(PrimaryControl::MONITORExiting), true, "MONITOR exiting"},
        {ExitReason::MONITOR_INSTRUCTION, kNone, 0, false, "MONITOR not exiting"},
        {ExitReason::PAUSE_INSTRUCTION, kNone, 0, false, "PAUSE exiting is not L1's to set"},
        {ExitReason::TPR_BELOW_THRESHOLD, kNone, 0, true, "TPR below threshold"},
        {ExitReason::EPT_VIOLATION, kNone, 0, false, "EPT violation"},
        {ExitReason::WBINVD, kNone, 0, false, "WBINVD exiting is not L1's to set"},
        {ExitReason::XSETBV, kNone, 0, true, "XSETBV"},
        {ExitReason::GETSEC, kNone, 0, true, "a reason that the table does not name"},
    };
    for (const Case& k : cases) {
        Bench b;
        b.start();
        b.enter_vmx();
        b.fill_vmcs12();
        constexpr u64 kUnset = bit(PrimaryControl::HLTExiting) | bit(PrimaryControl::CR3LoadExiting) |
                               bit(PrimaryControl::CR3StoreExiting) | bit(PrimaryControl::UnconditionalIOExiting);
        b.set12(kPrimary, b.get12(kPrimary) & ~kUnset);
        b.set12(Field::CR0_READ_SHADOW, k.set == 8 ? 0x80010031 : 0);
        b.set12(k.field, b.get12(k.field) | k.set);
        b.launch();
        BOOST_TEST_REQUIRE(b.l0->nested.guest_mode, k.what);
        b.cpu.r[vmx::RCX] = k.rcx;
        ExitInfo info;
        info.reason = k.reason;
        info.instruction_length = 3;
        info.qualification = k.what == std::string("MOV to CR0 of a trapped bit") ? u64{1} << 8 : k.qualification;
        info.intr_info = k.event;
        if (k.reason == ExitReason::EPT_VIOLATION) info.guest_physical = 0x30000;
        b.exit(info);
        BOOST_TEST((b.l0->stats.reflected == 1) == k.to_l1, k.what);
        BOOST_TEST(b.l0->nested.guest_mode == !k.to_l1, k.what);
        if (k.to_l1) BOOST_TEST(b.get12(Field::VM_EXIT_REASON) == static_cast<u64>(k.reason), k.what);
    }
}

BOOST_AUTO_TEST_CASE(l1s_bitmaps_are_looked_into_by_l0) {
    Bench b;
    b.start();
    b.enter_vmx();
    b.fill_vmcs12();
    constexpr u64 kMsrs = 0x60000, kIoA = 0x61000, kIoB = 0x62000;
    b.set12(Field::CPU_BASED_VM_EXEC_CONTROL, b.get12(Field::CPU_BASED_VM_EXEC_CONTROL) |
                                                  bit(PrimaryControl::UseMSRBitmaps) |
                                                  bit(PrimaryControl::UseIOBitmaps));
    b.set12(Field::MSR_BITMAP, kMsrs);
    b.set12(Field::IO_BITMAP_A, kIoA);
    b.set12(Field::IO_BITMAP_B, kIoB);
    b.l1_write(kMsrs + (0x174 >> 3), 1u << (0x174 & 7), 1);       // read of SYSENTER_CS
    b.l1_write(kMsrs + 3072 + (0x82 >> 3), 1u << (0x82 & 7), 1);  // write of LSTAR
    b.l1_write(kIoA + (0x83 >> 3), 1u << (0x83 & 7), 1);
    b.launch();
    b.set12(Field::HOST_RIP, Bench::kHostRip);
    const auto goes_to_l1 = [&](ExitReason r, u64 rcx, u64 qualification) {
        b.cpu.r[vmx::RCX] = rcx;
        b.exit(r, 2, qualification);
        const bool reflected = !b.l0->nested.guest_mode;
        if (reflected) b.resume();
        return reflected;
    };
    BOOST_TEST(goes_to_l1(ExitReason::MSR_READ, 0x174, 0));
    BOOST_TEST(!goes_to_l1(ExitReason::MSR_READ, 0x175, 0));
    BOOST_TEST(!goes_to_l1(ExitReason::MSR_WRITE, 0x174, 0));
    BOOST_TEST(goes_to_l1(ExitReason::MSR_WRITE, 0xc0000082, 0));
    BOOST_TEST(!goes_to_l1(ExitReason::MSR_READ, 0xc0000082, 0));
    BOOST_TEST(goes_to_l1(ExitReason::MSR_READ, 0x40000000, 0));
    BOOST_TEST(goes_to_l1(ExitReason::IO_INSTRUCTION, 0, 0x83u << 16));
    BOOST_TEST(!goes_to_l1(ExitReason::IO_INSTRUCTION, 0, 0x82u << 16));
    BOOST_TEST(goes_to_l1(ExitReason::IO_INSTRUCTION, 0, 0x82u << 16 | 1));    // two bytes from 0x82 touch 0x83
    BOOST_TEST(goes_to_l1(ExitReason::IO_INSTRUCTION, 0, 0xfffeu << 16 | 3));  // wraps
}

BOOST_AUTO_TEST_CASE(a_fault_that_l0_finds_goes_to_l1_where_l1_asked_for_it) {
    Bench b;
    b.start();
    b.enter_vmx();
    b.fill_vmcs12();
    b.set12(Field::EXCEPTION_BITMAP, 1u << 13);
    b.launch();
    b.exit(ExitReason::RDPMC, 2);
    BOOST_TEST(!b.l0->nested.guest_mode);
    BOOST_TEST(b.get12(Field::VM_EXIT_REASON) == 0u);
    BOOST_TEST(b.get12(Field::VM_EXIT_INTR_INFO) == 0x80000b0du);
    b.set12(Field::EXCEPTION_BITMAP, 0);
    b.resume();
    b.exit(ExitReason::RDPMC, 2);
    BOOST_TEST(b.l0->nested.guest_mode);
    BOOST_TEST_REQUIRE(b.injected.has_value());
    BOOST_TEST(b.injected->vector == 13);
}

BOOST_AUTO_TEST_CASE(the_apic_page_is_pinned_while_l2_may_run) {
    Bench b;
    b.start();
    b.enter_vmx();
    b.fill_vmcs12();
    b.set12(Field::CPU_BASED_VM_EXEC_CONTROL,
            b.get12(Field::CPU_BASED_VM_EXEC_CONTROL) | bit(PrimaryControl::ActivateSecondaryControls));
    b.set12(Field::SECONDARY_VM_EXEC_CONTROL, 1);
    b.set12(Field::APIC_ACCESS_ADDR, 0x40000);
    const auto vmwrites = [&](auto&& f) {
        const u64 before = b.l0->stats.vmwrite;
        f();
        return b.l0->stats.vmwrite - before;
    };
    b.launch();
    BOOST_TEST(b.l0->nested.apic_access_page.has_value());
    BOOST_TEST(b.l0->stats.pages_pinned == 1u);
    BOOST_TEST(b.current(Field::APIC_ACCESS_ADDR) == Bench::kBase + 0x40000);
    b.exit(ExitReason::APIC_ACCESS, 3);
    BOOST_TEST(!b.l0->nested.guest_mode);
    BOOST_TEST(!b.l0->nested.apic_access_page.has_value());
    BOOST_TEST(b.l0->stats.pages_released == 1u);
    b.set12(Field::APIC_ACCESS_ADDR, 0x50000);
    const u64 with_page = vmwrites([&] { b.resume(); });
    BOOST_TEST(b.current(Field::APIC_ACCESS_ADDR) == Bench::kBase + 0x50000);
    b.exit(ExitReason::CPUID, 2);
    b.set12(Field::APIC_ACCESS_ADDR, 0x12345000);  // beyond L1's memory: the control goes
    const u64 without_page = vmwrites([&] { b.resume(); });
    BOOST_TEST(with_page == without_page + 1);
    BOOST_TEST(!(b.current(Field::SECONDARY_VM_EXEC_CONTROL) & 1));
    BOOST_TEST(b.l0->stats.pages_pinned == 2u);
    b.exit(ExitReason::CPUID, 2);
    // A page that is still pinned when another one is taken, or when L1 leaves VMX operation, is released.
    b.l0->nested.apic_access_page = HostPhysical{Bench::kBase};
    b.set12(Field::APIC_ACCESS_ADDR, 0x40000);
    b.resume();
    BOOST_TEST(b.l0->stats.pages_released == 3u);
    b.exit(ExitReason::CPUID, 2);
    b.l0->nested.apic_access_page = HostPhysical{Bench::kBase};
    b.exit(ExitReason::VMXOFF, 3);
    BOOST_TEST(b.succeeded());
    BOOST_TEST(b.l0->stats.pages_released == 5u);
    BOOST_TEST(!b.l0->nested.apic_access_page.has_value());
}

BOOST_AUTO_TEST_CASE(l1_sees_no_la57_and_no_protection_keys_and_an_xsave_area_without_them) {
    Bench b;
    b.leaves.modern = true;
    const auto cpuid = [&](u64 leaf, u64 subleaf) {
        b.cpu.r[vmx::RAX] = leaf, b.cpu.r[vmx::RCX] = subleaf;
        b.exit(ExitReason::CPUID, 2);
        return std::array<u64, 3>{b.cpu.r[vmx::RAX], b.cpu.r[vmx::RBX], b.cpu.r[vmx::RCX]};
    };
    BOOST_TEST(cpuid(7, 0)[2] == 1u << 2);  // UMIP alone
    BOOST_TEST((cpuid(0x80000008, 0)[0] >> 8 & 0xff) == 48u);
    b.cpu.xcr0 = 1;
    BOOST_TEST((cpuid(0xd, 0) == std::array<u64, 3>{7, 576, 832}));
    b.cpu.xcr0 = 7;
    BOOST_TEST((cpuid(0xd, 0) == std::array<u64, 3>{7, 832, 832}));
    BOOST_TEST((cpuid(0xd, 1) == std::array<u64, 3>{7, 832, 0}));  // no XSAVES
    BOOST_TEST((cpuid(0xd, 9) == std::array<u64, 3>{0, 0, 0}));
}

BOOST_AUTO_TEST_SUITE_END()
