// SPDX-License-Identifier: Apache-2.0
// From bytes to a block.
#include <algorithm>
#include <cstring>
#include <new>

#include "model/core/engine/engine.hpp"
#include "model/core/engine/select.hpp"
#include "model/core/fpu.hpp"
#include "model/core/operand.hpp"
#include "model/core/system.hpp"

namespace vmxsim::core {

using namespace engine;

namespace {

constexpr unsigned kMaxInstructions = 64;
constexpr unsigned kMaxLength = 15;

bool is_branch(const Insn& insn) {
    switch (insn.z.meta.category) {
        case ZYDIS_CATEGORY_COND_BR:
        case ZYDIS_CATEGORY_UNCOND_BR:
        case ZYDIS_CATEGORY_CALL:
        case ZYDIS_CATEGORY_RET:
            return true;
        default: return false;
    }
}

bool is_popf(const Insn& insn) {
    return insn.z.mnemonic == ZYDIS_MNEMONIC_POPF || insn.z.mnemonic == ZYDIS_MNEMONIC_POPFD ||
           insn.z.mnemonic == ZYDIS_MNEMONIC_POPFQ;
}

}  // namespace

/// Decodes one instruction. False: `vector` is the exception to raise, or more bytes are needed.
bool Engine::decode_one(const u8* bytes, unsigned available, u32 m, Insn& insn, u8& vector, bool& need_more) const {
    const ZyanStatus status = ZydisDecoderDecodeFull(&decoders_[m & mode::kCodeMask], bytes,
                                                     std::min(available, kMaxLength), &insn.z, insn.op);
    if (ZYAN_SUCCESS(status)) return true;
    need_more = status == ZYDIS_STATUS_NO_MORE_DATA && available < kMaxLength;
    // Longer than 15 bytes: #GP; anything else: #UD (SDM 2.3.11, 6.15).
    const bool too_long = status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG || status == ZYDIS_STATUS_NO_MORE_DATA;
    vector = too_long ? vector::GP : vector::UD;
    return false;
}

/// Cycles beyond the issue slot. System instructions account for theirs when they run.
u64 Engine::static_latency(const Insn& insn) const {
    const CoreParams& p = core_.params();
    u64 cycles = 0;
    switch (insn.z.mnemonic) {
        case ZYDIS_MNEMONIC_MUL: case ZYDIS_MNEMONIC_IMUL: cycles = p.mul; break;
        case ZYDIS_MNEMONIC_DIV: case ZYDIS_MNEMONIC_IDIV: case ZYDIS_MNEMONIC_AAM: cycles = p.div; break;
        case ZYDIS_MNEMONIC_XCHG: if (is_memory(insn.op[0]) || is_memory(insn.op[1])) cycles = p.lock; break;
        case ZYDIS_MNEMONIC_MFENCE: cycles = p.lock; break;
        default: cycles = fpu_latency(insn, p); break;
    }
    if (insn.z.attributes & ZYDIS_ATTRIB_HAS_LOCK) cycles = p.lock;
    return cycles;
}

Outcome Engine::decode_block(u64 va, HostPhysical at, u32 m, Block*& out) {
    u8 bytes[4096 + kMaxLength];
    unsigned available = static_cast<unsigned>(4096 - at.page_offset());
    core_.ram().read_block(at, {bytes, available});

    const unsigned limit = m & mode::kSingle ? 1 : kMaxInstructions;
    Op ops[2 * kMaxInstructions + 2];
    unsigned n = 0, k = 0;  // instructions, operations
    const unsigned hook = hooked_ ? 1 : 0;
    u64 latencies = 0, second_ppage = 0;
    unsigned offset = 0, second_bytes = 0;
    bool ended = false;
    Tail tail{{&dead_, &dead_}, {0, 0}};
    Insn insn;
    const auto keep = [&] { return new (allocate(sizeof(Insn))) Insn(insn); };
    const auto cycles_of = [&](unsigned count) -> u64 {
        if (!timed_) return count;
        const u64 width = core_.params().issue_width ? core_.params().issue_width : 1;
        return (count + width - 1) / width + latencies;
    };
    const auto take = [&] {
        if (hook) {
            ops[k] = ops[k + 1];
            ops[k].fn = observe_op;
        }
        k += 1 + hook;
        ++n;
    };
    const auto linear = [&](u64 v) { return code64_ ? v : v & 0xffffffff; };

    // The bound keeps Op::cycles_before in 16 bits.
    while (n < limit && !ended && cycles_of(n) < 0x8000) {
        Op& op = ops[k + hook];
        op = {};
        op.offset = static_cast<u16>(offset);
        op.index = static_cast<u16>(n);
        op.cycles_before = static_cast<u16>(cycles_of(n));
        u8 vector = 0;
        bool need_more = false;
        bool good = decode_one(bytes + offset, available - offset, m, insn, vector, need_more);
        if (need_more) {
            if (n) break;  // an instruction that crosses the page gets a block of its own
            HostPhysical second;
            if (const Outcome o = code_page(linear((va | 0xfff) + 1), second); o != Outcome::Next) return o;
            core_.ram().read_block(second, {bytes + available, kMaxLength});
            const unsigned before = available;
            available += kMaxLength;
            good = decode_one(bytes, available, m, insn, vector, need_more);
            second_ppage = second.raw;
            second_bytes = good ? insn.length() - before : 1;
        }
        if (!good) {
            op.fn = raise_op;
            op.imm = vector;
            take();
            offset += 1 + (second_bytes ? 4096 - static_cast<unsigned>(at.page_offset()) : 0);
            ended = true;
            break;
        }
        const u64 next = linear(va + offset + insn.length());
        tail.va[1] = next;
        insn.system = system_handler(insn);
        if (insn.system) {
            op.fn = system_op;
            op.imm = reinterpret_cast<u64>(keep());
            ended = true;
        } else if (second_bytes == 0 && is_fast(m) && !(m & mode::kSingle) &&
                   specialise({insn, va + offset, next, timed_, code64_, core_.fpu.offered}, op, tail)) {
            ended = is_branch(insn);
        } else {
            op = {};
            op.offset = static_cast<u16>(offset);
            op.index = static_cast<u16>(n);
            op.cycles_before = static_cast<u16>(cycles_of(n));
            op.fn = out_of_line;
            op.imm = reinterpret_cast<u64>(keep());
            // A branch not taken goes on behind the block.
            ended = is_branch(insn) || is_popf(insn);
        }
        if (timed_) latencies += static_latency(insn);
        offset += insn.length();
        take();
        if (second_bytes) break;
    }

    Op& last = ops[k];
    last = {};
    last.fn = run_on_for(timed_);
    last.offset = static_cast<u16>(offset);
    last.index = static_cast<u16>(n);
    last.cycles_before = static_cast<u16>(cycles_of(n));
    // The tail stands behind the last handler that runs: a branch or system instruction, or run_on.
    const bool tail_in_place = ended && (ops[k - 1].fn != out_of_line && ops[k - 1].fn != raise_op);
    const unsigned count = tail_in_place ? k : k + 1;

    u8* const memory = static_cast<u8*>(allocate(sizeof(Block) + (count + 1) * sizeof(Op)));
    Block* const b = new (memory) Block;
    b->vpage = va & ~u64{0xfff};
    b->ppage = at.page().raw;
    b->va = va;
    b->line = at.raw >> 6;
    b->bytes = offset;
    b->second_ppage = second_ppage;
    b->second_bytes = second_bytes;
    b->lines = static_cast<u32>(((at.raw + offset - second_bytes - 1) >> 6) - b->line + 1);
    b->instructions = n;
    b->cycles = static_cast<u32>(cycles_of(n));
    b->mode = m;
    b->ops = count;
    std::memcpy(static_cast<void*>(b->first()), ops, count * sizeof(Op));
    std::memcpy(memory + sizeof(Block) + count * sizeof(Op), &tail, sizeof tail);
    insert(b);
    out = b;
    return Outcome::Next;
}

void Engine::count_unimplemented(const Insn& insn) {
    Missing& m = unimplemented_[insn.z.mnemonic];
    if (m.times++ != 0) return;
    m.rip = core_.state.rip;
    ZydisFormatter formatter;
    char text[128] = {};
    ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
    ZydisFormatterFormatInstruction(&formatter, &insn.z, insn.op, insn.z.operand_count_visible, text, sizeof text, m.rip,
                                    nullptr);
    m.text = text;
}

const Insn& Engine::full(const Op& op) {
    Block& b = *hot_.block;
    const auto i = static_cast<std::size_t>(&op - b.first());
    if (!b.slow) {
        b.slow = static_cast<Insn**>(allocate(b.ops * sizeof(Insn*)));
        std::memset(static_cast<void*>(b.slow), 0, b.ops * sizeof(Insn*));
    }
    if (!b.slow[i]) {
        // Specialised instructions lie within the page, and are as they were when the block was decoded, or it would be
        // dead.
        Insn* const insn = new (allocate(sizeof(Insn))) Insn;
        u8 bytes[kMaxLength];
        core_.ram().read_block({b.ppage + (b.va & 0xfff) + op.offset}, bytes);
        u8 vector = 0;
        bool need_more = false;
        decode_one(bytes, kMaxLength, b.mode, *insn, vector, need_more);
        b.slow[i] = insn;
    }
    return *b.slow[i];
}

}  // namespace vmxsim::core
