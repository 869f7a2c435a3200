// SPDX-License-Identifier: Apache-2.0
// Host-physical memory as L0 divides it: its own pages below l1_base, L1's physical memory from l1_base on.
#pragma once
#include <vector>

#include "model/memory/physical_memory.hpp"

namespace vmxsim::nested {

/// Pages of L0's own memory, [0x1000, l1_base). Page 0 is never given out.
class PageAllocator {
public:
    PageAllocator(memory::PhysicalMemory& ram, HostPhysical end) : ram_(ram), end_(end) {}
    /// A zeroed page. Throws std::runtime_error where none is left.
    HostPhysical take();
    void give_back(HostPhysical page) { free_.push_back(page); }
    /// Pages that take() can still hand out.
    u64 available() const { return free_.size() + (end_.raw > next_.raw ? (end_.raw - next_.raw) >> 12 : 0); }

private:
    memory::PhysicalMemory& ram_;
    HostPhysical next_{0x1000};
    HostPhysical end_;
    std::vector<HostPhysical> free_;
};

/// L1's physical memory: guest-physical p lies at host-physical l1_base + p. Outside it there is an open bus.
class L1Memory {
public:
    L1Memory(memory::PhysicalMemory& ram, HostPhysical base, u64 bytes, unsigned address_bits)
        : ram_(ram), base_(base), bytes_(bytes), address_bits_(address_bits) {}

    u64 size() const { return bytes_; }
    bool contains(GuestPhysical at, u64 bytes = 1) const { return at.raw < bytes_ && bytes <= bytes_ - at.raw; }
    /// Where the page tables of L0 make `at` point: RAM, or an address where nothing answers.
    HostPhysical host(GuestPhysical at) const;
    u64 read(GuestPhysical at, unsigned bytes) const;
    void write(GuestPhysical at, unsigned bytes, u64 value);

private:
    memory::PhysicalMemory& ram_;
    HostPhysical base_;
    u64 bytes_;
    unsigned address_bits_;
};

}  // namespace vmxsim::nested
