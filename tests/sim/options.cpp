// SPDX-License-Identifier: Apache-2.0
#include "sim/options.hpp"

#include <initializer_list>

#include <boost/test/unit_test.hpp>

#include "sim/commands.hpp"

using namespace vmxsim;
using namespace vmxsim::sim;

namespace {

Parsed parse(std::initializer_list<const char*> words) {
    std::vector<const char*> argv{"vmxsim"};
    argv.insert(argv.end(), words);
    return parse_options(static_cast<int>(argv.size()), argv.data());
}

std::string complaint(std::initializer_list<const char*> words) {
    try {
        parse(words);
        return "";
    } catch (const InputError& e) {
        return e.what();
    }
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

BOOST_AUTO_TEST_SUITE(options)

BOOST_AUTO_TEST_CASE(run_takes_all_that_its_help_names) {
    const auto o = parse({"run",      "nested-exits", "--l0",     "none",     "--policy",     "kvm-2011", "--profile",
                          "haswell",  "--vmcs-cache", "lockstep", "--timing", "none",         "--set",    "a.b=1",
                          "--set",    "c.d=2",        "--stats",  "x.json",   "--max-cycles", "5000",     "--quiet",
                          "--append", "n=3",          "--memory", "32M",      "--cpus",       "4"})
                       .options.value();
    BOOST_TEST((o.command == Command::Run));
    BOOST_TEST(o.scenario == "nested-exits");
    BOOST_TEST((o.l0 == L0Mode::None));
    BOOST_TEST(*o.policy == "kvm-2011");
    BOOST_TEST(*o.profile == "haswell");
    BOOST_TEST((o.vmcs_cache == VmcsCacheKind::Lockstep));
    BOOST_TEST((o.timing == core::TimingLevel::None));
    BOOST_TEST(o.settings.size() == 2u);
    BOOST_TEST(o.settings[1] == "c.d=2");
    BOOST_TEST(o.stats == "x.json");
    BOOST_TEST(o.max_cycles == 5000u);
    BOOST_TEST(o.quiet);
    BOOST_TEST(*o.append == "n=3");
    BOOST_TEST(*o.memory_bytes == u64{32} << 20);
    BOOST_TEST(o.cpus == 4u);
}

BOOST_AUTO_TEST_CASE(what_is_not_said_is_left_to_the_scenario) {
    const auto o = parse({"run", "nested-exits"}).options.value();
    BOOST_TEST(!o.l0);
    BOOST_TEST(!o.policy);
    BOOST_TEST(!o.profile);
    BOOST_TEST(!o.append);
    BOOST_TEST(!o.memory_bytes);
}

BOOST_AUTO_TEST_CASE(set_takes_one_word_so_that_it_may_stand_before_the_image) {
    const auto o = parse({"boot", "--set", "a.b=1", "my.elf"}).options.value();
    BOOST_TEST(o.image == "my.elf");
    BOOST_TEST(o.settings.size() == 1u);
}

BOOST_AUTO_TEST_CASE(an_append_of_several_words_stays_one) {
    BOOST_TEST(*parse({"boot", "my.elf", "--append", "a=1 b=2"}).options->append == "a=1 b=2");
}

BOOST_AUTO_TEST_CASE(a_word_out_of_range_is_refused_with_the_words_there_are) {
    BOOST_TEST(has(complaint({"run", "x", "--l0", "kvm"}), "--l0: 'kvm' is not a value of it, expected none or unit"));
    BOOST_TEST(has(complaint({"run", "x", "--vmcs-cache", "none"}), "expected tlm, rtl or lockstep"));
    BOOST_TEST(has(complaint({"run", "x", "--timing", "fast"}), "expected none or interval"));
    BOOST_TEST(has(complaint({"run", "x", "--policy", "xen"}), "expected kvm-2011"));
    BOOST_TEST(has(complaint({"run", "x", "--memory", "64Q"}), "expected a size from 4M to 16G"));
    BOOST_TEST(has(complaint({"run", "x", "--memory", "1K"}), "expected a size"));
    BOOST_TEST(has(complaint({"run", "x", "--max-cycles", "0"}), "expected a number of cycles"));
    BOOST_TEST(has(complaint({"list", "cpus"}), "expected scenarios, profiles"));
}

BOOST_AUTO_TEST_CASE(every_complaint_is_one_line_that_says_what_was_expected) {
    for (const auto& words :
         std::initializer_list<std::initializer_list<const char*>>{{},
                                                                   {"run"},
                                                                   {"boot"},
                                                                   {"compare", "a"},
                                                                   {"list"},
                                                                   {"fly"},
                                                                   {"run", "x", "--fly"},
                                                                   {"run", "x", "y"},
                                                                   {"run", "x", "--set"},
                                                                   {"run", "x", "--memory", ""},
                                                                   {"run", "x", "--max-cycles", "1e9"}}) {
        const auto text = complaint(words);
        BOOST_TEST_CONTEXT("'" << text << "'") {
            BOOST_TEST(has(text, "expected"));
            BOOST_TEST(!has(text, "\n"));
        }
    }
}

BOOST_AUTO_TEST_CASE(help_is_a_text_with_examples_and_no_complaint) {
    BOOST_TEST(has(parse({"--help"}).text, "vmxsim run nested-exits"));
    BOOST_TEST(has(parse({"run", "--help"}).text, "--vmcs-cache"));
    BOOST_TEST(!parse({"--help"}).options);
    BOOST_TEST(parse({"--version"}).text == "vmxsim 0.1.0\n");
}

BOOST_AUTO_TEST_CASE(every_topic_of_list_has_a_text) {
    for (const auto topic : list_topics()) BOOST_TEST(list_text(topic).size() > 0u);
    BOOST_TEST(has(list_text("knobs"), "vmcs_cache.contexts"));
    BOOST_TEST(has(list_text("fields"), "GUEST_RIP"));
    BOOST_TEST(has(list_text("scenarios"), "nested-exits"));
}

BOOST_AUTO_TEST_SUITE_END()
