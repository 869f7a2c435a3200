// SPDX-License-Identifier: Apache-2.0
// Performance counters in running code (SDM 21.2), IA32_MPERF and IA32_APERF, IA32_MISC_ENABLE.
#include <boost/test/unit_test.hpp>

#include "machine.hpp"
#include "model/core/system/handlers.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;
using core::read_msr;
using core::write_msr;

namespace {

constexpr u32 kPmc0 = 0xc1, kSelect0 = 0x186, kFixed0 = 0x309, kFixedControl = 0x38d, kStatus = 0x38e, kGlobal = 0x38f,
              kOverflow = 0x390, kMiscEnable = 0x1a0;
constexpr u64 kEnable = 1u << 22, kUser = 1u << 16, kOs = 1u << 17, kInstructions = 0xc0, kCoreCycles = 0x3c;
constexpr u64 kWidth = (u64{1} << 48) - 1;

struct Counting : Machine {
    Counting() { long64(); }
    u64 get(u32 index) {
        u64 value = 0;
        BOOST_REQUIRE(read_msr(core, index, value));
        return value;
    }
    void set(u32 index, u64 value) { BOOST_REQUIRE(write_msr(core, index, value)); }
    void code(std::initializer_list<u8> bytes, u64 at = kCode) {
        for (const u8 b : bytes) poke(at++, b, 1);
    }
    void go(u64 cycles = 100'000) { core.run(core.state.cycles + cycles); }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(counters, Counting)

BOOST_AUTO_TEST_CASE(rdpmc_sees_exactly_the_instructions_between) {
    set(kSelect0, kEnable | kOs | kInstructions);
    // mov ecx, 38FH; mov eax, 1; xor edx, edx; wrmsr; nop x5; xor ecx, ecx; rdpmc; hlt
    code({0xb9, 0x8f, 3, 0, 0, 0xb8, 1, 0, 0, 0, 0x31, 0xd2, 0x0f, 0x30, 0x90, 0x90, 0x90, 0x90, 0x90, 0x31, 0xc9,
          0x0f, 0x33, 0xf4});
    go();
    BOOST_TEST(r(RAX) == 6u);
    BOOST_TEST(r(RDX) == 0u);
}

BOOST_AUTO_TEST_CASE(fixed_counters_count_instructions_core_and_reference_cycles) {
    set(kFixedControl, 0x333);
    // mov ecx, 1000; loop $; hlt
    code({0xb9, 0xe8, 3, 0, 0, 0xe2, 0xfe, 0xf4});
    const u64 before = core.state.cycles, instructions = core.instructions();
    set(kGlobal, u64{7} << 32);
    go();
    const u64 cycles = core.state.cycles - before;
    BOOST_TEST(core.instructions() - instructions == 1002u);
    BOOST_TEST(get(kFixed0) == 1001u);  // the look takes itself for one of them
    BOOST_TEST(get(kFixed0 + 1) == cycles - core.system.halted_cycles);
    BOOST_TEST(get(kFixed0 + 2) == get(kFixed0 + 1));
}

BOOST_AUTO_TEST_CASE(privilege_filters_what_is_counted) {
    long64(3);
    set(kSelect0, kEnable | kUser | kInstructions);
    set(kSelect0 + 1, kEnable | kOs | kInstructions);
    set(kGlobal, 3);
    gate(0x30, kCode64, 0x24000, 14, 3);
    poke(kTssBase + 4, kInnerStack, 8);
    code({0x90, 0x90, 0x90, 0xcd, 0x30});        // three NOPs, INT
    code({0x90, 0x90, 0x90, 0x90, 0xf4}, 0x24000);  // four NOPs, HLT
    go();
    BOOST_TEST(get(kPmc0) == 3u);  // INT n is a fault to the engine: it retires in its handler's level
    BOOST_TEST(get(kPmc0 + 1) == 4u);
}

BOOST_AUTO_TEST_CASE(an_event_that_is_not_modelled_counts_nothing) {
    set(kSelect0, kEnable | kOs | 0xc4);                        // branches retired
    set(kSelect0 + 1, kEnable | kOs | 1u << 23 | 1u << 24 | 0xc0);  // cycles without an instruction
    set(kGlobal, 3);
    code({0xb9, 0xe8, 3, 0, 0, 0xe2, 0xfe, 0xf4});
    go();
    BOOST_TEST(get(kPmc0) == 0u);
    BOOST_TEST(get(kPmc0 + 1) == 0u);
}

BOOST_AUTO_TEST_CASE(an_overflow_sets_its_status_bit_which_software_clears) {
    set(kSelect0, kEnable | kOs | kCoreCycles);
    set(kPmc0, 0xfffffff0);
    BOOST_TEST(get(kPmc0) == (kWidth & ~u64{0xf}), "32 bits, sign-extended to the width");
    set(kFixedControl, 1);
    set(kFixed0, kWidth);
    set(kGlobal, 1 | u64{1} << 32);
    code({0xb9, 0xe8, 3, 0, 0, 0xe2, 0xfe, 0xf4});
    go();
    BOOST_TEST(get(kStatus) == (1 | u64{1} << 32));
    BOOST_TEST(get(kPmc0) < 10'000u);
    set(kOverflow, 1);
    BOOST_TEST(get(kStatus) == u64{1} << 32);
    BOOST_TEST(get(kOverflow) == 0u);
}

BOOST_AUTO_TEST_CASE(rdpmc_wants_cr4_pce_above_level_0_and_a_counter_that_exists) {
    const auto gp = [this](u64 selector) {
        r(RCX) = selector;
        core.state.rip = kCode;
        return run({0x0f, 0x33}) == Outcome::Fault && fault().vector == 13;
    };
    BOOST_TEST(!gp(3));
    BOOST_TEST(gp(4));
    BOOST_TEST(!gp(0x40000002));
    BOOST_TEST(gp(0x40000003));
    BOOST_TEST(gp(0x80000000));
    long64(3);
    BOOST_TEST(gp(0));
    core.state.cr4 |= cr4::PCE;
    BOOST_TEST(!gp(0));
}

BOOST_AUTO_TEST_CASE(reserved_bits_and_read_only_registers_fault) {
    for (const auto& [index, value] : {std::pair<u32, u64>{kSelect0, u64{1} << 32}, {kFixedControl, 0x1000}, {kGlobal, 0x10},
                                       {kGlobal, u64{8} << 32}, {kStatus, 0}, {kOverflow, 0x10}, {kFixed0, u64{1} << 48},
                                       {0x345, 0}, {kPmc0 + 4, 0}, {kFixed0 + 3, 0}})
        BOOST_TEST(!write_msr(core, index, value), std::hex << index << " takes " << value);
    u64 value = 0;
    BOOST_TEST(!read_msr(core, 0x345, value));
    BOOST_TEST(!read_msr(core, kSelect0 + 4, value));
}

BOOST_AUTO_TEST_CASE(a_vm_entry_and_exit_switch_the_counters_by_their_global_control) {
    set(kSelect0, kEnable | kOs | kInstructions);
    vmxon();
    prepare_vmcs();
    field(arch::Field::VM_ENTRY_CONTROLS, 0x11fb | 1u << 9 | 1u << 13);
    field(arch::Field::VM_EXIT_CONTROLS, 0x36dfb | 1u << 9 | 1u << 12);
    field(arch::Field::GUEST_IA32_PERF_GLOBAL_CTRL, 1);
    field(arch::Field::HOST_IA32_PERF_GLOBAL_CTRL, 0);
    code({0x90, 0x90, 0x90, 0x0f, 0xa2});  // three NOPs and CPUID, which exits
    code({0x90, 0x90, 0xf4}, kHostEntry);
    enter();
    go();
    BOOST_TEST(get(kPmc0) == 3u);
}

BOOST_AUTO_TEST_CASE(mperf_and_aperf_count_cycles_in_c0) {
    const u64 before = get(0xe8);
    code({0xb9, 0xe8, 3, 0, 0, 0xe2, 0xfe, 0xf4});
    const u64 cycles = core.state.cycles;
    go();
    BOOST_TEST(get(0xe8) - before == core.state.cycles - cycles - core.system.halted_cycles);
    BOOST_TEST(get(0xe7) == get(0xe8));
    set(0xe7, 5);
    BOOST_TEST(get(0xe7) == 5u);
}

BOOST_AUTO_TEST_CASE(misc_enable_reads_as_the_processor_is_and_takes_features_away) {
    BOOST_TEST(get(kMiscEnable) == 0x41881u);
    BOOST_TEST(!write_msr(core, kMiscEnable, 0x41881 | 1u << 17), "reserved here");
    BOOST_TEST(!write_msr(core, kMiscEnable, 0x40081), "BTS unavailable is read only");
    set(kMiscEnable, 0x41801);  // performance monitoring: writes are ignored
    BOOST_TEST(get(kMiscEnable) == 0x41881u);

    const auto ask_cpuid = [this](u64 leaf) {
        r(RAX) = leaf;
        r(RCX) = 0;
        core.state.rip = kCode;
        run({0x0f, 0xa2});
    };
    set(kMiscEnable, 0x41881 | 1u << 22);
    ask_cpuid(0);
    BOOST_TEST(r(RAX) == 2u);
    ask_cpuid(7);
    BOOST_TEST(r(RBX) == 0u, "leaves above 2 are not visible");
    set(kMiscEnable, 0x01881);
    ask_cpuid(1);
    BOOST_TEST((r(RCX) >> 3 & 1) == 0u);
    r(RCX) = 0;
    core.state.rip = kCode;
    BOOST_TEST((run({0x0f, 0x01, 0xc8}) == Outcome::Fault));
    BOOST_TEST(fault().vector == 6);
    set(kMiscEnable, 0x41881 | u64{1} << 34);
    ask_cpuid(0x80000001);
    BOOST_TEST((r(RDX) >> 20 & 1) == 0u);
    BOOST_TEST(!write_msr(core, arch::msr::EFER, core.state.efer | efer::NXE));
}

BOOST_AUTO_TEST_SUITE_END()
