// SPDX-License-Identifier: Apache-2.0
#include "model/vmx/vmx.hpp"

namespace vmxsim::vmx {

using arch::Field;
using arch::SecondaryControl;

ActiveControls decode_controls(const arch::VmcsPage& page) {
    ActiveControls c;
    const auto word = [&page](Field f) { return static_cast<u32>(page.get(f)); };
    const auto address = [&page](Field f) { return HostPhysical{page.get(f)}; };
    c.pin = {page.get(Field::PIN_BASED_VM_EXEC_CONTROL)};
    c.primary = {page.get(Field::CPU_BASED_VM_EXEC_CONTROL)};
    if (c.primary.has(arch::PrimaryControl::ActivateSecondaryControls))
        c.secondary = {page.get(Field::SECONDARY_VM_EXEC_CONTROL)};
    c.exit = {page.get(Field::VM_EXIT_CONTROLS)};
    c.entry = {page.get(Field::VM_ENTRY_CONTROLS)};
    c.exception_bitmap = word(Field::EXCEPTION_BITMAP);
    c.pf_mask = word(Field::PAGE_FAULT_ERROR_CODE_MASK);
    c.pf_match = word(Field::PAGE_FAULT_ERROR_CODE_MATCH);
    c.cr0_mask = page.get(Field::CR0_GUEST_HOST_MASK);
    c.cr0_shadow = page.get(Field::CR0_READ_SHADOW);
    c.cr4_mask = page.get(Field::CR4_GUEST_HOST_MASK);
    c.cr4_shadow = page.get(Field::CR4_READ_SHADOW);
    c.cr3_target[0] = page.get(Field::CR3_TARGET_VALUE0);
    c.cr3_target[1] = page.get(Field::CR3_TARGET_VALUE1);
    c.cr3_target[2] = page.get(Field::CR3_TARGET_VALUE2);
    c.cr3_target[3] = page.get(Field::CR3_TARGET_VALUE3);
    c.cr3_target_count = word(Field::CR3_TARGET_COUNT);
    c.tsc_offset = page.get(Field::TSC_OFFSET);
    c.tsc_multiplier = page.get(Field::TSC_MULTIPLIER);
    c.tpr_threshold = word(Field::TPR_THRESHOLD);
    c.ple_gap = word(Field::PLE_GAP);
    c.ple_window = word(Field::PLE_WINDOW);
    c.io_bitmap_a = address(Field::IO_BITMAP_A);
    c.io_bitmap_b = address(Field::IO_BITMAP_B);
    c.msr_bitmap = address(Field::MSR_BITMAP);
    c.apic_access = address(Field::APIC_ACCESS_ADDR);
    c.virtual_apic = address(Field::VIRTUAL_APIC_PAGE_ADDR);
    c.vmread_bitmap = address(Field::VMREAD_BITMAP);
    c.vmwrite_bitmap = address(Field::VMWRITE_BITMAP);
    c.link_pointer = page.get(Field::VMCS_LINK_POINTER);
    if (c.has(SecondaryControl::EnableVMFunctions)) {
        c.vm_functions = page.get(Field::VM_FUNCTION_CONTROL);
        c.eptp_list = address(Field::EPTP_LIST_ADDRESS);
    }
    if (c.has(SecondaryControl::EnableEPT)) c.eptp = {page.get(Field::EPT_POINTER)};
    if (c.has(SecondaryControl::EnableVPID)) c.vpid = {static_cast<u16>(page.get(Field::VIRTUAL_PROCESSOR_ID))};
    return c;
}

}  // namespace vmxsim::vmx
