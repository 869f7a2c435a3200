// SPDX-License-Identifier: Apache-2.0
// The PC around one processor: its devices, their interrupt wires, and the processor's side of them.
#pragma once
#include <functional>
#include <memory>

#include "model/arch/interrupt_port.hpp"
#include "model/devices/acpi_pm.hpp"
#include "model/devices/chipset_ports.hpp"
#include "model/devices/cmos.hpp"
#include "model/devices/hpet.hpp"
#include "model/devices/io_apic.hpp"
#include "model/devices/keyboard.hpp"
#include "model/devices/local_apic.hpp"
#include "model/devices/pic.hpp"
#include "model/devices/pit.hpp"
#include "model/devices/test_device.hpp"

namespace vmxsim::devices {

class Platform : public arch::InterruptPort {
public:
    struct Settings {
        u64 cycle_hz = 1;                     ///< of the processor's clock
        u64 bus_hz = 1;                       ///< of the local APIC's timer
        u64 ram_bytes = 0;
        bool local_apic = false;              ///< with it the I/O APIC; without it the PIC drives INTR
        LocalApic::Features apic{};
        std::function<void()> reset;          ///< the guest resets the machine
        std::function<void()> power_off;      ///< the guest switches it off
    };
    /// `cycles`: the processor's count, CpuState::cycles.
    Platform(const u64& cycles, const Settings& settings);
    void attach_to(IoBus& io);
    void attach_to(MmioBus& mmio);

    /// Interrupt request line: 0 to 15 at the PIC and at the I/O APIC (0 at its pin 2), 16 to 23 at the latter alone.
    void set_irq(unsigned irq, bool high);
    void raise_nmi() { lines_.nmi = true; }
    Timers& timers() { return timers_; }

    // arch::InterruptPort
    u8 acknowledge() override;
    bool may_raise_nmi() const override { return apic_ != nullptr; }
    void initialised() override {
        if (apic_) apic_->reset();
        update_interrupt();
    }
    u8 task_priority() const override { return apic_ ? apic_->task_priority() : u8{0}; }
    void set_task_priority(u8 value) override { if (apic_) apic_->set_task_priority(value); }
    bool read_msr(u32 index, u64& value) override { return apic_ && apic_->read_msr(index, value); }
    bool write_msr(u32 index, u64 value) override { return apic_ && apic_->write_msr(index, value); }
    void tsc_adjusted(u64 adjust) override { if (apic_) apic_->tsc_adjusted(adjust); }
    void performance_interrupt() override { if (apic_) apic_->performance_interrupt(); }
    void advance() override { timers_.advance(); }

private:
    void update_interrupt();
    void timer_irq(unsigned irq, bool high);  ///< of PIT and RTC, unless the HPET replaces them
    void make_apics(const Settings& settings);

    Timers timers_;
    PicPair pic_;
    Pit pit_;
    Cmos cmos_;
    KeyboardController keyboard_;
    PostCode post_code_;
    SystemControlA system_control_;
    PciHost pci_;
    AcpiPm acpi_pm_;
    TestDevice test_device_;
    Hpet hpet_;
    std::unique_ptr<LocalApic> apic_;
    std::unique_ptr<IoApic> io_apic_;
    MmioBus* mmio_ = nullptr;
};

}  // namespace vmxsim::devices
