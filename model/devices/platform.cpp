// SPDX-License-Identifier: Apache-2.0
#include "model/devices/platform.hpp"

namespace vmxsim::devices {

Platform::Platform(const u64& cycles, const Settings& s)
    : timers_(cycles, s.cycle_hz, lines_.deadline),
      pic_([this](bool high) {
          if (apic_) apic_->lint0(high);
          update_interrupt();
      }),
      pit_(timers_, [this](bool high) { timer_irq(0, high); }),
      cmos_(timers_, [this](bool high) { timer_irq(8, high); }, s.ram_bytes),
      keyboard_(s.reset),
      system_control_(s.reset),
      pci_(s.reset),
      acpi_pm_(timers_, s.power_off),
      test_device_([this](unsigned irq, bool high) { set_irq(irq, high); }),
      hpet_(timers_, {.io_apic = [this](unsigned pin, bool high) { if (io_apic_) io_apic_->set_pin(pin, high); },
                      .legacy = [this](unsigned irq, bool high) { set_irq(irq, high); }}) {
    if (s.local_apic) make_apics(s);
}

void Platform::make_apics(const Settings& s) {
    apic_ = std::make_unique<LocalApic>(
        timers_, s.bus_hz, s.apic,
        LocalApic::Wires{.changed = [this] { update_interrupt(); },
                         .nmi = [this] { lines_.nmi = true; },
                         .init = [this] { lines_.init = true; },
                         .eoi = [this](u8 vector) { if (io_apic_) io_apic_->end_of_interrupt(vector); },
                         .moved = [this] { if (mmio_) mmio_->move(*apic_, apic_->page(), apic_->enabled() && !apic_->x2apic() ? 4096 : 0); }});
    apic_->set_up_by_firmware();
    io_apic_ = std::make_unique<IoApic>([this](const InterruptMessage& m) {
        // ExtINT: the PIC would be asked at the acknowledgement; no firmware wires it so.
        if (apic_->accepts(m)) apic_->deliver(m);
    });
}

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

void Platform::attach_to(MmioBus& mmio) {
    mmio_ = &mmio;
    if (apic_) mmio.attach(apic_->page(), 4096, *apic_);
    if (io_apic_) mmio.attach(IoApic::kPage, 4096, *io_apic_);
    mmio.attach(Hpet::kPage, 4096, hpet_);
    mmio.attach(TestDevice::kMemory, TestDevice::kMemoryBytes, test_device_);
}

void Platform::set_irq(unsigned irq, bool high) {
    pic_.set_irq(irq, high);
    // As on every PC chipset, the timer's line is at pin 2; the cascade has none.
    if (io_apic_ && irq != 2) io_apic_->set_pin(irq == 0 ? 2 : irq, high);
}

void Platform::timer_irq(unsigned irq, bool high) {
    if (!hpet_.replaces_legacy()) set_irq(irq, high);
}

void Platform::update_interrupt() {
    lines_.interrupt = apic_ ? apic_->pending() || (pic_.output() && apic_->passes_pic()) : pic_.output();
}

/// The local APIC's own interrupts and one of the PIC: ExtINT comes first, as it has no priority of its own.
u8 Platform::acknowledge() {
    if (apic_ && !(pic_.output() && apic_->passes_pic())) return apic_->acknowledge();
    const u8 vector = pic_.acknowledge();
    update_interrupt();
    return vector;
}

}  // namespace vmxsim::devices
