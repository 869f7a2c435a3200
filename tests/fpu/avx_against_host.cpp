// SPDX-License-Identifier: Apache-2.0
// Every VEX encoding that is implemented, against the processor that runs this test.
#include <boost/test/unit_test.hpp>
#include <map>

#include "model/core/fpu.hpp"
#include "model/core/operand.hpp"
#include "operands.hpp"

namespace vmxsim::core {

namespace {

constexpr u64 kFlags = vmx::rflags::kArithmetic;
using High = std::array<Vector, 16>;
constexpr unsigned kAfterAt = 0x400, kHighAt = 0xa00, kHighAfterAt = 0xc00;

struct VexCode {
    unsigned map, pp, opcode;
    bool w, l;
};

/// Approximations differ between processors.
bool left_out(ZydisMnemonic m) {
    switch (m) {
        case ZYDIS_MNEMONIC_VRCPSS: case ZYDIS_MNEMONIC_VRCPPS: case ZYDIS_MNEMONIC_VRSQRTSS:
        case ZYDIS_MNEMONIC_VRSQRTPS: case ZYDIS_MNEMONIC_VLDMXCSR: return true;
        default: return false;
    }
}
bool aligned(ZydisMnemonic m) {
    switch (m) {
        case ZYDIS_MNEMONIC_VMOVAPS: case ZYDIS_MNEMONIC_VMOVAPD: case ZYDIS_MNEMONIC_VMOVDQA:
        case ZYDIS_MNEMONIC_VMOVNTPS: case ZYDIS_MNEMONIC_VMOVNTPD: case ZYDIS_MNEMONIC_VMOVNTDQ:
        case ZYDIS_MNEMONIC_VMOVNTDQA: return true;
        default: return false;
    }
}

class Comparison {
public:
    explicit Comparison(TimingLevel level, u64 seed) : machine_(level), random_(seed) {
        host_ = native_.window(Machine::kData, 0x2000);
        guest_ = machine_.ram.host({Machine::kData});
        machine_.s().cr4 |= vmx::cr4::OSXSAVE;
        machine_.s().xcr0 = 7;
        machine_.core->fpu.offered |= offers::AVX | offers::AVX2;
        ZydisDecoderInit(&decoder_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    }
    bool possible() const { return host_ != nullptr; }

    void run(const VexCode& e, unsigned variants, unsigned operands) {
        std::vector<u8> code;
        Insn insn;
        for (unsigned v = 0; v < variants; ++v) {
            bool good = false;
            for (unsigned i = 0; i < 8 && !good; ++i) good = instance(e, code, insn);
            if (!good) {
                if (v == 0) return;
                continue;
            }
            prepare_host(code);
            mnemonics[insn.z.mnemonic] += operands;
            for (unsigned i = 0; i < operands; ++i) one(code, insn);
        }
    }
    u64 cases = 0, differences = 0;
    std::map<ZydisMnemonic, u64> mnemonics;

private:
    bool instance(const VexCode& e, std::vector<u8>& code, Insn& insn) {
        code.clear();
        const unsigned extend = random_.number(2) ? static_cast<unsigned>(random_.number(8)) : 0;  // R, X, B
        const bool memory = random_.number(2);
        const unsigned b = memory ? 0 : extend & 1;
        const unsigned vvvv = random_.number(2) ? static_cast<unsigned>(random_.number(16)) : 0;
        disp_ = static_cast<unsigned>(random_.number(64));
        const unsigned tail = (~vvvv & 15) << 3 | unsigned{e.l} << 2 | e.pp;
        if (e.map == 1 && !e.w && !(extend & 2) && !b && random_.number(2)) {
            append(code, {0xc5, (extend & 4 ? 0u : 0x80u) | tail});
        } else {
            append(code, {0xc4, (extend & 4 ? 0u : 0x80u) | (extend & 2 ? 0u : 0x40u) | (b ? 0u : 0x20u) | e.map,
                          unsigned{e.w} << 7 | tail});
        }
        const unsigned reg = static_cast<unsigned>(random_.number(8)) << 3;
        code.push_back(static_cast<u8>(e.opcode));
        if (e.opcode != 0x77 || e.map != 1) {
            const bool vsib = e.map == 2 && e.opcode >= 0x90 && e.opcode < 0x94;
            if (!memory) append(code, {0xc0 | reg | static_cast<unsigned>(random_.number(8))});
            else if (!vsib) append(code, {0x43 | reg, disp_});
            else append(code, {0x44 | reg, static_cast<unsigned>(random_.number(32)) << 3 | 3, disp_});
            code.push_back(static_cast<u8>(random_.number(256)));  // an immediate, perhaps
        }
        if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder_, code.data(), code.size(), &insn.z, insn.op))) return false;
        code.resize(insn.length());
        return is_fpu(insn) && !left_out(insn.z.mnemonic) && machine_knows(insn);
    }
    bool machine_knows(const Insn& insn) const {
        if (insn.z.meta.isa_set == ZYDIS_ISA_SET_AVX2GATHER) {
            const auto id = [](ZydisRegister r) { return ZydisRegisterGetId(r); };
            const auto index = id(insn.op[1].mem.index);
            return id(insn.op[0].reg.value) != index && id(insn.op[2].reg.value) != index &&
                   id(insn.op[0].reg.value) != id(insn.op[2].reg.value);
        }
        return true;
    }
    void prepare_host(const std::vector<u8>& code) {
        std::vector<u8> all;
        append(all, {0x48, 0x0f, 0xae, 0x0c, 0x25}), append_address(all, FpuMachine::kBefore);  // FXRSTOR64
        for (unsigned i = 0; i < 16; ++i) {  // VINSERTF128 YMMi, YMMi, [kHigh + 16 i], 1
            append(all, {0xc4, (i > 7 ? 0u : 0x80u) | 0x63, (~i & 15) << 3 | 5, 0x18, 0x04 | (i & 7) << 3, 0x25});
            append_address(all, Machine::kData + kHighAt + 16 * i), append(all, {1});
        }
        all.insert(all.end(), code.begin(), code.end());
        append(all, {0x48, 0x0f, 0xae, 0x04, 0x25}), append_address(all, FpuMachine::kAfter);  // FXSAVE64
        for (unsigned i = 0; i < 16; ++i) {  // VEXTRACTF128 [kHighAfter + 16 i], YMMi, 1
            append(all, {0xc4, (i > 7 ? 0u : 0x80u) | 0x63, 0x7d, 0x19, 0x04 | (i & 7) << 3, 0x25});
            append_address(all, Machine::kData + kHighAfterAt + 16 * i), append(all, {1});
        }
        append(all, {0xc5, 0xf8, 0x77});  // VZEROUPPER
        leave_host(all);
        native_.code(all);
    }
    void small_indices(Vector& v, bool wide) {
        for (unsigned i = 0; i < 4; ++i) v.d[i] = static_cast<u32>(random_.number(13)) - 6;
        if (wide) for (unsigned i = 0; i < 2; ++i) v.q[i] = random_.number(13) - 6;
    }

    void one(const std::vector<u8>& code, const Insn& insn) {
        FxImage before = random_.image();
        High high;
        const u64 kind = random_.number(4);
        for (Vector& v : high) v.q = {random_.quadword(kind), random_.quadword(kind)};
        if (insn.z.meta.isa_set == ZYDIS_ISA_SET_AVX2GATHER) {
            const auto n = static_cast<unsigned>(ZydisRegisterGetId(insn.op[1].mem.index));
            const bool wide = code[code.size() - 4] & 1;  // the opcode
            small_indices(before.xmm[n], wide), small_indices(high[n], wide);
        }
        for (unsigned k = 0; k < FpuMachine::kWindowBytes; k += 8) {
            const u64 v = random_.quadword(kind);
            std::memcpy(host_ + at_ + k, &v, 8);
        }
        std::memcpy(host_, &before, sizeof before);
        std::memcpy(host_ + kHighAt, high.data(), sizeof high);
        const u32 csr = 0x1f80;
        std::memcpy(host_ + 0x800, &csr, 4);
        std::memcpy(guest_, host_, 0x2000);
        unsigned alignment = 1;
        for (unsigned i = 0; i < insn.z.operand_count_visible; ++i)
            if (is_memory(insn.op[i]) && aligned(insn.z.mnemonic)) alignment = insn.op[i].size / 8;
        Registers r;
        for (u64& x : r.r) x = random_.integer();
        if (random_.number(2)) r.r[vmx::RAX] = random_.number(40) - 20, r.r[vmx::RDX] = random_.number(40) - 20;
        r.r[vmx::RBX] = FpuMachine::kWindow + (64 + random_.number(96)) / alignment * alignment - disp_;
        r.r[vmx::RDI] = FpuMachine::kWindow + 64 + random_.number(100);
        r.flags = 2 | (random_.any() & kFlags);
        for (unsigned i = 0; i < 16; ++i) machine_.s().r[i] = r.r[i];
        machine_.s().rflags = r.flags;
        FpuState& f = machine_.core->fpu;
        for (unsigned i = 0; i < 16; ++i) f.xmm[i] = before.xmm[i];
        f.ymm_high = high;
        f.mxcsr = before.mxcsr;
        const StopReason why = machine_.execute(code);
        native_.run(r);
        ++cases;

        bool same = why == StopReason::Halted && !((machine_.s().rflags ^ r.flags) & kFlags);
        for (unsigned i = 0; i < 16; ++i) same = same && machine_.s().r[i] == r.r[i];
        same = same && !std::memcmp(guest_ + at_, host_ + at_, FpuMachine::kWindowBytes);
        FxImage after;
        High high_after;
        std::memcpy(&after, host_ + kAfterAt, sizeof after);
        std::memcpy(high_after.data(), host_ + kHighAfterAt, sizeof high_after);
        same = same && !std::memcmp(f.xmm.data(), after.xmm, sizeof after.xmm) && after.mxcsr == f.mxcsr;
        same = same && !std::memcmp(f.ymm_high.data(), high_after.data(), sizeof high_after);
        if (same || ++differences > 8) return;
        std::string text = std::string(ZydisMnemonicGetString(insn.z.mnemonic)) + ": " + hex(code);
        const auto differ = [&](const std::string& name, const auto& old, const auto& guest, const auto& host) {
            if (!std::memcmp(&guest, &host, sizeof host)) return;
            const auto show = [](const auto& v) { return hex({reinterpret_cast<const u8*>(&v), sizeof v}); };
            text += "\n   " + name + " " + show(old) + "-> " + show(guest) + "host " + show(host);
        };
        differ("mxcsr", before.mxcsr, f.mxcsr, after.mxcsr);
        for (unsigned i = 0; i < 16; ++i) {
            differ("xmm" + std::to_string(i), before.xmm[i], f.xmm[i], after.xmm[i]);
            differ("high" + std::to_string(i), high[i], f.ymm_high[i], high_after[i]);
            differ("r" + std::to_string(i), r.r[i], machine_.s().r[i], r.r[i]);
        }
        const u64 flags = machine_.s().rflags & kFlags, host_flags = r.flags & kFlags;
        differ("flags", flags, flags, host_flags);
        if (std::memcmp(guest_ + at_, host_ + at_, FpuMachine::kWindowBytes)) text += "\n   memory";
        text += "\n   mxcsr " + std::to_string(before.mxcsr) + " stop " + std::to_string(static_cast<int>(why));
        BOOST_ERROR(text);
    }

    static constexpr unsigned at_ = FpuMachine::kWindow - Machine::kData;
    FpuMachine machine_;
    Native native_;
    Operands random_;
    ZydisDecoder decoder_;
    unsigned disp_ = 0;
    u8* host_ = nullptr;
    u8* guest_ = nullptr;
};

void compare(TimingLevel level, u64 seed, unsigned variants, unsigned operands) {
    if (!__builtin_cpu_supports("avx2")) {
        BOOST_TEST_MESSAGE("the host has no AVX2: not compared");
        return;
    }
    Comparison c(level, seed);
    if (!c.possible()) {
        BOOST_TEST_MESSAGE("the host has something at the guest's addresses: not compared");
        return;
    }
    for (unsigned map = 1; map < 4; ++map)
        for (unsigned pp = 0; pp < 4; ++pp)
            for (unsigned opcode = 0; opcode < 256; ++opcode)
                for (unsigned wl = 0; wl < 4; ++wl)
                    c.run({map, pp, opcode, (wl & 1) != 0, (wl & 2) != 0}, variants, operands);
    BOOST_TEST_MESSAGE(c.cases << " cases, " << c.mnemonics.size() << " mnemonics");
    BOOST_TEST(c.differences == 0u);
    BOOST_TEST(c.mnemonics.size() > 270u);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(avx_against_host)

BOOST_AUTO_TEST_CASE(every_vex_encoding_computes_what_the_host_computes) { compare(TimingLevel::None, 3, 24, 16); }

BOOST_AUTO_TEST_CASE(with_timing_they_compute_the_same) { compare(TimingLevel::Interval, 4, 4, 3); }

BOOST_AUTO_TEST_SUITE_END()

}  // namespace vmxsim::core
