// SPDX-License-Identifier: Apache-2.0
// Control registers, CR8 and the TSC in VMX operation (SDM 26.8, 28.1.3, 28.3).
#include "model/vmx/allowed.hpp"
#include "model/vmx/vmx.hpp"

namespace vmxsim::vmx {

using arch::ExitReason;
using arch::PrimaryControl;
using arch::SecondaryControl;

namespace {

enum CrAccess : u64 { kMovTo = 0, kMovFrom = 1, kClts = 2, kLmsw = 3 };  // qualification bits 5:4

bool cr_exit(ExitInfo& info, CrAccess access, u64 rest) {
    info = {};
    info.reason = ExitReason::CR_ACCESS;
    info.qualification = access << 4 | rest;
    return true;
}

}  // namespace

bool Vmx::intercept_mov_to_cr(unsigned cr, unsigned gpr, u64 value, ExitInfo& info) const {
    if (!non_root()) return false;
    const auto& c = controls_;
    bool exits = false;
    switch (cr) {
        case 0: exits = (value ^ c.cr0_shadow) & c.cr0_mask; break;
        case 4: exits = (value ^ c.cr4_shadow) & c.cr4_mask; break;
        case 8: exits = c.has(PrimaryControl::CR8LoadExiting); break;
        case 3:
            exits = c.has(PrimaryControl::CR3LoadExiting);
            for (u32 i = 0; i < c.cr3_target_count && i < 4; ++i)
                if (value == c.cr3_target[i]) exits = false;
            break;
        default: break;
    }
    return exits && cr_exit(info, kMovTo, cr | u64{gpr} << 8);
}

bool Vmx::intercept_mov_from_cr(unsigned cr, unsigned gpr, ExitInfo& info) const {
    if (!non_root()) return false;
    const bool exits = (cr == 3 && controls_.has(PrimaryControl::CR3StoreExiting)) ||
                       (cr == 8 && controls_.has(PrimaryControl::CR8StoreExiting));
    return exits && cr_exit(info, kMovFrom, cr | u64{gpr} << 8);
}

bool Vmx::intercept_clts(ExitInfo& info) const {
    return non_root() && (controls_.cr0_mask & controls_.cr0_shadow & cr0::TS) && cr_exit(info, kClts, 0);
}

bool Vmx::intercept_lmsw(u16 source, bool memory, u64 linear, ExitInfo& info) const {
    if (!non_root()) return false;
    const u64 mask = controls_.cr0_mask, shadow = controls_.cr0_shadow;
    constexpr u64 kMpEmTs = cr0::MP | cr0::EM | cr0::TS;
    // LMSW can set PE but not clear it.
    const bool exits = (mask & source & ~shadow & cr0::PE) || (mask & (source ^ shadow) & kMpEmTs);
    if (!exits) return false;
    cr_exit(info, kLmsw, (memory ? 1u << 6 : 0u) | u64{source} << 16);
    if (memory) info.guest_linear = linear;
    return true;
}

u64 Vmx::visible_cr0() const {
    if (!non_root()) return cpu_.cr0;
    return (controls_.cr0_shadow & controls_.cr0_mask) | (cpu_.cr0 & ~controls_.cr0_mask);
}

u64 Vmx::visible_cr4() const {
    if (!non_root()) return cpu_.cr4;
    return (controls_.cr4_shadow & controls_.cr4_mask) | (cpu_.cr4 & ~controls_.cr4_mask);
}

u64 Vmx::merged_cr0(u64 value) const {
    if (!non_root()) return value;
    return (value & ~controls_.cr0_mask) | (cpu_.cr0 & controls_.cr0_mask);
}

u64 Vmx::merged_cr4(u64 value) const {
    if (!non_root()) return value;
    return (value & ~controls_.cr4_mask) | (cpu_.cr4 & controls_.cr4_mask);
}

bool Vmx::cr0_allowed(u64 value) const {
    if (!cpu_.vmx.on) return true;
    const bool unrestricted = non_root() && controls_.has(SecondaryControl::UnrestrictedGuest);
    return cr0_fixed_ok(capabilities_, value, unrestricted ? cr0::PE | cr0::PG : u64{0});
}

bool Vmx::cr4_allowed(u64 value) const { return !cpu_.vmx.on || cr4_fixed_ok(capabilities_, value); }

u64 Vmx::guest_tsc() const {
    const u64 tsc = cpu_.cycles + cpu_.tsc_adjust;
    if (!non_root() || !controls_.has(PrimaryControl::UseTSCOffsetting)) return tsc;
    if (!controls_.has(SecondaryControl::UseTSCScaling)) return tsc + controls_.tsc_offset;
    // (TSC * multiplier) >> 48 of the 128-bit product (28.3): high and low half of the TSC apart.
    constexpr unsigned kFraction = 48;
    const u64 m = controls_.tsc_multiplier;
    const u64 low = (tsc & 0xffffffff) * (m & 0xffffffff);
    const u64 mid1 = (tsc >> 32) * (m & 0xffffffff), mid2 = (tsc & 0xffffffff) * (m >> 32);
    const u64 high = (tsc >> 32) * (m >> 32);
    const u64 middle = (low >> 32) + (mid1 & 0xffffffff) + (mid2 & 0xffffffff);
    const u64 product_high = high + (mid1 >> 32) + (mid2 >> 32) + (middle >> 32);
    const u64 product_low = middle << 32 | (low & 0xffffffff);
    return (product_high << (64 - kFraction) | product_low >> kFraction) + controls_.tsc_offset;
}

}  // namespace vmxsim::vmx
