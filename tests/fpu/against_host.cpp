// SPDX-License-Identifier: Apache-2.0
// Every encoding of every x87, MMX and SSE instruction that is implemented, against the processor that runs this test.
#include <boost/test/unit_test.hpp>
#include <map>

#include "model/core/fpu.hpp"
#include "model/core/operand.hpp"
#include "operands.hpp"

namespace vmxsim::core {

namespace {

constexpr u64 kFlags = vmx::rflags::kArithmetic;

struct Encoding {
    unsigned prefix = 0;           ///< 0: none
    std::vector<u8> opcode;
    int modrm = -1;                ///< x87: mod, reg and rm are the opcode's own
    bool immediate = false;
};

/// Approximations differ between processors; XSAVE is no part of the oracle; the environment's addresses are those of the code.
bool left_out(ZydisMnemonic m) {
    switch (m) {
        case ZYDIS_MNEMONIC_RCPSS: case ZYDIS_MNEMONIC_RCPPS: case ZYDIS_MNEMONIC_RSQRTSS: case ZYDIS_MNEMONIC_RSQRTPS:
        case ZYDIS_MNEMONIC_FXSAVE: case ZYDIS_MNEMONIC_FXSAVE64: case ZYDIS_MNEMONIC_FXRSTOR:
        case ZYDIS_MNEMONIC_FXRSTOR64: case ZYDIS_MNEMONIC_LDMXCSR: case ZYDIS_MNEMONIC_FNSTENV:
        case ZYDIS_MNEMONIC_FNSAVE: case ZYDIS_MNEMONIC_FLDENV: case ZYDIS_MNEMONIC_FRSTOR:
        case ZYDIS_MNEMONIC_FLDCW: case ZYDIS_MNEMONIC_XSAVE: case ZYDIS_MNEMONIC_XSAVE64: case ZYDIS_MNEMONIC_XSAVEOPT:
        case ZYDIS_MNEMONIC_XSAVEOPT64: case ZYDIS_MNEMONIC_XSAVEC: case ZYDIS_MNEMONIC_XSAVEC64:
        case ZYDIS_MNEMONIC_XSAVES: case ZYDIS_MNEMONIC_XSAVES64: case ZYDIS_MNEMONIC_XRSTORS:
        case ZYDIS_MNEMONIC_XRSTORS64: case ZYDIS_MNEMONIC_XRSTOR: case ZYDIS_MNEMONIC_XRSTOR64: return true;
        default: return false;
    }
}
bool needs_no_alignment(ZydisMnemonic m) {
    switch (m) {
        case ZYDIS_MNEMONIC_MOVUPS: case ZYDIS_MNEMONIC_MOVUPD: case ZYDIS_MNEMONIC_MOVDQU: case ZYDIS_MNEMONIC_LDDQU:
        case ZYDIS_MNEMONIC_PCMPESTRI: case ZYDIS_MNEMONIC_PCMPESTRM: case ZYDIS_MNEMONIC_PCMPISTRI:
        case ZYDIS_MNEMONIC_PCMPISTRM: return true;
        default: return false;
    }
}
bool decode(const std::vector<u8>& code, Insn& insn) {
    static const ZydisDecoder decoder = [] {
        ZydisDecoder d;
        ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
        return d;
    }();
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code.data(), code.size(), &insn.z, insn.op));
}

std::vector<Encoding> encodings() {
    std::vector<Encoding> all;
    for (const unsigned prefix : {0u, 0x66u, 0xf2u, 0xf3u})
        for (const unsigned map : {0x0fu, 0x38u, 0x3au})
            for (unsigned op = 0; op < 256; ++op) {
                if (map == 0x0f && (op == 0x38 || op == 0x3a)) continue;
                Encoding e;
                e.prefix = prefix;
                e.opcode = {0x0f};
                if (map != 0x0f) e.opcode.push_back(static_cast<u8>(map));
                e.opcode.push_back(static_cast<u8>(op));
                all.push_back(e);
            }
    for (unsigned op = 0xd8; op < 0xe0; ++op)
        for (int modrm = 0; modrm < 256; ++modrm) {
            if (modrm < 0xc0 && (modrm & 0xc7) != 0x43) continue;  // memory: [RBX + disp8]
            Encoding e;
            e.opcode = {static_cast<u8>(op)};
            e.modrm = modrm;
            all.push_back(e);
        }
    all.push_back({0, {0x9b}, -2, false});
    return all;
}

struct Tally { u64 cases = 0, differences = 0; std::map<ZydisMnemonic, u64> mnemonics; };

class Comparison {
public:
    Comparison(TimingLevel level, u64 seed) : machine_(level), random_(seed) {
        host_ = native_.window(Machine::kData, 0x2000);
        guest_ = machine_.ram.host({Machine::kData});
    }
    bool possible() const { return host_ != nullptr; }

    /// A random instance of the encoding: registers, addressing form, immediate.
    bool instance(const Encoding& e, std::vector<u8>& code, Insn& insn, unsigned& disp) {
        code.clear();
        if (e.prefix) code.push_back(static_cast<u8>(e.prefix));
        const bool memory = random_.number(2);
        disp = static_cast<unsigned>(random_.number(64));
        if (e.modrm == -1) {
            unsigned rex = random_.number(2) ? 0x40 | static_cast<unsigned>(random_.number(16)) : 0;
            if (memory) rex &= ~3u;
            if (rex) code.push_back(static_cast<u8>(rex));
        }
        code.insert(code.end(), e.opcode.begin(), e.opcode.end());
        if (e.modrm >= 0) {
            code.push_back(static_cast<u8>(e.modrm));
            if (e.modrm < 0xc0) code.push_back(static_cast<u8>(disp));
        } else if (e.modrm == -1) {
            const unsigned reg = static_cast<unsigned>(random_.number(8)) << 3;
            code.push_back(static_cast<u8>(memory ? 0x43 | reg : 0xc0 | reg | random_.number(8)));
            if (memory) code.push_back(static_cast<u8>(disp));
        }
        code.push_back(static_cast<u8>(random_.number(2) ? random_.number(16) : random_.number(256)));  // an immediate, perhaps
        if (!decode(code, insn)) return false;
        code.resize(insn.length());
        if (e.prefix && insn.z.raw.prefix_count == 1 && !decode(code, insn)) return false;
        return is_fpu(insn) && !left_out(insn.z.mnemonic);
    }

    void run(const Encoding& e, unsigned variants, unsigned operands, Tally& tally) {
        std::vector<u8> code;
        Insn insn;
        unsigned disp = 0;
        for (unsigned v = 0; v < variants; ++v) {
            bool good = false;
            for (unsigned i = 0; i < 6 && !good; ++i) good = instance(e, code, insn, disp);
            if (!good) continue;
            const std::vector<u8> whole = between_saves(code);
            std::vector<u8> on_host = whole;
            leave_host(on_host);
            native_.code(on_host);
            unsigned alignment = 1;
            for (unsigned i = 0; i < insn.z.operand_count_visible; ++i)
                if (is_memory(insn.op[i]) && insn.op[i].size == 128 && !needs_no_alignment(insn.z.mnemonic)) alignment = 16;
            ++tally.mnemonics[insn.z.mnemonic];
            for (unsigned i = 0; i < operands; ++i) one(code, whole, insn, disp, alignment, tally);
        }
    }

private:
    void one(const std::vector<u8>& code, const std::vector<u8>& whole, const Insn& insn, unsigned disp,
             unsigned alignment, Tally& tally) {
        const FxImage before = random_.image();
        const u64 kind = random_.number(4);
        for (unsigned k = 0; k < FpuMachine::kWindowBytes; k += 8) {
            const u64 v = random_.quadword(kind);
            std::memcpy(host_ + at_ + k, &v, 8);
        }
        if (insn.z.mnemonic == ZYDIS_MNEMONIC_FLD && random_.number(2))
            for (unsigned k = 0; k < FpuMachine::kWindowBytes - 16; k += 10) random_.extended(host_ + at_ + k);
        std::memcpy(host_, &before, sizeof before);
        std::memset(host_ + 0x400, 0x5a, sizeof before);
        const u32 csr = 0x1f80;
        std::memcpy(host_ + 0x800, &csr, 4);
        std::memcpy(guest_, host_, 0x2000);
        Registers r;
        for (u64& x : r.r) x = random_.integer();
        if (random_.number(2)) r.r[vmx::RAX] = random_.number(40) - 20, r.r[vmx::RDX] = random_.number(40) - 20;
        const u64 at = FpuMachine::kWindow + (64 + random_.number(128)) / alignment * alignment;
        r.r[vmx::RBX] = at - disp;
        r.r[vmx::RDI] = FpuMachine::kWindow + 64 + random_.number(100);
        r.flags = 2 | (random_.any() & kFlags);
        for (unsigned i = 0; i < 16; ++i) machine_.s().r[i] = r.r[i];
        machine_.s().rflags = r.flags;
        const StopReason why = machine_.execute(whole);
        native_.run(r);
        ++tally.cases;

        bool same = why == StopReason::Halted && !((machine_.s().rflags ^ r.flags) & kFlags);
        for (unsigned i = 0; i < 16; ++i) same = same && machine_.s().r[i] == r.r[i];
        same = same && !std::memcmp(guest_ + at_, host_ + at_, FpuMachine::kWindowBytes);
        const u8* const g = guest_ + 0x400;
        const u8* const h = host_ + 0x400;
        // Not the opcode and the two pointers (bytes 6 to 23), nor what lies behind the registers.
        same = same && !std::memcmp(g, h, 6) && !std::memcmp(g + 24, h + 24, 4) && !std::memcmp(g + 32, h + 32, 384);
        if (same || ++tally.differences > 24) return;
        std::string text = std::string(ZydisMnemonicGetString(insn.z.mnemonic)) + ": " + hex(code);
        const auto differ = [&](const char* name, unsigned offset, unsigned bytes) {
            if (!std::memcmp(g + offset, h + offset, bytes)) return;
            text += std::string("\n   ") + name + " " + hex({host_ + offset, bytes}) + "-> " + hex({g + offset, bytes}) +
                    "host " + hex({h + offset, bytes});
        };
        differ("control", 0, 2), differ("status", 2, 2), differ("tags", 4, 1), differ("mxcsr", 24, 4);
        for (unsigned i = 0; i < 8; ++i) differ(("st" + std::to_string(i)).c_str(), 32 + 16 * i, 16);
        for (unsigned i = 0; i < 16; ++i) differ(("xmm" + std::to_string(i)).c_str(), 160 + 16 * i, 16);
        if (std::memcmp(guest_ + at_, host_ + at_, FpuMachine::kWindowBytes)) text += "\n   memory";
        if ((machine_.s().rflags ^ r.flags) & kFlags) text += "\n   flags";
        for (unsigned i = 0; i < 16; ++i)
            if (machine_.s().r[i] != r.r[i])
                text += "\n   r" + std::to_string(i) + " " + std::to_string(machine_.s().r[i]) + " host " + std::to_string(r.r[i]);
        text += "\n   control " + hex({host_, 2}) + "status " + hex({host_ + 2, 2}) + "tags " + hex({host_ + 4, 1}) + " mxcsr " + hex({host_ + 24, 4}) + " stop " + std::to_string(static_cast<int>(why));
        BOOST_ERROR(text);
    }

    static constexpr unsigned at_ = FpuMachine::kWindow - Machine::kData;
    FpuMachine machine_;
    Native native_;
    Operands random_;
    u8* host_ = nullptr;
    u8* guest_ = nullptr;
};

void compare(TimingLevel level, u64 seed, unsigned variants, unsigned operands) {
    Comparison c(level, seed);
    if (!c.possible()) {
        BOOST_TEST_MESSAGE("the host has something at the guest's addresses: not compared");
        return;
    }
    Tally t;
    for (const Encoding& e : encodings()) c.run(e, variants, operands, t);
    BOOST_TEST_MESSAGE(t.cases << " cases, " << t.mnemonics.size() << " mnemonics");
    BOOST_TEST(t.differences == 0u);
    BOOST_TEST(t.mnemonics.size() > 300u);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(against_host)

BOOST_AUTO_TEST_CASE(every_encoding_computes_what_the_host_computes) { compare(TimingLevel::None, 1, 32, 12); }

BOOST_AUTO_TEST_CASE(with_timing_they_compute_the_same) { compare(TimingLevel::Interval, 2, 4, 4); }

BOOST_AUTO_TEST_SUITE_END()

}  // namespace vmxsim::core
