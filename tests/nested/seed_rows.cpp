// SPDX-License-Identifier: Apache-2.0
// Each row of prepare_vmcs02: what it must leave in vmcs02. Before the entry every field that it writes is spoilt, so
// that a row left out shows as much as a changed one.
#include <boost/test/unit_test.hpp>

#include "tests/nested/bench.hpp"

using namespace nested_bench;
using arch::PrimaryControl;
using arch::SecondaryControl;

namespace {

constexpr Field nth(Field first, unsigned n) { return static_cast<Field>(arch::index_of(first) + n); }
template <class B>
constexpr u64 bit(B b) {
    return u64{1} << static_cast<u8>(b);
}

/// Second values for a vmcs12: other than fill_vmcs12()'s, other than each other, accepted by the CPU.
void second_values(Bench& b) {
    constexpr u64 kRights[] = {0x4093, 0xa099, 0x4093, 0xc091, 0x4091, 0x4097, 0x82, 0x808b};
    for (unsigned i = 0; i < 10; ++i) {
        b.set12(nth(Field::GUEST_ES_BASE, i), 0x100000 + 0x10000 * i);
        b.set12(nth(Field::GUEST_ES_LIMIT, i), i < 8 ? 0xfff + 0x1000 * i : 0x7f8 + i);
        if (i >= 8) continue;
        b.set12(nth(Field::GUEST_ES_SELECTOR, i), 0x48 + 8 * i);
        b.set12(nth(Field::GUEST_ES_AR_BYTES, i), kRights[i]);
    }
    b.set12(Field::GUEST_IA32_DEBUGCTL, 1);
    b.set12(Field::VM_ENTRY_INTR_INFO_FIELD, 0x80000306);  // #UD
    b.set12(Field::VM_ENTRY_EXCEPTION_ERROR_CODE, 0x1234);
    b.set12(Field::VM_ENTRY_INSTRUCTION_LEN, 5);
    b.set12(Field::GUEST_INTERRUPTIBILITY_INFO, 8);
    b.set12(Field::GUEST_SYSENTER_CS, 0x1b);
    b.set12(Field::GUEST_SYSENTER_ESP, 0x123456789000);
    b.set12(Field::GUEST_SYSENTER_EIP, 0x123456789abc);
    b.set12(Field::GUEST_DR7, 0x401);
    b.set12(Field::GUEST_RFLAGS, 0x246);
    b.set12(Field::GUEST_PENDING_DBG_EXCEPTIONS, 0x1001);
    b.set12(Field::GUEST_RSP, 0x32108);
    b.set12(Field::GUEST_RIP, 0x33217);
    b.set12(Field::PAGE_FAULT_ERROR_CODE_MASK, 0x15);
    b.set12(Field::PAGE_FAULT_ERROR_CODE_MATCH, 0x11);
    b.set12(Field::EXCEPTION_BITMAP, 1u << 3 | 1u << 13);
    b.set12(Field::CR0_GUEST_HOST_MASK, 0x80010028);
    b.set12(Field::CR0_READ_SHADOW, 0x80000011);
    b.set12(Field::CR4_GUEST_HOST_MASK, 0x2608);
    b.set12(Field::CR4_READ_SHADOW, 0x400);
    b.set12(Field::TSC_OFFSET, 0x1111);
    b.set12(Field::CPU_BASED_VM_EXEC_CONTROL,
            b.get12(Field::CPU_BASED_VM_EXEC_CONTROL) | bit(PrimaryControl::UseTSCOffsetting) |
                bit(PrimaryControl::InterruptWindowExiting) | bit(PrimaryControl::UseMSRBitmaps) |
                bit(PrimaryControl::UseIOBitmaps) | bit(PrimaryControl::ActivateSecondaryControls));
    b.set12(Field::SECONDARY_VM_EXEC_CONTROL, bit(SecondaryControl::VirtualizeAPICAccesses));
    b.set12(Field::APIC_ACCESS_ADDR, 0x40000);
    b.set12(Field::PIN_BASED_VM_EXEC_CONTROL, b.get12(Field::PIN_BASED_VM_EXEC_CONTROL) | 0x01);  // L0 adds NMI exiting and virtual NMIs
    b.set12(Field::VM_ENTRY_CONTROLS, b.get12(Field::VM_ENTRY_CONTROLS) | bit(arch::EntryControl::LoadIA32PAT));
    b.set12(Field::GUEST_IA32_PAT, 0x0007010600070105);
    b.set12(Field::GUEST_CR0, 0x80010033);
    b.set12(Field::GUEST_CR4, 0x26a8);
    b.set12(Field::HOST_CR4, 0x22a0);
}

struct Expected {
    Field field;
    u64 (*value)(Bench&);
    u64 spoilt = ~u64{0};  ///< another value than the row's
};
#define COPIED(f)                                            \
    {                                                        \
        Field::f, [](Bench& b) { return b.get12(Field::f); } \
    }
#define VALUE(f, ...)                                                          \
    {                                                                          \
        Field::f, []([[maybe_unused]] Bench& b) -> u64 { return __VA_ARGS__; } \
    }

constexpr u64 kPrimaryDefault1 = 0x0401e172;

const Expected kRows[] = {
    COPIED(GUEST_ES_SELECTOR),
    COPIED(GUEST_CS_SELECTOR),
    COPIED(GUEST_SS_SELECTOR),
    COPIED(GUEST_DS_SELECTOR),
    COPIED(GUEST_FS_SELECTOR),
    COPIED(GUEST_GS_SELECTOR),
    COPIED(GUEST_LDTR_SELECTOR),
    COPIED(GUEST_TR_SELECTOR),
    COPIED(GUEST_ES_LIMIT),
    COPIED(GUEST_CS_LIMIT),
    COPIED(GUEST_SS_LIMIT),
    COPIED(GUEST_DS_LIMIT),
    COPIED(GUEST_FS_LIMIT),
    COPIED(GUEST_GS_LIMIT),
    COPIED(GUEST_LDTR_LIMIT),
    COPIED(GUEST_TR_LIMIT),
    COPIED(GUEST_GDTR_LIMIT),
    COPIED(GUEST_IDTR_LIMIT),
    COPIED(GUEST_ES_AR_BYTES),
    COPIED(GUEST_CS_AR_BYTES),
    COPIED(GUEST_SS_AR_BYTES),
    COPIED(GUEST_DS_AR_BYTES),
    COPIED(GUEST_FS_AR_BYTES),
    COPIED(GUEST_GS_AR_BYTES),
    COPIED(GUEST_LDTR_AR_BYTES),
    COPIED(GUEST_TR_AR_BYTES),
    COPIED(GUEST_ES_BASE),
    COPIED(GUEST_CS_BASE),
    COPIED(GUEST_SS_BASE),
    COPIED(GUEST_DS_BASE),
    COPIED(GUEST_FS_BASE),
    COPIED(GUEST_GS_BASE),
    COPIED(GUEST_LDTR_BASE),
    COPIED(GUEST_TR_BASE),
    COPIED(GUEST_GDTR_BASE),
    COPIED(GUEST_IDTR_BASE),
    COPIED(GUEST_IA32_DEBUGCTL),
    COPIED(VM_ENTRY_INTR_INFO_FIELD),
    COPIED(VM_ENTRY_EXCEPTION_ERROR_CODE),
    COPIED(VM_ENTRY_INSTRUCTION_LEN),
    COPIED(GUEST_INTERRUPTIBILITY_INFO),
    COPIED(GUEST_ACTIVITY_STATE),
    COPIED(GUEST_SYSENTER_CS),
    COPIED(GUEST_SYSENTER_ESP),
    COPIED(GUEST_SYSENTER_EIP),
    COPIED(GUEST_DR7),
    COPIED(GUEST_RFLAGS),
    COPIED(GUEST_PENDING_DBG_EXCEPTIONS),
    COPIED(GUEST_RSP),
    COPIED(GUEST_RIP),
    COPIED(GUEST_IA32_PAT),
    {Field::VMCS_LINK_POINTER, [](Bench&) { return ~u64{0}; }, 0x1000},
    VALUE(PIN_BASED_VM_EXEC_CONTROL, 0x3f),
    VALUE(PAGE_FAULT_ERROR_CODE_MASK, b.options.ept ? 0x15 : 0),
    VALUE(PAGE_FAULT_ERROR_CODE_MATCH, b.options.ept ? 0x11 : 0),
    // APIC accesses as L1 wants; WBINVD, and by the options EPT, VPID, unrestricted guest
    VALUE(SECONDARY_VM_EXEC_CONTROL, 0x61 | (b.options.ept ? 0x82 : 0)),
    VALUE(APIC_ACCESS_ADDR, Bench::kBase + 0x40000),
    VALUE(HOST_CR0, 0x8005003b),
    VALUE(HOST_CR4, 0x26f0),
    VALUE(HOST_CR3, b.l0->vmcs01.raw),
    VALUE(HOST_CS_SELECTOR, 0x10),
    VALUE(HOST_DS_SELECTOR, 0),
    VALUE(HOST_ES_SELECTOR, 0),
    VALUE(HOST_SS_SELECTOR, 0x18),
    VALUE(HOST_TR_SELECTOR, 0x40),
    VALUE(HOST_IDTR_BASE, 0xffffffff82000000),
    VALUE(HOST_RIP, 0xffffffff81000000),
    VALUE(HOST_IA32_SYSENTER_CS, 0x10),
    VALUE(HOST_IA32_SYSENTER_EIP, 0xffffffff81001000),
    VALUE(HOST_IA32_PAT, 0x0007010600070106),
    VALUE(HOST_RSP, 0xffff880000008000),
    VALUE(HOST_FS_SELECTOR, 0),
    VALUE(HOST_GS_SELECTOR, 0),
    VALUE(HOST_FS_BASE, 0),
    VALUE(HOST_GS_BASE, 0xffffffff82003000),
    // L0: default1 (CR3 exits only without EPT), HLT, MWAIT, RDPMC, TSC, MOV DR, MONITOR, secondary; INVLPG without
    // EPT. L1: interrupt window, CR3 exits, INVLPG not. Never bitmaps or TPR shadow; always all I/O.
    VALUE(CPU_BASED_VM_EXEC_CONTROL, kPrimaryDefault1 | 1u << 7 | 1u << 10 | 1u << 11 | 1u << 3 | 1u << 23 | 1u << 29 |
                                         1u << 31 | 1u << 24 | 1u << 2 | (b.options.ept ? 0 : 1u << 9)),
    VALUE(EXCEPTION_BITMAP,
          1u << 3 | 1u << 13 | 1u << 1 | 1u << 6 | 1u << 7 | 1u << 18 | (b.options.ept ? 0 : 1u << 14)),
    // Host-64, save and load PAT
    VALUE(VM_EXIT_CONTROLS, 0x36dff | 1u << 9 | 3u << 18),
    VALUE(VM_ENTRY_CONTROLS, 0x11ff | 1u << 9 | 1u << 14),
    VALUE(CR0_GUEST_HOST_MASK, ~u64{0}),  // the FPU is not in use: nothing is the guest's own
    // DE, OSFXSR, OSXMMEXCPT are L1's here; PVI, PCE, and PGE under EPT, stay L2's own
    VALUE(CR4_GUEST_HOST_MASK, ~(u64{0x102} | (b.options.ept ? 0x80 : 0))),
    VALUE(TSC_OFFSET, 0x1111 + 0x50000),
    VALUE(VIRTUAL_PROCESSOR_ID, 1),
    VALUE(MSR_BITMAP, b.l0->msr_bitmap.raw),
    // TS and MP: the FPU is not L2's yet. NE, and what L1 set
    VALUE(GUEST_CR0, 0x80010033 | 0xa),
    // masked bits from L1's shadow: PG set, WP clear, NE clear, TS clear; the others from GUEST_CR0
    VALUE(CR0_READ_SHADOW, 0x80000013),
    VALUE(GUEST_CR4, 0x26a8),
    VALUE(CR4_READ_SHADOW, (0x26a8 & ~u64{0x2608}) | 0x400),
};

/// The second entry of an L2 whose first one had other values, into a spoilt vmcs02.
void run_rows(Options o) {
    Bench b(o);
    b.start();
    b.enter_vmx();
    b.cpu.r[vmx::RCX] = arch::msr::TSC;  // L1 gives itself a TSC offset of 0x50000
    const u64 tsc = b.vmx.guest_tsc() + 0x50000 + 100;
    b.cpu.r[vmx::RAX] = tsc & 0xffffffff;
    b.cpu.r[vmx::RDX] = tsc >> 32;
    const u64 cost_before_handler = b.cpu.cycles;
    b.exit(ExitReason::MSR_WRITE, 2);
    // The offset that results depends on the handler's own cycles: take what was written.
    const u64 l1s_offset = b.current(Field::TSC_OFFSET);
    BOOST_TEST(l1s_offset <= 0x50000u);
    BOOST_TEST(l1s_offset + (b.cpu.cycles - cost_before_handler) >= 0x50000u);
    b.cache.transact({.op = arch::VmcsOp::Write,
                      .vmcs = b.l0->vmcs01,
                      .encoding = arch::encoding_of(Field::TSC_OFFSET),
                      .data = 0x50000});
    b.fill_vmcs12();
    b.launch();
    BOOST_TEST_REQUIRE(b.l0->nested.guest_mode);
    b.exit(ExitReason::CPUID, 2);
    BOOST_TEST_REQUIRE(!b.l0->nested.guest_mode);
    second_values(b);
    const HostPhysical vmcs02 = b.l0->nested.pool.front().vmcs02;
    for (const Expected& row : kRows)
        b.cache.transact({.op = arch::VmcsOp::Write,
                          .vmcs = vmcs02,
                          .encoding = arch::encoding_of(row.field),
                          .data = row.value(b) == row.spoilt ? 0x55 : row.spoilt});
    for (const Field f : {Field::EPT_POINTER, Field::GUEST_CR3})
        b.cache.transact(
            {.op = arch::VmcsOp::Write, .vmcs = vmcs02, .encoding = arch::encoding_of(f), .data = 0x77777});
    b.resume();
    BOOST_TEST_REQUIRE(!b.l0->stopped, b.l0->reason);
    BOOST_TEST_REQUIRE(b.l0->nested.guest_mode);
    BOOST_TEST_REQUIRE(b.cpu.vmx.current_vmcs == vmcs02.raw);
    for (const Expected& row : kRows)
        BOOST_TEST(b.current(row.field) == row.value(b), arch::info(row.field).name << " holds " << std::hex
                                                                                    << b.current(row.field) << ", not "
                                                                                    << row.value(b));
    if (o.ept) {
        BOOST_TEST(b.current(Field::EPT_POINTER) == b.l0->ept->pointer().raw);
        BOOST_TEST(b.current(Field::GUEST_CR3) == Bench::kL2Cr3);
    } else {
        BOOST_TEST(b.current(Field::GUEST_CR3) == b.l0->shadow->root(true).raw);
    }
    BOOST_TEST_REQUIRE(b.injected.has_value());
    BOOST_TEST(b.injected->vector == 6);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(seed_rows)

BOOST_AUTO_TEST_CASE(every_row_writes_its_value_under_ept) { run_rows({}); }
BOOST_AUTO_TEST_CASE(every_row_writes_its_value_under_shadow_paging) { run_rows({.ept = false, .unrestricted = true}); }

BOOST_AUTO_TEST_CASE(the_activity_state_is_l1s) {
    Bench b;
    b.start();
    b.enter_vmx();
    b.fill_vmcs12();
    b.set12(Field::GUEST_ACTIVITY_STATE, 1);
    b.launch();
    BOOST_TEST(b.current(Field::GUEST_ACTIVITY_STATE) == 1u);
    BOOST_TEST((b.cpu.activity == vmx::ActivityState::Hlt));
}

BOOST_AUTO_TEST_CASE(without_tsc_offsetting_l1s_offset_does_not_count) {
    Bench b;
    b.start();
    b.enter_vmx();
    b.fill_vmcs12();
    b.set12(Field::TSC_OFFSET, 0x999);
    b.launch();
    BOOST_TEST(b.current(Field::TSC_OFFSET) == 0u);
}

BOOST_AUTO_TEST_CASE(windows_and_tpr_shadow_of_l0_are_not_for_l2) {
    Bench b;
    b.start();
    b.enter_vmx();
    b.fill_vmcs12();
    b.l0->config.primary.set(PrimaryControl::InterruptWindowExiting).set(PrimaryControl::NMIWindowExiting);
    BOOST_TEST(b.l0->config.primary.has(PrimaryControl::UseTPRShadow));
    b.launch();
    const arch::PrimaryControls c{b.current(Field::CPU_BASED_VM_EXEC_CONTROL)};
    BOOST_TEST(!c.has(PrimaryControl::InterruptWindowExiting));
    BOOST_TEST(!c.has(PrimaryControl::NMIWindowExiting));
    BOOST_TEST(!c.has(PrimaryControl::UseTPRShadow));
}

BOOST_AUTO_TEST_CASE(rdtscp_is_on_in_vmcs02_only_where_l0_has_it_on) {
    for (bool on : {false, true}) {
        Bench b({.rdtscp = on});
        b.run_l2();
        BOOST_TEST((b.current(Field::SECONDARY_VM_EXEC_CONTROL) >> 3 & 1) == on);
    }
}

BOOST_AUTO_TEST_CASE(apic_virtualization_of_l0_is_not_for_l2_unless_l1_activates_it) {
    Bench b;
    b.start();
    b.enter_vmx();
    b.fill_vmcs12();
    BOOST_TEST(b.l0->config.secondary.has(SecondaryControl::VirtualizeAPICAccesses));
    b.set12(Field::SECONDARY_VM_EXEC_CONTROL, 1);  // the word is not activated
    b.set12(Field::APIC_ACCESS_ADDR, 0x40000);
    b.launch();
    BOOST_TEST(!(b.current(Field::SECONDARY_VM_EXEC_CONTROL) & 1));
    BOOST_TEST(b.l0->stats.pages_pinned == 0u);
}

BOOST_AUTO_TEST_CASE(pat_is_l1s_own_where_vmcs12_does_not_load_one) {
    Bench b;
    b.start();
    b.enter_vmx();
    b.fill_vmcs12();
    b.set12(Field::GUEST_IA32_PAT, 0x0606060606060606);
    b.launch();
    BOOST_TEST(b.current(Field::GUEST_IA32_PAT) == 0x0007040600070406u);
}

BOOST_AUTO_TEST_CASE(efer_follows_ia32e_mode_and_is_vmcs12s_where_loaded) {
    Bench b;
    b.start();
    b.enter_vmx();
    b.fill_vmcs12();
    b.launch();
    BOOST_TEST(b.l0->vcpu.efer == 0xd01u);
    BOOST_TEST(b.cpu.efer == 0xd01u);
    b.exit(ExitReason::CPUID, 2);
    // A 32-bit L2 with PAE paging
    b.set12(Field::VM_ENTRY_CONTROLS, b.get12(Field::VM_ENTRY_CONTROLS) & ~u64{1 << 9});
    b.set12(Field::GUEST_CS_AR_BYTES, 0xc09b);
    b.set12(Field::GUEST_CR3, 0x28000);
    for (u64 i = 0; i < 4; ++i) b.l1_write(0x28000 + 8 * i, 0x29001 + 0x1000 * i);
    b.resume();
    BOOST_TEST_REQUIRE(b.l0->nested.guest_mode);
    BOOST_TEST(b.l0->vcpu.efer == 0x801u);
    BOOST_TEST(b.cpu.efer == 0x801u);
    BOOST_TEST(!(b.current(Field::VM_ENTRY_CONTROLS) >> 9 & 1));
    for (u64 i = 0; i < 4; ++i) BOOST_TEST(b.cpu.pdpte[i] == 0x29001 + 0x1000 * i);
    b.exit(ExitReason::CPUID, 2);
    BOOST_TEST(b.cpu.efer == 0xd01u);  // L1 is a 64-bit host
    // L1 is not offered "load IA32_EFER"; were it, vmcs12's value would be taken.
    b.l0->offered.set(arch::msr::IA32_VMX_ENTRY_CTLS, b.l0->offered.get(arch::msr::IA32_VMX_ENTRY_CTLS) | u64{1} << 47);
    b.fill_vmcs12();
    b.set12(Field::VM_ENTRY_CONTROLS, b.get12(Field::VM_ENTRY_CONTROLS) | 1u << 15);
    b.set12(Field::GUEST_IA32_EFER, 0xd00);
    b.resume();
    BOOST_TEST(b.l0->vcpu.efer == 0xd00u);
    BOOST_TEST(b.cpu.efer == 0xd00u);
}

BOOST_AUTO_TEST_CASE(a_guest_without_nxe_has_its_efer_switched_by_the_vm_entry) {
    Bench b({.l1_efer = 0x500});
    b.run_l2();
    BOOST_TEST(b.cpu.efer == 0x500u);
    BOOST_TEST((b.current(Field::VM_ENTRY_CONTROLS) >> 15 & 1) == 1u);
    BOOST_TEST((b.current(Field::VM_EXIT_CONTROLS) >> 21 & 1) == 1u);
    BOOST_TEST(b.current(Field::GUEST_IA32_EFER) == 0x500u);
    b.exit(ExitReason::CPUID, 2);
    BOOST_TEST(b.cpu.efer == 0x500u);
}

BOOST_AUTO_TEST_CASE(cr0_mask_is_the_union_once_the_fpu_is_l2s) {
    Bench b;
    b.start();
    b.exception(7);  // L1 uses the FPU
    BOOST_TEST(b.current(Field::CR0_GUEST_HOST_MASK) == ~u64{8});
    BOOST_TEST(!(b.current(Field::EXCEPTION_BITMAP) >> 7 & 1));
    BOOST_TEST(!(b.current(Field::GUEST_CR0) & 8));
    b.enter_vmx();
    b.fill_vmcs12();
    b.launch();
    BOOST_TEST(b.current(Field::CR0_GUEST_HOST_MASK) == ~u64{8});
    BOOST_TEST(!(b.current(Field::GUEST_CR0) & 8));
    b.exit(ExitReason::CPUID, 2);
    b.set12(Field::CR0_GUEST_HOST_MASK, 8);
    b.set12(Field::GUEST_CR0, b.get12(Field::GUEST_CR0) | 8);
    b.resume();
    BOOST_TEST(b.current(Field::CR0_GUEST_HOST_MASK) == ~u64{0});
    BOOST_TEST((b.current(Field::GUEST_CR0) & 8) == 8u);
    b.exit(ExitReason::CPUID, 2);
    BOOST_TEST(b.current(Field::CR0_GUEST_HOST_MASK) == ~u64{8});
}

BOOST_AUTO_TEST_CASE(each_nested_transition_flushes_the_shared_vpid) {
    Bench with, without({.vpid = false});
    with.run_l2();
    without.run_l2();
    BOOST_TEST(with.l0->stats.invvpid > 0u);
    BOOST_TEST(without.l0->stats.invvpid == 0u);
    BOOST_TEST(!(without.current(Field::SECONDARY_VM_EXEC_CONTROL) >> 5 & 1));
}

BOOST_AUTO_TEST_CASE(the_steps_have_names_of_their_own_and_buckets) {
    std::set<std::string> names;
    for (const auto& s : nested::prepare_vmcs02_steps()) BOOST_TEST(names.insert(s.name).second, s.name);
    Bench b;
    b.params.vmcs12_access = 7;
    b.run_l2();
    b.ledger.settle(b.cpu.cycles);
    u64 sum = 0;
    for (const u64 t : b.ledger.totals()) sum += t;
    BOOST_TEST(sum == b.cpu.cycles);
    const auto segments = b.ledger.bucket("prepare_vmcs02: guest segments");
    BOOST_TEST(b.ledger.totals()[segments] >= 36 * 7u);
}

BOOST_AUTO_TEST_SUITE_END()
