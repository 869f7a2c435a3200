// SPDX-License-Identifier: Apache-2.0
// EPT01: guest-physical to host-physical for L1 and, since L1 has no EPT to give, for L2 as well. It starts empty; each
// first touch of a page by a guest is an EPT violation that L0 resolves, with 4-KiB pages or, where asked for, the CPU has them and
// the page lies wholly in L1's memory at a fitting offset, with 2-MiB pages.
#pragma once
#include "model/arch/msrs.hpp"
#include "nested/memory.hpp"

namespace vmxsim::nested {

class Ept01 {
public:
    Ept01(memory::PhysicalMemory& ram, PageAllocator& pages, const L1Memory& l1,
          const arch::Capabilities& capabilities, bool large_pages);

    Eptp pointer() const { return pointer_; }
    /// Maps the page of `at`. False where it was mapped already: the violation has another cause.
    bool fill(GuestPhysical at);
    /// Maps one 4-KiB page elsewhere than L1's memory.
    void map(GuestPhysical at, HostPhysical to);

private:
    /// Entry of `level` (1: 4-KiB page table) for `at`, tables above it made as needed.
    HostPhysical entry(GuestPhysical at, unsigned level);
    memory::PhysicalMemory& ram_;
    PageAllocator& pages_;
    const L1Memory& l1_;
    bool large_pages_;
    Eptp pointer_{};
};

}  // namespace vmxsim::nested
