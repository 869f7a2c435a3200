// SPDX-License-Identifier: Apache-2.0
#include "sim/guests/common/multiboot.hpp"

#include "sim/guests/common/console.hpp"
#include "sim/guests/common/cpu.hpp"
#include "sim/guests/common/exceptions.hpp"

namespace guest {
namespace {
u64 next_page = 0x1000000;
u64 memory_end = 0;
}  // namespace

void guest_main(const MultibootInfo& info);

u64 option(const MultibootInfo& info, const char* name, u64 otherwise) {
    if (!(info.flags & 4)) return otherwise;
    const char* p = reinterpret_cast<const char*>(u64{info.command_line});
    for (bool at_word = true; *p; at_word = *p == ' ', ++p) {
        if (!at_word) continue;
        const char *a = p, *b = name;
        while (*b && *a == *b) ++a, ++b;
        if (*b || *a != '=') continue;
        u64 value = 0;
        for (++a; *a >= '0' && *a <= '9'; ++a) value = value * 10 + static_cast<u64>(*a - '0');
        return value;
    }
    return otherwise;
}

void init_pages(const MultibootInfo& info) {
    memory_end = info.flags & 1 ? 0x100000 + u64{info.mem_upper} * 1024 : 0x2000000;
    if (memory_end > 0x40000000) memory_end = 0x40000000;  // what the start-up mapped
}

u64 allocate_pages(u64 count) {
    if (next_page > memory_end || count > (memory_end - next_page) >> 12) fail("too little memory for n");
    const u64 at = next_page;
    next_page += count << 12;
    return at;
}

u64* allocate_table() {
    u64* table = reinterpret_cast<u64*>(allocate_pages(1));
    for (unsigned i = 0; i < 512; ++i) table[i] = 0;
    return table;
}

extern "C" void start_cpp(u32 magic, u32 info) {
    init_console();
    init_exceptions();
    if (magic != kMultibootMagic) fail("not started by a multiboot loader");
    const auto& mbi = *reinterpret_cast<const MultibootInfo*>(u64{info});
    init_pages(mbi);
    guest_main(mbi);
    exit_machine(0);
}

}  // namespace guest
