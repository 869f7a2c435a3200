// SPDX-License-Identifier: Apache-2.0
#include "model/devices/platform.hpp"

namespace vmxsim::devices {

Platform::Platform(const u64& cycles, const Settings& s)
    : timers_(cycles, s.cycle_hz, lines_.deadline),
      pic_([this](bool high) { lines_.interrupt = high; }),
      pit_(timers_, [this](bool high) { set_irq(0, high); }),
      cmos_(timers_, [this](bool high) { set_irq(8, high); }, s.ram_bytes),
      keyboard_(s.reset),
      system_control_(s.reset),
      pci_(s.reset),
      acpi_pm_(timers_, s.power_off),
      test_device_([this](unsigned irq, bool high) { set_irq(irq, high); }) {}

void Platform::attach_to(IoBus& io) {
    pic_.attach_to(io);
    pit_.attach_to(io);
    io.attach(Cmos::kIndex, Cmos::kData, cmos_);
    io.attach(KeyboardController::kData, KeyboardController::kData, keyboard_);
    io.attach(KeyboardController::kStatus, KeyboardController::kStatus, keyboard_);
    io.attach(PostCode::kPort, PostCode::kPort, post_code_);
    io.attach(SystemControlA::kPort, SystemControlA::kPort, system_control_);
    io.attach(PciHost::kFirst, PciHost::kLast, pci_);
    io.attach(AcpiPm::kEvent, AcpiPm::kLast, acpi_pm_);
    io.attach(TestDevice::kIrqFirst, TestDevice::kIrqLast, test_device_);
    io.attach(TestDevice::kLatchFirst, TestDevice::kLatchLast, test_device_);
}

void Platform::attach_to(MmioBus& mmio) { mmio.attach(TestDevice::kMemory, TestDevice::kMemoryBytes, test_device_); }

void Platform::set_irq(unsigned irq, bool high) { pic_.set_irq(irq, high); }

}  // namespace vmxsim::devices
