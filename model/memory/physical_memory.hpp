// SPDX-License-Identifier: Apache-2.0
// RAM of the simulated machine: one sparse host mapping, so that what no one touches costs nothing.
#pragma once
#include <span>

#include "model/arch/types.hpp"

namespace vmxsim::memory {

/// Told when a page that holds decoded code is written by anyone (guest, VM exit, page walker, nested unit).
class CodeWatcher {
public:
    virtual ~CodeWatcher() = default;
    /// `at` to `at + bytes - 1` was, or is about to be, overwritten. Lies within one page.
    virtual void code_written(HostPhysical at, unsigned bytes) = 0;
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
    u64 read(HostPhysical at, unsigned bytes) const;
    void write(HostPhysical at, unsigned bytes, u64 value);
    void read_block(HostPhysical at, std::span<u8> out) const;
    void write_block(HostPhysical at, std::span<const u8> in);

    /// Pages that hold decoded code: stores to them must go through write()/write_block(), which tell the watcher.
    void set_watcher(CodeWatcher* watcher) { watcher_ = watcher; }
    void mark_code(HostPhysical page) { code_[page.raw >> 12] = 1; }
    void unmark_code(HostPhysical page) { code_[page.raw >> 12] = 0; }
    bool is_code(HostPhysical at) const { return code_[at.raw >> 12] != 0; }

private:
    void tell(HostPhysical at, u64 bytes);
    u8* base_ = nullptr;
    u64 size_ = 0;
    u8* code_ = nullptr;  ///< one byte a page, sparse as well
    CodeWatcher* watcher_ = nullptr;
};

}  // namespace vmxsim::memory
