// SPDX-License-Identifier: Apache-2.0
// The PC around one processor: its devices, their interrupt wires, and the processor's side of them.
#pragma once
#include <functional>

#include "model/arch/interrupt_port.hpp"
#include "model/devices/acpi_pm.hpp"
#include "model/devices/chipset_ports.hpp"
#include "model/devices/cmos.hpp"
#include "model/devices/keyboard.hpp"
#include "model/devices/pic.hpp"
#include "model/devices/pit.hpp"
#include "model/devices/test_device.hpp"

namespace vmxsim::devices {

class Platform : public arch::InterruptPort {
public:
    struct Settings {
        u64 cycle_hz = 1;                     ///< of the processor's clock
        u64 ram_bytes = 0;
        std::function<void()> reset;          ///< the guest resets the machine
        std::function<void()> power_off;      ///< the guest switches it off
    };
    /// `cycles`: the processor's count, CpuState::cycles.
    Platform(const u64& cycles, const Settings& settings);
    void attach_to(IoBus& io);
    void attach_to(MmioBus& mmio);

    /// ISA interrupt request line 0 to 15.
    void set_irq(unsigned irq, bool high);
    void raise_nmi() { lines_.nmi = true; }
    Timers& timers() { return timers_; }

    // arch::InterruptPort
    u8 acknowledge() override { return pic_.acknowledge(); }
    void advance() override { timers_.advance(); }

private:
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
};

}  // namespace vmxsim::devices
