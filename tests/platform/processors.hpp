// SPDX-License-Identifier: Apache-2.0
// Several cores around one platform, taking turns. They run in real-address mode; 0 runs, the others wait for SIPI.
#pragma once
#include <initializer_list>
#include <memory>
#include <vector>

#include "model/core/interrupts.hpp"
#include "model/core/turns.hpp"
#include "model/devices/platform.hpp"
#include "tests/core/machine.hpp"

namespace vmxsim::test {

struct Processors {
    static constexpr u64 kApic = 0xfee00000, kSlice = 1000;
    enum : u32 {
        kTpr = 0x80,
        kEoi = 0xb0,
        kLdr = 0xd0,
        kDfr = 0xe0,
        kSvr = 0xf0,
        kIrr = 0x200,
        kIcr = 0x300,
        kIcrHigh = 0x310
    };

    /// One processor, with what it has for itself.
    struct One {
        One(Processors& all, unsigned index)
            : caches(all.cache_params, index ? &all.one.front()->caches : nullptr), mmu(all.mmu_params, all.ram, caches),
              core({mmu, all.ram, caches, all.io, all.params, all.cpuid, all.capabilities, ledger, index},
                   core::TimingLevel::Interval),
              vmcs(all.vmcs_params, all.lines),
              vmx({core.state, vmcs, all.ram, mmu, all.capabilities, all.timing, ledger}) {
            core.attach(vmx);
        }
        memory::CacheHierarchy caches;
        mmu::Mmu mmu;
        vmx::Ledger ledger;
        devices::MmioBus mmio;
        Core core;
        vmcs_cache::VmcsCache vmcs;
        vmx::Vmx vmx;
    };

    explicit Processors(unsigned number = 2, u64 slice = kSlice) {
        cpuid.leaves = {{.leaf = 0, .eax = 1}, {.leaf = 1, .eax = 0x306f2, .edx = 1u << 4}};
        std::vector<const u64*> cycles;
        std::vector<Core*> cores;
        for (unsigned i = 0; i < number; ++i) {
            one.push_back(std::make_unique<One>(*this, i));
            cycles.push_back(&core(i).state.cycles);
            cores.push_back(&core(i));
        }
        platform = std::make_unique<devices::Platform>(
            cycles, devices::Platform::Settings{.cycle_hz = 1'000'000'000, .bus_hz = 100'000'000, .ram_bytes = ram.size(),
                                                .local_apic = true, .apic = {.x2apic = true, .tsc_deadline = true},
                                                .reset = {}, .power_off = {},
                                                .attention = [this](unsigned i) { if (turns) turns->attention(i); }});
        turns = std::make_unique<core::Turns>(cores, slice, [this](unsigned i) {
            platform->follow(i);
            ++number_of_turns;
        });
        for (unsigned i = 0; i < number; ++i) {
            platform->attach_to(one[i]->mmio, i);
            core(i).attach(platform->processor(i));
            core(i).attach(one[i]->mmio);
            if (i) core(i).state.apic_base &= ~u64{0x100};
            core::init_state(core(i));
        }
        at(0, 0x1000);
    }

    /// Processor `i` executes from there on: real-address mode, interrupts off, flat.
    void at(unsigned i, u16 address) {
        vmx::CpuState& s = core(i).state;
        s.activity = vmx::ActivityState::Active;
        s.seg[vmx::CS] = {0, {0x9b}, 0xffff, 0};
        s.seg[vmx::SS] = {0, {0x93}, 0xffff, 0};
        s.r[vmx::RSP] = 0x800 - i * 0x100;
        s.rip = address;
        s.idtr = {0, 0x3ff};
        core(i).context_changed();
    }
    /// The same in 64-bit mode, paging identical: there stores have a fast path.
    void at64(unsigned i, u16 address) {
        at(i, address);
        vmx::CpuState& s = core(i).state;
        ram.write({0x10000}, 8, 0x11003);
        ram.write({0x11000}, 8, 0x12003);
        for (u64 k = 0; k < 2; ++k) ram.write({0x12000 + 8 * k}, 8, k << 21 | 0x83);
        s.cr0 = vmx::cr0::PE | vmx::cr0::PG | vmx::cr0::NE;
        s.cr3 = 0x10000;
        s.cr4 = vmx::cr4::PAE;
        s.efer = vmx::efer::LME | vmx::efer::LMA;
        for (const vmx::Seg seg : {vmx::SS, vmx::DS, vmx::ES}) s.seg[seg] = {0x10, {0xc093}, 0xffffffff, 0};
        s.seg[vmx::CS] = {0x08, {0xa09b}, 0xffffffff, 0};
        core(i).context_changed();
    }
    void place(u64 address, std::initializer_list<u8> bytes) {
        for (const u8 b : bytes) ram.write({address++}, 1, b);
    }
    Core& core(unsigned i) { return one[i]->core; }
    devices::LocalApic& local(unsigned i) { return *platform->processor(i).apic(); }
    u32 apic(unsigned i, u32 reg) { return static_cast<u32>(local(i).read(reg, 4)); }
    void apic(unsigned i, u32 reg, u32 value) { local(i).write(reg, 4, value); }
    /// Processor 0 sends.
    void send(u32 command, u32 destination = 0) {
        apic(0, kIcrHigh, destination << 24);
        apic(0, kIcr, command);
    }
    /// Who has received the vector, as bits.
    unsigned received(u8 vector) {
        unsigned who = 0;
        for (unsigned i = 0; i < one.size(); ++i)
            who |= (apic(i, kIrr + 16 * (vector / 32u)) >> vector % 32 & 1) << i;
        return who;
    }
    core::StopReason run(u64 cycles) { return turns->run(turns->cycles() + cycles); }
    unsigned number_of_turns = 0;
    u64 peek(u64 address, unsigned bytes = 1) { return ram.read({address}, bytes); }

    memory::PhysicalMemory ram{0x400000};
    memory::CacheParams cache_params;
    mmu::MmuParams mmu_params;
    devices::IoBus io;
    core::CoreParams params;
    core::CpuidTable cpuid;
    arch::Capabilities capabilities;
    RamLines lines{ram};
    vmcs_cache::VmcsCacheParams vmcs_params;
    vmx::VmxTiming timing;
    std::vector<std::unique_ptr<One>> one;
    std::unique_ptr<devices::Platform> platform;
    std::unique_ptr<core::Turns> turns;
};

}  // namespace vmxsim::test
