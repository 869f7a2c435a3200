// SPDX-License-Identifier: Apache-2.0
// Instructions that exit, and what decides whether they do (SDM 28.1).
#include "sim/guests/exits/cases.hpp"

namespace guest {
namespace {
// Bits of the primary processor-based controls (SDM table 27-6).
constexpr u32 kInvlpg = 1u << 9, kRdpmc = 1u << 11, kRdtsc = 1u << 12, kCr3Load = 1u << 15, kCr3Store = 1u << 16,
              kCr8Load = 1u << 19, kCr8Store = 1u << 20, kMovDr = 1u << 23, kPause = 1u << 30;
constexpr u64 kTs = 8, kMp = 2, kPge = 0x80;

// clang-format off: a table
constexpr Case kInstructions[] = {
    {"VMCALL", snippet_vmcall, nullptr},
    {"CPUID", snippet_cpuid, nullptr},
    {"HLT", snippet_hlt, nullptr},
    {"INVD", snippet_invd, nullptr},
    {"INVLPG", snippet_invlpg, [] { add_primary(kInvlpg); }},
    {"INVLPG without INVLPG exiting", snippet_invlpg, nullptr},
    {"RDPMC", snippet_rdpmc, [] { add_primary(kRdpmc); }},
    {"RDTSC", snippet_rdtsc, [] { add_primary(kRdtsc); }},
    {"PAUSE", snippet_pause, [] { add_primary(kPause); }},
    {"PAUSE without PAUSE exiting", snippet_pause, nullptr},
    {"VMCLEAR base + index + displacement", snippet_vmclear, nullptr},
    {"VMPTRLD base", snippet_vmptrld, nullptr},
    {"VMPTRST negative displacement", snippet_vmptrst, nullptr},
    {"VMREAD to register", snippet_vmread_register, nullptr},
    {"VMREAD to memory", snippet_vmread_memory, nullptr},
    {"VMWRITE from register", snippet_vmwrite_register, nullptr},
    {"VMWRITE from memory, FS, index alone", snippet_vmwrite_memory, nullptr},
    {"VMLAUNCH", snippet_vmlaunch, nullptr},
    {"VMRESUME", snippet_vmresume, nullptr},
    {"VMXOFF", snippet_vmxoff, nullptr},
    {"VMXON", snippet_vmxon, nullptr},
};

constexpr Case kRegisters[] = {
    {"CR0.TS set, owned by the host", snippet_mov_cr0_ts, [] { vmwrite(CR0_GUEST_HOST_MASK, kTs); }},
    {"CR0.TS set, owned by the guest", snippet_mov_cr0_ts, nullptr},
    {"CR0.TS set, as in the read shadow", snippet_mov_cr0_ts,
     [] {
         vmwrite(CR0_GUEST_HOST_MASK, kTs);
         vmwrite(CR0_READ_SHADOW, kTs);
     }},
    {"CR0 read, all owned by the host", snippet_mov_from_cr0,
     [] {
         vmwrite(CR0_GUEST_HOST_MASK, ~u64{0});
         vmwrite(CR0_READ_SHADOW, 0x55aa);
     }},
    {"CR0 read, lower half owned by the host", snippet_mov_from_cr0,
     [] {
         vmwrite(CR0_GUEST_HOST_MASK, 0xffff);
         vmwrite(CR0_READ_SHADOW, 0xffffffff);
     }},
    {"SMSW, all owned by the host", snippet_smsw,
     [] {
         vmwrite(CR0_GUEST_HOST_MASK, ~u64{0});
         vmwrite(CR0_READ_SHADOW, 0x55aa);
     }},
    {"CLTS, read shadow TS 1", snippet_clts,
     [] {
         vmwrite(CR0_GUEST_HOST_MASK, kTs);
         vmwrite(CR0_READ_SHADOW, kTs);
     }},
    {"CLTS, read shadow TS 0", snippet_clts,
     [] {
         vmwrite(CR0_GUEST_HOST_MASK, kTs);
         vmwrite(CR0_READ_SHADOW, 0);
     }},
    {"LMSW register, MP owned by the host", snippet_lmsw_register,
     [] {
         vmwrite(CR0_GUEST_HOST_MASK, kMp);
         vmwrite(CR0_READ_SHADOW, 0);
     }},
    {"LMSW memory, MP owned by the host", snippet_lmsw_memory,
     [] {
         vmwrite(CR0_GUEST_HOST_MASK, kMp);
         vmwrite(CR0_READ_SHADOW, 0);
     }},
    {"LMSW, TS owned by the host, not changed", snippet_lmsw_register,
     [] {
         vmwrite(CR0_GUEST_HOST_MASK, kTs);
         vmwrite(CR0_READ_SHADOW, 0);
     }},
    {"CR4.PGE set, owned by the host", snippet_mov_cr4_pge,
     [] {
         vmwrite(CR4_GUEST_HOST_MASK, kPge);
         vmwrite(CR4_READ_SHADOW, 0);
     }},
    {"CR4.PGE set, owned by the guest", snippet_mov_cr4_pge, nullptr},
    {"CR4 read, VMXE hidden", snippet_mov_from_cr4,
     [] {
         vmwrite(CR4_GUEST_HOST_MASK, 0x2000);
         vmwrite(CR4_READ_SHADOW, 0);
     }},
    {"MOV to CR3", snippet_mov_to_cr3, [] { add_primary(kCr3Load); }},
    {"MOV to CR3, a CR3 target", snippet_mov_to_cr3,
     [] {
         add_primary(kCr3Load);
         vmwrite(CR3_TARGET_COUNT, 1);
         vmwrite(CR3_TARGET_VALUE0, cases_cr3());
     }},
    {"MOV to CR3, a target beyond the count", snippet_mov_to_cr3,
     [] {
         add_primary(kCr3Load);
         vmwrite(CR3_TARGET_COUNT, 1);
         vmwrite(CR3_TARGET_VALUE0, 0);
         vmwrite(CR3_TARGET_VALUE3, cases_cr3());
     }},
    {"MOV from CR3", snippet_mov_from_cr3, [] { add_primary(kCr3Store); }},
    {"MOV to CR8", snippet_mov_to_cr8, [] { add_primary(kCr8Load); }},
    {"MOV from CR8", snippet_mov_from_cr8, [] { add_primary(kCr8Store); }},
    {"MOV from DR7", snippet_mov_from_dr7, [] { add_primary(kMovDr); }},
    {"MOV from DR7 without MOV-DR exiting", snippet_mov_from_dr7, nullptr},
    {"MOV to DR0", snippet_mov_to_dr0, [] { add_primary(kMovDr); }},
};

constexpr Case kIo[] = {
    {"OUT immediate, 4 bytes", snippet_out_immediate, nullptr},
    {"IN DX, 2 bytes", snippet_in_dx, nullptr},
    {"OUTSB", snippet_outsb, nullptr},
    {"REP INSW", snippet_rep_insw, nullptr},
    {"RDMSR", snippet_rdmsr, nullptr},
    {"WRMSR", snippet_wrmsr, nullptr},
};
// clang-format on
}  // namespace

CaseList instruction_cases() { return list("instructions", kInstructions); }
CaseList register_cases() { return list("control and debug registers", kRegisters); }
CaseList io_cases() { return list("I/O and MSRs", kIo); }

}  // namespace guest
