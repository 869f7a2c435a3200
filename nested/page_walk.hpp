// SPDX-License-Identifier: Apache-2.0
// A software walk of a guest's page tables in L1's memory (SDM chapter 4): for operands that L0 reads for L1, and for
// filling shadow page tables. Exact in rights, error codes, accessed and dirty flags.
#pragma once
#include <array>

#include "nested/memory.hpp"

namespace vmxsim::nested {

/// What a guest's paging depends on, as the guest set it.
struct GuestPaging {
    u64 cr0 = 0, cr3 = 0, cr4 = 0, efer = 0;
    std::array<u64, 4> pdpte{};
    unsigned address_bits = 40;
    bool paging() const { return cr0 >> 31; }
    bool long_mode() const { return efer >> 10 & 1; }
    bool pae() const { return paging() && !long_mode() && (cr4 & 32); }
};

struct PageAccess {
    bool write = false, user = false, fetch = false;
};

struct PageWalk {
    bool ok = false;
    GuestPhysical at{};     ///< of the address, offset included
    u32 error_code = 0;     ///< of the page fault, where not ok
    bool writable = false;  ///< all entries allow writes
    bool user = false;      ///< all entries allow user accesses
    bool executable = false;
    bool dirty = false;  ///< the leaf's dirty flag is set now
};

/// Walks, and sets accessed flags (and the dirty flag on a write) where the access is allowed.
PageWalk walk_guest_pages(L1Memory& memory, const GuestPaging& paging, GuestVirtual at, PageAccess access);

/// PDPTEs of PAE paging at `cr3`; false where one has reserved bits set (SDM 4.4.1).
bool load_pdptes(const L1Memory& memory, GuestPaging& paging, u64 cr3);

}  // namespace vmxsim::nested
