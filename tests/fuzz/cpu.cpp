// SPDX-License-Identifier: Apache-2.0
// Instruction bytes on any state, in every mode: whatever they do is an architectural result.
// Input: mode, flags, control bits, registers (one value each), then code.
#include "tests/fuzz/target.hpp"
#include "tests/platform/machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;

namespace {

enum Mode : u8 { Real, V86, Protected16, Protected32, Paged32, Compatibility, Long64, Guest64, kModes };
enum Flag : u8 { kUser = 1, kApic = 2, kVmxOn = 4, kBreakpoints = 8, kOddSegments = 16 };

constexpr u64 kCycles = 20'000;
constexpr u64 kValues[] = {0, 1, 2, 3, 4, 8, 0x10, 0x7f, 0x80, 0xff, kData, kData + 0xffd, kStack, kStack - 8, kCode, kCode + 16,
                           kCode + 0xffc, kRamBytes - 4, kRamBytes, 0xfee00000, 0xfee00300, 0xfec00000, 0xfed00000, 0x8000, 0xfffe,
                           0xffff, 0x7fffffff, 0x80000000, 0xffffffff, u64{1} << 47, (u64{1} << 47) - 1, ~u64{0} << 47,
                           ~u64{0}, u64{1} << 63, kCode0, kCode3, kData0, kData3, kCode64, kCode64User, kTss, kLdt, kConforming,
                           kAbsent, 0x10, 0x1b, 0x3a, 0x174, 0x200, 0x277, 0x480, 0x6e0, 0x800, 0x830, 0xc0000080, 0xc0000081,
                           0xc0000100, 0x80000011, 0x60000010, 0x20, 0x2020, 0x3007ff, kPages, Machine::kVmcs, Machine::kVmxon,
                           0x681e, 0x4402, 0x6800, 0x60, 0x70, 0xcf8, 0x3ff0000000000000, 0x7ff0000000000001};

void set_mode(Pc& m, u8 mode, bool user) {
    CpuState& s = m.core.state;
    switch (mode) {
        case Real: m.real(); break;
        case V86:
            m.protected32();
            s.rflags |= rflags::VM;
            for (unsigned i = ES; i <= GS; ++i) s.seg[i] = {0x2000, {0xf3}, 0xffff, 0x20000};
            s.rip = 0;
            s.r[RSP] = 0xff00;
            break;
        case Protected16:
            m.protected32(user ? 3 : 0);
            s.seg[CS].ar.raw &= ~0x4000u;
            s.seg[SS].ar.raw &= ~0x4000u;
            s.seg[CS].base = kCode;
            s.rip = 0;
            break;
        case Protected32: m.protected32(user ? 3 : 0); break;
        case Paged32:
            m.protected32(user ? 3 : 0);
            // 4-MiB pages: the directory is a page of its own.
            m.poke(kPages + 0x3000, 0xe7, 4);
            s.cr3 = kPages + 0x3000;
            s.cr4 |= cr4::PSE;
            s.cr0 |= cr0::PG;
            break;
        case Compatibility: m.compatibility(user ? 3 : 0); break;
        default: m.long64(user ? 3 : 0);
    }
}

/// Code at the handlers of all exceptions: drops what may be an error code, or not, and returns.
void handlers(Pc& m) {
    const bool wide = m.core.state.long_mode();
    for (unsigned v = 0; v < 32; ++v) {
        m.gate(static_cast<u8>(v), wide ? kCode64 : kCode0, kHandler + 16 * v, 14, v == 3 || v == 4 ? 3 : 0);
        if (v == 8 || (v >= 10 && v <= 14) || v == 17) m.place(kHandler + 16 * v, {0x58});
        m.place(kHandler + 16 * v + 1, {0x48, 0xcf});
    }
}

}  // namespace

std::vector<fuzz::Input> fuzz::seeds() {
    std::vector<Input> all;
    const std::vector<u8> codes[] = {
        {0x90, 0x01, 0xc3, 0xf7, 0xf1, 0xeb, 0xfa},
        {0xf3, 0xa4, 0xf2, 0xae, 0xf3, 0x6c, 0xab, 0xe2, 0xf7},
        {0x0f, 0x20, 0xc0, 0x0f, 0x22, 0xc0, 0x0f, 0x22, 0xd8, 0x0f, 0x32, 0x0f, 0x30},
        {0xcd, 0x80, 0xcc, 0xcf, 0x9d, 0x9c, 0xfb, 0xf4},
        {0xd9, 0xe8, 0xdd, 0x30, 0x0f, 0xae, 0x00, 0x0f, 0xae, 0x08, 0xde, 0xc1, 0xdf, 0xe0},
        {0x66, 0x0f, 0x6f, 0x00, 0x0f, 0x58, 0xc1, 0xf2, 0x0f, 0x5e, 0xca, 0x66, 0x0f, 0x3a, 0x0f, 0xc1, 0x04},
        {0x0f, 0x01, 0x10, 0x0f, 0x01, 0x18, 0x0f, 0x00, 0xd8, 0x8e, 0xd0, 0x8e, 0xd8, 0x0f, 0xb2, 0x20},
        {0x9a, 0, 0, 2, 0, 8, 0, 0xea, 0, 0, 2, 0, 8, 0, 0xcb, 0xca, 4, 0},
        {0x0f, 0x01, 0xc1, 0x0f, 0x78, 0xc1, 0x0f, 0x79, 0xc1, 0x0f, 0x01, 0xc2, 0xf3, 0x0f, 0xc7, 0x30, 0x0f, 0x01, 0xd4},
        {0xc4, 0xe2, 0xf8, 0xf2, 0xc1, 0xf0, 0x0f, 0xb1, 0x08, 0x0f, 0xc7, 0x08, 0x48, 0x0f, 0xc7, 0x08},
        {0x88, 0x05, 0, 0, 0, 0, 0xc6, 0x05, 1, 0, 0, 0, 0x90, 0x0f, 0x05, 0x0f, 0x34, 0x48, 0x0f, 0x07},
        {0xe4, 0x60, 0xe6, 0x21, 0xec, 0xee, 0x66, 0xef, 0x6f, 0xf3, 0x6e},
    };
    for (u8 mode = 0; mode < kModes; ++mode)
        for (std::size_t i = 0; i < std::size(codes); ++i) {
            Input in{mode, static_cast<u8>(i * 7), static_cast<u8>(i), 0, 0};
            for (u8 r = 0; r < 16; ++r) in.push_back(static_cast<u8>(r == RSP ? 12 : 5 * r + i));
            in.insert(in.end(), codes[i].begin(), codes[i].end());
            all.push_back(in);
        }
    return all;
}

int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
    fuzz::Reader in({data, size});
    const u8 mode = in.byte() % kModes, flags = in.byte();
    const u64 controls = in.number(3);
    Pc m(flags & kApic);
    CpuState& s = m.core.state;
    set_mode(m, mode, flags & kUser);
    handlers(m);
    s.cr0 |= (controls & 1 ? cr0::WP : 0) | (controls & 2 ? cr0::AM : 0) | (controls & 4 ? cr0::TS : 0) |
             (controls & 8 ? cr0::EM : 0) | (controls & 16 ? cr0::MP : 0);
    s.cr4 |= (controls & 32 ? cr4::DE : 0) | (controls & 64 ? cr4::OSFXSR | cr4::OSXMMEXCPT : 0) |
             (controls & 128 ? cr4::FSGSBASE : 0) | (controls & 256 ? cr4::SMEP : 0) | (controls & 512 ? cr4::SMAP : 0) |
             (controls & 1024 ? cr4::UMIP : 0) | (controls & 2048 ? cr4::VME : 0) | (controls & 4096 ? cr4::TSD : 0) |
             (controls & 8192 ? cr4::PVI : 0);
    if (flags & kBreakpoints) {
        s.dr = {kCode, kData, kStack - 8, 0x60};
        s.dr7 = 0x400 | (controls >> 16 & 0xff) | (controls & 0xffff) << 16;
    }
    if (flags & kOddSegments) {
        s.seg[DS] = {kData0, {0xc097u | (s.cpl() << 5)}, 0xfff, kData};  // expand-down
        s.seg[FS].limit = 0x10;
        s.seg[GS].base = kStack;
        s.seg[ES].ar.raw |= 1u << 16;
    }
    for (unsigned r = 0; r < 16; ++r) s.r[r] = in.value(kValues);
    if (!s.protected_mode() || s.v8086()) s.r[RSP] &= 0xffff;
    s.rflags |= controls >> 8 & (rflags::kArithmetic | rflags::DF | rflags::TF | rflags::IF | rflags::AC | rflags::NT | rflags::IOPL);

    if ((flags & kVmxOn || mode == Guest64) && s.long_mode() && s.cpl() == 0) m.vmxon();
    const auto code = in.rest();
    const u64 at = s.seg[CS].base + s.rip;
    m.ram.write_block({at}, code.first(std::min<std::size_t>(code.size(), 0x3000)));
    m.core.context_changed();
    if (mode == Guest64 && s.cpl() == 0 && s.vmx.on) {
        // Intercepts as the bits say; bitmaps are zero, what exits comes to HLT.
        m.primary = (controls << 8 | controls) & 0x7bb9fe84 & ~((1u << 17) | (1u << 21) | (1u << 27) | (1u << 22) | 4u);
        m.secondary = controls & 0x1480c;
        s.rflags &= ~(rflags::TF | rflags::NT);
        m.prepare_vmcs();
        m.place(Machine::kHostEntry, {0x0f, 0x01, 0xc3, 0xf4});
        const EntryResult entered = m.vmx.vmlaunch();
        if (entered.kind == EntryResult::Failed) return 0;
        m.core.after_vm_entry(entered);
    }

    m.core.run(s.cycles + kCycles);
    VMXSIM_HOLDS(s.r[16] == 0);
    VMXSIM_HOLDS(s.rflags & 2);
    VMXSIM_HOLDS(!(s.rflags & ~u64{0x3f7fd7}));
    VMXSIM_HOLDS(!s.vmx.non_root || s.vmx.on);
    VMXSIM_HOLDS(s.cr0 & cr0::PE || !(s.cr0 & cr0::PG));
    VMXSIM_HOLDS(!m.core.describe().empty());
    return 0;
}
