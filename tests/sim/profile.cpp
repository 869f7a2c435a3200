// SPDX-License-Identifier: Apache-2.0
#include "sim/profile.hpp"

#include <bit>
#include <fstream>
#include <sstream>

#include <boost/test/unit_test.hpp>

#include "model/arch/vmcs_layout.hpp"
#include "sim/paths.hpp"

using namespace vmxsim;
using namespace vmxsim::sim;

namespace {

const std::filesystem::path kProfiles = std::filesystem::path(VMXSIM_SOURCE_DIR) / "sim" / "profiles";

std::string nehalem_text() {
    std::ifstream in(kProfiles / "nehalem.toml");
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

/// A profile in a file of its own; removed at the end.
struct TemporaryProfile {
    std::filesystem::path file = std::filesystem::temp_directory_path() / "vmxsim-test-profile.toml";
    explicit TemporaryProfile(const std::string& text) { std::ofstream(file) << text; }
    ~TemporaryProfile() { std::filesystem::remove(file); }
};

/// nehalem.toml with one text replaced.
std::string changed(const std::string& from, const std::string& to) {
    std::string text = nehalem_text();
    const auto at = text.find(from);
    BOOST_REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

/// The complaint about a profile; empty where there is none.
std::string complaint(const std::string& text) {
    const TemporaryProfile p(text);
    try {
        load_profile(p.file);
        return "";
    } catch (const ProfileError& e) {
        return e.what();
    }
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// FILE:LINE: WHAT, expected WHAT
bool is_one_line_with_place(const std::string& text) {
    return has(text, "vmxsim-test-profile.toml:") && has(text, ", expected ") && !has(text, "\n");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(profile)

BOOST_AUTO_TEST_CASE(every_profile_that_comes_with_the_program_loads_and_gives_each_knob_a_source) {
    for (const auto& name : definitions("profiles")) {
        const Profile p = load_profile(find_definition("profiles", name));
        for (const auto& k : knobs()) {
            BOOST_TEST_CONTEXT(name << " " << k.key) {
                BOOST_TEST(!p.sources.at(k.key).empty());
                BOOST_TEST(k.in(p) >= k.min);
                BOOST_TEST(k.in(p) <= k.max);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(nehalem_has_no_vmcs_cache_no_unrestricted_guest_and_its_own_vmcs_revision) {
    const Profile p = load_profile(kProfiles / "nehalem.toml");
    BOOST_TEST(p.vmcs_cache.contexts == 0u);
    BOOST_TEST(p.capabilities.revision_id() == 0x0eu);
    const u64 secondary = p.capabilities.get(arch::msr::IA32_VMX_PROCBASED_CTLS2);
    BOOST_TEST((secondary >> 32 & 1u << 7) == 0u);  // unrestricted guest, SDM 27.6.2
    BOOST_TEST((secondary >> 32 & 1u << 1) != 0u);  // EPT
}

BOOST_AUTO_TEST_CASE(a_vmread_of_a_line_in_l1_costs_52_and_a_vmwrite_44_on_nehalem) {
    const Profile p = load_profile(kProfiles / "nehalem.toml");
    const u64 line = p.caches.l1_latency;
    BOOST_TEST(p.vmx.vmread + p.vmcs_cache.access_latency + line == 52u);       // adams-07
    BOOST_TEST(p.vmx.vmwrite + p.vmcs_cache.access_latency + 2 * line == 44u);  // adams-08
}

BOOST_AUTO_TEST_CASE(a_vm_exit_and_a_vm_entry_cost_997_on_nehalem_where_the_vmcs_is_in_l1) {
    const Profile p = load_profile(kProfiles / "nehalem.toml");
    const u64 line = p.caches.l1_latency + p.vmcs_cache.line_latency;
    const u64 field = p.caches.l1_latency + p.vmcs_cache.access_latency;
    const auto lines = [](std::initializer_list<arch::FieldType> types) {
        u64 n = 0;
        for (const auto t : types) n += static_cast<u64>(std::popcount(arch::kGenericLayout.lines_of(t)));
        return n;
    };
    using enum arch::FieldType;
    const u64 entry = p.vmx.entry_base + field + lines({Control, Guest, Host}) * line;
    const u64 exit = p.vmx.exit_base + field + (field + p.caches.l1_latency) + lines({Guest, ReadOnly, Host}) * line;
    BOOST_TEST(entry + exit == 997u);  // turtles1-05
}

BOOST_AUTO_TEST_CASE(the_software_around_a_cpuid_exit_is_what_1504_leaves_beside_its_vmcs_accesses) {
    const Profile p = load_profile(kProfiles / "nehalem.toml");
    BOOST_TEST(p.nested.exit_software + 6 * 52 + 44 == 1504u);  // turtles1-07
}

BOOST_AUTO_TEST_CASE(physical_address_bits_are_said_once_and_reach_mmu_capabilities_and_cpuid) {
    Profile p = load_profile(kProfiles / "nehalem.toml");
    set_knob(p, "cpu.physical_address_bits=39");
    BOOST_TEST(p.mmu.physical_address_bits == 39u);
    BOOST_TEST(p.capabilities.physical_address_bits == 39u);
    BOOST_TEST((p.cpuid.find(0x80000008, 0).eax & 0xff) == 39u);
}

BOOST_AUTO_TEST_CASE(large_pages_of_the_mmu_follow_from_cpuid_and_the_ept_capability_msr) {
    const Profile nehalem = load_profile(kProfiles / "nehalem.toml");
    BOOST_TEST(nehalem.mmu.page_1g == 0u);
    BOOST_TEST(nehalem.mmu.ept_1g == 0u);
    BOOST_TEST(nehalem.mmu.ept_2m == 1u);
    const Profile haswell = load_profile(kProfiles / "haswell.toml");
    BOOST_TEST(haswell.mmu.page_1g == 1u);
    BOOST_TEST(haswell.mmu.ept_1g == 1u);
}

BOOST_AUTO_TEST_CASE(the_brand_string_is_the_name_of_the_cpu) {
    const Profile p = load_profile(kProfiles / "nehalem.toml");
    std::string brand;
    for (u32 leaf = 0x80000002; leaf <= 0x80000004; ++leaf) {
        const auto l = p.cpuid.find(leaf, 0);
        for (const u32 r : {l.eax, l.ebx, l.ecx, l.edx})
            for (unsigned i = 0; i < 32; i += 8)
                if (const char c = static_cast<char>(r >> i); c != 0) brand += c;
    }
    BOOST_TEST(brand == p.cpu_name);
}

BOOST_AUTO_TEST_CASE(a_profile_that_is_right_has_no_complaint) { BOOST_TEST(complaint(nehalem_text()) == ""); }

BOOST_AUTO_TEST_CASE(an_unknown_key_is_named_with_its_line) {
    const auto text = complaint(changed("[caches]", "[caches]\nl4_latency = { value = 1, source = \"x\" }"));
    BOOST_TEST(has(text, "unknown key 'caches.l4_latency'"));
    BOOST_TEST(is_one_line_with_place(text));
    std::istringstream lines(changed("[caches]", "[caches]\nl4_latency"));
    std::string line;
    int number = 0;
    while (std::getline(lines, line) && line.rfind("l4_latency", 0) != 0) ++number;
    BOOST_TEST(has(text, ".toml:" + std::to_string(number + 1) + ":"));
}

BOOST_AUTO_TEST_CASE(an_unknown_section_is_named) {
    BOOST_TEST(has(complaint(nehalem_text() + "\n[gpu]\ncores = 1\n"), "unknown key 'gpu'"));
}

BOOST_AUTO_TEST_CASE(a_missing_key_is_named) {
    const auto text = complaint(changed("l2_latency ", "# l2_latency "));
    BOOST_TEST(has(text, "'caches.l2_latency' is missing"));
    BOOST_TEST(is_one_line_with_place(text));
}

BOOST_AUTO_TEST_CASE(a_missing_section_is_named) {
    BOOST_TEST(has(complaint("[cpu]\n"), "is missing"));
    BOOST_TEST(is_one_line_with_place(complaint("")));
}

BOOST_AUTO_TEST_CASE(a_value_without_a_source_is_refused) {
    BOOST_TEST(has(complaint(changed("{ value = 4,   source = \"mlat-01 (Nehalem-EP ES)\" }", "4")),
                   "'caches.l1_latency' has no source"));
    BOOST_TEST(has(complaint(changed("{ value = 4,   source = \"mlat-01 (Nehalem-EP ES)\" }", "{ value = 4 }")),
                   "'caches.l1_latency.source' is missing"));
    BOOST_TEST(has(complaint(changed("\"mlat-01 (Nehalem-EP ES)\"", "\"\"")), "is empty"));
}

BOOST_AUTO_TEST_CASE(a_value_of_a_wrong_type_or_range_is_refused_with_the_range) {
    for (const auto* value : {"\"4\"", "4.0", "-1", "999999999", "true", "[4]"}) {
        const auto text = complaint(changed("{ value = 4,   source", std::string("{ value = ") + value + ", source"));
        BOOST_TEST_CONTEXT(text) {
            BOOST_TEST(has(text, "expected an integer from 0 to 10000"));
            BOOST_TEST(is_one_line_with_place(text));
        }
    }
}

BOOST_AUTO_TEST_CASE(what_is_no_toml_is_refused_with_its_line) {
    const auto text = complaint("[cpu]\nname = = 3\n");
    BOOST_TEST(has(text, ".toml:2:"));
    BOOST_TEST(is_one_line_with_place(text));
}

BOOST_AUTO_TEST_CASE(a_capability_that_is_no_number_or_no_msr_is_refused) {
    BOOST_TEST(
        has(complaint(changed("\"0x00d804000000000e\"", "\"0xzz\"")), "'capabilities.IA32_VMX_BASIC' is no number"));
    BOOST_TEST(
        has(complaint(changed("IA32_VMX_BASIC ", "IA32_VMX_BASICS ")), "unknown key 'capabilities.IA32_VMX_BASICS'"));
}

BOOST_AUTO_TEST_CASE(a_cpuid_leaf_that_comes_twice_is_refused) {
    BOOST_TEST(has(complaint(changed("leaf = 0x80000005", "leaf = 0x80000006")), "leaf 0x80000006 is there twice"));
}

BOOST_AUTO_TEST_CASE(a_file_that_is_not_there_is_named_in_one_line) {
    BOOST_CHECK_EXCEPTION(load_profile("no/such.toml"), ProfileError, [](const auto& e) {
        return has(e.what(), "no/such.toml: cannot be read") && !has(e.what(), "\n");
    });
}

BOOST_AUTO_TEST_CASE(set_changes_one_knob_and_is_recorded) {
    Profile p = load_profile(kProfiles / "nehalem.toml");
    set_knob(p, "vmcs_cache.contexts=0x4");
    BOOST_TEST(p.vmcs_cache.contexts == 4u);
    BOOST_TEST(p.settings.size() == 1u);
    BOOST_TEST(p.sources["vmcs_cache.contexts"] == "set on the command line");
}

BOOST_AUTO_TEST_CASE(set_names_the_nearest_key_of_a_mistyped_one) {
    Profile p = load_profile(kProfiles / "nehalem.toml");
    BOOST_CHECK_EXCEPTION(set_knob(p, "vmcs_cache.context=4"), ProfileError,
                          [](const auto& e) { return has(e.what(), "'vmcs_cache.contexts'") && !has(e.what(), "\n"); });
}

BOOST_AUTO_TEST_CASE(set_refuses_what_has_no_value_or_one_out_of_range) {
    Profile p = load_profile(kProfiles / "nehalem.toml");
    for (const auto* bad : {"vmcs_cache.contexts", "vmcs_cache.contexts=", "vmcs_cache.contexts=17",
                            "vmcs_cache.contexts=-1", "vmcs_cache.contexts=1x", "=3", ""})
        BOOST_CHECK_THROW(set_knob(p, bad), ProfileError);
    BOOST_TEST(p.vmcs_cache.contexts == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
