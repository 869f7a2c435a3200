// SPDX-License-Identifier: Apache-2.0
// Shadow page tables for a CPU without EPT (or with nested.ept = 0), as a virtual TLB: filled on page faults from the
// guest's own tables, emptied whenever the guest flushes its TLB. 4-KiB entries only.
#pragma once
#include <vector>

#include "nested/page_walk.hpp"

namespace vmxsim::nested {

class ShadowMmu {
public:
    ShadowMmu(memory::PhysicalMemory& ram, PageAllocator& pages, L1Memory& l1) : ram_(ram), pages_(pages), l1_(l1) {}

    struct Fault {
        bool guests = false;  ///< the guest's own tables cause it: to be delivered
        u32 error_code = 0;
    };
    /// Resolves a page fault at `at` with the hardware's error code.
    Fault resolve(const GuestPaging& paging, GuestVirtual at, u32 error_code);
    /// Host-physical root for GUEST_CR3: of a PML4 in long mode, else of a page-directory-pointer table.
    HostPhysical root(bool long_mode);
    void flush();
    void flush_page(GuestVirtual at);

private:
    HostPhysical take();
    HostPhysical entry(GuestVirtual at, bool make);
    memory::PhysicalMemory& ram_;
    PageAllocator& pages_;
    L1Memory& l1_;
    std::vector<HostPhysical> used_;
    HostPhysical root_{};
    bool long_mode_ = false;
};

}  // namespace vmxsim::nested
