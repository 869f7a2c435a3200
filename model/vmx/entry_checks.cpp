// SPDX-License-Identifier: Apache-2.0
#include "model/vmx/entry_checks.hpp"

namespace vmxsim::vmx {

DecodedControls::DecodedControls(const arch::VmcsPage& page) : controls(decode_controls(page)) {
    if (controls.primary.has(arch::PrimaryControl::ActivateTertiaryControls))
        tertiary = {page.get(arch::Field::TERTIARY_VM_EXEC_CONTROL)};
    if (controls.exit.has(arch::ExitControl::ActivateSecondaryControls))
        exit2 = {page.get(arch::Field::SECONDARY_VM_EXIT_CONTROLS)};
    inject = {static_cast<u32>(page.get(arch::Field::VM_ENTRY_INTR_INFO_FIELD))};
}

EntryContext::EntryContext(const arch::VmcsPage& page, const arch::Capabilities& capabilities, const CpuState& cpu,
                           const memory::PhysicalMemory& ram, u64 current, u64 offset)
    : page_(page), cpu_(cpu), ram_(ram), own_(page), caps(capabilities), current_vmcs(current), memory_offset(offset),
      controls(own_->controls), tertiary(own_->tertiary), exit2(own_->exit2), inject(own_->inject) {}

EntryContext::EntryContext(const arch::VmcsPage& page, const DecodedControls& decoded,
                           const arch::Capabilities& capabilities, const CpuState& cpu,
                           const memory::PhysicalMemory& ram, u64 current)
    : page_(page), cpu_(cpu), ram_(ram), caps(capabilities), current_vmcs(current), memory_offset(0),
      controls(decoded.controls), tertiary(decoded.tertiary), exit2(decoded.exit2), inject(decoded.inject) {}

const EntryCheck* first_violated(std::span<const EntryCheck> checks, const EntryContext& context) {
    for (const EntryCheck& check : checks)
        if (!check.holds(context)) return &check;
    return nullptr;
}

const EntryCheck* violated_control(const EntryContext& context) {
    const EntryCheck* v = first_violated(control_checks(), context);
    return v ? v : first_violated(injection_checks(), context);
}

const EntryCheck* violated_host(const EntryContext& context) { return first_violated(host_checks(), context); }

const EntryCheck* violated_guest(const EntryContext& context) {
    if (const EntryCheck* v = first_violated(guest_register_checks(), context)) return v;
    if (const EntryCheck* v = first_violated(guest_segment_checks(), context)) return v;
    return first_violated(guest_other_checks(), context);
}

bool pdpte_ok(const arch::Capabilities& caps, u64 pdpte) {
    constexpr u64 kReserved = 0x1e6;  // bits 2:1 and 8:5
    return !(pdpte & 1) || (pdpte & (kReserved | beyond_physical_width(caps))) == 0;
}

}  // namespace vmxsim::vmx
