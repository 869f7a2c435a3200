// SPDX-License-Identifier: Apache-2.0
#include "model/vmx/entry_checks.hpp"

namespace vmxsim::vmx {

EntryContext::EntryContext(const arch::VmcsPage& page_, const arch::Capabilities& capabilities, const CpuState& cpu_,
                           const memory::PhysicalMemory& ram_, u64 current, u64 offset)
    : page(page_), caps(capabilities), cpu(cpu_), ram(ram_), current_vmcs(current), memory_offset(offset),
      controls(decode_controls(page_)) {
    if (controls.primary.has(arch::PrimaryControl::ActivateTertiaryControls))
        tertiary = {page.get(arch::Field::TERTIARY_VM_EXEC_CONTROL)};
    if (controls.exit.has(arch::ExitControl::ActivateSecondaryControls))
        exit2 = {page.get(arch::Field::SECONDARY_VM_EXIT_CONTROLS)};
    inject = {static_cast<u32>(page.get(arch::Field::VM_ENTRY_INTR_INFO_FIELD))};
}

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
