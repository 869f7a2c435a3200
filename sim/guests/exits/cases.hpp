// SPDX-License-Identifier: Apache-2.0
// The cases of the image `exits`: each runs one snippet under one change of the VMCS, until the first exit.
#pragma once
#include "sim/guests/vmx/setup.hpp"

namespace guest {

struct Case {
    const char* name;
    const u8* code;
    void (*change)();  ///< of a VMCS that fill_vmcs() filled; null: none
};

/// One after the other; `count` of them.
struct CaseList {
    const char* title;
    const Case* cases;
    unsigned count;
};
CaseList instruction_cases();
CaseList register_cases();
CaseList io_cases();
CaseList exception_cases();
CaseList event_cases();
CaseList control_failures();
CaseList host_failures();
CaseList guest_failures();

/// Sets bits of the primary processor-based controls.
void add_primary(u32 bits);
/// Gives the guest an IDT whose handlers end with VMCALL.
void use_guest_idt();
u64 cases_cr3();

template <unsigned N>
CaseList list(const char* title, const Case (&cases)[N]) {
    return {title, cases, N};
}

extern "C" {
// clang-format off: a table
#define SNIPPET(name) extern const u8 snippet_##name[];
SNIPPET(vmcall)
SNIPPET(cpuid) SNIPPET(hlt) SNIPPET(invd) SNIPPET(invlpg) SNIPPET(rdpmc) SNIPPET(rdtsc) SNIPPET(pause) SNIPPET(nops)
    SNIPPET(sti) SNIPPET(pushf) SNIPPET(vmclear) SNIPPET(vmptrld) SNIPPET(vmptrst) SNIPPET(vmread_register)
        SNIPPET(vmread_memory) SNIPPET(vmwrite_register) SNIPPET(vmwrite_memory) SNIPPET(vmlaunch) SNIPPET(vmresume)
            SNIPPET(vmxoff) SNIPPET(vmxon) SNIPPET(mov_cr0_ts) SNIPPET(mov_from_cr0) SNIPPET(mov_from_cr4) SNIPPET(clts)
                SNIPPET(lmsw_register) SNIPPET(lmsw_memory) SNIPPET(smsw) SNIPPET(mov_cr4_pge) SNIPPET(mov_to_cr3)
                    SNIPPET(mov_from_cr3) SNIPPET(mov_to_cr8) SNIPPET(mov_from_cr8) SNIPPET(mov_from_dr7)
                        SNIPPET(mov_to_dr0) SNIPPET(out_immediate) SNIPPET(in_dx) SNIPPET(outsb) SNIPPET(rep_insw)
                            SNIPPET(rdmsr) SNIPPET(wrmsr) SNIPPET(ud2) SNIPPET(divide) SNIPPET(int3) SNIPPET(int20)
                                SNIPPET(non_canonical) SNIPPET(stack_fault) SNIPPET(selector) SNIPPET(page_read)
                                    SNIPPET(page_write) SNIPPET(page_push) SNIPPET(page_fetch) SNIPPET(handler)
                                        SNIPPET(handler_error)
#undef SNIPPET
// clang-format on
}

}  // namespace guest
