// SPDX-License-Identifier: Apache-2.0
// The instruction forms that are compared with the host, as encodings; and which of their flags the SDM leaves
// undefined.
#pragma once
#include <string>
#include <vector>

#include "model/vmx/cpu_state.hpp"

namespace vmxsim::core {

enum class Special : u8 { None, Shift, DoubleShift, BitString, Divide, String, Stack, Pair, Fixed };

struct Form {
    std::string name;
    std::vector<u8> opcode;    ///< without prefixes
    int digit = -1;            ///< ModRM.reg, or -1: a register; -2: no ModRM
    char immediate = 0;        ///< 'b': 8 bits, 'z': 16 or 32, 'q': as wide as the operand
    bool byte = false;         ///< 8-bit operands: no operand-size prefixes
    bool memory = true, reg = true;
    u64 undefined = 0;         ///< flags
    Special special = Special::None;
    u8 mandatory = 0;          ///< F3 or F2 before REX
    bool no16 = false, lockable = false;
    u8 vex_map = 0, vex_prefix = 0;  ///< VEX-encoded: mmmmm and pp; vvvv is a random register, or `vex_fixed`
    int vex_fixed = -1;
};

inline std::vector<Form> forms() {
    using namespace vmx::rflags;
    std::vector<Form> all;
    const auto add = [&](Form f) { all.push_back(std::move(f)); };
    const auto op = [](unsigned v) { return std::vector<u8>{static_cast<u8>(v)}; };
    const auto op2 = [](unsigned v) { return std::vector<u8>{0x0f, static_cast<u8>(v)}; };
    const char* const alu[] = {"add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"};
    for (unsigned i = 0; i < 8; ++i) {
        const u64 undefined = i == 1 || i == 4 || i == 6 ? AF : 0;
        const std::string n = alu[i];
        add({n + " rm,r 8", op(i * 8), -1, 0, true, true, true, undefined});
        add({n + " rm,r", op(i * 8 + 1), -1, 0, false, true, true, undefined});
        add({n + " r,rm 8", op(i * 8 + 2), -1, 0, true, true, true, undefined});
        add({n + " r,rm", op(i * 8 + 3), -1, 0, false, true, true, undefined});
        add({n + " al,i", op(i * 8 + 4), -2, 'b', true, false, true, undefined});
        add({n + " eax,i", op(i * 8 + 5), -2, 'z', false, false, true, undefined});
        add({n + " rm,i 8", op(0x80), static_cast<int>(i), 'b', true, true, true, undefined});
        add({n + " rm,i", op(0x81), static_cast<int>(i), 'z', false, true, true, undefined});
        add({n + " rm,ib", op(0x83), static_cast<int>(i), 'b', false, true, true, undefined});
    }
    add({"test rm,r 8", op(0x84), -1, 0, true, true, true, AF});
    add({"test rm,r", op(0x85), -1, 0, false, true, true, AF});
    add({"test rm,i 8", op(0xf6), 0, 'b', true, true, true, AF});
    add({"test rm,i", op(0xf7), 0, 'z', false, true, true, AF});
    add({"not 8", op(0xf6), 2, 0, true}); add({"not", op(0xf7), 2});
    add({"neg 8", op(0xf6), 3, 0, true}); add({"neg", op(0xf7), 3});
    add({"inc 8", op(0xfe), 0, 0, true}); add({"inc", op(0xff), 0});
    add({"dec 8", op(0xfe), 1, 0, true}); add({"dec", op(0xff), 1});
    add({"mul 8", op(0xf6), 4, 0, true, true, true, SF | ZF | AF | PF});
    add({"mul", op(0xf7), 4, 0, false, true, true, SF | ZF | AF | PF});
    add({"imul 8", op(0xf6), 5, 0, true, true, true, SF | ZF | AF | PF});
    add({"imul", op(0xf7), 5, 0, false, true, true, SF | ZF | AF | PF});
    add({"imul r,rm", op2(0xaf), -1, 0, false, true, true, SF | ZF | AF | PF});
    add({"imul r,rm,i", op(0x69), -1, 'z', false, true, true, SF | ZF | AF | PF});
    add({"imul r,rm,ib", op(0x6b), -1, 'b', false, true, true, SF | ZF | AF | PF});
    add({"div 8", op(0xf6), 6, 0, true, true, true, kArithmetic, Special::Divide});
    add({"div", op(0xf7), 6, 0, false, true, true, kArithmetic, Special::Divide});
    add({"idiv 8", op(0xf6), 7, 0, true, true, true, kArithmetic, Special::Divide});
    add({"idiv", op(0xf7), 7, 0, false, true, true, kArithmetic, Special::Divide});
    const char* const shifts[] = {"rol", "ror", "rcl", "rcr", "shl", "shr", "sal", "sar"};
    for (int i = 0; i < 8; ++i) {
        const std::string n = shifts[i];
        add({n + " 1 8", op(0xd0), i, 0, true, true, true, i < 4 ? 0 : AF});
        add({n + " 1", op(0xd1), i, 0, false, true, true, i < 4 ? 0 : AF});
        add({n + " i 8", op(0xc0), i, 'b', true, true, true, i < 4 ? 0 : AF, Special::Shift});
        add({n + " i", op(0xc1), i, 'b', false, true, true, i < 4 ? 0 : AF, Special::Shift});
        add({n + " cl 8", op(0xd2), i, 0, true, true, true, i < 4 ? 0 : AF, Special::Shift});
        add({n + " cl", op(0xd3), i, 0, false, true, true, i < 4 ? 0 : AF, Special::Shift});
    }
    add({"shld i", op2(0xa4), -1, 'b', false, true, true, AF, Special::DoubleShift});
    add({"shld cl", op2(0xa5), -1, 0, false, true, true, AF, Special::DoubleShift});
    add({"shrd i", op2(0xac), -1, 'b', false, true, true, AF, Special::DoubleShift});
    add({"shrd cl", op2(0xad), -1, 0, false, true, true, AF, Special::DoubleShift});
    add({"mov rm,r 8", op(0x88), -1, 0, true});
    add({"mov rm,r", op(0x89)});
    add({"mov r,rm 8", op(0x8a), -1, 0, true});
    add({"mov r,rm", op(0x8b)});
    add({"mov rm,i 8", op(0xc6), 0, 'b', true}); add({"mov rm,i", op(0xc7), 0, 'z'});
    add({"mov ecx,i", op(0xb9), -2, 'q'}); add({"mov ah,i", op(0xb4), -2, 'b', true});
    add({"movzx 8", op2(0xb6)});
    add({"movzx 16", op2(0xb7)});
    add({"movsx 8", op2(0xbe)});
    add({"movsx 16", op2(0xbf)});
    add({"movsxd", op(0x63)});
    add({"lea", op(0x8d), -1, 0, false, true, false});
    add({"xchg 8", op(0x86), -1, 0, true}); add({"xchg", op(0x87)}); add({"xchg eax,edi", op(0x97), -2});
    add({"xadd 8", op2(0xc0), -1, 0, true}); add({"xadd", op2(0xc1)});
    add({"cmpxchg 8", op2(0xb0), -1, 0, true}); add({"cmpxchg", op2(0xb1)});
    add({"cmpxchg8b/16b", op2(0xc7), 1, 0, false, true, false, 0, Special::Pair, 0, true});
    const u64 bt = OF | SF | AF | PF;
    const char* const bits[] = {"bt", "bts", "btr", "btc"};
    for (int i = 0; i < 4; ++i) {
        add({std::string(bits[i]) + " rm,r", op2(0xa3u + 8u * static_cast<unsigned>(i)), -1, 0, false, true, true, bt,
             Special::BitString});
        add({std::string(bits[i]) + " rm,i", op2(0xba), 4 + i, 'b', false, true, true, bt});
    }
    const u64 scan = kArithmetic & ~ZF;
    add({"bsf", op2(0xbc), -1, 0, false, true, true, scan}); add({"bsr", op2(0xbd), -1, 0, false, true, true, scan});
    add({"popcnt", op2(0xb8), -1, 0, false, true, true, 0, Special::None, 0xf3});
    add({"tzcnt", op2(0xbc), -1, 0, false, true, true, OF | SF | PF | AF, Special::None, 0xf3});
    add({"lzcnt", op2(0xbd), -1, 0, false, true, true, OF | SF | PF | AF, Special::None, 0xf3});
    for (unsigned i = 0; i < 8; ++i)
        add({"bswap", op2(0xc8 + i), -2, 0, false, false, true, 0, Special::None, 0, true});
    for (unsigned c = 0; c < 16; ++c) {
        add({"setcc", op2(0x90 + c), 0, 0, true});
        add({"cmovcc", op2(0x40 + c)});
        add({"jcc", {static_cast<u8>(0x70 + c), 2, 0xff, 0xc0}, -2, 0, true, false, true, 0, Special::Fixed});
        add({"jcc near",
             {0x0f, static_cast<u8>(0x80 + c), 2, 0, 0, 0, 0xff, 0xc1},
             -2,
             0,
             true,
             false,
             true,
             0,
             Special::Fixed});
    }
    for (unsigned c : {0xe0u, 0xe1u, 0xe2u, 0xe3u})
        add({"loop/jrcxz", {static_cast<u8>(c), 2, 0xff, 0xc0}, -2, 0, true, false, true, 0, Special::Fixed});
    for (unsigned c : {0x98u, 0x99u}) add({"cbw/cwd family", op(c), -2});
    for (unsigned c : {0xf5u, 0xf8u, 0xf9u, 0x9eu, 0x9fu})
        add({"flags", op(c), -2, 0, true, false, true, 0, Special::Fixed});
    for (unsigned c : {0xa4u, 0xa6u, 0xaau, 0xacu, 0xaeu})
        for (unsigned rep : {0u, 0xf3u, 0xf2u}) {
            add({"string 8", op(c), -2, 0, true, false, true, 0, Special::String, static_cast<u8>(rep)});
            add({"string", op(c + 1), -2, 0, false, false, true, 0, Special::String, static_cast<u8>(rep)});
        }
    add({"push r", op(0x50), -2, 0, true, false, true, 0, Special::Stack});
    add({"push rsp", op(0x54), -2, 0, true, false, true, 0, Special::Stack});
    add({"pop r", op(0x5b), -2, 0, true, false, true, 0, Special::Stack});
    add({"pop rsp", op(0x5c), -2, 0, true, false, true, 0, Special::Stack});
    add({"push i", op(0x68), -2, 'z', false, false, true, 0, Special::Stack, 0, true});
    add({"push ib", op(0x6a), -2, 'b', true, false, true, 0, Special::Stack});
    add({"push rm", op(0xff), 6, 0, true, true, true, 0, Special::Stack});
    add({"pop rm", op(0x8f), 0, 0, true, true, true, 0, Special::Stack});
    add({"push16", {0x66, 0x51}, -2, 0, true, false, true, 0, Special::Stack});
    add({"pop16", {0x66, 0x59}, -2, 0, true, false, true, 0, Special::Stack});
    add({"enter 0", {0xc8, 16, 0, 0}, -2, 0, true, false, true, 0, Special::Stack});
    add({"enter 3", {0xc8, 8, 0, 3}, -2, 0, true, false, true, 0, Special::Stack});
    add({"leave", op(0xc9), -2, 0, true, false, true, 0, Special::Stack});
    add({"pushf popf",
         {0x9c, 0x48, 0x81, 0x34, 0x24, 0xd5, 0x08, 0, 0, 0x9d},
         -2,
         0,
         true,
         false,
         true,
         0,
         Special::Stack});
    add({"call ret", {0xe8, 2, 0, 0, 0, 0xeb, 3, 0xff, 0xc0, 0xc3}, -2, 0, true, false, true, 0, Special::Stack});
    add({"call ret n",
         {0xe8, 2, 0, 0, 0, 0xeb, 5, 0xff, 0xc0, 0xc2, 8, 0},
         -2,
         0,
         true,
         false,
         true,
         0,
         Special::Stack});
    const auto vex = [&](const char* name, unsigned code, u8 prefix, u64 undefined, int digit = -1, u8 map = 2) {
        Form f{name, op(code), digit, 0, false, true, true, undefined};
        f.no16 = true;
        f.vex_map = map;
        f.vex_prefix = prefix;
        return f;
    };
    add(vex("andn", 0xf2, 0, AF | PF));
    add(vex("bextr", 0xf7, 0, AF | SF | PF));
    add(vex("blsr", 0xf3, 0, AF | PF, 1)); add(vex("blsmsk", 0xf3, 0, AF | PF, 2)); add(vex("blsi", 0xf3, 0, AF | PF, 3));
    add(vex("bzhi", 0xf5, 0, AF | PF));
    add(vex("mulx", 0xf6, 3, 0)); add(vex("pdep", 0xf5, 3, 0)); add(vex("pext", 0xf5, 2, 0));
    add(vex("sarx", 0xf7, 2, 0)); add(vex("shlx", 0xf7, 1, 0)); add(vex("shrx", 0xf7, 3, 0));
    Form rorx = vex("rorx", 0xf0, 3, 0, -1, 3);
    rorx.vex_fixed = 0;
    rorx.immediate = 'b';
    add(rorx);
    for (const u8 prefix : {u8{0x66}, u8{0xf3}})
        add({prefix == 0x66 ? "adcx" : "adox", {0x0f, 0x38, 0xf6}, -1, 0, false, true, true, 0, Special::None, prefix, true});
    add({"movbe r,m", {0x0f, 0x38, 0xf0}, -1, 0, false, true, false});
    add({"movbe m,r", {0x0f, 0x38, 0xf1}, -1, 0, false, true, false});
    add({"nop rm", op2(0x1f), 0}); add({"prefetch", op2(0x18), 1, 0, true, true, false});
    return all;
}

}  // namespace vmxsim::core
