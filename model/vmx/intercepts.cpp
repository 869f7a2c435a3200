// SPDX-License-Identifier: Apache-2.0
// Instructions that cause VM exits unconditionally or by one control bit (SDM 28.1.2, 28.1.3), I/O and MSR bitmaps.
#include "model/vmx/vmx.hpp"

namespace vmxsim::vmx {

using arch::ExitReason;
using arch::PrimaryControl;
using arch::SecondaryControl;

namespace {

bool exit_with(ExitInfo& info, ExitReason reason, u64 qualification = 0) {
    info = {};
    info.reason = reason;
    info.qualification = qualification;
    return true;
}

}  // namespace

bool Vmx::intercept_cpuid(ExitInfo& info) const { return non_root() && exit_with(info, ExitReason::CPUID); }
bool Vmx::intercept_invd(ExitInfo& info) const { return non_root() && exit_with(info, ExitReason::INVD); }
bool Vmx::intercept_xsetbv(ExitInfo& info) const { return non_root() && exit_with(info, ExitReason::XSETBV); }

bool Vmx::intercept_hlt(ExitInfo& info) const {
    return non_root() && controls_.has(PrimaryControl::HLTExiting) && exit_with(info, ExitReason::HLT);
}

bool Vmx::intercept_wbinvd(ExitInfo& info) const {
    return non_root() && controls_.has(SecondaryControl::WBINVDExiting) && exit_with(info, ExitReason::WBINVD);
}

bool Vmx::intercept_invlpg(GuestVirtual at, ExitInfo& info) const {
    return non_root() && controls_.has(PrimaryControl::INVLPGExiting) && exit_with(info, ExitReason::INVLPG, at.raw);
}

bool Vmx::intercept_invpcid(ExitInfo& info) const {
    return non_root() && controls_.has(PrimaryControl::INVLPGExiting) && exit_with(info, ExitReason::INVPCID);
}

bool Vmx::intercept_rdpmc(ExitInfo& info) const {
    return non_root() && controls_.has(PrimaryControl::RDPMCExiting) && exit_with(info, ExitReason::RDPMC);
}

bool Vmx::intercept_rdtsc(ExitInfo& info) const {
    return non_root() && controls_.has(PrimaryControl::RDTSCExiting) && exit_with(info, ExitReason::RDTSC);
}

bool Vmx::intercept_rdtscp(ExitInfo& info) const {
    return non_root() && controls_.has(PrimaryControl::RDTSCExiting) && exit_with(info, ExitReason::RDTSCP);
}

bool Vmx::intercept_monitor(ExitInfo& info) const {
    return non_root() && controls_.has(PrimaryControl::MONITORExiting) &&
           exit_with(info, ExitReason::MONITOR_INSTRUCTION);
}

bool Vmx::intercept_mwait(bool armed, ExitInfo& info) const {
    return non_root() && controls_.has(PrimaryControl::MWAITExiting) &&
           exit_with(info, ExitReason::MWAIT_INSTRUCTION, armed ? 1 : 0);
}

bool Vmx::intercept_pause(ExitInfo& info) {
    if (!non_root()) return false;
    if (controls_.has(PrimaryControl::PAUSEExiting)) return exit_with(info, ExitReason::PAUSE_INSTRUCTION);
    if (!controls_.has(SecondaryControl::PAUSELoopExiting) || cpu_.cpl() > 0) return false;
    // 28.1.3: a PAUSE within PLE_Gap of the one before belongs to its loop; a loop longer than PLE_Window exits.
    const u64 now = cpu_.cycles;
    const bool new_loop = !pause_seen_ || now - pause_last_ > controls_.ple_gap;
    if (new_loop) pause_first_ = now;
    pause_last_ = now;
    pause_seen_ = true;
    return !new_loop && now - pause_first_ > controls_.ple_window && exit_with(info, ExitReason::PAUSE_INSTRUCTION);
}

bool Vmx::intercept_rdrand(ExitInfo& info) const {
    return non_root() && controls_.has(SecondaryControl::RDRANDExiting) && exit_with(info, ExitReason::RDRAND);
}

bool Vmx::intercept_rdseed(ExitInfo& info) const {
    return non_root() && controls_.has(SecondaryControl::RDSEEDExiting) && exit_with(info, ExitReason::RDSEED);
}

bool Vmx::intercept_descriptor_table(ExitInfo& info, ExitReason which) const {
    return non_root() && controls_.has(SecondaryControl::DescriptorTableExiting) && exit_with(info, which);
}

bool Vmx::intercept_mov_dr(unsigned dr, bool from, unsigned gpr, ExitInfo& info) const {
    if (!non_root() || !controls_.has(PrimaryControl::MOVDRExiting)) return false;
    return exit_with(info, ExitReason::DR_ACCESS, (dr & 7) | (from ? 1u << 4 : 0u) | u64{gpr} << 8);
}

bool Vmx::intercept_io(const IoAccess& io, ExitInfo& info) const {
    if (!non_root()) return false;
    bool exits = controls_.has(PrimaryControl::UnconditionalIOExiting);
    if (controls_.has(PrimaryControl::UseIOBitmaps)) {  // then the unconditional bit is ignored
        exits = u32{io.port} + io.bytes > 0x10000;      // the access wraps around the port space
        for (u32 port = io.port; !exits && port < u32{io.port} + io.bytes; ++port) {
            const HostPhysical bitmap = port < 0x8000 ? controls_.io_bitmap_a : controls_.io_bitmap_b;
            exits = ram_.read(bitmap + ((port & 0x7fff) >> 3), 1) >> (port & 7) & 1;
        }
    }
    if (!exits) return false;
    const u64 qualification = (io.bytes - 1) | (io.in ? 1u << 3 : 0u) | (io.string ? 1u << 4 : 0u) |
                              (io.rep ? 1u << 5 : 0u) | (io.immediate ? 1u << 6 : 0u) | u64{io.port} << 16;
    return exit_with(info, ExitReason::IO_INSTRUCTION, qualification);
}

/// MSR bitmaps (27.6.9): four parts of 1 KiB; `write_offset` names the WRMSR half.
bool Vmx::msr_intercepted(u32 index, unsigned write_offset) const {
    if (!controls_.has(PrimaryControl::UseMSRBitmaps)) return true;
    constexpr u32 kHighFirst = 0xc0000000, kPerPart = 0x2000, kHighPart = 1024;
    const bool low = index < kPerPart, high = index - kHighFirst < kPerPart;
    if (!low && !high) return true;
    const u32 bit = index & (kPerPart - 1);
    const u64 byte = ram_.read(controls_.msr_bitmap + write_offset + (high ? kHighPart : 0) + (bit >> 3), 1);
    return byte >> (bit & 7) & 1;
}

bool Vmx::intercept_rdmsr(u32 index, ExitInfo& info) const {
    return non_root() && msr_intercepted(index, 0) && exit_with(info, ExitReason::MSR_READ);
}

bool Vmx::intercept_wrmsr(u32 index, ExitInfo& info) const {
    constexpr unsigned kWriteHalf = 2048;
    return non_root() && msr_intercepted(index, kWriteHalf) && exit_with(info, ExitReason::MSR_WRITE);
}

}  // namespace vmxsim::vmx
