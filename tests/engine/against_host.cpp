// SPDX-License-Identifier: Apache-2.0
// Every form of every integer instruction, with random operands, against the processor that runs this test.
#include <boost/test/unit_test.hpp>
#include <random>

#include "forms.hpp"
#include "machine.hpp"
#include "native.hpp"

namespace vmxsim::core {

namespace {

constexpr u64 kFlags = vmx::rflags::kArithmetic;
constexpr u64 kWindow = Machine::kData + 0xf80;  ///< 256 bytes across a page boundary, many lines
constexpr unsigned kWindowBytes = 256;
constexpr u64 kStackWindow = Machine::kStack + 0x800;

struct Case {
    std::vector<u8> code;
    unsigned bits = 32;          ///< operand size
    bool memory = false;
    unsigned base = 0, index = 16, scale = 0, reg = 16;
    s64 disp = 0;
    unsigned immediate = 0;
};

class Generator {
public:
    explicit Generator(u64 seed) : random_(seed) {}
    u64 number(u64 n) { return random_() % n; }
    u64 value() {
        static constexpr u64 kEdges[] = {0,
                                         1,
                                         2,
                                         0x7f,
                                         0x80,
                                         0xff,
                                         0x7fff,
                                         0x8000,
                                         0xffff,
                                         0x7fffffff,
                                         0x80000000,
                                         0xffffffff,
                                         0x7fffffffffffffff,
                                         0x8000000000000000,
                                         ~u64{0},
                                         ~u64{0} - 1};
        switch (number(4)) {
            case 0: return kEdges[number(std::size(kEdges))];
            case 1: return kEdges[number(std::size(kEdges))] + number(3) - 1;
            case 2: return random_() >> number(64);
            default: return random_();
        }
    }

    Case make(const Form& f) {
        Case c;
        c.bits = 8;
        unsigned rex = 0;
        bool prefix16 = false;
        if (!f.byte) {
            const u64 choice = number(3);
            c.bits = choice == 0 && !f.no16 ? 16 : choice == 1 ? 64 : 32;
            prefix16 = c.bits == 16;
            if (c.bits == 64) rex |= 8;
        }
        const bool fixed = f.special == Special::Fixed || f.special == Special::Stack;
        std::vector<u8> tail;
        bool address32 = false;
        if (f.digit != -2) {
            c.memory = f.memory && (!f.reg || number(2));
            unsigned reg = f.digit < 0 ? static_cast<unsigned>(number(16)) : static_cast<unsigned>(f.digit);
            if (c.memory) {
                static constexpr unsigned kBases[] = {vmx::RBX, vmx::RSI, vmx::RBP, vmx::R12, vmx::R13, vmx::R11};
                c.base = kBases[number(std::size(kBases))];
                if (f.special == Special::Stack && c.base == vmx::RBP) c.base = vmx::RBX;
                if (f.special == Special::BitString || f.special == Special::Divide)
                    while (reg == c.base) reg = static_cast<unsigned>(number(16));
                const bool indexed = number(2);
                address32 = number(8) == 0;
                if (indexed) {
                    do c.index = static_cast<unsigned>(number(16));
                    while (c.index == vmx::RSP || c.index == c.base || c.index == reg || c.index <= vmx::RDX);
                    c.scale = static_cast<unsigned>(number(4));
                }
                const u64 form = number(3);
                c.disp = form == 0 && (c.base & 7) != 5 ? 0
                         : form == 2                    ? static_cast<s64>(number(0x100000)) - 0x80000
                                                        : static_cast<s64>(number(256)) - 128;
                const bool wide = form == 2, none = form == 0 && (c.base & 7) != 5;
                const unsigned mod = none ? 0 : wide ? 2 : 1;
                const bool sib = indexed || (c.base & 7) == 4;
                tail.push_back(static_cast<u8>(mod << 6 | (reg & 7) << 3 | (sib ? 4u : c.base & 7)));
                if (sib)
                    tail.push_back(static_cast<u8>(c.scale << 6 | (indexed ? c.index & 7 : 4u) << 3 | (c.base & 7)));
                for (unsigned i = 0; i < (none ? 0u : wide ? 4u : 1u); ++i)
                    tail.push_back(static_cast<u8>(c.disp >> 8 * i));
                if (c.base >= 8) rex |= 1;
                if (indexed && c.index >= 8) rex |= 2;
            } else {
                const unsigned rm =
                    f.special == Special::Stack ? static_cast<unsigned>(vmx::RBX) : static_cast<unsigned>(number(16));
                tail.push_back(static_cast<u8>(0xc0 | (reg & 7) << 3 | (rm & 7)));
                if (rm >= 8) rex |= 1;
            }
            if (f.digit < 0) {
                c.reg = reg;
                if (reg >= 8) rex |= 4;
            }
        }
        if (prefix16) c.code.push_back(0x66);
        if (address32) c.code.push_back(0x67);
        if (f.mandatory) c.code.push_back(f.mandatory);
        if (f.vex_map) {
            const unsigned vvvv = f.vex_fixed >= 0 ? static_cast<unsigned>(f.vex_fixed) : static_cast<unsigned>(number(16));
            c.code.push_back(0xc4);
            c.code.push_back(static_cast<u8>((~rex & 7) << 5 | f.vex_map));  // R is bit 2 of REX, X 1, B 0
            c.code.push_back(static_cast<u8>((rex & 8) << 4 | (~vvvv & 15) << 3 | f.vex_prefix));
        }
        // A REX without bits turns AH to BH into SPL to DIL.
        if (!f.vex_map && (rex || (f.byte && !fixed && f.digit != -2 && number(3) == 0))) c.code.push_back(static_cast<u8>(0x40 | rex));
        c.code.insert(c.code.end(), f.opcode.begin(), f.opcode.end());
        c.code.insert(c.code.end(), tail.begin(), tail.end());
        const unsigned bytes = f.immediate == 'b' ? 1 : f.immediate == 'z' ? (c.bits == 16 ? 2 : 4)
                               : f.immediate == 'q' ? c.bits / 8 : 0;
        const u64 immediate = f.special == Special::Shift || f.special == Special::DoubleShift ? number(80) : value();
        for (unsigned i = 0; i < bytes; ++i) c.code.push_back(static_cast<u8>(immediate >> 8 * i));
        c.immediate = static_cast<unsigned>(immediate & 0xff);
        return c;
    }

    Registers operands(const Form& f, const Case& c) {
        Registers g;
        for (u64& r : g.r) r = value();
        g.flags = 2 | (random_() & kFlags);
        if (number(2)) g.r[vmx::RCX] = number(70);
        if (f.special == Special::String) {
            if (number(2)) g.flags |= vmx::rflags::DF;
            g.r[vmx::RCX] = number(7);
            g.r[vmx::RSI] = kWindow + 100 + number(40);
            g.r[vmx::RDI] = kWindow + 100 + number(40);
        }
        if (f.special == Special::Stack) {
            g.r[vmx::RSP] = kStackWindow + 100 + number(8);
            g.r[vmx::RBP] = kStackWindow + 100 + number(8);
        }
        if (f.special == Special::Divide && number(4)) {
            g.r[vmx::RDX] = number(2) ? 0 : ~u64{0};
            if (c.bits == 8) g.r[vmx::RAX] &= 0xff;
        }
        if (c.memory) {
            if (c.index != 16) g.r[c.index] = number(16);
            u64 at = kWindow + 90 + number(64);
            if (f.special == Special::BitString && c.reg != 16) g.r[c.reg] = number(512) - 256;
            if (f.special == Special::Pair) at = kWindow + 64 + 16 * number(8);
            g.r[c.base] = at - static_cast<u64>(c.disp) - (c.index != 16 ? g.r[c.index] << c.scale : 0);
            if (c.code[0] == 0x67 || c.code[1] == 0x67) g.r[c.base] &= 0xffffffff;
        }
        return g;
    }
    void fill(u8* to, unsigned n) {
        for (unsigned i = 0; i < n; i += 8) {
            const u64 v = value();
            std::memcpy(to + i, &v, 8);
        }
    }

private:
    std::mt19937_64 random_;
};

unsigned shift_count(const Form& f, const Case& c, const Registers& before) {
    return (f.immediate ? c.immediate : static_cast<unsigned>(before.r[vmx::RCX] & 0xff)) & (c.bits == 64 ? 63 : 31);
}

/// Flags that this execution leaves undefined.
u64 undefined_flags(const Form& f, const Case& c, const Registers& before) {
    using namespace vmx::rflags;
    u64 mask = f.undefined;
    if (f.special != Special::Shift && f.special != Special::DoubleShift) return mask;
    const unsigned count = shift_count(f, c, before);
    if (count != 1) mask |= OF;
    if (f.special == Special::Shift && f.digit >= 4 && count >= c.bits) mask |= CF;
    return mask;
}

struct Tally { u64 cases = 0, differences = 0, skipped = 0; };

std::string hex(const std::vector<u8>& code) {
    std::string s;
    char b[4];
    for (u8 v : code) std::snprintf(b, sizeof b, "%02x ", v), s += b;
    return s;
}

void compare(TimingLevel level, bool interpreted, unsigned rounds, u64 seed, Tally& tally) {
    Machine m(level);
    Native native;
    u8* const host = native.window(Machine::kData, 0x2000);
    u8* const stack = native.window(Machine::kStack, 0x1000);
    if (!host || !stack) {
        BOOST_TEST_MESSAGE("the host has something at the guest's addresses: not compared");
        return;
    }
    u8* const guest = m.ram.host({Machine::kData});
    u8* const guest_stack = m.ram.host({Machine::kStack});
    const unsigned at = kWindow - Machine::kData, stack_at = kStackWindow - Machine::kStack;
    Generator g(seed);
    u64 place = Machine::kCode;
    for (const Form& f : forms()) {
        for (unsigned variant = 0; variant < rounds; ++variant) {
            const Case c = g.make(f);
            native.code(c.code);
            place += 64;
            if (place >= Machine::kData - 64) place = Machine::kCode;
            std::vector<u8> code = c.code;
            code.push_back(0xf4);
            m.put(place, code);
            for (unsigned i = 0; i < 12; ++i) {
                const Registers before = g.operands(f, c);
                // 16-bit double shifts by more than 16: the result, too, is undefined.
                if (f.special == Special::DoubleShift && shift_count(f, c, before) > c.bits) continue;
                g.fill(host + at, kWindowBytes);
                if (g.number(2)) {  // comparisons that find equal values
                    const u64 v = before.r[vmx::RAX];
                    for (unsigned k = 0; k < kWindowBytes; k += 16) std::memcpy(host + at + k, &v, 8);
                }
                g.fill(stack + stack_at, kWindowBytes);
                std::memcpy(guest + at, host + at, kWindowBytes);
                std::memcpy(guest_stack + stack_at, stack + stack_at, kWindowBytes);
                for (unsigned r = 0; r < 16; ++r) m.s().r[r] = before.r[r];
                m.s().rflags = before.flags;
                m.s().rip = place;
                if (interpreted) m.s().blocking = vmx::blocking::STI;  // one-instruction blocks: the interpreter's
                const StopReason why = m.run(10000);
                if (why != StopReason::Halted && f.special == Special::Divide) {  // #DE: the host would raise a signal
                    ++tally.skipped;
                    m.s().cr2 = 0;
                    continue;
                }
                ++tally.cases;
                Registers after = before;
                native.run(after);
                bool same = why == StopReason::Halted;
                // Calls leave code addresses behind on the stack, below what counts.
                const bool code_on_stack = f.opcode[0] == 0xe8;
                for (unsigned r = 0; r < 16; ++r) same = same && m.s().r[r] == after.r[r];
                const u64 mask = (kFlags | vmx::rflags::DF) & ~undefined_flags(f, c, before);
                same = same && !((m.s().rflags ^ after.flags) & mask);
                same = same && !std::memcmp(guest + at, host + at, kWindowBytes);
                // PUSHF shows flags that are the host's own.
                const bool own_flags = f.opcode[0] == 0x9c;
                same = same && (code_on_stack || own_flags ||
                                !std::memcmp(guest_stack + stack_at, stack + stack_at, kWindowBytes));
                if (same) continue;
                if (++tally.differences > 12) continue;
                std::string text;
                for (unsigned r = 0; r < 16; ++r)
                    if (m.s().r[r] != after.r[r]) {
                        char b[128];
                        std::snprintf(b, sizeof b, " r%u: %lx -> %lx, host %lx;", r, before.r[r], m.s().r[r],
                                      after.r[r]);
                        text += b;
                    }
                char b[128];
                std::snprintf(b, sizeof b, " flags %lx -> %lx, host %lx (of %lx)", before.flags, m.s().rflags,
                              after.flags, mask);
                BOOST_ERROR(f.name + ": " + hex(c.code) + text + b +
                            (std::memcmp(guest + at, host + at, kWindowBytes) ? " memory" : "") + " stop " +
                            std::to_string(static_cast<int>(why)));
            }
        }
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(against_host)

BOOST_AUTO_TEST_CASE(specialised_handlers_compute_what_the_host_computes) {
    Tally t;
    compare(TimingLevel::None, false, 120, 1, t);
    BOOST_TEST_MESSAGE(t.cases << " cases, " << t.skipped << " divisions skipped");
    BOOST_TEST(t.differences == 0u);
}

BOOST_AUTO_TEST_CASE(with_timing_they_compute_the_same) {
    Tally t;
    compare(TimingLevel::Interval, false, 80, 2, t);
    BOOST_TEST_MESSAGE(t.cases << " cases, " << t.skipped << " divisions skipped");
    BOOST_TEST(t.differences == 0u);
}

BOOST_AUTO_TEST_CASE(the_interpreter_computes_what_the_host_computes) {
    Tally t;
    compare(TimingLevel::None, true, 80, 3, t);
    BOOST_TEST_MESSAGE(t.cases << " cases, " << t.skipped << " divisions skipped");
    BOOST_TEST(t.differences == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace vmxsim::core
