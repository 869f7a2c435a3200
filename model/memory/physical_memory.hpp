// SPDX-License-Identifier: Apache-2.0
// RAM of the simulated machine: one sparse host mapping, so that what no one touches costs nothing.
#pragma once
#include <array>
#include <bit>
#include <cstring>
#include <span>

#include "model/arch/types.hpp"

namespace vmxsim::memory {

/// Told when a page that holds decoded code is written by anyone (guest, VM exit, page walker, nested unit).
class CodeWatcher {
public:
    virtual ~CodeWatcher() = default;
    /// `at` to `at + bytes - 1` was, or is about to be, overwritten. Lies within one page.
    virtual void code_written(HostPhysical at, unsigned bytes) = 0;
    /// The first code of a page that had none was decoded, by anyone: stores to it must be seen from here on.
    virtual void code_marked() {}
};

/// RAM from physical address 0 to size()-1. Reads outside give all ones, writes outside are dropped (an open bus);
/// device memory is the bus's business, not this class's.
class PhysicalMemory {
public:
    /// `bytes`: a multiple of 4096. Throws std::runtime_error where the host refuses the mapping.
    explicit PhysicalMemory(u64 bytes);
    ~PhysicalMemory();
    PhysicalMemory(const PhysicalMemory&) = delete;
    PhysicalMemory& operator=(const PhysicalMemory&) = delete;

    u64 size() const { return size_; }
    bool contains(HostPhysical at, u64 bytes = 1) const { return at.raw < size_ && bytes <= size_ - at.raw; }
    /// Host address of RAM. Only for contained addresses. Writers must respect is_code().
    u8* host(HostPhysical at) { return base_ + at.raw; }
    const u8* host(HostPhysical at) const { return base_ + at.raw; }

    /// Little-endian access of 1, 2, 4 or 8 bytes at any alignment; may cross pages.
    u64 read(HostPhysical at, unsigned bytes) const {
        u64 value = 0;
        if (!contains(at, bytes)) [[unlikely]] return read_outside(at, bytes);
        switch (bytes) {  // constant sizes: one host load each
            case 1: return base_[at.raw];
            case 2: std::memcpy(&value, base_ + at.raw, 2); return value;
            case 4: std::memcpy(&value, base_ + at.raw, 4); return value;
            default: std::memcpy(&value, base_ + at.raw, 8); return value;
        }
    }
    void write(HostPhysical at, unsigned bytes, u64 value) {
        if (!contains(at, bytes)) [[unlikely]] return write_outside(at, bytes, value);
        if ((code_[at.raw >> 12] | code_[(at.raw + bytes - 1) >> 12]) != 0) [[unlikely]] tell(at, bytes);
        switch (bytes) {
            case 1: base_[at.raw] = static_cast<u8>(value); break;
            case 2: std::memcpy(base_ + at.raw, &value, 2); break;
            case 4: std::memcpy(base_ + at.raw, &value, 4); break;
            default: std::memcpy(base_ + at.raw, &value, 8); break;
        }
    }
    /// Blocks of any length. The part outside RAM reads as all ones, and is dropped on a write.
    void read_block(HostPhysical at, std::span<u8> out) const;
    void write_block(HostPhysical at, std::span<const u8> in);

    /// Pages that hold decoded code: stores to them must go through write()/write_block(), which tell the watchers that
    /// have marked the page. One watcher for each processor.
    static constexpr unsigned kWatchers = 8;
    void set_watcher(CodeWatcher* watcher, unsigned slot = 0) { watchers_.at(slot) = watcher; }
    /// Only contained addresses can be marked; others are never code.
    void mark_code(HostPhysical page, unsigned slot = 0);
    void unmark_code(HostPhysical page, unsigned slot = 0) {
        if (contains(page)) code_[page.raw >> 12] &= static_cast<u8>(~(1u << slot));
    }
    bool is_code(HostPhysical at) const { return contains(at) && code_[at.raw >> 12] != 0; }

private:
    static_assert(std::endian::native == std::endian::little, "guest memory is kept in the host's byte order");
    u64 read_outside(HostPhysical at, unsigned bytes) const;
    void write_outside(HostPhysical at, unsigned bytes, u64 value);
    void tell(HostPhysical at, u64 bytes);
    u8* base_ = nullptr;
    u64 size_ = 0;
    u8* code_ = nullptr;  ///< one byte a page, sparse as well: a bit for each watcher that has code there
    std::array<CodeWatcher*, kWatchers> watchers_{};
};

}  // namespace vmxsim::memory
