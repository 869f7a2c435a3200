// SPDX-License-Identifier: Apache-2.0
// The virtual task priority and the APIC-access page (SDM 32.1 to 32.4). Not here, and not offered: APIC-register
// virtualization, virtual-interrupt delivery, x2APIC virtualization, posted interrupts.
#include "model/vmx/vmx.hpp"

namespace vmxsim::vmx {

using arch::ExitReason;
using arch::PrimaryControl;
using arch::SecondaryControl;

namespace {
constexpr u64 kVtpr = 0x80;  ///< offset of the task-priority register in the virtual-APIC page (32.1.1)
}

/// TPR virtualization (32.1.2).
bool Vmx::below_threshold() const {
    return (ram_.read(controls_.virtual_apic + kVtpr, 4) >> 4 & 15) < (controls_.tpr_threshold & 15);
}

std::optional<u64> Vmx::virtual_cr8() const {
    if (!non_root() || !controls_.has(PrimaryControl::UseTPRShadow)) return std::nullopt;
    return ram_.read(controls_.virtual_apic + kVtpr, 4) >> 4 & 15;
}

bool Vmx::write_virtual_cr8(u64 value, ExitInfo& info) {
    ram_.write(controls_.virtual_apic + kVtpr, 4, (value & 15) << 4);  // 32.3: other bits of VTPR become 0
    if (controls_.has(SecondaryControl::VirtualInterruptDelivery) || !below_threshold()) return false;
    info = {};
    info.reason = ExitReason::TPR_BELOW_THRESHOLD;
    return true;
}

std::optional<HostPhysical> Vmx::apic_access_page() const {
    if (!non_root() || !controls_.has(SecondaryControl::VirtualizeAPICAccesses)) return std::nullopt;
    return controls_.apic_access;
}

bool Vmx::access_apic_page(u64 offset, unsigned bytes, ApicAccess type, u8* data, ExitInfo& info) {
    // 32.4.2, 32.4.3: with the TPR shadow, up to four bytes within the TPR's register are those of the virtual-APIC page.
    const bool virtualized = controls_.has(PrimaryControl::UseTPRShadow) && type != ApicAccess::Fetch && bytes <= 4 &&
                             offset >= kVtpr && offset + bytes <= kVtpr + 4;
    if (!virtualized) {
        info = {};
        info.reason = ExitReason::APIC_ACCESS;
        info.qualification = offset | u64{static_cast<u8>(type)} << 12;
        return true;
    }
    const HostPhysical at = controls_.virtual_apic + offset;
    if (type == ApicAccess::Read) return ram_.read_block(at, {data, bytes}), false;
    // APIC-write emulation (32.4.3.2): bytes 3:1 of VTPR are cleared; an exit is taken behind the instruction.
    ram_.write_block(at, {data, bytes});
    ram_.write(controls_.virtual_apic + kVtpr, 4, ram_.read(controls_.virtual_apic + kVtpr, 1));
    tpr_exit_due_ = below_threshold();
    return false;
}

/// VM entry with a threshold above the virtual task priority exits before the guest's first instruction (29.7.7).
void Vmx::check_threshold_at_entry() {
    tpr_exit_due_ = controls_.has(PrimaryControl::UseTPRShadow) &&
                    controls_.has(SecondaryControl::VirtualizeAPICAccesses) &&
                    !controls_.has(SecondaryControl::VirtualInterruptDelivery) && below_threshold();
}

}  // namespace vmxsim::vmx
