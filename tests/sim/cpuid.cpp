// SPDX-License-Identifier: Apache-2.0
// CPUID of several processors: the topology that SDM 9.9 has software read.
#include <boost/test/unit_test.hpp>

#include "sim/processor.hpp"
#include "sample_run.hpp"

using namespace vmxsim;
using namespace vmxsim::sim;

namespace {

core::CpuidTable table(unsigned cpus, unsigned index) {
    MachineConfig c = sample_config();
    c.l0 = L0Mode::None;
    c.cpus = cpus;
    return cpuid_of(c, index);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(cpuid)

BOOST_AUTO_TEST_CASE(leaf_1_names_the_processor_and_how_many_ids_there_are) {
    for (unsigned i = 0; i < 6; ++i) {
        const core::CpuidLeaf l = table(6, i).find(1, 0);
        BOOST_TEST(l.ebx >> 24 == i);
        BOOST_TEST((l.ebx >> 16 & 0xff) == 8u);
        BOOST_TEST((l.edx >> 28 & 1) == 1u);
    }
}

BOOST_AUTO_TEST_CASE(leaf_0b_has_one_thread_a_core_and_all_cores_in_the_package) {
    const core::CpuidTable t = table(6, 5);
    BOOST_TEST(t.max_basic() >= 0xbu);
    const core::CpuidLeaf smt = t.find(0xb, 0), core = t.find(0xb, 1), end = t.find(0xb, 2), beyond = t.find(0xb, 7);
    BOOST_TEST(smt.eax == 0u);
    BOOST_TEST(smt.ebx == 1u);
    BOOST_TEST(smt.ecx == 0x100u);
    BOOST_TEST(core.eax == 3u);
    BOOST_TEST(core.ebx == 6u);
    BOOST_TEST(core.ecx == 0x201u);
    BOOST_TEST(end.ebx == 0u);
    BOOST_TEST(end.ecx == 2u);
    BOOST_TEST(beyond.ecx == 7u);
    for (const core::CpuidLeaf& l : {smt, core, end}) BOOST_TEST(l.edx == 5u);
}

BOOST_AUTO_TEST_CASE(leaf_4_tells_the_caches_and_that_the_last_one_is_shared) {
    const core::CpuidTable t = table(4, 1);
    const memory::CacheParams caches = sample_config().profile.caches;
    const u64 bytes[] = {caches.l1d_bytes, caches.l1i_bytes, caches.l2_bytes, caches.llc_bytes};
    for (u32 i = 0; i < 4; ++i) {
        const core::CpuidLeaf l = t.find(4, i);
        const u64 ways = (l.ebx >> 22) + 1, partitions = (l.ebx >> 12 & 0x3ff) + 1, line = (l.ebx & 0xfff) + 1,
                  sets = u64{l.ecx} + 1;
        BOOST_TEST(ways * partitions * line * sets == bytes[i]);
        BOOST_TEST((l.eax >> 14 & 0xfff) == (i == 3 ? 3u : 0u));
        BOOST_TEST(l.eax >> 26 == 3u);
    }
    BOOST_TEST((t.find(4, 4).eax & 31) == 0u);
}

BOOST_AUTO_TEST_CASE(one_processor_has_the_profile_s_leaves_and_no_topology) {
    const core::CpuidTable t = table(1, 0);
    BOOST_TEST(t.max_basic() == sample_config().profile.cpuid.max_basic());
    BOOST_TEST((t.find(1, 0).edx >> 28 & 1) == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
