// SPDX-License-Identifier: Apache-2.0
#include "sim/firmware/acpi.hpp"

#include <boost/test/unit_test.hpp>
#include <map>
#include <string>

#include "model/devices/hpet.hpp"
#include "model/devices/timers.hpp"

using namespace vmxsim;
using namespace vmxsim::sim;

namespace {

constexpr u64 kBase = 0x100000;

struct Written {
    memory::PhysicalMemory ram{4 << 20};
    std::map<std::string, u64> tables;
    Written() {
        write_acpi_tables(ram, {kBase}, {.cpus = 2});
        const u64 xsdt = get(kAcpiFirst + 24, 8);
        tables["XSDT"] = xsdt;
        tables["RSDT"] = get(kAcpiFirst + 16, 4);
        for (u64 at = xsdt + 36; at < xsdt + get(xsdt + 4, 4); at += 8) tables[name(get(at, 8))] = get(at, 8);
        tables["DSDT"] = get(tables["FACP"] + 140, 8);
    }
    u64 get(u64 at, unsigned bytes) const { return ram.read({kBase + at}, bytes); }
    std::string name(u64 at) const {
        std::string s;
        for (unsigned i = 0; i < 4; ++i) s += static_cast<char>(get(at + i, 1));
        return s;
    }
    u8 sum(u64 at, u64 bytes) const {
        u8 total = 0;
        for (u64 i = 0; i < bytes; ++i) total = static_cast<u8>(total + get(at + i, 1));
        return total;
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(acpi, Written)

BOOST_AUTO_TEST_CASE(the_root_pointer_is_found_and_sums_to_zero) {
    BOOST_TEST(name(kAcpiFirst) == "RSD ");
    BOOST_TEST(sum(kAcpiFirst, 20) == 0);
    BOOST_TEST(sum(kAcpiFirst, 36) == 0);
}

BOOST_AUTO_TEST_CASE(each_table_has_its_name_and_sums_to_zero) {
    for (const char* t : {"XSDT", "RSDT", "FACP", "APIC", "HPET", "DSDT"}) {
        BOOST_REQUIRE(tables.count(t) == 1u);
        const u64 at = tables[t];
        BOOST_TEST(name(at) == t);
        BOOST_TEST(sum(at, get(at + 4, 4)) == 0, t);
        BOOST_TEST(at + get(at + 4, 4) <= kAcpiEnd);
    }
    BOOST_TEST(get(tables["RSDT"] + 36, 4) == tables["FACP"]);
}

BOOST_AUTO_TEST_CASE(the_fixed_description_names_the_registers_of_the_model) {
    const u64 fadt = tables["FACP"];
    BOOST_TEST(get(fadt + 4, 4) == 244u);
    BOOST_TEST(name(get(fadt + 36, 4)) == "FACS");
    BOOST_TEST(get(fadt + 46, 2) == 9u);
    BOOST_TEST(get(fadt + 56, 4) == 0x600u);
    BOOST_TEST(get(fadt + 64, 4) == 0x604u);
    BOOST_TEST(get(fadt + 76, 4) == 0x608u);
    BOOST_TEST(get(fadt + 91, 1) == 4u);
    BOOST_TEST(get(fadt + 108, 1) == 0x32u);
    BOOST_TEST(get(fadt + 120, 8) == 0xcf9u);
    BOOST_TEST(get(fadt + 128, 1) == 6u);
    BOOST_TEST(get(fadt + 212, 8) == 0x608u);
}

BOOST_AUTO_TEST_CASE(the_differentiated_description_has_the_devices_that_no_bus_tells_of) {
    const u64 dsdt = tables["DSDT"];
    std::string text;
    for (u64 i = 36; i < get(dsdt + 4, 4); ++i) text += static_cast<char>(get(dsdt + i, 1));
    for (const char* part : {"\\_SB_", "COM1", "RTC0", "_S5_"}) BOOST_TEST(text.find(part) != text.npos, part);
}

BOOST_AUTO_TEST_CASE(the_apics_are_listed) {
    const u64 madt = tables["APIC"];
    BOOST_TEST(get(madt + 36, 4) == 0xfee00000u);
    BOOST_TEST(get(madt + 44 + 8 + 3, 1) == 1u);  // the second processor's ID
    BOOST_TEST(get(madt + 44 + 16 + 4, 4) == 0xfec00000u);
}

BOOST_AUTO_TEST_CASE(the_event_timer_block_is_that_of_the_device) {
    u64 cycles = 0, next = 0;
    devices::Timers timers{cycles, 1'000'000'000, next};
    devices::Hpet hpet{timers, {}};
    BOOST_TEST(get(tables["HPET"] + 36, 4) == hpet.read(0, 4));
    BOOST_TEST(get(tables["HPET"] + 44, 8) == 0xfed00000u);
}

BOOST_AUTO_TEST_SUITE_END()
