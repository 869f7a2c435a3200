// SPDX-License-Identifier: Apache-2.0
// The PC around its processors: the devices, their interrupt wires, and the bus between the APICs.
#pragma once
#include <array>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "model/devices/acpi_pm.hpp"
#include "model/devices/chipset_ports.hpp"
#include "model/devices/cmos.hpp"
#include "model/devices/hpet.hpp"
#include "model/devices/io_apic.hpp"
#include "model/devices/keyboard.hpp"
#include "model/devices/pci_ports.hpp"
#include "model/devices/pic.hpp"
#include "model/devices/pit.hpp"
#include "model/devices/processor_port.hpp"
#include "model/devices/test_device.hpp"

namespace vmxsim::devices {

class Platform {
public:
    struct Settings {
        u64 cycle_hz = 1;                     ///< of the processor's clock
        u64 bus_hz = 1;                       ///< of the local APIC's timer
        u64 ram_bytes = 0;
        bool local_apic = false;              ///< with it the I/O APIC; without it the PIC drives INTR
        LocalApic::Features apic{};
        std::function<void()> reset;          ///< the guest resets the machine
        std::function<void()> power_off;      ///< the guest switches it off
        std::function<void(unsigned)> attention{};  ///< something waits for that processor that did not before
    };
    /// `cycles`: the processors' counts, CpuState::cycles; at most 8, the first one is the boot processor's.
    Platform(std::span<const u64* const> cycles, const Settings& settings);
    Platform(const u64& cycles, const Settings& settings) : Platform(std::array{&cycles}, settings) {}
    void attach_to(IoBus& io);
    /// The physical memory that one processor sees: each has its own local APIC there.
    void attach_to(MmioBus& mmio, unsigned processor = 0);
    ProcessorPort& processor(unsigned index = 0) { return *processors_[index]; }
    /// That processor runs from here on, until the next call: the devices' time is its time.
    void follow(unsigned processor) { timers_.follow(*cycles_[processor]); }

    /// Interrupt request line: 0 to 15 at the PIC and at the I/O APIC (0 at its pin 2), 16 to 23 at the latter alone.
    void set_irq(unsigned irq, bool high);

    // ---- For the processors' ports.
    const Settings& settings() const { return settings_; }
    Timers& timers() { return timers_; }  ///< of the shared devices
    bool pic_output() const { return pic_.output(); }
    u8 acknowledge_pic();
    /// A message of processor `from` to local APICs.
    void send(const InterruptMessage& message, Shorthand to, unsigned from);
    bool may_send_nmi() const { return io_apic_ && io_apic_->may_send_nmi(); }
    void end_of_interrupt(u8 vector) { if (io_apic_) io_apic_->end_of_interrupt(vector); }

private:
    template <class Accepts>
    void deliver(const InterruptMessage& message, Accepts accepts);
    void timer_irq(unsigned irq, bool high);  ///< of PIT and RTC, unless the HPET replaces them

    const Settings settings_;
    const std::vector<const u64*> cycles_;
    std::vector<std::unique_ptr<ProcessorPort>> processors_;
    u64 deadline_ = Timers::kNever;
    Timers timers_;
    PicPair pic_;
    Pit pit_;
    Cmos cmos_;
    KeyboardController keyboard_;
    PostCode post_code_;
    SystemControlA system_control_;
    PciPorts pci_;
    AcpiPm acpi_pm_;
    TestDevice test_device_;
    Hpet hpet_;
    std::unique_ptr<IoApic> io_apic_;
};

}  // namespace vmxsim::devices
