// SPDX-License-Identifier: Apache-2.0
#include "model/core/core.hpp"

#include <cstdarg>
#include <cstdio>

#include "model/core/engine/engine.hpp"
#include "model/core/fpu.hpp"

namespace vmxsim::core {

namespace {

[[gnu::format(printf, 2, 3)]] void append(std::string& text, const char* format, ...) {
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    text += line;
}

}  // namespace

Core::Core(const Dependencies& d, TimingLevel timing)
    : mmu_(d.mmu), ram_(d.ram), caches_(d.caches), io_(d.io), params_(d.params), cpuid_(d.cpuid),
      capabilities_(d.capabilities), ledger_(d.ledger), timing_(timing), index_(d.index),
      engine_(std::make_unique<Engine>(*this)) {
    fpu.offered = fpu_offers(d.cpuid);
    fpu.extended = xsave_places(d.cpuid);
}

Core::~Core() = default;

void Core::attach(Observer* observer) {
    observer_ = observer;
    engine_->observe_instructions(observer && observer->wants_instructions());
}

StopReason Core::run(u64 until) {
    if (observer_) {
        stop_ = StopReason::None;
        observer_->slice(*this);
        if (stop_ != StopReason::None) return stop_;
    }
    return engine_->run(until);
}

u64 Core::instructions() const { return engine_->instructions(); }
u64 Core::branches() const { return engine_->branches(); }
u64 Core::mispredicts() const { return engine_->mispredicts(); }

std::vector<Missing> Core::missing() const {
    std::vector<Missing> all;
    for (const auto& [mnemonic, m] : engine_->unimplemented()) all.push_back(m);
    return all;
}

std::string Core::describe() const {
    static constexpr const char* kNames[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                             "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    static constexpr const char* kSegments[] = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};
    const vmx::CpuState& s = state;
    std::string text;
    append(text, "rip %016lx  rflags %08lx  cpl %u  cycle %lu  instructions %lu%s\n", s.rip, s.rflags, s.cpl(),
           s.cycles, instructions(), s.vmx.non_root ? "  in VMX non-root operation" : "");
    for (unsigned i = 0; i < 16; ++i) append(text, "%3s %016lx%s", kNames[i], s.r[i], i % 4 == 3 ? "\n" : "  ");
    append(text, "cr0 %lx  cr2 %lx  cr3 %lx  cr4 %lx  efer %lx\n", s.cr0, s.cr2, s.cr3, s.cr4, s.efer);
    for (unsigned i = 0; i < vmx::kSegCount; ++i)
        append(text, "%4s %04x base %016lx limit %08x rights %05x%s", kSegments[i], s.seg[i].selector, s.seg[i].base,
               s.seg[i].limit, s.seg[i].ar.raw, i % 2 ? "\n" : "  ");
    append(text, "gdt %lx limit %x  idt %lx limit %x  activity %u  blocking %x\n", s.gdtr.base, s.gdtr.limit,
           s.idtr.base, s.idtr.limit, static_cast<unsigned>(s.activity), s.blocking);
    for (const Missing& m : missing())
        append(text, "without implementation, raised #UD: %s at rip %lx (%lu times)\n", m.text.c_str(), m.rip, m.times);
    return text;
}

}  // namespace vmxsim::core
