// SPDX-License-Identifier: Apache-2.0
// bench_alu: a loop of mixed instructions, `n` thousand rounds. For `make bench`: the wall clock is outside.
#include "sim/guests/common/console.hpp"
#include "sim/guests/common/multiboot.hpp"

namespace guest {
extern "C" u64 bench_loop(u64 rounds, u64* buffer);

void guest_main(const MultibootInfo& info) {
    constexpr unsigned words = 512;
    u64* const buffer = reinterpret_cast<u64*>(allocate_pages(1));
    for (u64 i = 0; i < words; ++i) buffer[i] = i * i;
    const u64 n = option(info, "n", 100);
    print("vmxsim guest image: bench_alu\nresult ");
    print_hex(bench_loop(n * 1000, buffer));
    u64 sum = 0;
    for (u64 i = 0; i < words; ++i) sum = sum * 31 + buffer[i];
    print(" memory ");
    print_hex(sum);
    print("\n");
}

}  // namespace guest
