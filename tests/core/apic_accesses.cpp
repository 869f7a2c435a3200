// SPDX-License-Identifier: Apache-2.0
// Accesses to the APIC-access page in running guests (SDM 32.4).
#include <boost/test/unit_test.hpp>

#include "machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;
using arch::ExitReason;
using arch::Field;

namespace {

constexpr u64 kPage = 0x70000, kVirtual = 0x71000, kCycles = 100'000;

struct Guest : Machine {
    explicit Guest(bool tpr_shadow, u64 threshold = 0) {
        long64();
        vmxon();
        set_secondary(arch::SecondaryControl::VirtualizeAPICAccesses);
        if (tpr_shadow) set_primary(arch::PrimaryControl::UseTPRShadow);
        prepare_vmcs();
        field(Field::APIC_ACCESS_ADDR, kPage);
        if (tpr_shadow) {
            field(Field::VIRTUAL_APIC_PAGE_ADDR, kVirtual);
            field(Field::TPR_THRESHOLD, threshold);
        }
        poke(kHostEntry, 0xf4, 1);
    }
    void code(std::initializer_list<u8> bytes) {
        u64 at = kCode;
        for (const u8 b : bytes) poke(at++, b, 1);
    }
    /// Runs to the exit; its reason.
    u64 go() {
        enter();
        core.run(core.state.cycles + kCycles);
        return field(Field::VM_EXIT_REASON);
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(apic_accesses)

BOOST_AUTO_TEST_CASE(an_access_to_the_apic_access_page_exits_with_offset_and_type) {
    struct Case {
        std::initializer_list<u8> code;
        u64 qualification;
    };
    const Case cases[] = {
        {{0x8b, 0x04, 0x25, 0x20, 0, 7, 0}, 0x0020},              // mov eax, [kPage + 20H]
        {{0x89, 0x04, 0x25, 0x00, 3, 7, 0}, 0x1300},              // mov [kPage + 300H], eax
        {{0xb8, 0x80, 0, 7, 0, 0xff, 0xe0}, 0x2080},              // mov eax, kPage + 80H; jmp rax
        {{0x8b, 0x04, 0x25, 0xfe, 0xff, 6, 0}, 0x0000},           // a load that ends in the page
    };
    for (const Case& c : cases) {
        Guest g(false);
        g.code(c.code);
        BOOST_TEST(g.go() == static_cast<u64>(ExitReason::APIC_ACCESS));
        BOOST_TEST(g.field(Field::EXIT_QUALIFICATION) == c.qualification);
    }
}

BOOST_AUTO_TEST_CASE(event_delivery_into_the_page_is_told_apart) {
    Guest g(false);
    g.gate(6, kCode64, 0x24000, 14);
    g.code({0xbc, 0x00, 1, 7, 0, 0x0f, 0x0b});  // mov esp, kPage + 100H; ud2
    BOOST_TEST(g.go() == static_cast<u64>(ExitReason::APIC_ACCESS));
    BOOST_TEST(g.field(Field::EXIT_QUALIFICATION) == 0x30d8u);
    BOOST_TEST(g.field(Field::IDT_VECTORING_INFO_FIELD) == 0x80000306u);
}

BOOST_AUTO_TEST_CASE(the_task_priority_is_that_of_the_virtual_apic_page) {
    Guest g(true);
    g.poke(kVirtual + 0x80, 0x30, 4);
    // mov eax, [TPR]; mov dword [TPR], 12345650H; mov bl, [TPR]; mov rcx, cr8; mov rdx, [TPR] (too wide)
    g.code({0x8b, 0x04, 0x25, 0x80, 0, 7, 0, 0xc7, 0x04, 0x25, 0x80, 0, 7, 0, 0x50, 0x56, 0x34, 0x12, 0x8a, 0x1c, 0x25,
            0x80, 0, 7, 0, 0x44, 0x0f, 0x20, 0xc1, 0x48, 0x8b, 0x14, 0x25, 0x80, 0, 7, 0});
    BOOST_TEST(g.go() == static_cast<u64>(ExitReason::APIC_ACCESS));
    BOOST_TEST(g.field(Field::EXIT_QUALIFICATION) == 0x80u);
    BOOST_TEST(g.field(Field::GUEST_RIP) == kCode + 29);
    BOOST_TEST(g.r(RAX) == 0x30u);
    BOOST_TEST((g.r(RBX) & 0xff) == 0x50u);
    BOOST_TEST(g.r(RCX) == 5u);
    BOOST_TEST(g.peek(kVirtual + 0x80, 4) == 0x50u);
    BOOST_TEST(g.peek(kPage + 0x80, 4) == 0u);
}

BOOST_AUTO_TEST_CASE(a_write_below_the_threshold_exits_behind_the_instruction) {
    Guest g(true, 4);
    g.poke(kVirtual + 0x80, 0x40, 4);
    g.code({0xc6, 0x04, 0x25, 0x80, 0, 7, 0, 0x3f, 0xf4});  // mov byte [TPR], 3FH
    BOOST_TEST(g.go() == static_cast<u64>(ExitReason::TPR_BELOW_THRESHOLD));
    BOOST_TEST(g.field(Field::GUEST_RIP) == kCode + 8);
    BOOST_TEST(g.peek(kVirtual + 0x80, 4) == 0x3fu);
}

BOOST_AUTO_TEST_CASE(an_entry_below_the_threshold_exits_at_once) {
    Guest g(true, 4);
    g.poke(kVirtual + 0x80, 0x30, 4);
    g.code({0x90, 0xf4});
    BOOST_TEST(g.go() == static_cast<u64>(ExitReason::TPR_BELOW_THRESHOLD));
    BOOST_TEST(g.field(Field::GUEST_RIP) == kCode);
}

BOOST_AUTO_TEST_SUITE_END()
