// SPDX-License-Identifier: Apache-2.0
#include "model/devices/fw_cfg.hpp"

#include <boost/test/unit_test.hpp>

using namespace vmxsim;
using namespace vmxsim::devices;

namespace {

struct Machine {
    FwCfg device{u64{5} << 30, 3};
    IoBus bus;
    Machine() { bus.attach(FwCfg::kSelector, FwCfg::kData, device); }
    u64 number(u16 key, unsigned bytes) {
        bus.out(0x510, 2, key);
        u64 value = 0;
        for (unsigned i = 0; i < bytes; ++i) value |= u64{bus.in(0x511, 1)} << 8 * i;
        return value;
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(fw_cfg, Machine)

BOOST_AUTO_TEST_CASE(the_signature_is_qemus) {
    BOOST_TEST(number(0, 4) == 0x554d4551u);
    BOOST_TEST(number(1, 4) == 1u);
}

BOOST_AUTO_TEST_CASE(the_machines_size_is_told) {
    BOOST_TEST(number(FwCfg::kRamSize, 8) == u64{5} << 30);
    BOOST_TEST(number(FwCfg::kCpuCount, 2) == 3u);
    BOOST_TEST(number(FwCfg::kMaxCpus, 2) == 3u);
}

BOOST_AUTO_TEST_CASE(selecting_starts_an_item_anew_and_its_end_reads_zero) {
    BOOST_TEST(number(0, 2) == 0x4551u);
    BOOST_TEST(number(0, 6) == 0x554d4551u);
    BOOST_TEST(number(0x777, 4) == 0u);
    device.set(0x777, {9, 8});
    BOOST_TEST(number(0x777, 3) == 0x0809u);
}

BOOST_AUTO_TEST_CASE(the_guest_cannot_write) {
    bus.out(0x510, 2, 0x4000);  // the former write channel of key 0
    bus.out(0x511, 1, 'X');
    BOOST_TEST(number(0, 4) == 0x554d4551u);
}

BOOST_AUTO_TEST_SUITE_END()
