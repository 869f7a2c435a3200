// SPDX-License-Identifier: Apache-2.0
// A core with RAM, descriptor tables and identity paging, on which single system instructions are executed.
#pragma once
#include <cstring>
#include <initializer_list>
#include <vector>

#include "model/core/descriptor.hpp"
#include "model/core/operand.hpp"
#include "model/core/system.hpp"
#include "model/vmcs_cache/cache.hpp"

namespace vmxsim::test {

using core::Core;
using core::Outcome;
using vmx::CpuState;

/// Memory of the VMCS cache: RAM without time.
struct RamLines : arch::LineMemory {
    explicit RamLines(memory::PhysicalMemory& m) : ram(m) {}
    Cycles read_line(HostPhysical line, u8 (&bytes)[64]) override { return ram.read_block(line, bytes), Cycles{}; }
    Cycles write_line(HostPhysical line, const u8 (&bytes)[64]) override {
        return ram.write_block(line, bytes), Cycles{};
    }
    memory::PhysicalMemory& ram;
};

/// A port device that remembers what it was told and answers with a pattern.
struct EchoPort : devices::PortDevice {
    u32 in(u16 port, unsigned bytes) override { return ++reads, 0xa5000000u | u32{port} << 8 | bytes; }
    void out(u16 port, unsigned bytes, u32 value) override { written.push_back({port, bytes, value}); }
    struct Write {
        u16 port;
        unsigned bytes;
        u32 value;
    };
    std::vector<Write> written;
    unsigned reads = 0;
};

inline constexpr u16 kCode0 = 0x08, kData0 = 0x10, kCode3 = 0x18 | 3, kData3 = 0x20 | 3, kTss = 0x28, kCode64 = 0x38,
                     kCode64User = 0x40 | 3, kConforming = 0x48, kAbsent = 0x50, kReadOnly = 0x58, kExecuteOnly = 0x60,
                     kLdt = 0x68, kFree = 0x80;
inline constexpr u64 kGdt = 0x1000, kIdt = 0x2000, kTssBase = 0x4000, kPages = 0x10000, kCode = 0x20000,
                     kStack = 0x30000, kInnerStack = 0x38000, kData = 0x40000, kRamBytes = 0x400000;

struct Machine {
    explicit Machine(bool with_echo = true);  ///< the echo device at ports 60H to 7FH

    // Modes. Each leaves flat segments of that privilege, the stack at kStack, the code at kCode.
    void real();
    void protected32(u8 cpl = 0);
    void long64(u8 cpl = 0);
    void compatibility(u8 cpl = 0);

    /// Puts the bytes at CS:RIP, decodes and executes them. Outcome::Next advances RIP, as the engine would.
    Outcome run(std::initializer_list<u8> bytes);
    /// The same, then delivers a fault.
    Outcome run_and_deliver(std::initializer_list<u8> bytes);

    void descriptor(u16 selector, u64 base, u32 limit, u32 ar);  ///< ar: bits 7:0 type to P, 15:12 AVL to G
    void gate(u8 vector, u16 selector, u64 offset, u8 type, u8 dpl = 0, bool present = true, u8 ist = 0);
    void call_gate(u16 selector, u16 target, u64 offset, u8 type, u8 dpl, unsigned parameters = 0);
    void poke(u64 at, u64 value, unsigned bytes) { ram.write({at}, bytes, value); }
    u64 peek(u64 at, unsigned bytes) const { return ram.read({at}, bytes); }
    u64& r(vmx::Reg reg) { return core.state.r[reg]; }
    const vmx::Event& fault() { return core.fault(); }
    const vmx::ExitInfo& exit() { return core.exit_info(); }

    // VMX: VMXON and a VMCS whose guest is the present state, whose host is 64-bit code at kHostEntry.
    static constexpr u64 kVmxon = 0x50000, kVmcs = 0x51000, kHostEntry = 0x2f000, kBitmaps = 0x60000;
    void vmxon();
    void prepare_vmcs();
    void field(arch::Field f, u64 value);
    u64 field(arch::Field f);
    void set_primary(arch::PrimaryControl b) { primary |= u64{1} << static_cast<u8>(b); }
    void set_secondary(arch::SecondaryControl b) { secondary |= u64{1} << static_cast<u8>(b); }
    void enter();    ///< VMLAUNCH; throws where the entry fails
    void guest64();  ///< long64(), vmxon(), prepare_vmcs(), enter(): a guest that looks like the host

    memory::PhysicalMemory ram{kRamBytes};
    memory::CacheParams cache_params;
    memory::CacheHierarchy caches{cache_params};
    mmu::MmuParams mmu_params;
    mmu::Mmu mmu{mmu_params, ram, caches};
    devices::IoBus io;
    EchoPort echo;
    core::CoreParams params;
    core::CpuidTable cpuid;
    arch::Capabilities capabilities;
    vmx::Ledger ledger;
    Core core;
    RamLines lines{ram};
    vmcs_cache::VmcsCacheParams vmcs_params;
    vmcs_cache::VmcsCache vmcs{vmcs_params, lines};
    vmx::VmxTiming timing;
    vmx::Vmx vmx;
    u64 primary = 0, secondary = 0, pin = 0;
};

}  // namespace vmxsim::test
