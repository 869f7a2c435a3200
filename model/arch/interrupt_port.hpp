// SPDX-License-Identifier: Apache-2.0
// The one contract between a processor and what interrupts it: its local APIC and the chipset behind that.
#pragma once
#include "model/arch/types.hpp"

namespace vmxsim::arch {

/// What waits for the processor. Plain data, so that a boundary between blocks costs two compares.
struct InterruptLines {
    bool interrupt = false;     ///< INTR: a level, true while acknowledge() has a vector of enough priority
    bool nmi = false;           ///< an edge, kept until the processor takes it
    bool init = false;          ///< the same
    bool sipi = false;          ///< a start-up IPI, until the processor looks at it: who does not wait for one drops it
    u8 sipi_vector = 0;
    u64 deadline = ~u64{0};     ///< cycle from which on advance() is to be called; ~0: none
    bool any() const { return interrupt || nmi || init || sipi; }
};

class InterruptPort {
public:
    virtual ~InterruptPort() = default;

    const InterruptLines& lines() const { return lines_; }
    void nmi_taken() { lines_.nmi = false; }
    void init_taken() { lines_.init = false; }
    void sipi_taken() { lines_.sipi = false; }

    /// The interrupt-acknowledge cycle: the vector with the highest priority, which is in service from here on.
    virtual u8 acknowledge() = 0;
    /// Lets the devices' events up to the present cycle happen, and moves the deadline behind it.
    virtual void advance() = 0;
    /// Whether a device may raise NMI or INIT by itself: what alone can wake a processor that halts with IF = 0.
    virtual bool may_raise_nmi() const { return false; }

    /// The processor was reset by INIT: so is its local APIC, but for its ID (SDM 11.4.7.3).
    virtual void initialised() {}

    // The local APIC as a part of the processor (SDM 11.8.6, 11.12).
    virtual u8 task_priority() const { return 0; }
    virtual void set_task_priority(u8) {}
    /// IA32_APIC_BASE, IA32_TSC_DEADLINE and the registers of x2APIC mode. False: #GP(0).
    virtual bool read_msr(u32, u64&) { return false; }
    virtual bool write_msr(u32, u64) { return false; }
    /// IA32_TSC or IA32_TSC_ADJUST was written: TSC = cycles + `adjust`.
    virtual void tsc_adjusted(u64) {}
    /// A performance counter overflowed: the local vector table's entry for it (SDM 11.5.1).
    virtual void performance_interrupt() {}

protected:
    InterruptLines lines_;
};

}  // namespace vmxsim::arch
