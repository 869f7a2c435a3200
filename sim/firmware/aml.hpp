// SPDX-License-Identifier: Apache-2.0
// ACPI machine language (ACPI 6.4, 20.2), as much of it as a description of devices needs: objects are appended in order,
// and what contains others is built from them.
#pragma once
#include <initializer_list>
#include <string_view>
#include <vector>

#include "model/arch/types.hpp"

namespace vmxsim::sim {

class Aml {
public:
    const std::vector<u8>& bytes() const { return bytes_; }

    /// Name (`name`, an integer).
    Aml& name_integer(std::string_view name, u64 value);
    /// Name (`name`, EisaId ("PNP0A03")): three letters and four hexadecimal digits (19.3.4, EISAID).
    Aml& name_eisa_id(std::string_view name, std::string_view id);
    /// Name (`name`, Package () {...}) of integers.
    Aml& name_package(std::string_view name, std::initializer_list<u64> values);
    /// Name (`name`, Buffer () {...}).
    Aml& name_buffer(std::string_view name, const std::vector<u8>& content);
    /// Scope (\`name`) and Device (`name`), with what they contain.
    Aml& scope(std::string_view name, const Aml& content);
    Aml& device(std::string_view name, const Aml& content);

private:
    Aml& put(u64 value, unsigned n);
    Aml& segment(std::string_view name);
    Aml& integer(u64 value);
    Aml& name(std::string_view name);
    /// PkgLength (20.2.4) of what follows it, and that.
    Aml& package(const std::vector<u8>& content);
    std::vector<u8> bytes_;
};

/// The resources of a device, for its _CRS (6.4).
class Resources {
public:
    /// `bytes` ports from `first` on, decoded with 16 bits.
    Resources& ports(u16 first, u8 bytes);
    /// One edge-triggered interrupt of the PIC's lines.
    Resources& irq(unsigned line);
    /// With the end tag.
    std::vector<u8> finish();

private:
    Resources& put(u64 value, unsigned n);
    std::vector<u8> bytes_;
};

}  // namespace vmxsim::sim
