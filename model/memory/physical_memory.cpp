// SPDX-License-Identifier: Apache-2.0
#include "model/memory/physical_memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <stdexcept>
#include <string>

namespace vmxsim::memory {
namespace {

/// Pages without access on both sides: a mistake of the simulator's ends there, not in other memory.
constexpr u64 kGuard = 65536;

/// Zero pages that the host makes only when they are touched.
u8* map_sparse(u64 bytes) {
    void* const at = mmap(nullptr, bytes + 2 * kGuard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return nullptr;
    u8* const inside = static_cast<u8*>(at) + kGuard;
    if (mprotect(inside, (bytes + 4095) & ~u64{4095}, PROT_READ | PROT_WRITE) == 0) return inside;
    munmap(at, bytes + 2 * kGuard);
    return nullptr;
}

void unmap(u8* inside, u64 bytes) { munmap(inside - kGuard, bytes + 2 * kGuard); }

}  // namespace

PhysicalMemory::PhysicalMemory(u64 bytes) : size_(bytes) {
    if (bytes == 0 || bytes % 4096 != 0)
        throw std::invalid_argument("memory: size " + std::to_string(bytes) + " is no positive multiple of 4096");
    base_ = map_sparse(bytes);
    code_ = base_ ? map_sparse(bytes / 4096) : nullptr;
    if (!code_) {
        if (base_) unmap(base_, bytes);
        throw std::runtime_error("memory: the host refuses a mapping of " + std::to_string(bytes) + " bytes");
    }
}

PhysicalMemory::~PhysicalMemory() {
    unmap(base_, size_);
    unmap(code_, size_ / 4096);
}

u64 PhysicalMemory::read_outside(HostPhysical at, unsigned bytes) const {
    u64 value = 0;
    for (unsigned i = 0; i < bytes; ++i) {
        const HostPhysical byte = at + i;
        value |= u64{contains(byte) && byte >= at ? base_[byte.raw] : u8{0xff}} << 8 * i;
    }
    return value;
}

void PhysicalMemory::write_outside(HostPhysical at, unsigned bytes, u64 value) {
    for (unsigned i = 0; i < bytes; ++i)
        if (contains(at + i) && at + i >= at) write(at + i, 1, value >> 8 * i & 0xff);
}

void PhysicalMemory::read_block(HostPhysical at, std::span<u8> out) const {
    const u64 inside = at.raw < size_ ? std::min<u64>(out.size(), size_ - at.raw) : 0;
    if (inside) std::memcpy(out.data(), base_ + at.raw, inside);
    std::fill(out.begin() + static_cast<std::ptrdiff_t>(inside), out.end(), u8{0xff});
}

void PhysicalMemory::write_block(HostPhysical at, std::span<const u8> in) {
    const u64 inside = at.raw < size_ ? std::min<u64>(in.size(), size_ - at.raw) : 0;
    if (!inside) return;
    tell(at, inside);
    std::memcpy(base_ + at.raw, in.data(), inside);
}

void PhysicalMemory::mark_code(HostPhysical page, unsigned slot) {
    if (!contains(page)) return;
    u8& marks = code_[page.raw >> 12];
    if (marks == 0)
        for (CodeWatcher* const w : watchers_)
            if (w) w->code_marked();
    marks |= static_cast<u8>(1u << slot);
}

void PhysicalMemory::tell(HostPhysical at, u64 bytes) {
    while (bytes) {
        const u64 part = std::min<u64>(bytes, 4096 - at.page_offset());
        for (unsigned marked = code_[at.raw >> 12]; marked; marked &= marked - 1)
            if (CodeWatcher* const w = watchers_[static_cast<unsigned>(std::countr_zero(marked))])
                w->code_written(at, static_cast<unsigned>(part));
        at = at + part;
        bytes -= part;
    }
}

}  // namespace vmxsim::memory
