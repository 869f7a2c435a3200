// SPDX-License-Identifier: Apache-2.0
#include "sim/report.hpp"

#include <algorithm>

#include <boost/test/unit_test.hpp>

#include "sim/compare.hpp"
#include "tests/sim/sample_run.hpp"

using namespace vmxsim;
using namespace vmxsim::sim;

namespace {

struct Sample {
    MachineConfig config = sample_config();
    RunResult result = sample_result();
    Scenario scenario = sample_scenario();
    Report report() const { return make_report(config, result, &scenario, "hypervisor", sample_references()); }
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const Comparison* comparison(const Report& r, const std::string& id) {
    for (const auto& c : r.comparisons)
        if (c.reference.id == id) return &c;
    return nullptr;
}

std::size_t widest(const std::string& text) {
    std::size_t most = 0;
    for (const auto& line : lines_of(text)) most = std::max(most, line.size());
    return most;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(report)

BOOST_AUTO_TEST_CASE(lines_of_the_image_that_begin_with_cycles_are_its_measurements) {
    const auto all = parse_measurements("cycles own cpuid 5 100 19\r\nhello\ncycles guest in 2 30 15");
    BOOST_REQUIRE(all.size() == 2u);
    BOOST_TEST(find(all, "own", "cpuid")->mean() == 20.0);
    BOOST_TEST(find(all, "own", "cpuid")->min == 19u);
    BOOST_TEST(find(all, "guest", "in")->count == 2u);
    BOOST_TEST(find(all, "own", "in") == nullptr);
}

BOOST_AUTO_TEST_CASE(what_an_empty_measurement_takes_is_no_part_of_an_operation) {
    const auto all = parse_measurements("cycles own vmread 2 154 77\ncycles own empty 2 50 25\ncycles guest in 2 30 15");
    BOOST_TEST(net_mean(all, "own", "vmread").value() == 52.0);
    BOOST_TEST(net_mean(all, "own", "empty").value() == 25.0);
    BOOST_TEST(net_mean(all, "guest", "in").value() == 15.0);
    BOOST_TEST(!net_mean(all, "own", "in"));
}

BOOST_AUTO_TEST_CASE(lines_that_only_look_like_measurements_are_left_alone) {
    BOOST_TEST(parse_measurements("cycles own cpuid 0 0 0\ncycles own cpuid 1 2\ncycles our cpuid 1 2 3\n"
                                  "cycles own cpuid 1 2 x\ncycles own cpuid 1 2 3 4\n cycles\n")
                   .empty());
}

BOOST_AUTO_TEST_CASE(a_breakdown_is_the_mean_of_an_episode_and_its_parts_add_up) {
    const auto b = break_down(sample_result(), 2, arch::ExitReason::CPUID).value();
    BOOST_TEST(b.count == 10u);
    BOOST_TEST(b.total == 50000.0);
    BOOST_TEST(b.vm_exits == 6000.0);
    BOOST_TEST(b.vm_entries == 5000.0);
    BOOST_TEST(b.switches == 11000.0);
    BOOST_TEST(b.l1 == 4000.0);
    BOOST_TEST(b.l0 == 35000.0);
    BOOST_TEST(b.switches + b.l1 + b.l0 == b.total);
}

BOOST_AUTO_TEST_CASE(buckets_of_one_phase_are_its_steps) {
    const auto b = break_down(sample_result(), 2, arch::ExitReason::CPUID).value();
    BOOST_REQUIRE(b.phases.size() == 2u);
    BOOST_TEST(b.phases[1].name == "prepare_vmcs02");
    BOOST_TEST(b.phases[1].cycles == 18000.0);
    BOOST_REQUIRE(b.phases[1].steps.size() == 2u);
    BOOST_TEST(b.phases[1].steps[0].name == "guest segments");
    BOOST_TEST(b.phases[1].steps[0].cycles == 12000.0);
}

BOOST_AUTO_TEST_CASE(an_exit_that_never_happened_has_no_breakdown) {
    BOOST_TEST(!break_down(sample_result(), 2, arch::ExitReason::HLT));
    BOOST_TEST(!break_down(RunResult{}, 1, arch::ExitReason::CPUID));
}

BOOST_AUTO_TEST_CASE(each_published_part_is_compared_with_the_part_that_it_names) {
    const Sample s;
    const Report r = s.report();
    BOOST_TEST(*comparison(r, "turtles2-02")->simulated == 50100.0);  // as the image measured it
    BOOST_TEST(*comparison(r, "turtles2-03")->simulated == 11000.0);
    BOOST_TEST(*comparison(r, "turtles2-04")->simulated == 35000.0);
    BOOST_TEST(*comparison(r, "turtles2-05")->simulated == 4000.0);
    BOOST_TEST(*comparison(r, "turtles1-03")->simulated == 2500.0);
    BOOST_TEST(*comparison(r, "turtles1-05")->simulated == 1000.0);
    BOOST_TEST(*comparison(r, "turtles1-07")->simulated == 1500.0);
    BOOST_TEST(comparison(r, "turtles2-02")->ratio() == 50100.0 / 58488);
    BOOST_TEST(comparison(r, "turtles2-02")->reference.set == "validation");
    BOOST_TEST(comparison(r, "turtles1-03")->reference.set == "calibration");
}

BOOST_AUTO_TEST_CASE(figures_of_another_machine_are_not_compared) {
    Sample s;
    s.config.profile.name = "haswell";
    BOOST_TEST(s.report().comparisons.empty());
    s.config.profile.name = "nehalem";
    s.config.l0 = L0Mode::None;
    BOOST_TEST(comparison(s.report(), "turtles2-02") == nullptr);
    s.config.timing = core::TimingLevel::None;
    BOOST_TEST(s.report().comparisons.empty());
}

BOOST_AUTO_TEST_CASE(a_reference_that_does_not_exist_is_refused) {
    Sample s;
    s.scenario.references[0].id = "turtles9-99";
    BOOST_CHECK_EXCEPTION(s.report(), InputError,
                          [](const auto& e) { return has(e.what(), "'turtles9-99' is unknown"); });
}

BOOST_AUTO_TEST_CASE(the_report_fits_100_columns_and_shows_published_figures_with_their_kind) {
    const Sample s;
    const std::string text = human_report(s.report());
    BOOST_TEST(widest(text) <= 100u);
    BOOST_TEST(has(text, "58,488 turtles2-02"));
    BOOST_TEST(has(text, "validation"));
    BOOST_TEST(has(text, "calibrated"));
    BOOST_TEST(has(text, "guest segments"));
    BOOST_TEST(has(text, "20.0"));  // 50,100 : 2,500
}

BOOST_AUTO_TEST_CASE(a_report_of_an_image_that_measures_nothing_lists_its_exits) {
    Sample s;
    s.result.console = "hello\n";
    const Report r = make_report(s.config, s.result, nullptr, "my.elf", {});
    const std::string text = human_report(r);
    BOOST_TEST(has(text, "CPUID"));
    BOOST_TEST(has(text, "50,000"));
    BOOST_TEST(widest(text) <= 100u);
}

BOOST_AUTO_TEST_CASE(a_report_of_an_empty_run_is_a_report) {
    Sample s;
    s.result = {};
    BOOST_TEST(widest(human_report(s.report())) <= 100u);
    BOOST_TEST(statistics(s.report())["measured"]["own"].empty());
}

BOOST_AUTO_TEST_CASE(statistics_hold_exact_sums_and_the_comparison) {
    const Sample s;
    const auto j = statistics(s.report());
    BOOST_TEST(j["schema"] == "vmxsim-stats/1");
    BOOST_TEST(j["cycles"].get<u64>() == s.result.cycles);
    u64 sum = 0;
    for (const auto& [name, cycles] : j["buckets"].items()) sum += cycles.get<u64>();
    BOOST_TEST(sum == s.result.cycles);
    BOOST_TEST(j["measured"]["guest"]["cpuid"]["sum"] == 501000);
    BOOST_TEST(j["episodes"][1]["level"] == 2);
    BOOST_TEST(j["episodes"][1]["name"] == "CPUID");
    BOOST_TEST(j["episodes"][1]["buckets"]["prepare_vmcs02: CR0"] == 60000);
    BOOST_TEST(j["references"].size() == 7u);
    BOOST_TEST(j["console"][0] == "own level");
}

BOOST_AUTO_TEST_CASE(statistics_survive_any_byte_that_an_image_prints) {
    Sample s;
    s.result.console = "\xff\xfe\x01 cycles\n\x80";
    BOOST_CHECK_NO_THROW(statistics(s.report()).dump());
}

BOOST_AUTO_TEST_CASE(the_status_is_0_for_a_good_scenario_and_as_on_qemu_for_boot) {
    RunResult r;
    r.stop = core::StopReason::DebugExit;
    r.debug_exit = 0;
    BOOST_TEST(exit_status(r, false) == 0);
    BOOST_TEST(exit_status(r, true) == 1);
    r.debug_exit = 5;
    BOOST_TEST(exit_status(r, false) == 11);
    BOOST_TEST(exit_status(r, true) == 11);
}

BOOST_AUTO_TEST_CASE(where_a_guest_of_the_image_measures_the_image_is_l0_and_its_exits_are_not_the_steps_of_one) {
    Sample s;
    s.config.l0 = L0Mode::None;
    Report r = s.report();
    BOOST_TEST(human_report(r).find("bare metal") != std::string::npos);
    r.guest_measures = true;
    const std::string text = human_report(r);
    BOOST_TEST(text.find("is L0; its guest L1 measured") != std::string::npos);
    BOOST_TEST(text.find("bare metal") == std::string::npos);
    BOOST_TEST(text.find("nested/one") != std::string::npos);
    BOOST_TEST(text.find("One ") == std::string::npos);
    BOOST_TEST(text.find("of    VM exit") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_guest_that_switches_the_machine_off_has_ended_well) {
    RunResult r;
    r.stop = core::StopReason::PowerOff;
    BOOST_TEST(exit_status(r, false) == 0);
    BOOST_TEST(exit_status(r, true) == 0);
}

BOOST_AUTO_TEST_CASE(the_status_is_3_where_the_machine_went_wrong) {
    using core::StopReason;
    for (const auto why : {StopReason::Shutdown, StopReason::VmxAbort, StopReason::Halted, StopReason::Budget,
                           StopReason::AgentStopped, StopReason::Reset}) {
        RunResult r;
        r.stop = why;
        BOOST_TEST(exit_status(r, false) == 3);
        BOOST_TEST(exit_status(r, true) == 3);
        BOOST_TEST(!ending(r).empty());
    }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(compare)

BOOST_AUTO_TEST_CASE(two_equal_runs_are_the_same_in_every_row) {
    const Sample s;
    const auto j = statistics(s.report());
    const std::string text = compare_statistics(j, j);
    BOOST_TEST(has(text, "Both runs have the same settings."));
    BOOST_TEST(!has(text, " %"));
    BOOST_TEST(widest(text) <= 100u);
}

BOOST_AUTO_TEST_CASE(what_differs_is_shown_with_its_change) {
    Sample s;
    const auto a = statistics(s.report());
    set_knob(s.config.profile, "vmcs_cache.contexts=4");
    s.result.episodes[{2, 10}].cycles[7] = 30000;
    s.result.console = "cycles guest cpuid 10 250500 25000\n";
    const std::string text = compare_statistics(a, statistics(s.report()));
    BOOST_TEST(has(text, "vmcs_cache.contexts"));
    BOOST_TEST(has(text, "-50.0 %"));
    BOOST_TEST(has(text, "prepare_vmcs02: CR0"));
    BOOST_TEST(!has(text, "prepare_vmcs02: guest segments"));
    BOOST_TEST(widest(text) <= 100u);
}

BOOST_AUTO_TEST_CASE(errors_of_calibration_and_of_validation_are_apart) {
    const Sample s;
    const std::string text = compare_with_references(statistics(s.report()));
    BOOST_TEST(has(text, "Calibration:"));
    BOOST_TEST(has(text, "Validation:"));
    BOOST_TEST(has(text, "3 figures"));
    BOOST_TEST(has(text, "4 figures"));
    BOOST_TEST(widest(text) <= 100u);
}

BOOST_AUTO_TEST_CASE(a_file_that_is_no_statistics_is_refused_in_one_line) {
    const auto turtles = (kSources / "traces/hardware/turtles.json").string();
    for (const auto& file :
         {turtles, (kSources / "README.md").string(), std::string("no/such.json"), kSources.string()})
        BOOST_CHECK_EXCEPTION(compare_files(file, "hardware"), InputError,
                              [](const auto& e) { return has(e.what(), "expected") && !has(e.what(), "\n"); });
}

BOOST_AUTO_TEST_SUITE_END()
