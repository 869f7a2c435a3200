// SPDX-License-Identifier: Apache-2.0
// What the multiboot loader passes (Multiboot specification 0.6.96, section 3.3), and an allocator of pages behind it.
#pragma once
#include "sim/guests/common/types.hpp"

namespace guest {

struct MultibootInfo {
    u32 flags, mem_lower, mem_upper, boot_device, command_line;
};
inline constexpr u32 kMultibootMagic = 0x2badb002;

/// Value of `name=NUMBER` on the command line (decimal); `otherwise` where it is missing.
u64 option(const MultibootInfo& info, const char* name, u64 otherwise);

/// Pages from 16 MiB on, in order, untouched by anyone before. Ends the machine where memory runs out.
void init_pages(const MultibootInfo& info);
u64 allocate_pages(u64 count);
/// One page, zeroed.
u64* allocate_table();

}  // namespace guest
