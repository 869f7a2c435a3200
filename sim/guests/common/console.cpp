// SPDX-License-Identifier: Apache-2.0
#include "sim/guests/common/console.hpp"

#include "sim/guests/common/cpu.hpp"

namespace guest {
namespace {
constexpr u16 kCom1 = 0x3f8;
constexpr u8 kTransmitHoldingEmpty = 0x20, kTransmitterEmpty = 0x40;
u64 hash = 0xcbf29ce484222325;
bool hashing = true;

// A machine without a serial port answers 0xff, or never becomes ready: the loop is bounded.
void wait_for(u8 bits) {
    for (u32 i = 0; i < 100000; ++i)
        if ((in8(kCom1 + 5) & bits) == bits) return;
}

void send(char c) {
    wait_for(kTransmitHoldingEmpty);
    out8(kCom1, static_cast<u8>(c));
}
}  // namespace

void init_console() {
    out8(kCom1 + 1, 0);     // no interrupts
    out8(kCom1 + 3, 0x80);  // divisor latch: 115200 baud
    out8(kCom1 + 0, 1);
    out8(kCom1 + 1, 0);
    out8(kCom1 + 3, 3);  // 8 bits, no parity, one stop bit
    out8(kCom1 + 2, 7);  // FIFOs on and empty
    out8(kCom1 + 4, 3);  // DTR, RTS
}

void put(char c) {
    if (hashing) hash = (hash ^ static_cast<u8>(c)) * 0x100000001b3;
    send(c);
}

void print(const char* text) {
    while (*text) put(*text++);
}

void print_decimal(u64 value) {
    char digits[21];
    unsigned n = sizeof digits;
    digits[--n] = 0;
    do {
        digits[--n] = static_cast<char>('0' + value % 10);
        value /= 10;
    } while (value);
    print(digits + n);
}

void print_hex(u64 value, unsigned digits) {
    while (digits--) put("0123456789abcdef"[value >> (digits * 4) & 15]);
}

void print_padded(const char* text, unsigned width) {
    for (; *text; ++text) {
        put(*text);
        if (width) --width;
    }
    while (width--) put(' ');
}

u64 checksum() { return hash; }
void set_checksum(bool on) { hashing = on; }

void exit_machine(u32 code) {
    wait_for(kTransmitterEmpty);
    out32(0xf4, code);
    for (const char* p = "Shutdown"; *p; ++p) out8(0x8900, static_cast<u8>(*p));
    for (;;) asm volatile("cli; hlt");
}

void fail(const char* text) {
    print("FAIL: ");
    print(text);
    print("\n");
    exit_machine(1);
}

}  // namespace guest

// The compiler may call these even in a freestanding program.
extern "C" void* memset(void* to, int value, std::size_t n) {
    void* p = to;
    asm volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(value) : "memory");
    return to;
}
extern "C" void* memcpy(void* to, const void* from, std::size_t n) {
    void* p = to;
    asm volatile("rep movsb" : "+D"(p), "+S"(from), "+c"(n)::"memory");
    return to;
}
