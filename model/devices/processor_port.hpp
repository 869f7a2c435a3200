// SPDX-License-Identifier: Apache-2.0
// What one processor has of the platform: its local APIC with a clock of its own, and the wires that reach it.
#pragma once
#include <functional>
#include <memory>

#include "model/arch/interrupt_port.hpp"
#include "model/devices/local_apic.hpp"

namespace vmxsim::devices {

class Platform;

class ProcessorPort final : public arch::InterruptPort {
public:
    /// `cycles`: of this processor. `platform` outlives it.
    ProcessorPort(Platform& platform, unsigned index, const u64& cycles);
    ProcessorPort(const ProcessorPort&) = delete;
    ProcessorPort& operator=(const ProcessorPort&) = delete;

    void attach_to(MmioBus& mmio);
    /// Null: the PIC drives INTR.
    LocalApic* apic() { return apic_.get(); }
    void raise_nmi();
    /// The PIC's output has changed, by `high` to what it is.
    void pic_output(bool high);
    void update_interrupt();
    /// An event of the shared devices may be the next one now.
    void update_deadline();

    // arch::InterruptPort
    u8 acknowledge() override;
    bool may_raise_nmi() const override;
    void initialised() override;
    u8 task_priority() const override { return apic_ ? apic_->task_priority() : u8{0}; }
    void set_task_priority(u8 value) override { if (apic_) apic_->set_task_priority(value); }
    bool read_msr(u32 index, u64& value) override { return apic_ && apic_->read_msr(index, value); }
    bool write_msr(u32 index, u64 value) override { return apic_ && apic_->write_msr(index, value); }
    void tsc_adjusted(u64 adjust) override { if (apic_) apic_->tsc_adjusted(adjust); }
    void performance_interrupt() override { if (apic_) apic_->performance_interrupt(); }
    void advance() override;

private:
    /// The PIC's request passes to this processor.
    bool pic_waits() const;
    void tell();
    void make_apic(const u64 bus_hz, LocalApic::Features features);
    Platform& platform_;
    const unsigned index_;
    u64 own_deadline_ = Timers::kNever;
    Timers timers_;  ///< of the local APIC: in the processor's cycles, which are not the other processors'
    std::unique_ptr<LocalApic> apic_;
    MmioBus* mmio_ = nullptr;
};

}  // namespace vmxsim::devices
