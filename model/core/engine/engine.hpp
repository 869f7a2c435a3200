// SPDX-License-Identifier: Apache-2.0
// The execution engine: decoded blocks, run by handlers that jump from one to the next; the TLBs in front of MMU and
// L1D. It does not know what instructions of the system do: those are execute_system()'s, and end a block.
#pragma once
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "model/core/core.hpp"
#include "model/core/engine/hot.hpp"
#include "model/core/engine/mode.hpp"
#include "model/core/insn.hpp"

namespace vmxsim::core {

class Engine final : public mmu::FilterControl, public memory::CodeWatcher {
public:
    explicit Engine(Core& core);
    ~Engine() override;

    StopReason run(u64 until);
    u64 instructions() const { return hot_.instructions; }
    u64 branches() const { return hot_.predictor.branches; }        ///< predicted ones: conditional and indirect
    u64 mispredicts() const { return hot_.predictor.mispredicts; }
    /// Registers that select translations or decoding have changed.
    void context_changed();
    /// Outcome::Next, or the fault or VM exit of the translation is set in the core.
    Outcome access(u64 va, u8* data, unsigned bytes, MemoryKind kind, bool user);
    Outcome access_system(u64 va, u8* data, unsigned bytes, MemoryKind kind);
    Outcome probe_write(u64 va, unsigned bytes);

    // mmu::FilterControl, memory::CodeWatcher
    void drop_page(GuestVirtual page) override;
    void drop_all() override;
    void select(unsigned context, bool anew) override;
    void code_written(HostPhysical at, unsigned bytes) override;
    void code_marked() override { drop_data(); }  // store permissions that were given out for the page

    // ---- For handlers and the interpreter.
    enum class Reach : u8 {
        Ready,  ///< the fast path's compare succeeds now
        Slow,   ///< page or line crossing, decoded code, no RAM, an address that segmentation must judge
        Event,  ///< fault or VM exit set in the core; Hot::outcome tells which
    };
    Reach reach(u64 va, unsigned bytes, bool write);
    engine::Hot& hot() { return hot_; }
    Core& core() { return core_; }
    bool timed() const { return timed_; }
    /// The full decoding of an operation of the running block.
    const Insn& full(const engine::Op& op);
    /// The running block must end: its code was overwritten, or something is due at the next boundary.
    bool block_died() const { return leave_block_ || hot_.block->vpage == engine::Block::kDead; }
    bool single_step() const { return single_; }
    u64 rip_of(u64 va) const { return code64_ ? va : (va - core_.state.seg[vmx::CS].base) & 0xffffffff; }
    /// RIP, cycles and count as they were before `op`, which did not complete.
    void back_to(const engine::Op& op);
    /// The same behind `op`, where the rest of the block is not to run.
    void stop_behind(const engine::Op& op, unsigned length);
    void fetch_block_lines(const engine::Block& b);
    /// Blocks get a hook before each instruction, or none.
    void observe_instructions(bool on);
    /// The hook: the observer sees the state before the instruction at `op`. True: the block ends there.
    bool observe(const engine::Op& op);
    /// The branch prediction of an instruction that the interpreter executed, with `outcome`.
    void predict(const engine::Op& op, const Insn& insn, Outcome outcome);
    /// Mnemonics without implementation that were met, with their numbers.
    const std::map<ZydisMnemonic, Missing>& unimplemented() const { return unimplemented_; }
    void count_unimplemented(const Insn& insn);
    bool in_64bit() const { return code64_; }

private:
    /// Translations belong to a context and to a privilege in it; the tables in front hold one such view at a time, and
    /// this is what the others left. Data pages stay in their table, told apart by the generation.
    struct View {
        u64 generation = kNoGeneration;
        u64 code_filled = 0;
        std::array<engine::CodePage, engine::kCodePages> code{};
    };
    static constexpr u64 kNoGeneration = 0xfff;
    static constexpr unsigned kPrivileges = 3;  ///< user, supervisor, supervisor with RFLAGS.AC under SMAP
    struct CodePageInfo {
        std::vector<engine::Block*> blocks;
        u64 lines = 0;  ///< 64-byte lines that hold decoded code
    };
    // tlb.cpp
    Outcome translate(u64 va, mmu::AccessType type, bool user, mmu::Translation& out);
    Outcome data_page(u64 va, bool write, bool user, HostPhysical& out);
    void switch_view(unsigned view);
    void drop_lines();
    void drop_data();
    void drop_view(unsigned view);
    u64 new_generation();
    void select_privilege();
    Outcome fail(const mmu::Translation& t, u64 va);
    Outcome apic_access(HostPhysical at, u8* data, unsigned bytes, vmx::ApicAccess type);
    // blocks.cpp
    Outcome code_page(u64 va, HostPhysical& out);
    Outcome find_block(engine::Block*& out);
    Outcome look_up(u64 va, u32 mode, engine::Block*& out);
    void insert(engine::Block* b);
    void kill(engine::Block* b);
    void forget_all_blocks();
    void* allocate(std::size_t bytes);
    static std::size_t bucket(u64 va, u64 ppage, u32 mode);
    // decode.cpp
    Outcome decode_block(u64 va, HostPhysical at, u32 mode, engine::Block*& out);
    bool decode_one(const u8* bytes, unsigned available, u32 mode, Insn& insn, u8& vector, bool& need_more) const;
    u64 static_latency(const Insn& insn) const;
    // run.cpp
    void enter(engine::Block* b);
    bool finish_event(Outcome outcome);
    void sync_out() { core_.state.rflags = (core_.state.rflags & ~vmx::rflags::kArithmetic) | hot_.flags.get(); }
    void sync_in() { hot_.flags.set(core_.state.rflags); }
    Outcome run_system(const engine::Op& op);
    bool pending_events();
    bool external_event();
    bool due();
    bool wait(u64 until);
    void after_single(u32 shadow, bool trap);
    unsigned branch_kind(engine::Block* b);
    bool instruction_breakpoint();
    bool alignment_checked() const;

    Core& core_;
    const bool timed_;
    bool code64_ = false, user_ = false, ac_ = false, single_ = false;
    bool hooked_ = false;  ///< observe_instructions()
    bool implicit_ = false;  ///< the access is an implicit supervisor access
    bool watch_ = false, aligned_ = false;  ///< breakpoints armed; alignment checked: blocks of one instruction
    bool leave_block_ = false;
    u32 mode_ = 0;
    u64 apic_page_ = ~u64{0}, last_apic_page_ = ~u64{0};  ///< the APIC-access page of the guest; of the last one that had one
    unsigned context_ = 0, view_ = 0;
    u64 generations_ = 0;  ///< the last given out
    std::array<View, mmu::FilterControl::kContexts * kPrivileges> views_{};
    u64 flushes_ = 0;  ///< times that all blocks were forgotten
    std::vector<engine::Block*> buckets_;
    std::vector<std::unique_ptr<u8[]>> arena_;
    std::size_t arena_used_ = 0, arena_bytes_ = 0;
    std::unordered_map<u64, CodePageInfo> code_pages_;
    std::map<ZydisMnemonic, Missing> unimplemented_;
    ZydisDecoder decoders_[3];
    engine::Block dead_;
    engine::Hot hot_;
};

}  // namespace vmxsim::core
