// SPDX-License-Identifier: Apache-2.0
// Exceptions, injected events, interrupt windows (SDM 27.6.3, 27.8.3, 28.2, 29.6).
#include "sim/guests/exits/cases.hpp"

namespace guest {
namespace {
constexpr u32 kValid = 1u << 31, kErrorCode = 1u << 11;
constexpr u32 kHardware = 3u << 8, kSoftwareInterrupt = 4u << 8, kSoftware = 6u << 8;  // types
constexpr u32 kInterruptWindow = 1u << 2;
constexpr u64 kIf = 0x202, kTf = 0x102;

void inject(u32 event, u32 error_code = 0, u32 length = 0) {
    vmwrite(VM_ENTRY_INTR_INFO_FIELD, event);
    vmwrite(VM_ENTRY_EXCEPTION_ERROR_CODE, error_code);
    vmwrite(VM_ENTRY_INSTRUCTION_LEN, length);
}

// clang-format off: a table
constexpr Case kExceptions[] = {
    {"#UD", snippet_ud2, nullptr},
    {"#DE", snippet_divide, nullptr},
    {"#BP", snippet_int3, [] { vmwrite(EXCEPTION_BITMAP, 1u << 3); }},
    {"#BP not in the bitmap: guest's handler", snippet_int3, [] { use_guest_idt(); }},
    {"#UD not in the bitmap: guest's handler", snippet_ud2,
     [] {
         use_guest_idt();
         vmwrite(EXCEPTION_BITMAP, 0);
     }},
    {"#GP, non-canonical address", snippet_non_canonical, nullptr},
    {"#GP, selector beyond the GDT", snippet_selector, nullptr},
    {"#GP not in the bitmap: guest's handler", snippet_selector,
     [] {
         use_guest_idt();
         vmwrite(EXCEPTION_BITMAP, 0);
     }},
    {"#SS, non-canonical address", snippet_stack_fault, nullptr},
    {"#PF, read", snippet_page_read, nullptr},
    {"#PF, write", snippet_page_write, nullptr},
    {"#PF, push", snippet_page_push, nullptr},
    {"#PF, fetch", snippet_page_fetch, nullptr},
    {"#PF, write; mask and match want reads", snippet_page_write,
     [] {
         use_guest_idt();
         vmwrite(PAGE_FAULT_ERROR_CODE_MASK, 2);
         vmwrite(PAGE_FAULT_ERROR_CODE_MATCH, 0);
     }},
    {"#PF, read; mask and match want reads", snippet_page_read,
     [] {
         use_guest_idt();
         vmwrite(PAGE_FAULT_ERROR_CODE_MASK, 2);
         vmwrite(PAGE_FAULT_ERROR_CODE_MATCH, 0);
     }},
    {"#PF, read; not in the bitmap, no match", snippet_page_read,
     [] {
         vmwrite(EXCEPTION_BITMAP, 0);
         vmwrite(PAGE_FAULT_ERROR_CODE_MASK, 2);
         vmwrite(PAGE_FAULT_ERROR_CODE_MATCH, 2);
     }},
    {"#DB, single step", snippet_nops,
     [] {
         vmwrite(EXCEPTION_BITMAP, 1u << 1);
         vmwrite(GUEST_RFLAGS, kTf);
     }},
    {"INT 20h, IDT too short", snippet_int20, nullptr},
    {"INT 20h: guest's handler", snippet_int20, [] { use_guest_idt(); }},
    {"triple fault", snippet_ud2, [] { vmwrite(EXCEPTION_BITMAP, 0); }},
};

constexpr Case kEvents[] = {
    {"external interrupt injected", snippet_nops,
     [] {
         use_guest_idt();
         vmwrite(GUEST_RFLAGS, kIf);
         inject(kValid | 0x20);
     }},
    {"#UD injected", snippet_nops,
     [] {
         use_guest_idt();
         inject(kValid | kHardware | 6);
     }},
    {"#GP injected with error code 1234", snippet_nops,
     [] {
         use_guest_idt();
         inject(kValid | kErrorCode | kHardware | 13, 0x1234);
     }},
    {"software interrupt 20h injected, length 2", snippet_nops,
     [] {
         use_guest_idt();
         inject(kValid | kSoftwareInterrupt | 0x20, 0, 2);
     }},
    {"#BP injected, length 1", snippet_nops,
     [] {
         use_guest_idt();
         inject(kValid | kSoftware | 3, 0, 1);
     }},
    {"NMI injected", snippet_nops,
     [] {
         use_guest_idt();
         inject(kValid | 2u << 8 | 2);
     }},
    {"#UD injected, IDT too short", snippet_nops, [] { inject(kValid | kHardware | 6); }},
    {"interrupt window, IF 1", snippet_nops,
     [] {
         add_primary(kInterruptWindow);
         vmwrite(GUEST_RFLAGS, kIf);
     }},
    {"interrupt window, IF 0", snippet_nops, [] { add_primary(kInterruptWindow); }},
    {"interrupt window, blocked by STI at entry", snippet_nops,
     [] {
         add_primary(kInterruptWindow);
         vmwrite(GUEST_RFLAGS, kIf);
         vmwrite(GUEST_INTERRUPTIBILITY_INFO, 1);
     }},
    {"interrupt window, blocked by MOV SS at entry", snippet_nops,
     [] {
         add_primary(kInterruptWindow);
         vmwrite(GUEST_RFLAGS, kIf);
         vmwrite(GUEST_INTERRUPTIBILITY_INFO, 2);
     }},
    {"interrupt window after STI", snippet_sti, [] { add_primary(kInterruptWindow); }},
    {"blocking by STI ends after an instruction", snippet_pushf,
     [] {
         vmwrite(GUEST_RFLAGS, kIf);
         vmwrite(GUEST_INTERRUPTIBILITY_INFO, 1);
     }},
};
// clang-format on
}  // namespace

CaseList exception_cases() { return list("exceptions", kExceptions); }
CaseList event_cases() { return list("events", kEvents); }

}  // namespace guest
