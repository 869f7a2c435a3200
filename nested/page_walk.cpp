// SPDX-License-Identifier: Apache-2.0
#include "nested/page_walk.hpp"

#include "model/vmx/cpu_state.hpp"

namespace vmxsim::nested {

namespace {
constexpr u64 kPresent = 1, kWritable = 2, kUser = 4, kAccessed = 32, kDirty = 64, kLarge = 128;
constexpr u64 kNoExecute = u64{1} << 63;

struct Level {
    unsigned shift, bits;  ///< index of an entry: `bits` bits of the address from `shift` on
    bool may_be_large;
};
constexpr Level k64[] = {{39, 9, false}, {30, 9, true}, {21, 9, true}, {12, 9, false}};
constexpr Level kPae[] = {{21, 9, true}, {12, 9, false}};
constexpr Level k32[] = {{22, 10, true}, {12, 10, false}};

/// Bits of an entry that must be 0 (SDM tables 4-4 to 4-20).
u64 reserved_bits(const GuestPaging& p, bool wide, const Level& level, bool large, u64 entry) {
    if (!wide) {  // 32-bit paging: only a 4-MiB page has any: bit 21, and address bits beyond PSE-36
        if (!large) return 0;
        const unsigned used = p.address_bits < 40 ? p.address_bits : 40;
        const u64 high = ((u64{1} << 21) - 1) & ~((u64{1} << (used - 32 + 13)) - 1);
        return (u64{1} << 21) | high;
    }
    u64 reserved = 0x000fffffffffffff & ~((u64{1} << p.address_bits) - 1);
    if (!p.long_mode()) reserved |= 0x7ff0000000000000;
    if (!(p.efer & vmx::efer::NXE)) reserved |= kNoExecute;
    if (large) reserved |= ((u64{1} << level.shift) - 1) & ~u64{0x1fff};
    if ((entry & kLarge) && !level.may_be_large && level.shift > 12) reserved |= kLarge;
    return reserved;
}

struct Visited {
    GuestPhysical at[5];
    u64 value[5];
    unsigned count = 0;
};
}  // namespace

bool load_pdptes(const L1Memory& memory, GuestPaging& paging, u64 cr3) {
    const u64 reserved = 0x1e6 | ~((u64{1} << paging.address_bits) - 1);
    std::array<u64, 4> loaded{};
    for (u64 i = 0; i < 4; ++i) {
        loaded[i] = memory.read({(cr3 & 0xffffffe0) + 8 * i}, 8);
        if ((loaded[i] & kPresent) && (loaded[i] & reserved)) return false;
    }
    paging.pdpte = loaded;
    return true;
}

PageWalk walk_guest_pages(L1Memory& memory, const GuestPaging& p, GuestVirtual at, PageAccess access) {
    PageWalk w;
    const bool wp = p.cr0 & vmx::cr0::WP;
    const bool nx_counts = (p.efer & vmx::efer::NXE) && (p.cr4 & vmx::cr4::PAE);
    const bool smep = p.cr4 & vmx::cr4::SMEP;
    u32 code = (access.write ? 2u : 0u) | (access.user ? 4u : 0u) | (access.fetch && (nx_counts || smep) ? 16u : 0u);
    if (!p.paging()) {
        w = {true, {at.raw & 0xffffffff}, 0, true, true, true, true};
        return w;
    }
    const bool wide = p.long_mode() || p.pae();
    const Level* level = p.long_mode() ? k64 : wide ? kPae : k32;
    const Level* const end = level + (p.long_mode() ? 4 : 2);
    const unsigned entry_bytes = wide ? 8 : 4;
    u64 table = p.long_mode() ? p.cr3 & 0x000ffffffffff000 : p.cr3 & 0xfffff000;
    if (p.pae()) {
        const u64 pdpte = p.pdpte[at.raw >> 30 & 3];
        if (!(pdpte & kPresent)) return w.error_code = code, w;
        table = pdpte & 0x000ffffffffff000;
    }
    bool writable = true, user = true, no_execute = false, large = false;
    Visited visited;
    u64 base = 0;
    for (; level != end; ++level) {
        const GuestPhysical where{table + (at.raw >> level->shift & ((u64{1} << level->bits) - 1)) * entry_bytes};
        const u64 entry = memory.read(where, entry_bytes);
        visited.at[visited.count] = where;
        visited.value[visited.count++] = entry;
        if (!(entry & kPresent)) return w.error_code = code, w;
        large = (entry & kLarge) && level->may_be_large && (wide || (p.cr4 & vmx::cr4::PSE));
        if (entry & reserved_bits(p, wide, *level, large, entry)) return w.error_code = code | 9, w;
        writable = writable && (entry & kWritable);
        user = user && (entry & kUser);
        no_execute = no_execute || (nx_counts && (entry & kNoExecute));
        if (large || level + 1 == end) {
            const u64 mask = (u64{1} << level->shift) - 1;
            base = wide ? entry & 0x000ffffffffff000 & ~mask : entry & 0xfffff000 & ~mask;
            if (large && !wide) base |= (entry >> 13 & 0xff) << 32;  // PSE-36 (SDM table 4-4)
            w.at = {base + (at.raw & mask)};
            break;
        }
        table = wide ? entry & 0x000ffffffffff000 : entry & 0xfffff000;
    }
    code |= 1;
    // SDM 4.6.1. SMAP is not offered by the CPUs that run without EPT here, and not looked at.
    const bool refused = (access.user && !user) || (access.write && !writable && (access.user || wp)) ||
                         (access.fetch && (no_execute || (smep && !access.user && user)));
    if (refused) return w.error_code = code, w;
    for (unsigned i = 0; i < visited.count; ++i) {
        const bool leaf = i + 1 == visited.count;
        const u64 flags = kAccessed | (leaf && access.write ? kDirty : 0);
        if ((visited.value[i] & flags) != flags) memory.write(visited.at[i], entry_bytes, visited.value[i] | flags);
        if (leaf) w.dirty = (visited.value[i] | flags) & kDirty;
    }
    w.ok = true;
    w.writable = writable;
    w.user = user;
    w.executable = !no_execute;
    return w;
}

}  // namespace vmxsim::nested
