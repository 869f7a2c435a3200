// SPDX-License-Identifier: Apache-2.0
// Random system instructions on random states: whatever the guest does has an architectural result, and a fault or an
// exit leaves the registers as they were.
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <random>

#include "machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;

namespace {

struct Source {
    explicit Source(u32 seed) : engine(seed) {}
    u64 bits() { return engine(); }
    u64 below(u64 n) { return engine() % n; }
    std::mt19937_64 engine;
};

/// Values that reach deeper than random ones: addresses, selectors, MSR numbers, control register images.
u64 value(Source& s) {
    static constexpr u64 kValues[] = {0,
                                      1,
                                      2,
                                      3,
                                      4,
                                      kData,
                                      kData + 0xffe,
                                      kStack,
                                      0x200000 - 4,
                                      0x90000000,
                                      u64{1} << 47,
                                      ~u64{0},
                                      kCode0,
                                      kCode3,
                                      kData0,
                                      kData3,
                                      kCode64,
                                      kCode64User,
                                      kTss,
                                      kLdt,
                                      kFree,
                                      kConforming,
                                      kAbsent,
                                      0x10,
                                      0x1b,
                                      0x3a,
                                      0x174,
                                      0x200,
                                      0x480,
                                      0xc0000080,
                                      0xc0000081,
                                      0xc0000100,
                                      0x80000011,
                                      0x60000010,
                                      0x11,
                                      0x20,
                                      0x2020,
                                      0x3007ff,
                                      kPages,
                                      Machine::kVmcs,
                                      Machine::kVmxon,
                                      0x681e,
                                      0x4402,
                                      0x60,
                                      0x70};
    return s.below(4) ? kValues[s.below(std::size(kValues))] : s.bits();
}

/// Bytes that are likely to be a system instruction.
std::vector<u8> bytes(Source& s) {
    static constexpr u8 kPrefixes[] = {0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x64, 0x65, 0x48, 0x4c, 0x41};
    static constexpr u8 kTwoByte[] = {0x00, 0x01, 0x02, 0x03, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0b, 0x20,
                                      0x21, 0x22, 0x23, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x78, 0x79,
                                      0xa0, 0xa1, 0xa2, 0xa8, 0xa9, 0xaa, 0xae, 0xb2, 0xb4, 0xb5, 0xc7};
    static constexpr u8 kOneByte[] = {0x06, 0x07, 0x16, 0x17, 0x1e, 0x1f, 0x63, 0x6c, 0x6d, 0x6e, 0x6f, 0x8c,
                                      0x8e, 0x9a, 0xc4, 0xc5, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xe4, 0xe5,
                                      0xe6, 0xe7, 0xea, 0xec, 0xed, 0xee, 0xef, 0xf1, 0xf4, 0xfa, 0xfb, 0xff};
    std::vector<u8> b;
    for (u64 n = s.below(3); n-- > 0;) b.push_back(kPrefixes[s.below(std::size(kPrefixes))]);
    switch (s.below(8)) {
        case 0:
        case 1:
        case 2:
            b.push_back(kOneByte[s.below(std::size(kOneByte))]);
            break;
        case 3:
            b.insert(b.end(), {0x0f, 0x38, static_cast<u8>(0x80 + s.below(3))});
            break;
        default:
            b.insert(b.end(), {0x0f, kTwoByte[s.below(std::size(kTwoByte))]});
    }
    while (b.size() < 15) b.push_back(static_cast<u8>(s.bits()));
    return b;
}

bool same_segment(const Segment& a, const Segment& b) {
    return a.selector == b.selector && a.ar.raw == b.ar.raw && a.limit == b.limit && a.base == b.base;
}

/// The registers that no fault and no exit may have changed.
const char* changed(const CpuState& a, const CpuState& b) {
    if (a.r != b.r) return "general registers";
    if (a.rip != b.rip) return "RIP";
    if (a.rflags != b.rflags) return "RFLAGS";
    if (a.cr0 != b.cr0 || a.cr2 != b.cr2 || a.cr3 != b.cr3 || a.cr4 != b.cr4 || a.cr8 != b.cr8 || a.efer != b.efer)
        return "control registers";
    for (unsigned i = 0; i < kSegCount; ++i)
        if (!same_segment(a.seg[i], b.seg[i])) return "segments";
    if (a.gdtr.base != b.gdtr.base || a.idtr.base != b.idtr.base || a.gdtr.limit != b.gdtr.limit ||
        a.idtr.limit != b.idtr.limit)
        return "tables";
    if (a.dr != b.dr || a.dr6 != b.dr6 || a.dr7 != b.dr7 || a.pdpte != b.pdpte) return "debug registers or PDPTEs";
    if (a.vmx.on != b.vmx.on || a.vmx.non_root != b.vmx.non_root || a.vmx.current_vmcs != b.vmx.current_vmcs)
        return "VMX state";
    return nullptr;
}

void random_mode(Machine& m, Source& s) {
    const u8 cpl = s.below(2) ? 3 : 0;
    switch (s.below(5)) {
        case 0:
            m.real();
            break;
        case 1:
            m.protected32(cpl);
            break;
        case 2:
            m.compatibility(cpl);
            break;
        default:
            m.long64(cpl);
    }
    CpuState& state = m.core.state;
    state.vmx = {};
    state.blocking = 0;
    state.activity = ActivityState::Active;
    if (state.long_mode()) state.cr4 |= s.below(2) ? 0 : cr4::FSGSBASE | cr4::OSXSAVE | cr4::UMIP | cr4::DE;
    state.rflags |= s.below(4) ? 0 : rflags::IOPL;
    state.rflags |= s.below(16) ? 0 : rflags::NT;
}

void scramble(Machine& m, Source& s) {
    for (unsigned i = 0; i < 16; ++i)
        if (i != RSP) m.core.state.r[i] = value(s);
    m.core.state.r[RSP] = s.below(8) ? m.core.state.r[RSP] - 64 : value(s);
    for (u64 at = kStack - 64; at < kStack; at += 8) m.poke(at, value(s) | (s.below(2) ? 0 : value(s) << 32), 8);
    for (u64 at = kData; at < kData + 32; at += 8) m.poke(at, value(s), 8);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(random_instructions)

BOOST_AUTO_TEST_CASE(faults_and_exits_leave_the_registers_unchanged) {
    Source s(20111);
    unsigned counts[6] = {};
    for (unsigned round = 0; round < 24; ++round) {
        Machine m;
        const bool guest = round % 3 == 0;
        if (guest) {
            m.primary = s.bits() & 0x7bb9fe84 & ~(1u << 17) & ~(1u << 21) & ~(1u << 27) & ~4u & ~(1u << 22);
            m.secondary = s.bits() & 0x1480c;
            m.guest64();
        }
        const CpuState in_guest = m.core.state;
        for (unsigned i = 0; i < 4000; ++i) {
            if (guest)
                m.core.state = in_guest;
            else
                random_mode(m, s);
            if (!guest && s.below(3) == 0 && m.core.state.long_mode()) {
                m.core.state.cr4 |= cr4::VMXE;
                m.core.state.vmx = {.on = true,
                                    .non_root = false,
                                    .vmxon_pointer = Machine::kVmxon,
                                    .current_vmcs = s.below(2) ? Machine::kVmcs : ~u64{0}};
            }
            scramble(m, s);
            m.core.context_changed();

            const std::vector<u8> code = bytes(s);
            const CpuState before = m.core.state;
            ZydisDecoder decoder;
            if (before.code64())
                ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
            else if (before.seg[CS].ar.big())
                ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
            else
                ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
            core::Insn insn{};
            if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, code.data(), code.size(), &insn.z, insn.op)) ||
                !core::is_system(insn))
                continue;

            const Outcome outcome = core::execute_system(m.core, insn);
            ++counts[static_cast<unsigned>(outcome)];
            if (outcome == Outcome::Fault || outcome == Outcome::VmExit) {
                const char* what = changed(before, m.core.state);
                BOOST_TEST(!what, ZydisMnemonicGetString(insn.z.mnemonic) << " changed " << what);
            }
            if (outcome == Outcome::VmExit) BOOST_TEST(m.exit().instruction_length == insn.length());
            if (outcome == Outcome::Fault) {
                const Event event = m.fault();
                m.core.deliver(event);
                m.core.request_stop(core::StopReason::None);
            }
            if (m.core.system.mtrr_default > 0xfff) BOOST_TEST(false, "MTRR");
            // What an instruction may have spoiled for the next one.
            for (u64 at = kTss; at < kTss + 8; at += 4) m.poke(kGdt + at + 4, at == kTss ? 0x00008b00 : 0, 4);
            m.descriptor(kTss, kTssBase, 0x1ff, 0x8b);
        }
    }
    for (const Outcome o : {Outcome::Next, Outcome::Jump, Outcome::Fault, Outcome::VmExit})
        BOOST_TEST(counts[static_cast<unsigned>(o)] > 500u);
}

BOOST_AUTO_TEST_SUITE_END()
