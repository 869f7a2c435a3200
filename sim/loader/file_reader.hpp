// SPDX-License-Identifier: Apache-2.0
// Bytes of a file that is not trusted.
#pragma once
#include <string>

#include "sim/loader/image.hpp"

namespace vmxsim::sim {

/// As in messages: 0x1234.
std::string hex(u64 value);

/// The file's bytes, with little-endian reads that cannot leave it.
class FileReader {
public:
    FileReader(std::string name, std::span<const u8> bytes) : name_(std::move(name)), bytes_(bytes) {}
    u64 size() const { return bytes_.size(); }
    bool contains(u64 at, u64 bytes) const { return at <= size() && bytes <= size() - at; }
    u64 get(u64 at, unsigned bytes, const char* what) const {
        if (!contains(at, bytes))
            fail(std::string(what) + " at offset " + hex(at) + " lies beyond the end of the file",
                 "a file of more than " + std::to_string(size()) + " bytes");
        u64 value = 0;
        for (unsigned i = 0; i < bytes; ++i) value |= u64{bytes_[at + i]} << (8 * i);
        return value;
    }
    u32 u32_at(u64 at, const char* what) const { return static_cast<u32>(get(at, 4, what)); }
    [[noreturn]] void fail(const std::string& wrong, const std::string& expected) const {
        throw LoadError(name_, wrong, expected);
    }

private:
    std::string name_;
    std::span<const u8> bytes_;
};

}  // namespace vmxsim::sim
