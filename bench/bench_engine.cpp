// SPDX-License-Identifier: Apache-2.0
// Translation, and the engine on a loop of eight instructions with one load and one store.
#include <benchmark/benchmark.h>

#include "tests/engine/machine.hpp"

namespace {

using namespace vmxsim;
using core::Machine;
using core::TimingLevel;

/// 4-level tables for the first 2 MiB, in pages of 4 KiB.
mmu::PagingContext tables(memory::PhysicalMemory& ram) {
    constexpr u64 kRoot = 0x400000, kPresentWritable = 3;
    for (u64 level = 0; level < 3; ++level)
        ram.write({kRoot + 4096 * level}, 8, (kRoot + 4096 * (level + 1)) | kPresentWritable);
    for (u64 i = 0; i < 512; ++i) ram.write({kRoot + 4096 * 3 + 8 * i}, 8, i << 12 | kPresentWritable);
    mmu::PagingContext context;
    context.cr0 = vmx::cr0::PG | vmx::cr0::PE;
    context.cr3 = kRoot;
    context.cr4 = vmx::cr4::PAE;
    context.efer = vmx::efer::LMA | vmx::efer::LME;
    return context;
}

void tlb_hit(benchmark::State& state) {
    Machine m(TimingLevel::Interval);
    m.mmu.set_context(tables(m.ram));
    for (auto _ : state) benchmark::DoNotOptimize(m.mmu.translate({0x5008}, mmu::AccessType::Read, false));
}
BENCHMARK(tlb_hit);

void page_walk(benchmark::State& state) {
    Machine m(TimingLevel::Interval);
    m.mmu.set_context(tables(m.ram));
    for (auto _ : state) {
        m.mmu.invalidate_address({0}, {0x5008});
        benchmark::DoNotOptimize(m.mmu.translate({0x5008}, mmu::AccessType::Read, false));
    }
}
BENCHMARK(page_walk);

void engine_loop(benchmark::State& state) {
    const bool timed = state.range(0) != 0;
    Machine m(timed ? TimingLevel::Interval : TimingLevel::None);
    constexpr u8 kLoop[] = {
        0x48, 0x8b, 0x06,        // mov rax, [rsi]
        0x48, 0x01, 0xd0,        // add rax, rdx
        0x48, 0xc1, 0xc0, 0x07,  // rol rax, 7
        0x48, 0x89, 0x46, 0x08,  // mov [rsi + 8], rax
        0x48, 0x31, 0xc2,        // xor rdx, rax
        0x48, 0x8d, 0x4a, 0x01,  // lea rcx, [rdx + 1]
        0x48, 0xff, 0xcf,        // dec rdi
        0x75, 0xe6,              // jnz to the first
    };
    m.ram.write_block({Machine::kCode}, kLoop);
    m.s().r[vmx::RSI] = Machine::kData;
    m.s().r[vmx::RDI] = ~u64{0};
    constexpr u64 kSlice = 100'000;
    for (auto _ : state) m.core->run(m.s().cycles + kSlice);
    state.SetItemsProcessed(static_cast<s64>(m.core->instructions()));
}
BENCHMARK(engine_loop)->ArgName("interval")->Arg(0)->Arg(1);

}  // namespace
