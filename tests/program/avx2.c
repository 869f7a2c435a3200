// SPDX-License-Identifier: Apache-2.0
// Loops that the compiler turns into AVX2, and what they compute. The same source runs on the host (with NATIVE) and as a
// kernel without a multiboot header, which vmxsim enters in 64-bit mode (docs/linux.md).
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

enum { N = 1000, M = 24 };
static u8 text[N + 64], copy[N + 64];
static u32 words[N], table[256], out[N];
static float a[M][M], b[M][M], c[M][M], x[N], y[N];
static double d[N], e[N];
static u64 seed = 42;

static u32 draw(void) { return (u32)((seed = seed * 6364136223846793005u + 1442695040888963407u) >> 33); }

static void put(char ch);
static void show(const char* name, u64 value) {
    while (*name) put(*name++);
    put(' ');
    for (int shift = 60; shift >= 0; shift -= 4) put("0123456789abcdef"[value >> shift & 15]);
    put('\n');
}
static u64 digest(const void* from, u64 bytes) {
    const u8* p = from;
    u64 h = 14695981039346656037u;
    for (u64 i = 0; i < bytes; ++i) h = (h ^ p[i]) * 1099511628211u;
    return h;
}

void* memcpy(void* to, const void* from, u64 n) {
    u8* t = to;
    const u8* f = from;
    for (u64 i = 0; i < n; ++i) t[i] = f[i];
    return to;
}
void* memset(void* to, int value, u64 n) {
    u8* t = to;
    for (u64 i = 0; i < n; ++i) t[i] = (u8)value;
    return to;
}

static void compute(void) {
    for (u32 i = 0; i < N; ++i) text[i] = (u8)(draw() % 255 + 1), words[i] = draw(), x[i] = (float)draw() / 7, d[i] = draw() / 3.0;
    for (u32 i = 0; i < 256; ++i) table[i] = draw();
    for (u32 i = 0; i < M; ++i)
        for (u32 j = 0; j < M; ++j) a[i][j] = (float)(draw() % 1000) / 8, b[i][j] = (float)(draw() % 1000) / 16;

    for (u32 i = 0; i < N; ++i) copy[i] = text[N - 1 - i];
    show("reversed", digest(copy, N));
    u64 length = 0, spaces = 0;
    for (u32 i = 0; i < N; ++i) spaces += text[i] == ' ', length += text[i] != 0;
    show("counted", length << 32 | spaces);
    for (u32 i = 0; i < N; ++i) copy[i] = (u8)(text[i] >= 'a' && text[i] <= 'z' ? text[i] - 32 : text[i]);
    show("upper", digest(copy, N));
    u32 sum = 0, most = 0, parity = 0;
    for (u32 i = 0; i < N; ++i) sum += words[i] * 2654435761u, most = words[i] > most ? words[i] : most, parity ^= words[i];
    show("sums", (u64)sum << 32 | (most ^ parity));
    for (u32 i = 0; i < N; ++i) out[i] = table[text[i]] >> (words[i] & 31) | words[i] << (text[i] & 31);
    show("looked_up", digest(out, sizeof out));
    u64 wide = 0;
    for (u32 i = 0; i < N; ++i) wide += (u64)words[i] * text[i];
    show("products", wide);
    for (u32 i = 0; i < M; ++i)
        for (u32 j = 0; j < M; ++j) c[i][j] = 0;
    for (u32 i = 0; i < M; ++i)
        for (u32 k = 0; k < M; ++k)
            for (u32 j = 0; j < M; ++j) c[i][j] += a[i][k] * b[k][j];
    show("matrix", digest(c, sizeof c));
    for (u32 i = 0; i < N; ++i) y[i] = x[i] > 1e6f ? __builtin_sqrtf(x[i]) : x[i] / 3;
    show("roots", digest(y, sizeof y));
    for (u32 i = 0; i < N; ++i) e[i] = d[i] * d[N - 1 - i] - (double)x[i];
    show("doubles", digest(e, sizeof e));
    for (u32 i = 0; i < N; ++i) out[i] = (u32)(int)(e[i] / 1e10) + (u32)(int)y[i];
    show("integers", digest(out, sizeof out));
    double total = 0;
    float least = x[0];
    for (u32 i = 0; i < N; ++i) total += e[i], least = x[i] < least ? x[i] : least;
    show("total", digest(&total, sizeof total) ^ digest(&least, sizeof least));
    short narrow[256];
    for (u32 i = 0; i < 256; ++i) narrow[i] = (short)(((int)text[i] * 3 - (int)text[i + 1]) >> 1);
    show("narrow", digest(narrow, sizeof narrow));
}

#ifdef NATIVE
#include <stdio.h>
static void put(char ch) { putchar(ch); }
int main(void) { compute(); }
#else
static void put(char ch) { __asm__ volatile("outb %0, %1" ::"a"(ch), "Nd"((u16)0x3f8)); }
void run(void) {
    compute();
    __asm__ volatile("outb %0, %1" ::"a"((u8)0), "Nd"((u16)0xf4));
    for (;;) __asm__ volatile("hlt");
}
__asm__(
    ".globl _start\n_start:\n"
    "  lea stack_top(%rip), %rsp\n"
    "  mov %cr0, %rax\n  and $~0xc, %rax\n  or $2, %rax\n  mov %rax, %cr0\n"            // EM, TS off; MP
    "  mov %cr4, %rax\n  or $0x40600, %rax\n  mov %rax, %cr4\n"                          // OSFXSR, OSXMMEXCPT, OSXSAVE
    "  xor %ecx, %ecx\n  xor %edx, %edx\n  mov $7, %eax\n  xsetbv\n"                     // x87, SSE, AVX
    "  call run\n"
    ".bss\n.balign 64\n.skip 65536\nstack_top:\n.text\n");
#endif
