// SPDX-License-Identifier: Apache-2.0
// A core with RAM and nothing else, in the mode that a test asks for. Paging is off unless a test builds tables.
#pragma once
#include <initializer_list>
#include <memory>
#include <vector>

#include "model/core/core.hpp"
#include "model/core/engine/engine.hpp"
#include "model/vmcs_cache/cache.hpp"

namespace vmxsim::core {

/// Memory of the VMCS cache: RAM without time.
struct RamLines : arch::LineMemory {
    explicit RamLines(memory::PhysicalMemory& m) : ram(m) {}
    Cycles read_line(HostPhysical line, u8 (&bytes)[64]) override { return ram.read_block(line, bytes), Cycles{}; }
    Cycles write_line(HostPhysical line, const u8 (&bytes)[64]) override {
        return ram.write_block(line, bytes), Cycles{};
    }
    memory::PhysicalMemory& ram;
};

struct Machine {
    static constexpr u64 kRam = 16u << 20;
    static constexpr u64 kCode = 0x10000, kData = 0x200000, kStack = 0x300000;

    memory::PhysicalMemory ram{kRam};
    memory::CacheParams cache_params;
    memory::CacheHierarchy caches{cache_params};
    mmu::MmuParams mmu_params;
    mmu::Mmu mmu{mmu_params, ram, caches};
    devices::IoBus io;
    CoreParams params;
    CpuidTable cpuid{{{0, 0, true, 7, 0, 0, 0}, {1, 0, true, 0, 0, 0x00180201, 0x07800001}, {7, 0, true, 0, 0x80108, 0, 0},
                      {0x80000000, 0, true, 0x80000001, 0, 0, 0}, {0x80000001, 0, true, 0, 0, 32, 0}}};
    arch::Capabilities capabilities;
    vmx::Ledger ledger;
    RamLines lines{ram};
    vmcs_cache::VmcsCacheParams vmcs_params;
    vmcs_cache::VmcsCache vmcs{vmcs_params, lines};
    vmx::VmxTiming vmx_timing;
    std::unique_ptr<Core> core;
    std::unique_ptr<vmx::Vmx> vmx;

    explicit Machine(TimingLevel timing = TimingLevel::None, unsigned bits = 64) {
        core = std::make_unique<Core>(Core::Dependencies{mmu, ram, caches, io, params, cpuid, capabilities, ledger},
                                      timing);
        vmx = std::make_unique<vmx::Vmx>(
            vmx::Vmx::Dependencies{core->state, vmcs, ram, mmu, capabilities, vmx_timing, ledger});
        core->attach(*vmx);
        mode(bits);
        s().rip = kCode;
        s().r[vmx::RSP] = bits == 16 ? 0xfff0 : kStack;
    }
    vmx::CpuState& s() { return core->state; }

    void mode(unsigned bits) {
        vmx::CpuState& st = s();
        if (bits != 16) st.cr0 |= vmx::cr0::PE;
        if (bits == 64) st.efer |= vmx::efer::LMA | vmx::efer::LME;
        for (unsigned i = 0; i < vmx::kSegCount; ++i) {
            vmx::Segment& seg = st.seg[i];
            seg.base = 0;
            seg.limit = bits == 16 ? 0xfffff : 0xffffffff;
            const u32 type = i == vmx::CS ? 0xb : 0x3;
            u32 ar = type | 0x90;
            if (bits != 16) ar |= 1u << 15;
            if (i == vmx::CS && bits == 64) ar |= 1u << 13;
            if (bits == 32 || (bits == 64 && i != vmx::CS)) ar |= 1u << 14;
            seg.ar = {ar};
        }
    }

    void put(u64 at, std::initializer_list<unsigned> bytes) {
        std::vector<u8> v;
        for (unsigned b : bytes) v.push_back(static_cast<u8>(b));
        ram.write_block({at}, v);
    }
    void put(u64 at, const std::vector<u8>& bytes) { ram.write_block({at}, bytes); }
    u64 read(u64 at, unsigned bytes = 8) const { return ram.read({at}, bytes); }
    void write(u64 at, u64 value, unsigned bytes = 8) { ram.write({at}, bytes, value); }

    /// Runs until RIP stands at HLT's end (the machine halts), or `cycles` have passed.
    StopReason run(u64 cycles = 1'000'000'000) {
        s().activity = vmx::ActivityState::Active;
        return core->run(s().cycles + cycles);
    }
    /// 4-level tables at 0x400000: the first 4 MiB one to one, supervisor, writable. Turned on.
    static constexpr u64 kTables = 0x400000, kLeaves = kTables + 0x3000;
    void page_tables() {
        write(kTables, (kTables + 0x1000) | 7);
        write(kTables + 0x1000, (kTables + 0x2000) | 7);
        for (u64 i = 0; i < 2; ++i) write(kTables + 0x2000 + i * 8, (kLeaves + i * 0x1000) | 7);
        for (u64 i = 0; i < 1024; ++i) map(i << 12, (i << 12) | 3);
        s().cr3 = kTables;
        s().cr4 |= vmx::cr4::PAE;
        s().cr0 |= vmx::cr0::PG | vmx::cr0::WP;
    }
    void map(u64 page, u64 entry) { write(kLeaves + (page >> 12) * 8, entry); }

    /// An interrupt gate for `vector` to `handler`, in an IDT at 0x8000 with code selector 8 of a GDT at 0x9000.
    void gate(u8 vector, u64 handler) {
        const u64 idt = 0x8000, gdt = 0x9000;
        write(gdt + 8, 0x00af9b000000ffff);
        write(gdt + 16, 0x00cf93000000ffff);
        s().gdtr = {gdt, 0xff};
        s().idtr = {idt, 0xfff};
        s().seg[vmx::CS].selector = 8;
        write(idt + vector * 16u, (handler & 0xffff) | 8u << 16 | u64{0x8e00} << 32 | (handler >> 16 & 0xffff) << 48);
        write(idt + vector * 16u + 8, handler >> 32);
    }
};

}  // namespace vmxsim::core
