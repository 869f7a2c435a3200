// SPDX-License-Identifier: Apache-2.0
#include "model/devices/platform.hpp"

namespace vmxsim::devices {

Platform::Platform(std::span<const u64* const> cycles, const Settings& s)
    : settings_(s), cycles_(cycles.begin(), cycles.end()),
      timers_(*cycles[0], s.cycle_hz, deadline_, [this] { for (const auto& p : processors_) p->update_deadline(); }),
      // INTR and NMI reach LINT0 and LINT1 of all processors (SDM 11.1).
      pic_([this](bool high) { for (const auto& p : processors_) p->pic_output(high); }),
      pit_(timers_, [this](bool high) { timer_irq(0, high); }),
      cmos_(timers_, [this](bool high) { timer_irq(8, high); }, s.ram_bytes),
      keyboard_(s.reset),
      system_control_(s.reset),
      pci_(s.reset),
      acpi_pm_(timers_, s.power_off),
      test_device_([this](unsigned irq, bool high) { set_irq(irq, high); }),
      hpet_(timers_, {.io_apic = [this](unsigned pin, bool high) { if (io_apic_) io_apic_->set_pin(pin, high); },
                      .legacy = [this](unsigned irq, bool high) { set_irq(irq, high); }}) {
    for (unsigned i = 0; i < cycles.size(); ++i)
        processors_.push_back(std::make_unique<ProcessorPort>(*this, i, *cycles[i]));
    for (const auto& p : processors_) p->update_deadline();
    if (!s.local_apic) return;
    io_apic_ = std::make_unique<IoApic>([this](const InterruptMessage& m) {
        // ExtINT: the PIC would be asked at the acknowledgement; no firmware wires it so.
        deliver(m, [&m](LocalApic& apic, unsigned) { return apic.accepts(m); });
    });
}

/// To all that accept, or to the one of them with the lowest priority: the lowest APIC ID where there are several.
template <class Accepts>
void Platform::deliver(const InterruptMessage& m, Accepts accepts) {
    LocalApic* lowest = nullptr;
    for (unsigned i = 0; i < processors_.size(); ++i) {
        LocalApic& apic = *processors_[i]->apic();
        if (!accepts(apic, i)) continue;
        if (m.mode != DeliveryMode::LowestPriority) apic.deliver(m);
        else if (apic.arbitrates() && (!lowest || apic.processor_priority() < lowest->processor_priority()))
            lowest = &apic;
    }
    if (lowest) lowest->deliver(m);
}

void Platform::send(const InterruptMessage& m, Shorthand to, unsigned from) {
    deliver(m, [&m, to, from](LocalApic& apic, unsigned i) {
        return to == Shorthand::None ? apic.accepts(m) : apic.enabled() && (to == Shorthand::All || i != from);
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
    io.attach(PciPorts::kFirst, PciPorts::kLast, pci_);
    io.attach(AcpiPm::kEvent, AcpiPm::kLast, acpi_pm_);
    io.attach(TestDevice::kIrqFirst, TestDevice::kIrqLast, test_device_);
    io.attach(TestDevice::kLatchFirst, TestDevice::kLatchLast, test_device_);
}

void Platform::attach_to(MmioBus& mmio, unsigned processor) {
    processors_[processor]->attach_to(mmio);
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

u8 Platform::acknowledge_pic() {
    const u8 vector = pic_.acknowledge();
    for (const auto& p : processors_) p->update_interrupt();
    return vector;
}

}  // namespace vmxsim::devices
