// SPDX-License-Identifier: Apache-2.0
#include "processors.hpp"

#include <boost/test/unit_test.hpp>

using namespace vmxsim;
using namespace vmxsim::test;
using core::StopReason;

namespace {

constexpr u32 kInit = 0x4500, kStartUp = 0x4600, kNmi = 0x4400, kFixed = 0x4050, kLowest = 0x4150, kLogical = 0x800,
              kAll = 2u << 18, kOthers = 3u << 18;
constexpr u8 kVector = 0x50;
constexpr u64 kHere = 0x3000;

struct Two : Processors {
    Two() : Processors(2) {}
};
struct Eight : Processors {
    Eight() : Processors(8) {
        for (unsigned i = 0; i < 8; ++i) {
            apic(i, kSvr, 0x1ff);
            apic(i, kLdr, 1u << (24 + i));
        }
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(two_processors, Two)

BOOST_AUTO_TEST_CASE(a_start_up_ipi_starts_who_waits_for_it_at_its_vector) {
    place(0x1000, {0xeb, 0xfe});
    place(0x9000, {0x2e, 0xfe, 0x06, 0x20, 0x00, 0xf4});  // inc byte [cs:20h]; hlt
    run(5000);
    BOOST_TEST(core(1).instructions() == 0u);
    send(kStartUp | 9, 1);
    run(5000);
    BOOST_TEST(peek(0x9020) == 1u);
    BOOST_TEST(core(1).state.seg[vmx::CS].selector == 0x900);
    BOOST_TEST(core(1).state.seg[vmx::CS].base == 0x9000u);
}

BOOST_AUTO_TEST_CASE(a_start_up_ipi_is_lost_on_who_does_not_wait_for_one) {
    place(0x1000, {0xeb, 0xfe});
    place(0x2000, {0xeb, 0xfe});
    at(1, 0x2000);
    send(kStartUp | 9, 1);
    run(5000);
    BOOST_TEST(core(1).state.rip == 0x2000u);
    send(kInit, 1);  // and is not remembered
    run(5000);
    BOOST_TEST((core(1).state.activity == vmx::ActivityState::WaitForSipi));
}

BOOST_AUTO_TEST_CASE(init_and_start_up_in_one_breath_start_a_running_processor_anew) {
    place(0x1000, {0xeb, 0xfe});
    place(0x2000, {0xeb, 0xfe});
    place(0x9000, {0xeb, 0xfe});
    at(1, 0x2000);
    core(1).state.r[vmx::RBX] = 5;
    send(kInit, 1);
    send(kStartUp | 9, 1);
    run(5000);
    BOOST_TEST(core(1).state.seg[vmx::CS].base == 0x9000u);
    BOOST_TEST(core(1).state.r[vmx::RBX] == 0u);
}

BOOST_AUTO_TEST_CASE(an_init_that_is_blocked_keeps_no_start_up_ipi_behind_it) {
    place(0x1000, {0xeb, 0xfe});
    place(0x2000, {0xeb, 0xfe});
    at(1, 0x2000);
    core(1).state.vmx.on = true;  // VMX root operation
    send(kInit, 1);
    send(kStartUp | 9, 1);
    run(5000);
    BOOST_TEST(core(1).state.rip == 0x2000u);
    core(1).state.vmx.on = false;
    run(5000);
    BOOST_TEST((core(1).state.activity == vmx::ActivityState::WaitForSipi));
}

BOOST_AUTO_TEST_CASE(an_ipi_ends_hlt_at_about_the_cycle_it_was_sent) {
    // At 0: mov cx, 5000; loop; mov dword [ebx], "all" and vector 50H; hlt. At 1: sti; hlt, and hlt behind the handler.
    place(0x1000, {0xb9, 0x88, 0x13, 0xe2, 0xfe, 0x66, 0x67, 0xc7, 0x03, kVector, 0x40, 0x08, 0x00, 0xf4});
    core(0).state.r[vmx::RBX] = kApic + kIcr;
    core(0).state.seg[vmx::DS].limit = 0xffffffff;
    place(0x2000, {0xfb, 0xf4});
    place(kVector * 4, {0x00, 0x21, 0x00, 0x00});
    place(0x2100, {0xfe, 0x06, 0x00, 0x30, 0xf4});  // inc byte [3000H]; hlt
    apic(1, kSvr, 0x1ff);
    apic(0, kSvr, 0x1ff);
    at(1, 0x2000);
    BOOST_TEST((run(1'000'000) == StopReason::Halted));
    BOOST_TEST(peek(kHere) == 1u);
    const u64 sender = core(0).state.cycles, woken = core(1).state.cycles;
    BOOST_TEST(sender > 5'000u);
    BOOST_TEST(woken + 2 * 221 >= sender);  // the sender's HLT may have missed the caches
    BOOST_TEST(woken <= sender + kSlice);
}

BOOST_AUTO_TEST_CASE(the_run_halts_where_all_are_halted_and_nothing_can_come) {
    place(0x1000, {0xb9, 0x10, 0x27, 0xe2, 0xfe, 0xfa, 0xf4});
    place(0x2000, {0xfa, 0xf4});
    at(1, 0x2000);
    BOOST_TEST((run(1000) == StopReason::Budget));
    BOOST_TEST(core(1).asleep());
    BOOST_TEST((run(1'000'000) == StopReason::Halted));
    BOOST_TEST(core(0).state.cycles > 10'000u);
}

BOOST_AUTO_TEST_CASE(a_triple_fault_of_either_shuts_the_machine_down) {
    place(0x1000, {0xeb, 0xfe});
    place(0x2000, {0x0f, 0x0b});
    at(1, 0x2000);
    core(1).state.idtr = {0, 0};
    BOOST_TEST((run(1'000'000) == StopReason::Shutdown));
    BOOST_TEST(&turns->running() == &core(1));
}

BOOST_AUTO_TEST_CASE(a_turn_ends_a_slice_ahead_of_the_other) {
    place(0x1000, {0xeb, 0xfe});
    place(0x2000, {0x40, 0x40, 0xeb, 0xfc});
    at(1, 0x2000);
    BOOST_TEST((run(100 * kSlice) == StopReason::Budget));
    // Each turn begins where the one before has ended, and ends a slice later: two slices for the one who has the turn.
    BOOST_TEST(number_of_turns >= 100u);
    BOOST_TEST(number_of_turns <= 110u);
    for (unsigned i = 0; i < 2; ++i) BOOST_TEST(core(i).instructions() > 10'000u);
}

BOOST_AUTO_TEST_CASE(a_sleeper_is_looked_at_each_slice_only_where_a_store_could_wake_it) {
    place(0x1000, {0xeb, 0xfe});
    place(0x2000, {0xfa, 0xf4});
    at(1, 0x2000);
    run(kSlice);
    number_of_turns = 0;
    run(100 * kSlice);
    BOOST_TEST(number_of_turns <= 2u);
    core(1).system.monitor_armed = true;
    number_of_turns = 0;
    run(100 * kSlice);
    BOOST_TEST(number_of_turns >= 99u);
}

BOOST_AUTO_TEST_CASE(who_waits_for_the_others_reads_the_clock_as_if_there_were_none) {
    place(0x1000, {0xb9, 0x10, 0x00, 0xe2, 0xfe, 0x0f, 0x31, 0xf4});  // mov cx, 16; loop; rdtsc; hlt
    place(0x2000, {0xeb, 0xfe});
    at(1, 0x2000);
    run(10'000);
    Two alone;
    alone.place(0x1000, {0xb9, 0x10, 0x00, 0xe2, 0xfe, 0x0f, 0x31, 0xf4});
    alone.run(10'000);
    BOOST_TEST(core(0).state.r[vmx::RAX] == alone.core(0).state.r[vmx::RAX]);
    BOOST_TEST(alone.number_of_turns < number_of_turns);
}

BOOST_AUTO_TEST_CASE(code_that_one_changes_is_what_the_other_executes) {
    // 1: add [3000H], 1 for ever; 0 changes the 1 into 7 after a while, with a plain store.
    place(0x2000, {0x80, 0x06, 0x00, 0x30, 0x01, 0xeb, 0xf9});
    place(0x1000, {0xb9, 0x00, 0x10, 0xe2, 0xfe, 0xc6, 0x06, 0x04, 0x20, 0x07, 0xeb, 0xfe});
    at(1, 0x2000);
    while (peek(0x2004) == 1) run(100);
    run(kSlice);
    const u64 before = peek(kHere), instructions = core(1).instructions();
    run(4000);
    const u64 rounds = (core(1).instructions() - instructions) / 2;
    BOOST_TEST(rounds > 100u);
    const u64 step = (peek(kHere) - before) & 0xff;
    BOOST_TEST((step == (rounds * 7 & 0xff) || step == ((rounds + 1) * 7 & 0xff)));
}

BOOST_AUTO_TEST_CASE(a_page_that_becomes_code_of_one_is_seen_by_stores_of_the_other) {
    // 0 stores to the page of what 1 will execute before 1 does: its permission to store there must not outlive that.
    // mov rdx, 5100H; mov [rdx], al; mov [rdx], al; mov ecx, 8000H; loop; mov byte [rdx - FCH], 7; jmp
    place(0x1000, {0x48, 0xc7, 0xc2, 0x00, 0x51, 0x00, 0x00, 0x88, 0x02, 0x88, 0x02, 0xb9, 0x00, 0x80, 0x00, 0x00, 0xe2, 0xfe,
                   0x88, 0x9a, 0x04, 0xff, 0xff, 0xff, 0xeb, 0xfe});
    place(0x5000, {0x80, 0x06, 0x00, 0x30, 0x01, 0xeb, 0xf9});  // add byte [3000H], 1; jmp
    at64(0, 0x1000);
    core(0).state.r[vmx::RBX] = 7;
    run(2000);
    at(1, 0x5000);
    for (unsigned i = 0; i < 1000 && peek(0x5004) == 1; ++i) run(100);
    BOOST_TEST(peek(0x5004) == 7u);
    run(kSlice);
    const u64 before = peek(kHere), instructions = core(1).instructions();
    run(4000);
    const u64 rounds = (core(1).instructions() - instructions) / 2;
    const u64 step = (peek(kHere) - before) & 0xff;
    BOOST_TEST((step == (rounds * 7 & 0xff) || step == ((rounds + 1) * 7 & 0xff)));
}

BOOST_AUTO_TEST_CASE(init_keeps_an_x2apic_its_mode_and_its_ids) {
    BOOST_TEST(local(1).write_msr(0x1b, 0xfee00c00));
    u64 v = 0;
    BOOST_TEST((local(1).read_msr(0x80d, v) && v == 2u));
    BOOST_TEST(local(1).write_msr(0x808, 0x40));
    local(1).reset();
    BOOST_TEST((local(1).read_msr(0x80d, v) && v == 2u));
    BOOST_TEST((local(1).read_msr(0x802, v) && v == 1u));
    BOOST_TEST((local(1).read_msr(0x808, v) && v == 0u));
}

BOOST_AUTO_TEST_CASE(the_boot_processor_alone_has_the_flag_of_one) {
    u64 v = 0;
    BOOST_TEST((local(0).read_msr(0x1b, v) && v == 0xfee00900));
    BOOST_TEST((local(1).read_msr(0x1b, v) && v == 0xfee00800));
    BOOST_TEST(apic(1, 0x20) == 0x01000000u);
}

BOOST_AUTO_TEST_CASE(both_see_the_first_level_misses_of_their_own_and_share_the_last_level) {
    const HostPhysical at{0x8000};
    const auto kind = memory::MemoryAccess::Read;
    BOOST_TEST(one[0]->caches.reference(at, kind).raw == cache_params.dram_latency);
    BOOST_TEST(one[1]->caches.probe(at, kind).raw == cache_params.llc_latency);
    BOOST_TEST(one[0]->caches.probe(at, kind).raw == cache_params.l1_latency);
}

BOOST_AUTO_TEST_SUITE_END()

namespace {
/// A slice so long that only the order of RDTSC makes them take turns.
struct LongSlices : Processors {
    LongSlices() : Processors(3, 1'000'000) {}
};
}  // namespace

BOOST_FIXTURE_TEST_CASE(the_clock_never_goes_back_between_processors, LongSlices) {
    // rdtsc; cmp eax, [last]; jae +5: inc byte [bad]; mov [last], eax; inc byte [3004H + i]; loop
    for (unsigned i = 0; i < 3; ++i) {
        const u64 code = 0x1000 + i * 0x1000;
        place(code, {0x0f, 0x31, 0x66, 0x3b, 0x06, 0x08, 0x03, 0x73, 0x04, 0xfe, 0x06, 0x00, 0x03, 0x66, 0xa3, 0x08,
                     0x03, 0xff, 0x06, static_cast<u8>(0x10 + 2 * i), 0x03, 0xeb, 0xe9});
        for (unsigned k = 0; k < 3 * i; ++k) place(code + 0x15 + k, {0x90});  // so that they are of different lengths
        place(code + 0x15 + 3 * i, {0xeb, static_cast<u8>(0xe9 - 3 * i)});
        at(i, static_cast<u16>(code));
    }
    BOOST_TEST((run(100'000) == StopReason::Budget));
    BOOST_TEST(peek(0x300) == 0u);
    for (unsigned i = 0; i < 3; ++i) BOOST_TEST(peek(0x310 + 2 * i, 2) > 500u);
}

BOOST_FIXTURE_TEST_SUITE(eight_processors, Eight)

BOOST_AUTO_TEST_CASE(a_physical_destination_is_one_id_or_everyone) {
    send(kFixed, 5);
    BOOST_TEST(received(kVector) == 1u << 5);
    send(kFixed + 1, 0xff);
    BOOST_TEST(received(kVector + 1) == 0xffu);
    send(kFixed + 2, 8);
    BOOST_TEST(received(kVector + 2) == 0u);
}

BOOST_AUTO_TEST_CASE(shorthands_reach_all_or_all_but_the_sender) {
    send(kFixed | kAll);
    BOOST_TEST(received(kVector) == 0xffu);
    send((kFixed + 1) | kOthers);
    BOOST_TEST(received(kVector + 1) == 0xfeu);
    send((kFixed + 2) | 1u << 18);
    BOOST_TEST(received(kVector + 2) == 1u);
}

BOOST_AUTO_TEST_CASE(a_flat_destination_is_a_mask) {
    send(kFixed | kLogical, 0xa4);
    BOOST_TEST(received(kVector) == 0xa4u);
}

BOOST_AUTO_TEST_CASE(a_cluster_destination_is_a_cluster_and_a_mask) {
    for (unsigned i = 0; i < 8; ++i) {
        apic(i, kDfr, 0x0fffffff);
        apic(i, kLdr, (i / 4 << 4 | 1u << i % 4) << 24);
    }
    send(kFixed | kLogical, 0x1a);
    BOOST_TEST(received(kVector) == 0xa0u);
    send((kFixed + 1) | kLogical, 0x01);
    BOOST_TEST(received(kVector + 1) == 1u);
}

BOOST_AUTO_TEST_CASE(x2apics_have_clusters_of_sixteen_and_wide_broadcasts) {
    for (unsigned i = 0; i < 8; ++i) BOOST_TEST(local(i).write_msr(0x1b, 0xfee00c00 | (i ? 0 : 0x100)));
    const auto irr = [this](u8 vector) {
        unsigned who = 0;
        for (unsigned i = 0; i < 8; ++i) {
            u64 v = 0;
            local(i).read_msr(0x820 + vector / 32u, v);
            who |= static_cast<unsigned>(v >> vector % 32 & 1) << i;
        }
        return who;
    };
    local(0).write_msr(0x830, u64{0x5a} << 32 | kFixed | kLogical);
    BOOST_TEST(irr(kVector) == 0x5au);
    local(0).write_msr(0x830, u64{0x1005a} << 32 | (kFixed + 1) | kLogical);
    BOOST_TEST(irr(kVector + 1) == 0u);
    local(0).write_msr(0x830, u64{0xffffffff} << 32 | (kFixed + 2));
    BOOST_TEST(irr(kVector + 2) == 0xffu);
    local(0).write_msr(0x830, u64{0xff} << 32 | (kFixed + 3));  // the processor of ID 255, which is not there
    BOOST_TEST(irr(kVector + 3) == 0u);
}

BOOST_AUTO_TEST_CASE(the_lowest_priority_takes_it_and_of_equals_the_lowest_id) {
    send(kLowest | kLogical, 0xf8);
    BOOST_TEST(received(kVector) == 1u << 3);
    for (const unsigned i : {3u, 4u, 6u}) apic(i, kTpr, 0x30);
    apic(5, kTpr, 0x20);
    apic(7, kTpr, 0x10);
    send((kLowest + 1) | kLogical, 0xf8);
    BOOST_TEST(received(kVector + 1) == 1u << 7);
}

BOOST_AUTO_TEST_CASE(what_is_switched_off_by_software_is_no_candidate_but_takes_nmi_and_init) {
    apic(3, kSvr, 0xff);
    send(kLowest | kLogical, 0x18);
    BOOST_TEST(received(kVector) == 1u << 4);
    send(kFixed + 1, 3);
    BOOST_TEST(received(kVector + 1) == 0u);
    send(kNmi, 3);
    BOOST_TEST(core(3).lines().nmi);
    send(kInit, 3);
    BOOST_TEST(core(3).lines().init);
}

BOOST_AUTO_TEST_CASE(the_pic_reaches_those_whose_lint0_passes_it_on) {
    platform->attach_to(io);
    for (const auto& [port, value] : {std::pair{0x20, 0x11}, {0x21, 0x30}, {0x21, 4}, {0x21, 1}, {0x21, 0xef}})
        io.out(static_cast<u16>(port), 1, static_cast<u32>(value));
    platform->set_irq(4, true);
    BOOST_TEST(core(0).lines().interrupt);
    BOOST_TEST(!core(1).lines().interrupt);
    apic(1, 0x350, 0x700);
    BOOST_TEST(core(1).lines().interrupt);
    BOOST_TEST(platform->processor(1).acknowledge() == 0x34);
    BOOST_TEST(!core(0).lines().interrupt);
}

BOOST_AUTO_TEST_CASE(a_pin_of_the_io_apic_reaches_the_processor_it_names) {
    devices::MmioBus& bus = one[0]->mmio;
    const auto redirect = [&bus](unsigned pin, u64 entry) {
        for (unsigned i = 0; i < 2; ++i) {
            const u32 index = 0x10 + 2 * pin + i, word = static_cast<u32>(entry >> 32 * i);
            bus.write({0xfec00000}, reinterpret_cast<const u8*>(&index), 4);
            bus.write({0xfec00010}, reinterpret_cast<const u8*>(&word), 4);
        }
    };
    redirect(4, u64{6} << 56 | kVector);
    platform->set_irq(4, true);
    BOOST_TEST(received(kVector) == 1u << 6);
    redirect(5, u64{0x81} << 56 | 1u << 11 | 1u << 8 | (kVector + 1));
    apic(0, kTpr, 0x20);
    platform->set_irq(5, true);
    BOOST_TEST(received(kVector + 1) == 1u << 7);
}

BOOST_AUTO_TEST_CASE(each_processor_has_its_own_timer_in_its_own_time) {
    core(2).state.cycles = 5000;
    apic(2, 0x320, 0x60);
    apic(2, 0x3e0, 0xb);
    apic(2, 0x380, 100);
    BOOST_TEST(core(2).lines().deadline == 5000u + 1000u);
    BOOST_TEST(core(1).lines().deadline == ~u64{0});
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_CASE(shared_time_does_not_go_back_with_the_one_who_is_behind) {
    u64 ahead = 0, behind = 0, next = 0;
    devices::Timers timers(ahead, 1'000'000'000, next);
    ahead = 5000;
    timers.follow(behind);
    BOOST_TEST(timers.now() == 5000u);
    behind = 6000;
    BOOST_TEST(timers.now() == 6000u);
    timers.follow(ahead);
    ahead = 5500;
    BOOST_TEST(timers.now() == 6000u);
}
