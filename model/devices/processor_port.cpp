// SPDX-License-Identifier: Apache-2.0
#include "model/devices/processor_port.hpp"

#include "model/devices/platform.hpp"

namespace vmxsim::devices {

ProcessorPort::ProcessorPort(Platform& platform, unsigned index, const u64& cycles)
    : platform_(platform), index_(index),
      timers_(cycles, platform.timers().cycle_hz(), own_deadline_, [this] { update_deadline(); }) {
    const Platform::Settings& s = platform.settings();
    if (s.local_apic) make_apic(s.bus_hz, s.apic);
}

void ProcessorPort::make_apic(u64 bus_hz, LocalApic::Features features) {
    apic_ = std::make_unique<LocalApic>(
        index_, timers_, bus_hz, features,
        LocalApic::Wires{.changed = [this] { update_interrupt(); },
                         .nmi = [this] { raise_nmi(); },
                         .init =
                             [this] {
                                 lines_.init = true;
                                 lines_.sipi = false;  // one from before the INIT finds a processor that does not wait
                                 tell();
                             },
                         .sipi =
                             [this](u8 vector) {
                                 lines_.sipi = true;
                                 lines_.sipi_vector = vector;
                                 tell();
                             },
                         .send = [this](const InterruptMessage& m, Shorthand to) { platform_.send(m, to, index_); },
                         .eoi = [this](u8 vector) { platform_.end_of_interrupt(vector); },
                         .moved =
                             [this] {
                                 if (mmio_)
                                     mmio_->move(*apic_, apic_->page(),
                                                 apic_->enabled() && !apic_->x2apic() ? 4096 : 0);
                             }});
    if (index_ == 0) apic_->set_up_by_firmware();
}

void ProcessorPort::attach_to(MmioBus& mmio) {
    mmio_ = &mmio;
    if (apic_) mmio.attach(apic_->page(), 4096, *apic_);
}

void ProcessorPort::tell() {
    if (platform_.settings().attention) platform_.settings().attention(index_);
}

void ProcessorPort::raise_nmi() {
    lines_.nmi = true;
    tell();
}

bool ProcessorPort::pic_waits() const { return platform_.pic_output() && (!apic_ || apic_->passes_pic()); }

void ProcessorPort::pic_output(bool high) {
    if (apic_) apic_->lint0(high);
    update_interrupt();
}

void ProcessorPort::update_interrupt() {
    const bool before = lines_.interrupt;
    lines_.interrupt = (apic_ && apic_->pending()) || pic_waits();
    if (lines_.interrupt && !before) tell();
}

/// Without a way for a timer to become an NMI, a processor that halts with interrupts disabled halts for good.
bool ProcessorPort::may_raise_nmi() const { return apic_ && (apic_->lint0_is_nmi() || platform_.may_send_nmi()); }

void ProcessorPort::update_deadline() { lines_.deadline = std::min(own_deadline_, platform_.timers().next()); }

/// The local APIC's own interrupts and one of the PIC: ExtINT comes first, as it has no priority of its own.
u8 ProcessorPort::acknowledge() {
    return apic_ && !pic_waits() ? apic_->acknowledge() : platform_.acknowledge_pic();
}

void ProcessorPort::initialised() {
    if (apic_) apic_->reset();
    update_interrupt();
}

void ProcessorPort::advance() {
    platform_.timers().advance();
    timers_.advance();
}

}  // namespace vmxsim::devices
