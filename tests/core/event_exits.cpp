// SPDX-License-Identifier: Apache-2.0
// VM exits that come of events and of their delivery, and the agent that handles them.
#include <boost/test/unit_test.hpp>
#include <functional>

#include "machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;
using arch::EventInfo;
using arch::EventType;
using arch::ExitReason;
using arch::Field;

namespace {

constexpr u64 kHandler = 0x24000;

Event exception(u8 vector) {
    Event e;
    e.vector = vector;
    return e;
}
Event exception(u8 vector, u32 code) {
    Event e = exception(vector);
    e.has_error_code = true;
    e.error_code = code;
    return e;
}

struct Guest : Machine {
    explicit Guest(u32 exception_bitmap) {
        long64();
        vmxon();
        prepare_vmcs();
        field(Field::EXCEPTION_BITMAP, exception_bitmap);
        enter();
    }
    bool exited() { return !core.state.vmx.non_root; }
};

/// An agent that resumes with what the test gives it.
struct Agent : RootAgent {
    explicit Agent(Machine& machine) : m(machine) {}
    std::optional<Event> vm_exit_taken() override {
        ++exits;
        if (turn) return turn();
        return {};
    }
    bool stopped() const override { return stop; }
    std::optional<Event> resume(u32 inject = 0, u32 error = 0, u32 length = 0) {
        m.field(Field::VM_ENTRY_INTR_INFO_FIELD, inject);
        m.field(Field::VM_ENTRY_EXCEPTION_ERROR_CODE, error);
        m.field(Field::VM_ENTRY_INSTRUCTION_LEN, length);
        const EntryResult r = m.vmx.vmresume();
        BOOST_TEST((r.kind == EntryResult::Entered), (r.violated ? r.violated : "?"));
        return r.inject;
    }
    Machine& m;
    std::function<std::optional<Event>()> turn;
    unsigned exits = 0;
    bool stop = false;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(event_exits)

BOOST_AUTO_TEST_CASE(an_exception_of_the_bitmap_exits_and_leaves_cr2_and_dr6_alone) {
    Guest m(1u << 14 | 1u << 1);
    m.core.state.cr2 = 7;
    Event pf = exception(14, 2);
    pf.cr2 = 0x1234567;
    m.core.deliver(pf);
    BOOST_TEST(m.exited());
    BOOST_TEST(m.core.state.cr2 == 7u);
    BOOST_TEST(m.field(Field::VM_EXIT_REASON) == 0u);
    BOOST_TEST(m.field(Field::VM_EXIT_INTR_INFO) == (14u | 3u << 8 | 1u << 11 | 1u << 31));
    BOOST_TEST(m.field(Field::VM_EXIT_INTR_ERROR_CODE) == 2u);
    BOOST_TEST(m.field(Field::EXIT_QUALIFICATION) == 0x1234567u);
    BOOST_TEST(m.field(Field::IDT_VECTORING_INFO_FIELD) == 0u);
    BOOST_TEST(m.field(Field::GUEST_RIP) == kCode);
}

BOOST_AUTO_TEST_CASE(int3_exits_with_its_length_and_int_n_is_not_intercepted) {
    Guest m(1u << 3);
    m.run_and_deliver({0xcc});
    BOOST_TEST(m.exited());
    BOOST_TEST(m.field(Field::VM_EXIT_INTR_INFO) == (3u | 6u << 8 | 1u << 31));
    BOOST_TEST(m.field(Field::VM_EXIT_INSTRUCTION_LEN) == 1u);
    BOOST_TEST(m.field(Field::GUEST_RIP) == kCode);
    Guest n(1u << 3);
    n.gate(3, kCode64, kHandler, 14);
    n.run_and_deliver({0xcd, 0x03});
    BOOST_TEST(!n.exited());
    BOOST_TEST(n.core.state.rip == kHandler);
}

BOOST_AUTO_TEST_CASE(an_exception_during_delivery_that_exits_records_the_original_event) {
    Guest m(1u << 13);
    m.run_and_deliver({0xcd, 0x40});  // the gate is empty: #GP
    BOOST_TEST(m.exited());
    BOOST_TEST(m.field(Field::VM_EXIT_INTR_INFO) == (13u | 3u << 8 | 1u << 11 | 1u << 31));
    BOOST_TEST(m.field(Field::VM_EXIT_INTR_ERROR_CODE) == 0x40u * 8 + 2);
    BOOST_TEST(m.field(Field::IDT_VECTORING_INFO_FIELD) == (0x40u | 4u << 8 | 1u << 31));
    BOOST_TEST(m.field(Field::VM_EXIT_INSTRUCTION_LEN) == 2u);
    BOOST_TEST(m.field(Field::GUEST_RIP) == kCode);
}

BOOST_AUTO_TEST_CASE(a_second_exception_is_tested_before_it_becomes_a_double_fault) {
    Guest m(1u << 11 | 1u << 8);
    m.gate(13, kCode64, kHandler, 14, 0, false);
    m.core.deliver(exception(13, 0x18));
    BOOST_TEST(m.field(Field::VM_EXIT_INTR_INFO) == (11u | 3u << 8 | 1u << 11 | 1u << 31));
    BOOST_TEST(m.field(Field::IDT_VECTORING_INFO_FIELD) == (13u | 3u << 8 | 1u << 11 | 1u << 31));
    BOOST_TEST(m.field(Field::IDT_VECTORING_ERROR_CODE) == 0x18u);
}

BOOST_AUTO_TEST_CASE(a_double_fault_that_exits_is_not_during_delivery) {
    Guest m(1u << 8);
    m.core.deliver(exception(13, 0x18));
    BOOST_TEST(m.field(Field::VM_EXIT_INTR_INFO) == (8u | 3u << 8 | 1u << 11 | 1u << 31));
    BOOST_TEST(m.field(Field::IDT_VECTORING_INFO_FIELD) == 0u);
}

BOOST_AUTO_TEST_CASE(a_triple_fault_exits) {
    Guest m(0);
    m.core.deliver(exception(13, 0));
    BOOST_TEST(m.exited());
    BOOST_TEST(m.field(Field::VM_EXIT_REASON) == 2u);
    BOOST_TEST(m.field(Field::IDT_VECTORING_INFO_FIELD) == 0u);
    BOOST_TEST((m.core.stop_reason() == core::StopReason::None));
}

BOOST_AUTO_TEST_CASE(an_injected_event_is_neither_intercepted_nor_changes_cr2) {
    Guest m(1u << 14);
    m.gate(14, kCode64, kHandler, 14);
    m.run({0x0f, 0xa2});
    m.core.take_vm_exit();
    BOOST_TEST(m.exited());
    m.core.state.cr2 = 77;
    m.field(Field::VM_ENTRY_INTR_INFO_FIELD, EventInfo::make(14, EventType::HardwareException, true).raw);
    m.field(Field::VM_ENTRY_EXCEPTION_ERROR_CODE, 6);
    BOOST_TEST((m.run({0x0f, 0x01, 0xc3}) == Outcome::Jump));
    BOOST_TEST(!m.exited());
    BOOST_TEST(m.core.state.rip == kHandler);
    BOOST_TEST(m.peek(m.r(RSP), 8) == 6u);
    BOOST_TEST((m.peek(m.r(RSP) + 24, 8) & rflags::RF) == 0u, "RF is pushed as the guest has it");
    BOOST_TEST(m.core.state.cr2 == 77u);
}

BOOST_AUTO_TEST_CASE(a_fault_while_an_injected_event_is_delivered_exits_with_that_event) {
    Guest m(1u << 13);
    m.run({0x0f, 0xa2});
    m.core.take_vm_exit();
    m.field(Field::VM_ENTRY_INTR_INFO_FIELD, EventInfo::make(0x50, EventType::ExternalInterrupt).raw);
    m.field(Field::GUEST_RFLAGS, 2 | rflags::IF);
    BOOST_TEST((m.run({0x0f, 0x01, 0xc3}) == Outcome::Jump));
    BOOST_TEST(m.exited());
    BOOST_TEST(m.field(Field::VM_EXIT_INTR_ERROR_CODE) == 0x50u * 8 + 3);
    BOOST_TEST(m.field(Field::IDT_VECTORING_INFO_FIELD) == (0x50u | 1u << 31));
}

BOOST_AUTO_TEST_CASE(an_iret_that_faults_reports_nmi_unblocking) {
    Guest m(1u << 13);
    m.core.state.blocking = blocking::NMI;
    m.poke(kStack, 0, 8);
    m.run_and_deliver({0x48, 0xcf});
    BOOST_TEST(m.exited());
    BOOST_TEST(m.field(Field::VM_EXIT_INTR_INFO) == (13u | 3u << 8 | 1u << 11 | 1u << 12 | 1u << 31));
    BOOST_TEST((m.field(Field::GUEST_INTERRUPTIBILITY_INFO) & blocking::NMI) == 0u);
}

BOOST_AUTO_TEST_CASE(a_task_gate_in_a_guest_is_a_task_switch_exit) {
    Machine m;
    m.secondary = u64{1} << static_cast<u8>(arch::SecondaryControl::UnrestrictedGuest) |
                  u64{1} << static_cast<u8>(arch::SecondaryControl::EnableEPT);
    m.long64();
    m.vmxon();
    m.prepare_vmcs();
    // Identity EPT, so that the guest may run in protected mode without paging.
    constexpr u64 kEpt = 0x70000;
    m.poke(kEpt, (kEpt + 0x1000) | 7, 8);
    m.poke(kEpt + 0x1000, (kEpt + 0x2000) | 7, 8);
    for (u64 i = 0; i < 2; ++i) m.poke(kEpt + 0x2000 + 8 * i, i << 21 | 0xb7, 8);
    m.field(Field::EPT_POINTER, kEpt | 3 << 3 | 6);
    m.field(Field::GUEST_CR0, cr0::PE | cr0::NE | cr0::ET);
    m.field(Field::GUEST_CR4, cr4::VMXE);
    m.field(Field::VM_ENTRY_CONTROLS, 0x11fb);
    m.field(Field::GUEST_CS_AR_BYTES, 0xc09b);
    m.field(Field::GUEST_CS_SELECTOR, kCode0);
    m.enter();
    m.gate(0x20, kTss, 0, 5);
    Event e = exception(0x20);
    e.type = EventType::ExternalInterrupt;
    m.core.deliver(e);
    BOOST_TEST(!m.core.state.vmx.non_root);
    BOOST_TEST(m.field(Field::VM_EXIT_REASON) == 9u);
    BOOST_TEST(m.field(Field::EXIT_QUALIFICATION) == (kTss | 3u << 30));
    BOOST_TEST(m.field(Field::IDT_VECTORING_INFO_FIELD) == (0x20u | 1u << 31));
}

namespace {

/// A 64-bit guest under identity EPT of 4-KiB pages for the first 2 MiB.
struct EptGuest : Machine {
    static constexpr u64 kEpt = 0x70000;
    EptGuest() {
        secondary = u64{1} << static_cast<u8>(arch::SecondaryControl::EnableEPT);
        long64();
        vmxon();
        prepare_vmcs();
        for (u64 i = 0; i < 3; ++i) poke(kEpt + 0x1000 * i, (kEpt + 0x1000 * (i + 1)) | 7, 8);
        for (u64 i = 0; i < 512; ++i) rights(i << 12, 7);
        field(Field::EPT_POINTER, kEpt | 3 << 3 | 6);
        enter();
    }
    void rights(u64 page, u64 rwx) { poke(kEpt + 0x3000 + (page >> 12) * 8, page | 6 << 3 | rwx, 8); }
};

}  // namespace

BOOST_AUTO_TEST_CASE(an_ept_violation_during_delivery_records_the_event_and_its_error_code) {
    EptGuest m;
    m.gate(13, kCode64, kHandler, 14);
    m.rights(kStack - 0x1000, 5);  // the stack's page is read-only
    m.core.deliver(exception(13, 0x88));
    BOOST_TEST(!m.core.state.vmx.non_root);
    BOOST_TEST(m.field(Field::VM_EXIT_REASON) == 48u);
    BOOST_TEST((m.field(Field::EXIT_QUALIFICATION) & 7) == 2u);
    BOOST_TEST(m.field(Field::GUEST_LINEAR_ADDRESS) == kStack - 48);
    BOOST_TEST(m.field(Field::GUEST_PHYSICAL_ADDRESS) == kStack - 48);
    BOOST_TEST(m.field(Field::IDT_VECTORING_INFO_FIELD) == (13u | 3u << 8 | 1u << 11 | 1u << 31));
    BOOST_TEST(m.field(Field::IDT_VECTORING_ERROR_CODE) == 0x88u);
    BOOST_TEST(m.field(Field::GUEST_RIP) == kCode);
    BOOST_TEST(m.field(Field::GUEST_RSP) == kStack);
}

BOOST_AUTO_TEST_CASE(an_ept_violation_during_int_n_records_its_length) {
    EptGuest m;
    m.gate(0x33, kCode64, kHandler, 14);
    m.rights(kStack - 0x1000, 5);
    m.run_and_deliver({0xcd, 0x33});
    BOOST_TEST(m.field(Field::IDT_VECTORING_INFO_FIELD) == (0x33u | 4u << 8 | 1u << 31));
    BOOST_TEST(m.field(Field::VM_EXIT_INSTRUCTION_LEN) == 2u);
    BOOST_TEST(m.field(Field::GUEST_RIP) == kCode);
}

BOOST_AUTO_TEST_CASE(an_ept_violation_of_iret_reports_nmi_unblocking) {
    EptGuest m;
    m.core.state.blocking = blocking::NMI;
    m.r(RSP) = kStack;
    m.rights(kStack, 0);
    BOOST_TEST((m.run({0x48, 0xcf}) == Outcome::VmExit));
    BOOST_TEST((m.exit().reason == ExitReason::EPT_VIOLATION));
    BOOST_TEST((m.exit().qualification & 1u << 12) != 0u);
    BOOST_TEST(m.core.state.blocking == 0u);
    BOOST_TEST((m.run({0x48, 0xcf}) == Outcome::VmExit));
    BOOST_TEST((m.exit().qualification & 1u << 12) == 0u, "NMIs were not blocked the second time");
}

BOOST_AUTO_TEST_CASE(a_pdpte_load_passes_through_ept) {
    EptGuest m;
    m.core.state.efer = 0;  // as if in PAE paging: CR3 names four pointers
    m.core.state.seg[CS].ar.raw = 0xc09b;
    m.core.context_changed();
    m.poke(kData, (kPages + 0x2000) | 1, 8);
    for (u64 at = kData + 8; at < kData + 32; at += 8) m.poke(at, 0, 8);
    m.r(RAX) = kData;
    BOOST_TEST((m.run({0x0f, 0x22, 0xd8}) == Outcome::Jump));
    BOOST_TEST(m.core.state.pdpte[0] == ((kPages + 0x2000) | 1));
    m.rights(kData + 0x1000, 0);
    m.r(RAX) = kData + 0x1000;
    const std::initializer_list<u8> again = {0x0f, 0x22, 0xd8};
    BOOST_TEST((m.run(again) == Outcome::VmExit));
    BOOST_TEST((m.exit().reason == ExitReason::EPT_VIOLATION));
    BOOST_TEST(m.exit().guest_physical == kData + 0x1000);
    BOOST_TEST((m.exit().qualification & 0x81) == 1u, "a read without linear address");
    BOOST_TEST(m.core.state.cr3 == kData);
}

BOOST_AUTO_TEST_CASE(msr_areas_reach_the_cores_msrs) {
    Guest m(0);
    m.run({0x0f, 0xa2});
    m.core.take_vm_exit();
    constexpr u64 kArea = 0x5c000;
    m.poke(kArea, 0x200, 8);  // IA32_MTRR_PHYSBASE0: not part of CpuState
    m.poke(kArea + 8, 0x1006, 8);
    m.field(Field::VM_ENTRY_MSR_LOAD_ADDR, kArea);
    m.field(Field::VM_ENTRY_MSR_LOAD_COUNT, 1);
    BOOST_TEST((m.run({0x0f, 0x01, 0xc3}) == Outcome::Jump));
    BOOST_TEST(m.core.state.vmx.non_root);
    BOOST_TEST(m.core.system.mtrr_variable[0] == 0x1006u);
    m.run({0x0f, 0xa2});
    m.core.take_vm_exit();
    m.poke(kArea + 8, 3, 8);  // a memory type that does not exist
    BOOST_TEST((m.run({0x0f, 0x01, 0xc3}) == Outcome::Jump));
    BOOST_TEST(!m.core.state.vmx.non_root);
    BOOST_TEST(m.field(Field::VM_EXIT_REASON) == (34u | arch::kExitReasonEntryFailure));
    BOOST_TEST(m.field(Field::EXIT_QUALIFICATION) == 1u);
}

BOOST_AUTO_TEST_CASE(the_agent_handles_exits_and_injects) {
    Guest m(0);
    m.gate(6, kCode64, kHandler, 14);
    Agent agent(m);
    m.core.attach(&agent);
    agent.turn = [&] { return agent.resume(EventInfo::make(6, EventType::HardwareException).raw); };
    BOOST_TEST((m.run({0x0f, 0xa2}) == Outcome::VmExit));
    m.core.take_vm_exit();
    BOOST_TEST(agent.exits == 1u);
    BOOST_TEST(m.core.state.vmx.non_root);
    BOOST_TEST(m.core.state.rip == kHandler);
    BOOST_TEST(m.peek(m.r(RSP), 8) == kCode);
}

BOOST_AUTO_TEST_CASE(injections_that_exit_again_are_handled_without_recursion) {
    Guest m(1u << 13);  // vector 60H has no gate: #GP exits, and the agent injects it anew
    Agent agent(m);
    m.core.attach(&agent);
    agent.turn = [&]() -> std::optional<Event> {
        if (agent.exits == 100'000) return agent.stop = true, std::nullopt;
        return agent.resume(EventInfo::make(0x60, EventType::ExternalInterrupt).raw);
    };
    m.core.state.rflags |= rflags::IF;
    m.run({0x0f, 0xa2});
    m.core.take_vm_exit();
    BOOST_TEST(agent.exits == 100'000u);
    BOOST_TEST((m.core.stop_reason() == core::StopReason::AgentStopped));
}

BOOST_AUTO_TEST_SUITE_END()
