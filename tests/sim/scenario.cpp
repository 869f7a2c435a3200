// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario.hpp"

#include <fstream>

#include <boost/test/unit_test.hpp>

#include "sim/paths.hpp"
#include "sim/text.hpp"
#include "tests/sim/sample_run.hpp"

using namespace vmxsim;
using namespace vmxsim::sim;

namespace {

const std::string kGood = "title = \"t\"\nimage = \"i\"\nprofile = \"nehalem\"\n";

std::string complaint(const std::string& text) {
    const auto file = std::filesystem::temp_directory_path() / "vmxsim-test-scenario.toml";
    std::ofstream(file) << text;
    std::string what;
    try {
        load_scenario(file);
    } catch (const ScenarioError& e) {
        what = e.what();
    }
    std::filesystem::remove(file);
    return what;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

BOOST_AUTO_TEST_SUITE(scenario)

BOOST_AUTO_TEST_CASE(every_scenario_loads_and_names_references_that_exist) {
    const auto references = sample_references();
    for (const auto& name : definitions("scenarios"))
        for (const auto& use : load_scenario(find_definition("scenarios", name)).references)
            BOOST_TEST(references.contains(use.id), name << " " << use.id);
}

BOOST_AUTO_TEST_CASE(no_cost_may_come_from_a_row_that_is_not_of_the_calibration_set) {
    const auto references = sample_references();
    for (const auto& name : definitions("profiles"))
        for (const auto& [key, source] : load_profile(find_definition("profiles", name)).sources)
            for (const auto& [id, reference] : references)
                if (has(source, id)) BOOST_TEST(reference.set == "calibration", name << " " << key << ": " << source);
}

BOOST_AUTO_TEST_CASE(a_scenario_of_three_lines_is_enough) { BOOST_TEST(complaint(kGood) == ""); }

BOOST_AUTO_TEST_CASE(what_is_wrong_is_said_with_its_line) {
    BOOST_TEST(has(complaint(kGood + "l1 = \"unit\"\n"), ".toml:4: unknown key 'l1', expected one of"));
    BOOST_TEST(has(complaint(kGood + "l0 = \"kvm\"\n"), ".toml:4: 'l0' is 'kvm', expected none or unit"));
    BOOST_TEST(
        has(complaint(kGood + "memory = \"1K\"\n"), ".toml:4: 'memory' is '1K', expected a size from 4M to 16G"));
    BOOST_TEST(has(complaint(kGood + "memory = 64\n"), "'memory' is an integer, expected a string"));
    BOOST_TEST(has(complaint(kGood + "policy = \"xen\"\n"), "expected kvm-2011"));
    BOOST_TEST(has(complaint(kGood + "initrd = \"a\"\n"), ".toml:4: 'initrd' is a string, expected an array of strings"));
    BOOST_TEST(has(complaint(kGood + "initrd = [\"a\", 1]\n"), ".toml:4: 'initrd' is an integer, expected a string"));
    BOOST_TEST(has(complaint(kGood + "console = 1\n"), ".toml:4: 'console' is an integer, expected true or false"));
    BOOST_TEST(has(complaint(kGood + "guest_measures = 1\n"), "'guest_measures' is an integer, expected true or false"));
    BOOST_TEST(has(complaint(kGood + "fetch = \"\"\n"), ".toml:4: 'fetch' is empty"));
    BOOST_TEST(has(complaint("title = \"t\"\n"), "'image' is missing"));
    BOOST_TEST(has(complaint(kGood + "[[references]]\nid = \"x\"\nkind = \"cpuid\"\nlevel = \"L2\"\n"),
                   ".toml:7: 'references.level' is 'L2'"));
    BOOST_TEST(has(complaint(kGood + "references = 3\n"), "'references' is an integer, expected [[references]]"));
}

BOOST_AUTO_TEST_CASE(an_unknown_name_is_answered_with_the_names_there_are) {
    BOOST_CHECK_EXCEPTION(find_definition("scenarios", "nested"), InputError, [](const auto& e) {
        return has(e.what(), "nested: no such scenario, expected linux-boot, linux-kvm, linux-nested or nested-exits");
    });
    BOOST_CHECK_THROW(find_definition("profiles", "../profiles/nehalem"), InputError);
    BOOST_CHECK_THROW(find_definition("profiles", ""), InputError);
    BOOST_CHECK_THROW(find_image("no-such-image"), InputError);
}

BOOST_AUTO_TEST_CASE(an_image_that_is_yet_to_be_fetched_is_answered_with_the_command) {
    BOOST_CHECK_EXCEPTION(find_image("no-such-image", "make it"), InputError, [](const auto& e) {
        return has(e.what(), "no-such-image: it is not in ") && has(e.what(), "expected after `make it`");
    });
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(text)

BOOST_AUTO_TEST_CASE(numbers_are_decimal_or_hexadecimal_and_nothing_else) {
    BOOST_TEST(*parse_number("18446744073709551615") == ~u64{0});
    BOOST_TEST(*parse_number("0x1f") == 31u);
    for (const auto* bad : {"", "x", "0x", "-1", "1 ", " 1", "18446744073709551616", "1e3"})
        BOOST_TEST(!parse_number(bad), bad);
}

BOOST_AUTO_TEST_CASE(sizes_may_end_in_a_binary_unit_and_must_not_overflow) {
    BOOST_TEST(*parse_size("64M") == u64{64} << 20);
    BOOST_TEST(*parse_size("1g") == u64{1} << 30);
    BOOST_TEST(*parse_size("4096") == 4096u);
    for (const auto* bad : {"", "M", "64MB", "18446744073709551615K"}) BOOST_TEST(!parse_size(bad), bad);
}

BOOST_AUTO_TEST_CASE(thousands_are_set_apart) {
    BOOST_TEST(grouped(0) == "0");
    BOOST_TEST(grouped(999) == "999");
    BOOST_TEST(grouped(58488) == "58,488");
    BOOST_TEST(grouped(1234567) == "1,234,567");
}

BOOST_AUTO_TEST_CASE(a_file_is_written_as_a_whole_or_not_at_all) {
    const auto folder = std::filesystem::temp_directory_path() / "vmxsim-test-atomic";
    std::filesystem::create_directories(folder);
    write_atomically(folder / "a", "one");
    write_atomically(folder / "a", "two");
    std::string text;
    std::ifstream(folder / "a") >> text;
    BOOST_TEST(text == "two");
    BOOST_CHECK_THROW(write_atomically(folder / "none" / "a", "x"), InputError);
    BOOST_CHECK_THROW(write_atomically(folder, "x"), InputError);  // a folder's place
    BOOST_TEST(std::distance(std::filesystem::directory_iterator(folder), {}) == 1);
    std::filesystem::remove_all(folder);
}

BOOST_AUTO_TEST_SUITE_END()
