// SPDX-License-Identifier: Apache-2.0
// "Offer what is real, and nothing else": each bit of CPUID and of the capability MSRs has a row in features.def, and
// the row's test exists.
#include <fstream>
#include <set>
#include <sstream>

#include <boost/test/unit_test.hpp>

#include "model/arch/controls.hpp"
#include "model/core/system/handlers.hpp"
#include "model/vmx/field_support.hpp"
#include "sim/paths.hpp"
#include "sim/processor.hpp"
#include "sim/profile.hpp"

using namespace vmxsim;
using namespace vmxsim::sim;

namespace {

enum Register : unsigned { EAX, EBX, ECX, EDX };
namespace msr = arch::msr;

struct CpuidRow {
    u32 leaf, subleaf;
    Register reg;
    u32 mask;
    std::string_view name, file, test;
};
constexpr u64 field(unsigned high, unsigned low) { return (~u64{0} >> (63 - high)) & ~u64{0} << low; }

constexpr CpuidRow kCpuid[] = {
#define VMXSIM_CPUID_ROW(leaf, subleaf, reg, mask, ...) {leaf, subleaf, reg, mask, __VA_ARGS__},
#define VMXSIM_CPUID_BIT(leaf, subleaf, reg, bit, ...) VMXSIM_CPUID_ROW(leaf, subleaf, reg, 1u << bit, __VA_ARGS__)
#define VMXSIM_CPUID_VALUE(leaf, subleaf, reg, high, low, ...) \
    VMXSIM_CPUID_ROW(leaf, subleaf, reg, static_cast<u32>(field(high, low)), __VA_ARGS__)
#define VMXSIM_CONTROL_BIT(...)
#define VMXSIM_MSR_BIT(...)
#define VMXSIM_MSR_VALUE(...)
#include "tests/sim/features.def"
#undef VMXSIM_CPUID_BIT
#undef VMXSIM_CPUID_VALUE
#undef VMXSIM_CONTROL_BIT
#undef VMXSIM_MSR_BIT
#undef VMXSIM_MSR_VALUE
};

struct ControlRow {
    char word;  ///< N pin, P primary, S secondary, X exit, E entry
    unsigned bit;
    std::string_view name, file, test;
};
constexpr ControlRow kControls[] = {
#define VMXSIM_CPUID_BIT(...)
#define VMXSIM_CPUID_VALUE(...)
#define VMXSIM_CONTROL_BIT(word, control, ...)                                                              \
    {std::string_view(#word) == "Exit" ? 'X' : std::string_view(#word) == "Pin" ? 'N' : #word[0],             \
     static_cast<unsigned>(arch::word##Control::control), #control, __VA_ARGS__},
#define VMXSIM_MSR_BIT(...)
#define VMXSIM_MSR_VALUE(...)
#include "tests/sim/features.def"
#undef VMXSIM_CONTROL_BIT
#undef VMXSIM_MSR_BIT
#undef VMXSIM_MSR_VALUE
};

struct MsrRow {
    u32 index;
    u64 mask;
    std::string_view name, file, test;
};
constexpr MsrRow kMsrs[] = {
#define VMXSIM_CONTROL_BIT(...)
#define VMXSIM_MSR_BIT(index, bit, ...) {msr::index, u64{1} << bit, __VA_ARGS__},
#define VMXSIM_MSR_VALUE(index, high, low, ...) {msr::index, field(high, low), __VA_ARGS__},
#include "tests/sim/features.def"
#undef VMXSIM_CPUID_BIT
#undef VMXSIM_CPUID_VALUE
#undef VMXSIM_CONTROL_BIT
#undef VMXSIM_MSR_BIT
#undef VMXSIM_MSR_VALUE
};

std::vector<Profile> all_profiles() {
    std::vector<Profile> all;
    for (const auto& name : definitions("profiles")) all.push_back(load_profile(find_definition("profiles", name)));
    return all;
}

core::CpuidTable offered_cpuid(const Profile& profile, L0Mode l0) {
    MachineConfig config;
    config.profile = profile;
    config.l0 = l0;
    return cpuid_of(config, 0);
}

u32 known(u32 leaf, u32 subleaf, unsigned reg) {
    u32 mask = 0;
    for (const CpuidRow& r : kCpuid)
        if (r.leaf == leaf && r.subleaf == subleaf && r.reg == reg) mask |= r.mask;
    return mask;
}

/// Bits of a control word that may be offered: rows, and reserved ones that are fixed to 1.
u32 known(char word, u64 must) {
    u32 mask = static_cast<u32>(must);
    for (const ControlRow& r : kControls)
        if (r.word == word) mask |= 1u << r.bit;
    return mask;
}

u64 known(u32 index) {
    u64 mask = 0;
    for (const MsrRow& r : kMsrs)
        if (r.index == index) mask |= r.mask;
    return mask;
}

bool test_exists(std::string_view file, std::string_view test) {
    std::ifstream in(std::string(VMXSIM_SOURCE_DIR) + "/tests/" + std::string(file));
    std::stringstream text;
    text << in.rdbuf();
    return text.str().find("_TEST_CASE(" + std::string(test)) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(features)

BOOST_AUTO_TEST_CASE(each_row_names_a_test_that_exists) {
    for (const auto& r : kCpuid) BOOST_TEST(test_exists(r.file, r.test), r.name << ": no test " << r.test);
    for (const auto& r : kControls) BOOST_TEST(test_exists(r.file, r.test), r.name << ": no test " << r.test);
    for (const auto& r : kMsrs) BOOST_TEST(test_exists(r.file, r.test), r.name << ": no test " << r.test);
    BOOST_TEST(!test_exists("core/tasks.cpp", "no_such_test"));
}

BOOST_AUTO_TEST_CASE(each_bit_of_cpuid_has_a_row) {
    for (const Profile& p : all_profiles())
        for (const L0Mode l0 : {L0Mode::None, L0Mode::Unit})
            for (const core::CpuidLeaf& l : offered_cpuid(p, l0).leaves) {
                if (l.leaf >= 0x80000002 && l.leaf <= 0x80000004) continue;  // the brand string
                const u32 registers[] = {l.eax, l.ebx, l.ecx, l.edx};
                for (unsigned reg = EAX; reg <= EDX; ++reg)
                    BOOST_TEST((registers[reg] & ~known(l.leaf, l.subleaf, reg)) == 0u,
                               p.name << " leaf " << std::hex << l.leaf << "." << l.subleaf << " register " << reg
                                      << ": bits without a row " << (registers[reg] & ~known(l.leaf, l.subleaf, reg)));
            }
}

BOOST_AUTO_TEST_CASE(each_bit_of_the_capability_msrs_has_a_row) {
    struct Word {
        u32 index;
        char word;
    };
    static constexpr Word words[] = {{msr::IA32_VMX_PINBASED_CTLS, 'N'},   {msr::IA32_VMX_TRUE_PINBASED_CTLS, 'N'},
                              {msr::IA32_VMX_PROCBASED_CTLS, 'P'},  {msr::IA32_VMX_TRUE_PROCBASED_CTLS, 'P'},
                              {msr::IA32_VMX_PROCBASED_CTLS2, 'S'}, {msr::IA32_VMX_EXIT_CTLS, 'X'},
                              {msr::IA32_VMX_TRUE_EXIT_CTLS, 'X'},  {msr::IA32_VMX_ENTRY_CTLS, 'E'},
                              {msr::IA32_VMX_TRUE_ENTRY_CTLS, 'E'}};
    // Which bits are reserved and 1 (default1): those that the plain MSRs require.
    const auto default1 = [](const Profile& p, char word) {
        for (const Word& w : words)
            if (w.word == word) return p.capabilities.get(w.index) & 0xffffffff;
        return u64{0};
    };
    for (const Profile& p : all_profiles()) {
        for (const Word& w : words) {
            const u64 may = p.capabilities.get(w.index) >> 32;
            const u64 extra = may & ~u64{known(w.word, default1(p, w.word))};
            BOOST_TEST(extra == 0u, p.name << " MSR " << std::hex << w.index << ": controls without a row " << extra);
        }
        for (const u32 index :
             {msr::IA32_VMX_BASIC, msr::IA32_VMX_MISC, msr::IA32_VMX_EPT_VPID_CAP, msr::IA32_VMX_VMFUNC,
              msr::IA32_VMX_PROCBASED_CTLS3, msr::IA32_VMX_EXIT_CTLS2}) {
            const u64 extra = p.capabilities.get(index) & ~known(index);
            BOOST_TEST(extra == 0u, p.name << " MSR " << std::hex << index << ": bits without a row " << extra);
        }
    }
}

BOOST_AUTO_TEST_CASE(cr4_fixed1_is_what_cpuid_lets_software_set) {
    for (const Profile& p : all_profiles()) {
        const core::CpuidTable table = offered_cpuid(p, L0Mode::None);
        BOOST_TEST(p.capabilities.get(msr::IA32_VMX_CR4_FIXED1) == core::supported_cr4(table),
                   p.name << ": CPUID allows " << std::hex << core::supported_cr4(table));
    }
}

BOOST_AUTO_TEST_CASE(vmcs_enum_names_the_highest_index_of_a_field_that_exists) {
    for (const Profile& p : all_profiles()) {
        const auto exists = vmx::supported_fields(p.capabilities);
        u64 highest = 0;
        for (std::size_t i = 0; i < arch::kFieldCount; ++i)
            if (exists[i]) highest = std::max<u64>(highest, arch::kFields[i].encoding >> 1 & 0x1ff);
        BOOST_TEST(p.capabilities.get(msr::IA32_VMX_VMCS_ENUM) == highest << 1, p.name << ": highest " << highest);
    }
}

BOOST_AUTO_TEST_CASE(under_the_nested_unit_cpuid_offers_no_more_than_the_bare_processor) {
    for (const Profile& p : all_profiles()) {
        const core::CpuidTable bare = offered_cpuid(p, L0Mode::None), nested = offered_cpuid(p, L0Mode::Unit);
        constexpr u32 kApic = 1u << 9, kVmx = 1u << 5;
        BOOST_TEST((bare.find(1, 0).edx & kApic) != 0u);
        BOOST_TEST((nested.find(1, 0).edx & kApic) == 0u);
        BOOST_TEST((nested.find(1, 0).ecx & ~bare.find(1, 0).ecx) == 0u);
        BOOST_TEST((nested.find(1, 0).ecx & kVmx) != 0u);
    }
}

BOOST_AUTO_TEST_SUITE_END()
