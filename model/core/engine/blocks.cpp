// SPDX-License-Identifier: Apache-2.0
// The block cache: found by linear address, physical page and mode; killed where memory is overwritten.
#include <algorithm>

#include "model/core/engine/engine.hpp"
#include "model/core/operand.hpp"

namespace vmxsim::core {

using engine::Block;
using engine::CodePage;

namespace {

constexpr std::size_t kBuckets = std::size_t{1} << 16;
constexpr std::size_t kChunk = std::size_t{1} << 20;
/// Blocks are never freed singly, since others may point to them: beyond this, all go.
constexpr std::size_t kArenaLimit = std::size_t{512} << 20;

u64 line_mask(u64 offset, u64 bytes) {
    u64 mask = 0;
    for (u64 l = offset >> 6; l <= (offset + bytes - 1) >> 6 && l < 64; ++l) mask |= u64{1} << l;
    return mask;
}

}  // namespace

Engine::Engine(Core& core)
    : core_(core), timed_(core.timing() != TimingLevel::None), buckets_(kBuckets, nullptr) {
    hot_.engine = this;
    hot_.block = &dead_;
    hot_.jumps.fill(&dead_);
    hot_.fetched.fill(~u64{0});
    dead_.va = 1;
    const CoreParams& p = core.params();
    engine::Predictor& predictor = hot_.predictor;
    predictor.penalty = p.mispredict;
    predictor.history_mask = (u64{1} << p.branch_history) - 1;
    predictor.counter_mask = (u64{1} << p.branch_counters) - 1;
    predictor.target_mask = (u64{1} << p.branch_targets) - 1;
    predictor.return_mask = (u64{1} << p.branch_returns) - 1;
    const ZydisMachineMode machine[] = {ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_MACHINE_MODE_LEGACY_32,
                                        ZYDIS_MACHINE_MODE_LONG_64};
    const ZydisStackWidth stack[] = {ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_32, ZYDIS_STACK_WIDTH_64};
    for (unsigned i = 0; i < 3; ++i) {
        ZydisDecoderInit(&decoders_[i], machine[i], stack[i]);
        // Encodings that processors without the feature take for BSF and BSR (SDM 2B, TZCNT; 2A, LZCNT), or for a NOP.
        ZydisDecoderEnableMode(&decoders_[i], ZYDIS_DECODER_MODE_TZCNT, core.cpuid().find(7, 0).ebx >> 3 & 1);
        ZydisDecoderEnableMode(&decoders_[i], ZYDIS_DECODER_MODE_LZCNT, core.cpuid().find(0x80000001, 0).ecx >> 5 & 1);
        ZydisDecoderEnableMode(&decoders_[i], ZYDIS_DECODER_MODE_MPX, false);
        ZydisDecoderEnableMode(&decoders_[i], ZYDIS_DECODER_MODE_CET, false);
    }
    core_.mmu().set_filter(this);
    core_.ram().set_watcher(this, core_.index());
    if (timed_) core_.caches().attach(&hot_.line);
}

Engine::~Engine() {
    core_.mmu().set_filter(nullptr);
    core_.ram().set_watcher(nullptr, core_.index());
    core_.caches().attach(nullptr);
    for (const auto& [page, info] : code_pages_) core_.ram().unmark_code({page}, core_.index());
}

void* Engine::allocate(std::size_t bytes) {
    bytes = (bytes + 31) & ~std::size_t{31};
    if (arena_.empty() || arena_used_ + bytes > kChunk) {
        arena_.push_back(std::make_unique<u8[]>(kChunk + 64));
        arena_used_ = (64 - (reinterpret_cast<std::uintptr_t>(arena_.back().get()) & 63)) & 63;
        arena_bytes_ += kChunk;
    }
    void* const at = arena_.back().get() + arena_used_;
    arena_used_ += bytes;
    return at;
}

void Engine::forget_all_blocks() {
    for (const auto& [page, info] : code_pages_) core_.ram().unmark_code({page}, core_.index());
    code_pages_.clear();
    std::fill(buckets_.begin(), buckets_.end(), nullptr);
    hot_.jumps.fill(&dead_);
    hot_.block = &dead_;
    hot_.tail = nullptr;
    arena_.clear();
    arena_used_ = arena_bytes_ = 0;
    ++flushes_;
}

void Engine::observe_instructions(bool on) {
    if (on == hooked_) return;
    hooked_ = on;
    forget_all_blocks();
}

std::size_t Engine::bucket(u64 va, u64 ppage, u32 mode) {
    u64 h = va ^ ppage >> 3 ^ u64{mode} << 40;
    h *= 0x9e3779b97f4a7c15;
    return static_cast<std::size_t>(h >> 48);
}

void Engine::insert(Block* b) {
    Block*& head = buckets_[bucket(b->va, b->ppage, b->mode)];
    b->next = head;
    head = b;
    const auto note = [&](u64 page, u64 offset, u64 bytes) {
        if (!core_.ram().contains({page}, 4096)) return;
        CodePageInfo& info = code_pages_[page];
        info.blocks.push_back(b);
        info.lines |= line_mask(offset, bytes);
        core_.ram().mark_code({page}, core_.index());
    };
    note(b->ppage, b->va & 0xfff, b->bytes - b->second_bytes);
    if (b->second_bytes) note(b->second_ppage, 0, b->second_bytes);
}

/// Takes a block out of its bucket; who points to it finds it dead.
void Engine::kill(Block* b) {
    if (b->vpage == Block::kDead) return;
    b->vpage = Block::kDead;
    for (Block** at = &buckets_[bucket(b->va, b->ppage, b->mode)]; *at; at = &(*at)->next)
        if (*at == b) {
            *at = b->next;
            break;
        }
}

void Engine::code_written(HostPhysical at, unsigned bytes) {
    const auto found = code_pages_.find(at.page().raw);
    if (found == code_pages_.end()) return;
    CodePageInfo& info = found->second;
    const u64 written = line_mask(at.page_offset(), bytes);
    if (!(info.lines & written)) return;  // data beside code
    const auto lines_of = [&](const Block* b) {
        return b->ppage == at.page().raw ? line_mask(b->va & 0xfff, b->bytes - b->second_bytes)
                                         : line_mask(0, b->second_bytes);
    };
    u64 left = 0;
    std::erase_if(info.blocks, [&](Block* b) {
        if (b->vpage == Block::kDead) return true;
        if (lines_of(b) & written) {
            kill(b);
            return true;
        }
        left |= lines_of(b);
        return false;
    });
    info.lines = left;
    if (!info.blocks.empty()) return;
    code_pages_.erase(found);
    core_.ram().unmark_code(at.page(), core_.index());
}

Outcome Engine::code_page(u64 va, HostPhysical& out) {
    const u64 vpage = va & ~u64{0xfff};
    CodePage& c = hot_.code[va >> 12 & (engine::kCodePages - 1)];
    if (c.vpage != vpage) {
        mmu::Translation t;
        if (const Outcome o = translate(va, mmu::AccessType::Execute, user_, t); o != Outcome::Next) return o;
        if (t.at.page().raw == apic_page_) return apic_access(t.at, nullptr, 1, vmx::ApicAccess::Fetch);
        c = {vpage, t.at.page().raw};
        hot_.code_filled |= u64{1} << (va >> 12 & (engine::kCodePages - 1));
    }
    out = {c.ppage + (va & 0xfff)};
    return Outcome::Next;
}

/// The block at RIP, with the checks of an instruction fetch (SDM 5.3, 6.15 #GP, #PF).
Outcome Engine::find_block(Block*& out) {
    const vmx::CpuState& s = core_.state;
    const u32 m = mode_ | (single_ ? engine::mode::kSingle : 0);
    if (code64_) {
        // As a handler's jump would find it; what stands there is in the fast path's mode, the present one.
        Block* const j = hot_.jumps[engine::jump_slot(s.rip)];
        if (const CodePage& c = hot_.code[s.rip >> 12 & (engine::kCodePages - 1)];
            j->va == s.rip && !single_ && j->vpage == c.vpage && j->ppage == c.ppage) {
            out = j;
            return Outcome::Next;
        }
        if (!canonical(core_, s.rip)) return core_.raise(13, 0);
        return look_up(s.rip, m, out);
    }
    const vmx::Segment& cs = s.seg[vmx::CS];
    const u64 va = (cs.base + s.rip) & 0xffffffff;
    if (s.rip > cs.limit) return core_.raise(13, 0);
    if (const Outcome o = look_up(va, m, out); o != Outcome::Next) return o;
    if (s.rip + out->bytes - 1 <= cs.limit) return Outcome::Next;
    if (const Outcome o = look_up(va, m | engine::mode::kSingle, out); o != Outcome::Next) return o;
    return s.rip + out->bytes - 1 <= cs.limit ? Outcome::Next : core_.raise(13, 0);
}

Outcome Engine::look_up(u64 va, u32 m, Block*& out) {
    HostPhysical at;
    if (const Outcome o = code_page(va, at); o != Outcome::Next) return o;
    for (Block* b = buckets_[bucket(va, at.page().raw, m)]; b; b = b->next) {
        if (b->va != va || b->ppage != at.page().raw || b->mode != m) continue;
        if (b->second_bytes) {
            // The instruction's second page may be another one now.
            HostPhysical second;
            const u64 next = code64_ ? (va | 0xfff) + 1 : ((va | 0xfff) + 1) & 0xffffffff;
            if (const Outcome o = code_page(next, second); o != Outcome::Next) return o;
            if (second.raw != b->second_ppage) continue;
        }
        out = b;
        return Outcome::Next;
    }
    if (arena_bytes_ > kArenaLimit) forget_all_blocks();
    return decode_block(va, at, m, out);
}

}  // namespace vmxsim::core
