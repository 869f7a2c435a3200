// SPDX-License-Identifier: Apache-2.0
// The local APIC of one processor (SDM chapter 11): xAPIC in memory, x2APIC by MSRs, its timer in all modes.
#pragma once
#include <array>
#include <functional>

#include "model/devices/mmio_bus.hpp"
#include "model/devices/timers.hpp"

namespace vmxsim::devices {

enum class DeliveryMode : u8 { Fixed = 0, LowestPriority = 1, Smi = 2, Nmi = 4, Init = 5, StartUp = 6, ExtInt = 7 };

/// An interrupt on its way to local APICs.
struct InterruptMessage {
    DeliveryMode mode = DeliveryMode::Fixed;
    u8 vector = 0;
    bool level = false;    ///< level-triggered: its EOI is told to the I/O APIC
    bool logical = false;
    u32 destination = 0;
    bool wide = false;     ///< from an x2APIC: a destination of 32 bits
};

/// Whom a message goes to (ICR[19:18], SDM 11.6.1).
enum class Shorthand : u8 { None, Self, All, Others };

/// Not modelled: SMIs, CMCI, suppression of EOI broadcasts, focus-processor checking.
class LocalApic : public MmioDevice {
public:
    struct Features {
        bool x2apic = false, tsc_deadline = false;
    };
    struct Wires {
        std::function<void()> changed;       ///< pending() may have changed
        std::function<void()> nmi, init;
        std::function<void(u8)> sipi;        ///< with its vector
        std::function<void(const InterruptMessage&, Shorthand)> send;  ///< to the local APICs, this one perhaps included
        std::function<void(u8)> eoi;         ///< of a level-triggered vector
        std::function<void()> moved;         ///< the page is elsewhere, or gone
    };
    /// `id`: the initial APIC ID; processor 0 is the boot processor. `bus_hz`: what the timer divides.
    LocalApic(unsigned id, Timers& timers, u64 bus_hz, Features features, Wires wires);

    /// As PC firmware leaves the boot processor's: enabled, LINT0 passes on the PIC's interrupts, LINT1 is NMI.
    void set_up_by_firmware();
    void reset();

    bool enabled() const { return base_ >> 11 & 1; }       ///< by IA32_APIC_BASE
    bool x2apic() const { return enabled() && (base_ >> 10 & 1); }
    HostPhysical page() const { return {base_ & ~u64{0xfff}}; }

    bool accepts(const InterruptMessage& m) const;
    /// The rest of lowest-priority arbitration: who takes part, and with which priority (SDM 11.6.2.4).
    bool arbitrates() const { return enabled() && software_enabled(); }
    u8 processor_priority() const;
    void deliver(const InterruptMessage& m);
    /// LINT0, the PIC's output: what matters while its entry passes interrupts on (ExtINT), and edges in other modes.
    void lint0(bool high);
    /// LINT0 would pass an edge on as an NMI. No device of this model drives LINT1, and the timer's interrupts are fixed.
    bool lint0_is_nmi() const {
        return software_enabled() && !(lvt_[kLint0] & kMasked) &&
               static_cast<DeliveryMode>(lvt_[kLint0] >> 8 & 7) == DeliveryMode::Nmi;
    }
    /// An interrupt of its own waits, of enough priority.
    bool pending() const;
    /// The PIC's interrupt passes through.
    bool passes_pic() const;
    u8 acknowledge();

    u8 task_priority() const { return tpr_; }
    void set_task_priority(u8 value);
    void tsc_adjusted(u64 adjust);
    /// Delivers through the performance-counter entry, which is masked by it (SDM 11.5.1).
    void performance_interrupt();
    bool read_msr(u32 index, u64& value);
    bool write_msr(u32 index, u64 value);

    u64 read(u64 offset, unsigned bytes) override;
    void write(u64 offset, unsigned bytes, u64 value) override;

private:
    using Bits = std::array<u32, 8>;
    enum Lvt : unsigned { kTimer, kThermal, kPerformance, kLint0, kLint1, kError, kLvtCount };
    static constexpr u32 kMasked = 1u << 16;

    u32 read_register(u32 offset);
    /// False: no such register or read only.
    bool write_register(u32 offset, u32 value);
    bool write_base(u64 value);
    void send(u64 command);
    void raise_lvt(Lvt entry);
    void error(u32 bit);
    void accept_vector(u8 vector, bool level);
    void end_of_interrupt();
    void write_lvt(Lvt entry, u32 value);
    u32 x2apic_ldr() const { return (initial_id_ >> 4) << 16 | 1u << (initial_id_ & 15); }  ///< SDM 11.12.10.2
    bool software_enabled() const { return svr_ >> 8 & 1; }

    // local_apic_timer.cpp
    enum TimerMode : u32 { kOneShot = 0, kPeriodic = 1, kDeadline = 2 };
    u32 timer_mode() const { return lvt_[kTimer] >> 17 & 3; }
    u64 divider() const;
    void start_timer();
    void rebase_timer(u32 divide);
    u32 current_count() const;
    void timer_fired(u64 cycle);
    void arm_deadline();

    Timers& timers_;
    Clock bus_;
    Features features_;
    Wires wires_;
    Timers::Id timer_;
    const u32 initial_id_;
    u64 base_;               ///< IA32_APIC_BASE
    u32 id_;
    u8 tpr_ = 0;
    u32 svr_ = 0xff, ldr_ = 0, dfr_ = ~u32{0};
    u32 esr_ = 0, errors_ = 0;
    u64 icr_ = 0;
    Bits irr_{}, isr_{}, tmr_{};
    std::array<u32, kLvtCount> lvt_{};
    bool lint0_ = false;
    u32 initial_ = 0, divide_ = 0;
    u64 started_ = 0;        ///< bus tick at which the running count began
    bool spent_ = false;     ///< a one-shot count has ended: periodic mode, chosen since, does not start it again
    u64 deadline_ = 0;       ///< IA32_TSC_DEADLINE; 0: not armed
    u64 adjust_ = 0;         ///< TSC - cycles
};

}  // namespace vmxsim::devices
