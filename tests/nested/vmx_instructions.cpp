// SPDX-License-Identifier: Apache-2.0
// VMX instructions of L1: results, flags, error numbers (SDM 33.3, 33.4), faults.
#include <boost/test/unit_test.hpp>

#include "tests/nested/bench.hpp"

using namespace nested_bench;

namespace {
struct Fixture {
    Bench b;
    Fixture() {
        b.start();
        b.enter_vmx();
        b.fill_vmcs12();
    }
    u64 error() { return b.get12(Field::VM_INSTRUCTION_ERROR); }
    void fails_with(u64 number) {
        BOOST_TEST(b.fail_valid());
        BOOST_TEST(error() == number);
        BOOST_TEST(!b.l0->nested.guest_mode);
    }
};
}  // namespace

BOOST_FIXTURE_TEST_SUITE(vmx_instructions, Fixture)

BOOST_AUTO_TEST_CASE(vmread_and_vmwrite_work_on_vmcs12) {
    const u64 rip = b.cpu.rip;
    b.vmwrite(Field::GUEST_RIP, 0x123456789abcdef0);
    BOOST_TEST(b.succeeded());
    BOOST_TEST(b.cpu.rip == rip + 3);
    BOOST_TEST(b.get12(Field::GUEST_RIP) == 0x123456789abcdef0u);
    BOOST_TEST(b.vmread(Field::GUEST_RIP) == 0x123456789abcdef0u);
    b.vmwrite(Field::GUEST_ES_SELECTOR, 0x12345);  // too long for the field
    BOOST_TEST(b.vmread(Field::GUEST_ES_SELECTOR) == 0x2345u);
    b.vmwrite(arch::encoding_of(Field::TSC_OFFSET) | 1, 0xaabbccdd);  // the upper half
    BOOST_TEST(b.get12(Field::TSC_OFFSET) == 0xaabbccdd00000000u);
    BOOST_TEST(b.vmread(arch::encoding_of(Field::TSC_OFFSET) | 1) == 0xaabbccddu);
}

BOOST_AUTO_TEST_CASE(vmread_and_vmwrite_refuse_unknown_and_read_only_fields) {
    b.vmwrite(u64{0x4fff}, 1);
    fails_with(12);
    b.vmread(arch::encoding_of(Field::EPT_POINTER) + 0x40);
    fails_with(12);
    b.vmread(arch::encoding_of(Field::PML_ADDRESS));  // a field of later CPUs
    fails_with(12);
    b.vmwrite(Field::VM_EXIT_REASON, 1);
    fails_with(13);
    b.pointer(ExitReason::VMCLEAR, Bench::kVmcs12);  // no VMCS is current
    b.vmread(Field::GUEST_RIP);
    BOOST_TEST(b.fail_invalid());
}

BOOST_AUTO_TEST_CASE(memory_operands_go_through_l1s_page_tables) {
    b.set12(Field::GUEST_RIP, 0x1122334455667788);
    b.cpu.r[vmx::RDX] = arch::encoding_of(Field::GUEST_RIP);
    b.cpu.r[vmx::RBX] = 0x70000;
    b.cpu.r[vmx::RSI] = 2;
    // [RBX + RSI*8 + 0x10]
    const u32 info = 3 | 2u << 7 | 3u << 15 | vmx::RSI << 18 | vmx::RBX << 23 | vmx::RDX << 28;
    b.exit(ExitReason::VMREAD, 5, 0x10, info);
    BOOST_TEST(b.succeeded());
    BOOST_TEST(b.l1_read(0x70020) == 0x1122334455667788u);
    b.l1_write(0x70020, 0x77);
    b.exit(ExitReason::VMWRITE, 5, 0x10, info);
    BOOST_TEST(b.get12(Field::GUEST_RIP) == 0x77u);
    const u64 rip = b.cpu.rip;
    b.cpu.r[vmx::RBX] = 0x40000000;  // not mapped
    b.exit(ExitReason::VMREAD, 5, 0x10, info);
    BOOST_TEST_REQUIRE(b.injected.has_value());
    BOOST_TEST(b.injected->vector == 14);
    BOOST_TEST(b.injected->error_code == 2u);
    BOOST_TEST(b.cpu.cr2 == 0x40000020u);
    BOOST_TEST(b.cpu.rip == rip);
    b.cpu.r[vmx::RBX] = 0x800000000000;  // not canonical
    b.exit(ExitReason::VMREAD, 5, 0x10, info);
    BOOST_TEST(b.injected->vector == 13);
}

BOOST_AUTO_TEST_CASE(faults_come_before_anything_else) {
    Bench other;
    other.start();
    other.vmread(Field::GUEST_RIP);  // not in VMX operation
    BOOST_TEST_REQUIRE(other.injected.has_value());
    BOOST_TEST(other.injected->vector == 6);
    b.cpu.seg[vmx::CS].selector |= 3;
    b.cpu.seg[vmx::CS].ar.raw |= 0x60;
    b.cpu.seg[vmx::SS].selector |= 3;
    b.cpu.seg[vmx::SS].ar.raw |= 0x60;
    b.vmread(Field::GUEST_RIP);
    BOOST_TEST_REQUIRE(b.injected.has_value());
    BOOST_TEST(b.injected->vector == 13);
}

BOOST_AUTO_TEST_CASE(vmxon_checks_its_region) {
    BOOST_TEST(!b.pointer(ExitReason::VMXON, Bench::kVmxonRegion));
    fails_with(15);
    Bench other;
    other.start();
    BOOST_TEST(!other.pointer(ExitReason::VMXON, 0x10008));
    BOOST_TEST(other.fail_invalid());
    other.pointer(ExitReason::VMXON, 0x10000);  // no revision identifier there
    BOOST_TEST(other.fail_invalid());
    other.l1_write(0x10000, nested::kVmcs12Revision, 4);
    other.pointer(ExitReason::VMXON, u64{1} << 40);
    BOOST_TEST(other.fail_invalid());
    BOOST_TEST(other.pointer(ExitReason::VMXON, 0x10000));
}

BOOST_AUTO_TEST_CASE(vmclear_vmptrld_vmptrst_check_their_pointers) {
    b.pointer(ExitReason::VMCLEAR, 0x11001);
    fails_with(2);
    b.pointer(ExitReason::VMCLEAR, Bench::kVmxonRegion);
    fails_with(3);
    b.pointer(ExitReason::VMPTRLD, u64{1} << 41);
    fails_with(9);
    b.pointer(ExitReason::VMPTRLD, Bench::kVmxonRegion);
    fails_with(10);
    b.pointer(ExitReason::VMPTRLD, 0x13000);
    fails_with(11);
    b.exit(ExitReason::VMPTRST, 4, 0x70000, Bench::kMemoryOperand);
    BOOST_TEST(b.l1_read(0x70000) == Bench::kVmcs12);
    BOOST_TEST(b.pointer(ExitReason::VMPTRLD, Bench::kOtherVmcs12));
    BOOST_TEST(b.pointer(ExitReason::VMCLEAR, Bench::kVmcs12));  // not the current one, which stays
    b.exit(ExitReason::VMPTRST, 4, 0x70000, Bench::kMemoryOperand);
    BOOST_TEST(b.l1_read(0x70000) == Bench::kOtherVmcs12);
    b.pointer(ExitReason::VMCLEAR, Bench::kOtherVmcs12);
    b.exit(ExitReason::VMPTRST, 4, 0x70000, Bench::kMemoryOperand);
    BOOST_TEST(b.l1_read(0x70000) == ~u64{0});
}

BOOST_AUTO_TEST_CASE(launch_state_decides_between_vmlaunch_and_vmresume) {
    b.resume();
    fails_with(5);
    b.launch();
    BOOST_TEST(b.l0->nested.guest_mode);
    b.exit(ExitReason::CPUID, 2);
    b.launch();
    fails_with(4);
    b.pointer(ExitReason::VMCLEAR, Bench::kVmcs12);
    b.launch();
    BOOST_TEST(b.fail_invalid());
}

BOOST_AUTO_TEST_CASE(a_launch_behind_mov_ss_fails) {
    b.cpu.blocking = vmx::blocking::MOV_SS;
    b.launch();
    fails_with(26);
}

BOOST_AUTO_TEST_CASE(bad_controls_and_host_state_are_vmfail_7_and_8) {
    struct Row {
        Field field;
        u64 value;
        u64 error;
    };
    const Row rows[] = {
        {Field::PIN_BASED_VM_EXEC_CONTROL, 0x56, 7},
        {Field::CPU_BASED_VM_EXEC_CONTROL, 0, 7},
        {Field::CPU_BASED_VM_EXEC_CONTROL, 0x0421e172, 7},
        {Field::VM_EXIT_CONTROLS, 0x36fff | 1u << 21, 7},
        {Field::VM_ENTRY_CONTROLS, 0x13ff | 1u << 15, 7},
        {Field::VM_EXIT_MSR_STORE_COUNT, 1, 7},
        {Field::VM_EXIT_MSR_LOAD_COUNT, 1, 7},
        {Field::VM_ENTRY_MSR_LOAD_COUNT, 1, 7},
        {Field::CR3_TARGET_COUNT, 1, 7},
        {Field::HOST_CR0, 0x31, 8},
        {Field::HOST_CR4, 0xa0, 8},
        {Field::HOST_CR3, u64{1} << 45, 8},
        {Field::HOST_CS_SELECTOR, 0, 8},
        {Field::HOST_TR_SELECTOR, 0, 8},
        {Field::HOST_DS_SELECTOR, 3, 8},
        {Field::HOST_RIP, 0x800000000000, 8},
        {Field::HOST_GS_BASE, 0x800000000000, 8},
        {Field::HOST_CR4, 0x2000, 8},
        {Field::VM_EXIT_CONTROLS, 0x36dff, 8},
    };
    for (const Row& r : rows) {
        const u64 good = b.get12(r.field);
        b.set12(r.field, r.value);
        const u64 rip = b.cpu.rip;
        b.launch();
        fails_with(r.error);
        BOOST_TEST(b.cpu.rip == rip + 3);
        b.set12(r.field, good);
    }
    b.launch();
    BOOST_TEST(b.l0->nested.guest_mode);
}

BOOST_AUTO_TEST_CASE(bad_guest_state_is_a_failed_entry_that_l1_sees) {
    struct Row {
        Field field;
        u64 value;
        u64 qualification;
    };
    const Row rows[] = {
        {Field::GUEST_CR0, 0x31, 0},  // L0's own check
        {Field::VMCS_LINK_POINTER, 0x1000, 4},
        {Field::GUEST_RFLAGS, 0, 0},  // these the CPU finds in vmcs02
        {Field::GUEST_CS_AR_BYTES, 0xa091, 0},
        {Field::GUEST_ACTIVITY_STATE, 9, 0},
        {Field::GUEST_TR_AR_BYTES, 0x10000, 0},
    };
    for (const bool ept : {true, false}) {
        for (const Row& r : rows) {
            Bench x({.ept = ept});
            x.start();
            x.enter_vmx();
            x.fill_vmcs12();
            x.set12(r.field, r.value);
            x.launch();
            BOOST_TEST(!x.l0->nested.guest_mode);
            BOOST_TEST(x.get12(Field::VM_EXIT_REASON) == 0x80000021u);
            BOOST_TEST(x.get12(Field::EXIT_QUALIFICATION) == r.qualification);
            BOOST_TEST(x.cpu.rip == Bench::kHostRip);
            BOOST_TEST(x.cpu.rflags == 2u);
            BOOST_TEST(x.get12(r.field) == r.value);
            // The launch state stays clear, and a repaired VMCS can be launched.
            x.fill_vmcs12();
            x.launch();
            BOOST_TEST(x.l0->nested.guest_mode);
        }
    }
}

BOOST_AUTO_TEST_CASE(controls_that_the_cpu_refuses_are_vmfail_behind_the_launch) {
    b.set12(Field::VM_ENTRY_INTR_INFO_FIELD, 0x80000120);  // type 1 is reserved
    const u64 rip = b.cpu.rip, rsp = b.cpu.r[vmx::RSP];
    b.launch();
    fails_with(7);
    BOOST_TEST(b.cpu.rip == rip + 3);
    BOOST_TEST(b.cpu.r[vmx::RSP] == rsp);
    BOOST_TEST(b.vmx.visible_cr0() == b.l1_state().cr0);
    BOOST_TEST(b.cpu.cr3 == Bench::kL1Cr3);
    b.set12(Field::VM_ENTRY_INTR_INFO_FIELD, 0);
    b.launch();
    BOOST_TEST(b.l0->nested.guest_mode);
}

BOOST_AUTO_TEST_CASE(vmxoff_ends_it_all) {
    b.launch();
    b.exit(ExitReason::CPUID, 2);
    const u64 cleared = b.l0->stats.vmclear;
    b.exit(ExitReason::VMXOFF, 3);
    BOOST_TEST(b.succeeded());
    BOOST_TEST(b.l0->stats.vmclear == cleared + 1);
    b.vmread(Field::GUEST_RIP);
    BOOST_TEST(b.injected->vector == 6);
}

BOOST_AUTO_TEST_CASE(the_pool_keeps_relabels_and_frees_vmcs02s) {
    for (const u64 size : {u64{1}, u64{2}}) {
        Bench x({.pool = size});
        x.start();
        x.enter_vmx();
        x.fill_vmcs12();
        x.launch();
        const u64 first = x.cpu.vmx.current_vmcs;
        x.exit(ExitReason::CPUID, 2);
        for (std::size_t i = 0; i < arch::kFieldCount; ++i) {
            const auto f = static_cast<Field>(i);
            nested::Vmcs12(x.l0->memory, {Bench::kOtherVmcs12}).set(f, x.get12(f));
        }
        nested::Vmcs12(x.l0->memory, {Bench::kOtherVmcs12}).set(Field::GUEST_RIP, 0x44440);
        x.pointer(ExitReason::VMPTRLD, Bench::kOtherVmcs12);
        x.launch();
        BOOST_TEST_REQUIRE(x.l0->nested.guest_mode);
        BOOST_TEST(x.cpu.rip == 0x44440u);
        BOOST_TEST((x.cpu.vmx.current_vmcs == first) == (size == 1));
        x.exit(ExitReason::CPUID, 2);
        x.pointer(ExitReason::VMPTRLD, Bench::kVmcs12);
        x.resume();
        BOOST_TEST(x.cpu.vmx.current_vmcs == first);
        BOOST_TEST(x.cpu.rip == 0x30000u);
        x.exit(ExitReason::CPUID, 2);
        BOOST_TEST(x.l0->nested.pool.size() == size);
        const u64 cleared = x.l0->stats.vmclear;
        x.pointer(ExitReason::VMCLEAR, Bench::kVmcs12);
        BOOST_TEST(x.l0->stats.vmclear == cleared + 1);
        BOOST_TEST(x.l0->nested.pool.size() == size - 1);
    }
}

BOOST_AUTO_TEST_CASE(the_capability_msrs_are_those_of_the_series) {
    const auto rdmsr = [&](u32 index) {
        b.cpu.r[vmx::RCX] = index;
        b.exit(ExitReason::MSR_READ, 2);
        return (b.cpu.r[vmx::RAX] & 0xffffffff) | b.cpu.r[vmx::RDX] << 32;
    };
    BOOST_TEST(rdmsr(0x3a) == 5u);
    BOOST_TEST((rdmsr(0x480) & 0xffffffff) == nested::kVmcs12Revision);
    BOOST_TEST((rdmsr(0x480) >> 55 & 1) == 0u);
    BOOST_TEST(rdmsr(0x481) == 0x0000003f00000016u);
    BOOST_TEST((rdmsr(0x482) >> 32) == 0xb799e7feu);  // no RDPMC, RDTSC, NMI window, TPR shadow, PAUSE, MTF
    BOOST_TEST(rdmsr(0x483) == 0x00036fff00036dffu);
    BOOST_TEST(rdmsr(0x484) == 0x000053ff000011ffu);
    BOOST_TEST(rdmsr(0x485) == 0u);
    BOOST_TEST(rdmsr(0x48b) == 0x0000000100000000u);
    BOOST_TEST(rdmsr(0x48c) == 0u);
    b.cpu.r[vmx::RCX] = 0x48d;
    b.exit(ExitReason::MSR_READ, 2);
    BOOST_TEST(b.injected->vector == 13);
    b.cpu.r[vmx::RCX] = 0x3a;
    b.exit(ExitReason::MSR_WRITE, 2);
    BOOST_TEST(b.injected->vector == 13);
}

BOOST_AUTO_TEST_SUITE_END()
