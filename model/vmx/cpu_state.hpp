// SPDX-License-Identifier: Apache-2.0
// Architectural state of one logical processor, VMX state included. Plain data.
#pragma once
#include <array>

#include "model/arch/types.hpp"

namespace vmxsim::vmx {

enum Reg : u8 { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };
enum Seg : u8 { ES, CS, SS, DS, FS, GS, LDTR, TR, kSegCount };  ///< order of the VMCS and of instruction information

/// Access rights in the VMCS's format (SDM 27.4.1, table 27-2).
struct AccessRights {
    u32 raw = 1u << 16;
    constexpr u8 type() const { return raw & 15; }
    constexpr bool code_or_data() const { return raw >> 4 & 1; }
    constexpr u8 dpl() const { return raw >> 5 & 3; }
    constexpr bool present() const { return raw >> 7 & 1; }
    constexpr bool long_mode() const { return raw >> 13 & 1; }
    constexpr bool big() const { return raw >> 14 & 1; }
    constexpr bool granular() const { return raw >> 15 & 1; }
    constexpr bool unusable() const { return raw >> 16 & 1; }
};

struct Segment {
    u16 selector = 0;
    AccessRights ar{};
    u32 limit = 0xffff;
    u64 base = 0;
};

struct DescriptorTable {
    u64 base = 0;
    u32 limit = 0xffff;
};

namespace rflags {
inline constexpr u64 CF = 1, PF = 4, AF = 16, ZF = 64, SF = 128, TF = 256, IF = 512, DF = 1024, OF = 2048;
inline constexpr u64 IOPL = 3u << 12, NT = 1u << 14, RF = 1u << 16, VM = 1u << 17, AC = 1u << 18, VIF = 1u << 19,
                     VIP = 1u << 20, ID = 1u << 21;
inline constexpr u64 kArithmetic = CF | PF | AF | ZF | SF | OF;
}  // namespace rflags
namespace cr0 {
inline constexpr u64 PE = 1, MP = 2, EM = 4, TS = 8, ET = 16, NE = 32, WP = 1u << 16, AM = 1u << 18, NW = 1u << 29,
                     CD = 1u << 30, PG = 1u << 31;
}
namespace cr4 {
inline constexpr u64 VME = 1, PVI = 2, TSD = 4, DE = 8, PSE = 16, PAE = 32, MCE = 64, PGE = 128, PCE = 256, OSFXSR = 512,
                     OSXMMEXCPT = 1u << 10, UMIP = 1u << 11, LA57 = 1u << 12, VMXE = 1u << 13, SMXE = 1u << 14,
                     FSGSBASE = 1u << 16, PCIDE = 1u << 17, OSXSAVE = 1u << 18, SMEP = 1u << 20, SMAP = 1u << 21,
                     PKE = 1u << 22;
}
namespace efer {
inline constexpr u64 SCE = 1, LME = 1u << 8, LMA = 1u << 10, NXE = 1u << 11;
}

/// As in the VMCS (27.4.2); a VM exit from MWAIT's state saves Active.
enum class ActivityState : u8 { Active = 0, Hlt = 1, Shutdown = 2, WaitForSipi = 3, Mwait = 4 };

/// Interruptibility state, bits as in the VMCS (SDM table 27-3).
namespace blocking {
inline constexpr u32 STI = 1, MOV_SS = 2, SMI = 4, NMI = 8;
}

/// VMX state that no instruction reads directly. Pointers: ~0 stands for "none", as VMPTRST shows it.
struct VmxState {
    bool on = false;        ///< in VMX operation
    bool non_root = false;  ///< in VMX non-root operation
    u64 vmxon_pointer = ~u64{0};
    u64 current_vmcs = ~u64{0};
};

struct alignas(64) CpuState {
    std::array<u64, 17> r{};  ///< RAX..R15 in encoding order; [16] is constant zero (the engine's "no register")
    u64 rip = 0;
    u64 rflags = 2;           ///< the engine keeps arithmetic flags lazily; exact whenever code outside the engine runs
    u64 cycles = 0;           ///< processor cycles since reset: the TSC without adjustments
    u64 cr0 = 0x60000010, cr2 = 0, cr3 = 0, cr4 = 0, cr8 = 0, efer = 0, xcr0 = 1;
    std::array<Segment, kSegCount> seg{};
    DescriptorTable gdtr{}, idtr{};
    std::array<u64, 4> dr{};
    u64 dr6 = 0xffff0ff0, dr7 = 0x400;
    std::array<u64, 4> pdpte{};

    // MSRs
    u64 tsc_adjust = 0;
    u64 apic_base = 0xfee00900;
    u64 feature_control = 0;
    u64 sysenter_cs = 0, sysenter_esp = 0, sysenter_eip = 0;
    u64 star = 0, lstar = 0, cstar = 0, fmask = 0, kernel_gs_base = 0, tsc_aux = 0;
    u32 pkru = 0;             ///< rights of the protection keys (SDM 4.6.2); read by RDPKRU alone
    u64 debugctl = 0, pat = 0x0007040600070406, perf_global_ctrl = 0;
    u64 misc_enable = 0x41881;  ///< fast strings, performance monitoring, no BTS, no PEBS, MONITOR (SDM volume 4)

    // State between instructions
    ActivityState activity = ActivityState::Active;
    u32 blocking = 0;         ///< vmx::blocking bits
    u64 pending_debug = 0;    ///< as the VMCS field (SDM table 27-4)
    VmxState vmx{};

    u8 cpl() const { return seg[SS].ar.dpl(); }  ///< SDM 27.4.1: CPL is SS.DPL
    bool long_mode() const { return efer & efer::LMA; }
    bool code64() const { return long_mode() && seg[CS].ar.long_mode(); }
    bool protected_mode() const { return cr0 & cr0::PE; }
    bool v8086() const { return rflags & rflags::VM; }
};

}  // namespace vmxsim::vmx
