// SPDX-License-Identifier: Apache-2.0
#include "sim/firmware/aml.hpp"

namespace vmxsim::sim {
namespace {

// Opcodes (ACPI 6.4, 20.3).
constexpr u8 kName = 0x08, kByte = 0x0a, kWord = 0x0b, kDword = 0x0c, kScope = 0x10, kBuffer = 0x11, kPackage = 0x12,
             kRoot = 0x5c, kExtended = 0x5b, kDevice = 0x82;

void append(std::vector<u8>& to, u64 value, unsigned n) {
    for (unsigned i = 0; i < n; ++i) to.push_back(static_cast<u8>(value >> 8 * i));
}

u8 hexadecimal(char c) { return static_cast<u8>(c <= '9' ? c - '0' : c - 'A' + 10); }

}  // namespace

Aml& Aml::put(u64 value, unsigned n) {
    append(bytes_, value, n);
    return *this;
}

/// Four characters, filled with underscores (20.2.2).
Aml& Aml::segment(std::string_view name) {
    for (std::size_t i = 0; i < 4; ++i) put(static_cast<u8>(i < name.size() ? name[i] : '_'), 1);
    return *this;
}

/// The shortest encoding; 0 and 1 are opcodes of their own (20.2.3).
Aml& Aml::integer(u64 value) {
    if (value <= 1) return put(value, 1);
    if (value <= 0xff) return put(kByte, 1).put(value, 1);
    if (value <= 0xffff) return put(kWord, 1).put(value, 2);
    return put(kDword, 1).put(value, 4);
}

Aml& Aml::name(std::string_view name) { return put(kName, 1).segment(name); }

Aml& Aml::package(const std::vector<u8>& content) {
    // One byte holds up to 63; two hold 12 bits, the low four of them in the first.
    const u64 one = content.size() + 1, two = content.size() + 2;
    if (one < 64) put(one, 1);
    else put(0x40 | (two & 0xf), 1).put(two >> 4, 1);
    bytes_.insert(bytes_.end(), content.begin(), content.end());
    return *this;
}

Aml& Aml::name_integer(std::string_view name_, u64 value) { return name(name_).integer(value); }

Aml& Aml::name_eisa_id(std::string_view name_, std::string_view id) {
    const auto letter = [&](std::size_t i) { return static_cast<u32>(id[i] - '@'); };
    const u32 letters = letter(0) << 10 | letter(1) << 5 | letter(2);
    const auto digits = [&](std::size_t i) { return static_cast<u32>(hexadecimal(id[i]) << 4 | hexadecimal(id[i + 1])); };
    return name(name_).put(kDword, 1).put(letters >> 8 | (letters & 0xff) << 8 | digits(3) << 16 | digits(5) << 24, 4);
}

Aml& Aml::name_package(std::string_view name_, std::initializer_list<u64> values) {
    Aml content;
    content.put(values.size(), 1);
    for (const u64 v : values) content.integer(v);
    return name(name_).put(kPackage, 1).package(content.bytes_);
}

Aml& Aml::name_buffer(std::string_view name_, const std::vector<u8>& content) {
    Aml sized;
    sized.integer(content.size());
    sized.bytes_.insert(sized.bytes_.end(), content.begin(), content.end());
    return name(name_).put(kBuffer, 1).package(sized.bytes_);
}

Aml& Aml::scope(std::string_view name_, const Aml& content) {
    Aml inner;
    inner.put(kRoot, 1).segment(name_).bytes_.insert(inner.bytes_.end(), content.bytes_.begin(), content.bytes_.end());
    return put(kScope, 1).package(inner.bytes_);
}

Aml& Aml::device(std::string_view name_, const Aml& content) {
    Aml inner;
    inner.segment(name_).bytes_.insert(inner.bytes_.end(), content.bytes_.begin(), content.bytes_.end());
    return put(kExtended, 1).put(kDevice, 1).package(inner.bytes_);
}

Resources& Resources::put(u64 value, unsigned n) {
    append(bytes_, value, n);
    return *this;
}

/// I/O port descriptor (6.4.2.5).
Resources& Resources::ports(u16 first, u8 bytes) {
    constexpr u8 kTag = 0x47, kDecode16 = 1, kAlignment = 1;
    return put(kTag, 1).put(kDecode16, 1).put(first, 2).put(first, 2).put(kAlignment, 1).put(bytes, 1);
}

/// IRQ descriptor (6.4.2.1) without flags: edge-triggered, active high, not shared.
Resources& Resources::irq(unsigned line) { return put(0x22, 1).put(u64{1} << line, 2); }

/// End tag (6.4.2.9); its checksum 0 stands for "not computed".
std::vector<u8> Resources::finish() {
    put(0x79, 1).put(0, 1);
    return std::move(bytes_);
}

}  // namespace vmxsim::sim
