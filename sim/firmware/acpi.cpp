// SPDX-License-Identifier: Apache-2.0
#include "sim/firmware/acpi.hpp"

#include <numeric>
#include <string_view>
#include <vector>

#include "model/devices/acpi_pm.hpp"
#include "model/devices/hpet.hpp"
#include "model/devices/cmos.hpp"
#include "model/devices/io_apic.hpp"
#include "model/devices/pci_ports.hpp"
#include "model/devices/serial.hpp"
#include "sim/firmware/aml.hpp"

namespace vmxsim::sim {
namespace {

constexpr u64 kTables = kAcpiFirst + 0x100;  ///< behind the RSDP
constexpr u64 kLocalApic = 0xfee00000;
constexpr u8 kSci = 9;

/// A table under construction, little-endian.
class Table {
public:
    /// The header of a system description table (5.2.6).
    Table(std::string_view signature, u8 revision) {
        text(signature, 4).put(0, 4).put(revision, 1).put(0, 1);
        text("VMXSIM", 6).text("VMXSIM", 8).put(1, 4).text("VMXS", 4).put(1, 4);
    }
    Table() = default;
    Table& put(u64 value, unsigned n) {
        for (unsigned i = 0; i < n; ++i) bytes_.push_back(static_cast<u8>(value >> 8 * i));
        return *this;
    }
    Table& text(std::string_view t, std::size_t n) {
        for (std::size_t i = 0; i < n; ++i) bytes_.push_back(static_cast<u8>(i < t.size() ? t[i] : ' '));
        return *this;
    }
    /// A generic address (5.2.3.2): I/O space 1, memory 0.
    Table& address(u8 space, u8 bits, u64 at) { return put(space, 1).put(bits, 1).put(0, 2).put(at, 8); }
    Table& pad(std::size_t to) {
        bytes_.resize(to);
        return *this;
    }
    void set(std::size_t at, u64 value, unsigned n) {
        for (unsigned i = 0; i < n; ++i) bytes_[at + i] = static_cast<u8>(value >> 8 * i);
    }
    /// The byte at `at` makes the sum of the first `n` bytes zero.
    void check(std::size_t at, std::size_t n) {
        bytes_[at] = 0;
        const auto end = bytes_.begin() + static_cast<std::ptrdiff_t>(n);
        bytes_[at] = static_cast<u8>(-std::accumulate(bytes_.begin(), end, 0));
    }
    void finish() {
        set(4, bytes_.size(), 4);
        check(9, bytes_.size());
    }
    const std::vector<u8>& bytes() const { return bytes_; }

private:
    std::vector<u8> bytes_;
};

Table make_facs() {
    Table t;
    t.text("FACS", 4).put(64, 4).pad(64);
    t.set(32, 1, 1);  // version
    return t;
}

/// What no bus tells of: the serial port, the clock, and the sleep type of soft-off.
Table make_dsdt() {
    constexpr u8 kType = devices::AcpiPm::kSleepTypeS5;
    Aml serial, clock, parts, all;
    serial.name_eisa_id("_HID", "PNP0501").name_integer("_UID", 1);
    serial.name_buffer("_CRS", Resources{}.ports(devices::Serial::kCom1, 8).irq(4).finish());
    clock.name_eisa_id("_HID", "PNP0B00");
    clock.name_buffer("_CRS", Resources{}.ports(devices::Cmos::kIndex, 2).irq(8).finish());
    parts.device("COM1", serial).device("RTC0", clock);
    all.scope("_SB_", parts).name_package("_S5_", {kType, kType, 0, 0});
    Table t("DSDT", 2);
    for (const u8 b : all.bytes()) t.put(b, 1);
    t.finish();
    return t;
}

/// 5.2.9.
Table make_fadt(u64 facs, u64 dsdt) {
    using Pm = devices::AcpiPm;
    constexpr u32 kWbinvd = 1, kNoPowerButton = 1u << 4, kNoSleepButton = 1u << 5, kResetRegister = 1u << 10;
    constexpr u8 kIo = 1, kResetValue = 6;
    constexpr u16 kNoCState = 0xfff, kLegacyAnd8042 = 3;
    Table t("FACP", 3);
    t.put(facs, 4).put(dsdt, 4).put(0, 2).put(kSci, 2).put(0, 8);  // no SMI command: ACPI mode from the start
    t.put(Pm::kEvent, 4).put(0, 4).put(Pm::kControl, 4).put(0, 8).put(Pm::kTimer, 4).put(0, 8);
    t.put(4, 1).put(2, 1).put(0, 1).put(4, 1).put(0, 4).put(kNoCState, 2).put(kNoCState, 2).pad(108);
    t.put(0x32, 1).put(kLegacyAnd8042, 2).put(0, 1).put(kWbinvd | kNoPowerButton | kNoSleepButton | kResetRegister, 4);
    t.address(kIo, 8, devices::PciPorts::kReset).put(kResetValue, 1).put(0, 3).put(facs, 8).put(dsdt, 8);
    t.address(kIo, 32, Pm::kEvent).pad(172).address(kIo, 16, Pm::kControl).pad(208).address(kIo, 32, Pm::kTimer);
    t.pad(244).finish();
    return t;
}

/// 5.2.12.
Table make_madt(unsigned cpus) {
    enum : u8 { kProcessor = 0, kIoApic = 1, kOverride = 2, kNmi = 4 };
    constexpr u16 kLevelHigh = 0xd;
    Table t("APIC", 3);
    t.put(kLocalApic, 4).put(1, 4);  // a pair of 8259s is there as well
    for (unsigned i = 0; i < cpus; ++i) t.put(kProcessor, 1).put(8, 1).put(i, 1).put(i, 1).put(1, 4);
    t.put(kIoApic, 1).put(12, 1).put(0, 2).put(devices::IoApic::kPage.raw, 4).put(0, 4);
    t.put(kOverride, 1).put(10, 1).put(0, 1).put(0, 1).put(2, 4).put(0, 2);  // the timer: IRQ 0 at pin 2
    t.put(kOverride, 1).put(10, 1).put(0, 1).put(kSci, 1).put(kSci, 4).put(kLevelHigh, 2);
    t.put(kNmi, 1).put(6, 1).put(0xff, 1).put(0, 2).put(1, 1);  // LINT1 of all
    t.finish();
    return t;
}

/// IA-PC HPET specification, 3.2.4.
Table make_hpet() {
    constexpr u32 kBlock = 0x8086a201;  // the low half of the capabilities register
    Table t("HPET", 1);
    t.put(kBlock, 4).address(0, 64, devices::Hpet::kPage.raw).put(0, 1).put(128, 2).put(0, 1);
    t.finish();
    return t;
}

Table make_list(std::string_view signature, unsigned width, const std::vector<u64>& tables) {
    Table t(signature, 1);
    for (const u64 at : tables) t.put(at, width);
    t.finish();
    return t;
}

/// 5.2.5.3.
Table make_rsdp(u64 rsdt, u64 xsdt) {
    Table t;
    t.text("RSD PTR ", 8).put(0, 1).text("VMXSIM", 6).put(2, 1).put(rsdt, 4).put(36, 4).put(xsdt, 8).put(0, 4);
    t.check(8, 20);
    t.check(32, 36);
    return t;
}

}  // namespace

void write_acpi_tables(memory::PhysicalMemory& ram, HostPhysical base, const AcpiSettings& settings) {
    u64 next = kTables;
    const auto place = [&](const Table& t) {
        const u64 at = next;
        ram.write_block(base + at, t.bytes());
        next = (at + t.bytes().size() + 63) & ~u64{63};  // the FACS wants 64
        return at;
    };
    const u64 facs = place(make_facs()), dsdt = place(make_dsdt());
    const std::vector<u64> tables{place(make_fadt(facs, dsdt)), place(make_madt(settings.cpus)), place(make_hpet())};
    const u64 rsdt = place(make_list("RSDT", 4, tables)), xsdt = place(make_list("XSDT", 8, tables));
    ram.write_block(base + kAcpiFirst, make_rsdp(rsdt, xsdt).bytes());
}

}  // namespace vmxsim::sim
