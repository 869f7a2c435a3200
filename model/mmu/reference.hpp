// SPDX-License-Identifier: Apache-2.0
// How a walk reads and updates table entries, and what that costs. Private to model/mmu.
#pragma once
#include "model/mmu/mmu.hpp"

namespace vmxsim::mmu {

/// The references of one walk. Without `effects` (a probe) it reads, and does nothing else.
class References {
public:
    References(memory::PhysicalMemory& ram, memory::CacheHierarchy& caches, MmuStats& stats, bool effects)
        : ram_(ram), caches_(caches), stats_(stats), effects_(effects) {}

    u64 read_guest_entry(HostPhysical at, unsigned bytes) { return read(at, bytes); }
    u64 read_ept_entry(HostPhysical at) {
        if (effects_) ++stats_.ept_references;
        return read(at, 8);
    }
    /// Sets flags that the entry in memory lacks: a locked read-modify-write, charged as one more reference.
    void set_flags(HostPhysical at, unsigned bytes, u64 flags) {
        if (!effects_) return;
        const u64 value = ram_.read(at, bytes);
        if ((value & flags) == flags) return;
        ++stats_.flag_updates;
        spent_ += caches_.reference(at, memory::MemoryAccess::Write);
        ram_.write(at, bytes, value | flags);
    }
    void spend(u64 cycles) { if (effects_) spent_ += Cycles{cycles}; }
    Cycles spent() const { return spent_; }

private:
    u64 read(HostPhysical at, unsigned bytes) {
        if (effects_) {
            ++stats_.walk_references;
            spent_ += caches_.reference(at, memory::MemoryAccess::Read);
        }
        return ram_.read(at, bytes);
    }

    memory::PhysicalMemory& ram_;
    memory::CacheHierarchy& caches_;
    MmuStats& stats_;
    bool effects_;
    Cycles spent_{};
};

}  // namespace vmxsim::mmu
