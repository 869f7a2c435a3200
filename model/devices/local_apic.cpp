// SPDX-License-Identifier: Apache-2.0
#include "model/devices/local_apic.hpp"

#include <bit>

namespace vmxsim::devices {

namespace {

// Registers by offset in the page (SDM table 11-1); an x2APIC MSR is 800H + offset / 16.
enum : u32 {
    kId = 0x20, kVersion = 0x30, kTpr = 0x80, kApr = 0x90, kPpr = 0xa0, kEoi = 0xb0, kRrd = 0xc0, kLdr = 0xd0,
    kDfr = 0xe0, kSvr = 0xf0, kIsr = 0x100, kTmr = 0x180, kIrr = 0x200, kEsr = 0x280, kIcrLow = 0x300, kIcrHigh = 0x310,
    kLvtFirst = 0x320, kLvtLast = 0x370, kInitialCount = 0x380, kCurrentCount = 0x390, kDivide = 0x3e0, kSelfIpi = 0x3f0
};
constexpr u32 kVersionValue = 0x00050014;  ///< integrated APIC, six LVT entries, no EOI-broadcast suppression
constexpr u32 kSendIllegalVector = 1u << 5, kReceivedIllegalVector = 1u << 6, kIllegalRegister = 1u << 7;
constexpr u32 kMsrBase = 0x1b, kMsrDeadline = 0x6e0, kMsrFirst = 0x800, kMsrLast = 0x8ff;
constexpr u64 kBsp = 1u << 8, kX2 = 1u << 10, kEnable = 1u << 11, kDefaultPage = 0xfee00000;
constexpr u32 kLvtWritable[] = {0x710ff, 0x117ff, 0x117ff, 0x1b7ff, 0x1b7ff, 0x110ff};  ///< timer: mode 18:17, mask

int highest(const std::array<u32, 8>& bits) {
    for (int i = 7; i >= 0; --i)
        if (bits[static_cast<unsigned>(i)]) return i * 32 + 31 - std::countl_zero(bits[static_cast<unsigned>(i)]);
    return -1;
}
void set(std::array<u32, 8>& bits, unsigned n, bool value = true) {
    value ? bits[n >> 5] |= 1u << (n & 31) : bits[n >> 5] &= ~(1u << (n & 31));
}
bool get(const std::array<u32, 8>& bits, unsigned n) { return bits[n >> 5] >> (n & 31) & 1; }

}  // namespace

LocalApic::LocalApic(unsigned id, Timers& timers, u64 bus_hz, Features features, Wires wires)
    : timers_(timers), bus_(timers.clock(bus_hz)), features_(features), wires_(std::move(wires)),
      timer_(timers.add([this](u64 cycle) { timer_fired(cycle); })), initial_id_(id),
      base_(kDefaultPage | kEnable | (id == 0 ? kBsp : 0)), id_(id) {
    reset();
}

void LocalApic::reset() {
    tpr_ = 0;
    svr_ = 0xff;
    ldr_ = x2apic() ? x2apic_ldr() : 0;  // INIT leaves the mode and the ID (SDM 11.12.5.1)
    dfr_ = ~u32{0};
    esr_ = errors_ = 0;
    icr_ = 0;
    irr_ = isr_ = tmr_ = {};
    lvt_.fill(kMasked);
    initial_ = divide_ = 0;
    spent_ = false;
    deadline_ = 0;
    timers_.cancel(timer_);
}

void LocalApic::set_up_by_firmware() {
    svr_ = 0x1ff;
    lvt_[kLint0] = static_cast<u32>(DeliveryMode::ExtInt) << 8;
    lvt_[kLint1] = static_cast<u32>(DeliveryMode::Nmi) << 8;
}

u8 LocalApic::processor_priority() const {
    const int isr = highest(isr_);
    const u8 in_service = isr < 0 ? u8{0} : static_cast<u8>(isr);
    return (tpr_ >> 4) >= (in_service >> 4) ? tpr_ : static_cast<u8>(in_service & 0xf0);
}

bool LocalApic::pending() const {
    if (!enabled() || !software_enabled()) return false;
    const int irr = highest(irr_);
    return irr >= 0 && (irr >> 4) > (processor_priority() >> 4);
}

bool LocalApic::passes_pic() const {
    if (!enabled()) return true;  // the pin is the processor's INTR then
    return !(lvt_[kLint0] & kMasked) && (lvt_[kLint0] >> 8 & 7) == static_cast<u32>(DeliveryMode::ExtInt);
}

u8 LocalApic::acknowledge() {
    const unsigned vector = static_cast<unsigned>(highest(irr_));
    set(irr_, vector, false);
    set(isr_, vector);
    wires_.changed();
    return static_cast<u8>(vector);
}

void LocalApic::end_of_interrupt() {
    const int vector = highest(isr_);
    if (vector < 0) return;
    set(isr_, static_cast<unsigned>(vector), false);
    if (get(tmr_, static_cast<unsigned>(vector))) wires_.eoi(static_cast<u8>(vector));
    wires_.changed();
}

void LocalApic::set_task_priority(u8 value) {
    tpr_ = value;
    wires_.changed();
}

void LocalApic::accept_vector(u8 vector, bool level) {
    if (vector < 16) return error(kReceivedIllegalVector);
    if (!software_enabled()) return;
    set(irr_, vector);
    set(tmr_, vector, level);
    wires_.changed();
}

void LocalApic::error(u32 bit) {
    const bool first = !(errors_ & bit);
    errors_ |= bit;
    if (first) raise_lvt(kError);
}

bool LocalApic::accepts(const InterruptMessage& m) const {
    if (!enabled()) return false;
    // All ones are everyone: 8 bits of them, but where an x2APIC could mean the processor of ID 255 (SDM 11.12.9).
    if (m.destination == ~u32{0} || (m.destination == 0xff && !(m.wide && x2apic()))) return true;
    if (!m.logical) return m.destination == id_;
    if (x2apic()) return m.destination >> 16 == ldr_ >> 16 && (m.destination & ldr_ & 0xffff);
    const u32 mine = ldr_ >> 24;
    if (dfr_ >> 28 == 0xf) return m.destination & mine;
    return m.destination >> 4 == mine >> 4 && (m.destination & mine & 0xf);  // cluster model
}

void LocalApic::deliver(const InterruptMessage& m) {
    switch (m.mode) {
        case DeliveryMode::Fixed:
        case DeliveryMode::LowestPriority: return accept_vector(m.vector, m.level);
        case DeliveryMode::Nmi: return wires_.nmi();
        case DeliveryMode::Init: return wires_.init();
        case DeliveryMode::StartUp: return wires_.sipi(m.vector);
        default: return;
    }
}

void LocalApic::lint0(bool high) {
    const bool edge = high && !lint0_;
    lint0_ = high;
    if (edge && enabled() && !passes_pic()) raise_lvt(kLint0);
}

void LocalApic::raise_lvt(Lvt entry) {
    const u32 value = lvt_[entry];
    if (value & kMasked) return;
    const bool has_mode = entry != kTimer && entry != kError;
    const auto mode = has_mode ? static_cast<DeliveryMode>(value >> 8 & 7) : DeliveryMode::Fixed;
    // Level-triggered entries (LINT0 and 1 only) are taken as edges: no device here drives them so.
    deliver({.mode = mode, .vector = static_cast<u8>(value)});
}

void LocalApic::performance_interrupt() {
    raise_lvt(kPerformance);
    lvt_[kPerformance] |= kMasked;
}

void LocalApic::send(u64 command) {
    const u32 low = static_cast<u32>(command);
    const auto mode = static_cast<DeliveryMode>(low >> 8 & 7);
    const bool assert_level = low >> 14 & 1;
    if (mode == DeliveryMode::Init && !assert_level && (low >> 15 & 1)) return;  // INIT level de-assert: no effect
    InterruptMessage m{mode, static_cast<u8>(low), false, (low >> 11 & 1) != 0,
                       x2apic() ? static_cast<u32>(command >> 32) : static_cast<u32>(command >> 56), x2apic()};
    const bool has_vector = mode == DeliveryMode::Fixed || mode == DeliveryMode::LowestPriority;
    if (has_vector && m.vector < 16) return error(kSendIllegalVector);
    const auto shorthand = static_cast<Shorthand>(low >> 18 & 3);
    if (shorthand == Shorthand::Self) deliver(m);
    else wires_.send(m, shorthand);
}

void LocalApic::write_lvt(Lvt entry, u32 value) {
    value &= kLvtWritable[entry];
    if (entry == kTimer && !features_.tsc_deadline) value &= ~(1u << 18);
    if (!software_enabled()) value |= kMasked;
    const u32 old = lvt_[entry];
    if (entry == kTimer && timer_mode() == kOneShot && current_count() == 0) spent_ = true;
    lvt_[entry] = value;
    if (entry == kTimer && ((old ^ value) >> 17 & 3)) {
        // A change to or from TSC-deadline mode disarms the timer (SDM 11.5.4.1).
        const bool deadline_was = (old >> 17 & 3) == kDeadline, deadline_is = timer_mode() == kDeadline;
        if (deadline_was || deadline_is) {
            timers_.cancel(timer_);
            deadline_ = 0;
            initial_ = 0;
        }
    }
    wires_.changed();
}

u32 LocalApic::read_register(u32 offset) {
    switch (offset) {
        case kId: return x2apic() ? id_ : id_ << 24;
        case kVersion: return kVersionValue;
        case kTpr: return tpr_;
        case kApr:
        case kRrd: return 0;
        case kPpr: return processor_priority();
        case kLdr: return ldr_;
        case kDfr: return dfr_;
        case kSvr: return svr_;
        case kEsr: return esr_;
        case kIcrLow: return static_cast<u32>(icr_);
        case kIcrHigh: return static_cast<u32>(icr_ >> 32);
        case kInitialCount: return initial_;
        case kCurrentCount: return current_count();
        case kDivide: return divide_;
        default: break;
    }
    if (offset >= kLvtFirst && offset <= kLvtLast) return lvt_[(offset - kLvtFirst) >> 4];
    if (offset >= kIsr && offset < kTmr) return isr_[(offset - kIsr) >> 4];
    if (offset >= kTmr && offset < kIrr) return tmr_[(offset - kTmr) >> 4];
    if (offset >= kIrr && offset < kEsr) return irr_[(offset - kIrr) >> 4];
    error(kIllegalRegister);
    return 0;
}

bool LocalApic::write_register(u32 offset, u32 value) {
    switch (offset) {
        case kId:
            if (x2apic()) return false;
            id_ = value >> 24;
            return true;
        case kTpr: return set_task_priority(static_cast<u8>(value)), true;
        case kEoi: return end_of_interrupt(), true;
        case kLdr:
            if (x2apic()) return false;
            ldr_ = value & 0xff000000;
            return true;
        case kDfr:
            if (x2apic()) return false;
            dfr_ = value | 0x0fffffff;
            return true;
        case kSvr:
            svr_ = value & 0x3ff;
            if (!software_enabled())
                for (u32& l : lvt_) l |= kMasked;
            wires_.changed();
            return true;
        case kEsr:
            esr_ = errors_;  // a write makes the errors since the last one visible
            errors_ = 0;
            return true;
        case kIcrLow:
            icr_ = (icr_ & ~u64{0xffffffff}) | (value & 0x000ccfff);
            return send(icr_), true;
        case kIcrHigh:
            icr_ = (icr_ & 0xffffffff) | u64{value & 0xff000000} << 32;
            return true;
        case kInitialCount:
            if (timer_mode() == kDeadline) return true;  // ignored
            initial_ = value;
            return start_timer(), true;
        case kDivide: return rebase_timer(value), true;
        default: break;
    }
    if (offset >= kLvtFirst && offset <= kLvtLast)
        return write_lvt(static_cast<Lvt>((offset - kLvtFirst) >> 4), value), true;
    return false;
}

u64 LocalApic::read(u64 offset, unsigned) {
    if (offset & 15 || x2apic()) return 0;  // registers are 32 bits at multiples of 16; others are undefined
    return read_register(static_cast<u32>(offset));
}

void LocalApic::write(u64 offset, unsigned, u64 value) {
    if (offset & 15) return;
    const u32 at = static_cast<u32>(offset);
    const bool read_only = at == kVersion || at == kPpr || at == kApr || at == kRrd || at == kCurrentCount ||
                           (at >= kIsr && at < kEsr);
    if (!write_register(at, static_cast<u32>(value)) && !read_only) error(kIllegalRegister);
}

bool LocalApic::write_base(u64 value) {
    if (value & 0xff & ~kBsp || value & 0x200) return false;
    const bool enable = value & kEnable, x2 = value & kX2;
    if (x2 && (!features_.x2apic || !enable)) return false;
    // SDM figure 11-26: x2APIC mode is entered from xAPIC mode alone, and left by disabling alone.
    if (x2 && !enabled()) return false;
    if (!x2 && enable && x2apic()) return false;
    const bool was_enabled = enabled(), was_x2 = x2apic();
    base_ = value;
    if (was_enabled && !enable) {
        reset();
        id_ = initial_id_;
    }
    if (!was_x2 && x2) {
        id_ = initial_id_;  // what software wrote into the 8-bit register is of the other mode
        ldr_ = x2apic_ldr();
        icr_ &= 0xffffffff;
    }
    wires_.moved();
    wires_.changed();
    return true;
}

bool LocalApic::read_msr(u32 index, u64& value) {
    if (index == kMsrBase) return value = base_, true;
    if (index == kMsrDeadline) return value = deadline_, features_.tsc_deadline;
    if (!x2apic() || index < kMsrFirst || index > kMsrLast) return false;
    const u32 offset = (index - kMsrFirst) << 4;
    if (offset == kIcrLow) return value = icr_, true;
    const bool exists = offset == kId || offset == kVersion || offset == kTpr || offset == kPpr || offset == kLdr ||
                        offset == kSvr || (offset >= kIsr && offset <= kEsr) ||
                        (offset >= kLvtFirst && offset <= kCurrentCount) || offset == kDivide;
    if (!exists) return false;
    value = read_register(offset);
    return true;
}

bool LocalApic::write_msr(u32 index, u64 value) {
    if (index == kMsrBase) return write_base(value);
    if (index == kMsrDeadline) {
        if (!features_.tsc_deadline) return false;
        if (timer_mode() != kDeadline) return true;  // ignored in other modes (SDM 11.5.4.1)
        deadline_ = value;
        return arm_deadline(), true;
    }
    if (!x2apic() || index < kMsrFirst || index > kMsrLast) return false;
    const u32 offset = (index - kMsrFirst) << 4;
    if (offset == kIcrLow) {
        if (value & 0xfff33000) return false;
        icr_ = value;
        return send(value), true;
    }
    if (value >> 32) return false;
    const u32 word = static_cast<u32>(value);
    switch (offset) {
        case kTpr: if (value >> 8) return false; break;
        case kEoi:
        case kEsr: if (value) return false; break;
        case kSvr: if (value & ~u64{0x3ff}) return false; break;
        case kDivide: if (value & ~u64{0xb}) return false; break;
        case kSelfIpi:
            if (value >> 8) return false;
            word < 16 ? error(kSendIllegalVector) : accept_vector(static_cast<u8>(word), false);
            return true;
        case kIcrHigh:
        case kDfr: return false;
        default: break;
    }
    if (offset >= kLvtFirst && offset <= kLvtLast && value & ~u64{kLvtWritable[(offset - kLvtFirst) >> 4] | 0x5000})
        return false;
    return write_register(offset, word);
}

}  // namespace vmxsim::devices
