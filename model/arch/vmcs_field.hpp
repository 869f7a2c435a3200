// SPDX-License-Identifier: Apache-2.0
// The VMCS field table (vmcs_fields.def) as C++: a dense enumeration and its rows.
#pragma once
#include <array>
#include <optional>
#include <string_view>

#include "model/arch/types.hpp"

namespace vmxsim::arch {

enum class FieldWidth : u8 { W16 = 0, W64 = 1, W32 = 2, WNat = 3 };          ///< encoding bits 14:13
enum class FieldType : u8 { Control = 0, ReadOnly = 1, Guest = 2, Host = 3 };  ///< encoding bits 11:10
enum class KvmShadow : u8 { None, ReadOnly, ReadWrite };
enum class KvmRare : u8 { Unknown, No, Yes };

/// A VMCS field, by its row in the table. Names: Linux's where it has one, else the SDM's.
enum class Field : u16 {
#define VMXSIM_FIELD(name, ...) name,
#include "model/arch/vmcs_fields.def"
#undef VMXSIM_FIELD
};

struct FieldInfo {
    std::string_view name;
    u32 encoding;
    FieldWidth width;
    FieldType type;
    u16 generic_offset;
    std::string_view group;
    KvmShadow kvm_shadow;
    KvmRare kvm_rare;
    std::string_view sdm_name;
    std::string_view exists_if;
};

inline constexpr FieldInfo kFields[] = {
#define VMXSIM_FIELD(name, encoding, width, type, offset, group, shadow, rare, sdm_name, exists_if)                  \
    {#name, encoding, FieldWidth::width, FieldType::type, offset, group, KvmShadow::shadow, KvmRare::rare, sdm_name, \
     exists_if},
#include "model/arch/vmcs_fields.def"
#undef VMXSIM_FIELD
};

inline constexpr std::size_t kFieldCount = std::size(kFields);

constexpr std::size_t index_of(Field f) { return static_cast<std::size_t>(f); }
constexpr const FieldInfo& info(Field f) { return kFields[index_of(f)]; }
constexpr u32 encoding_of(Field f) { return info(f).encoding; }

/// Size of a field in bytes. A natural-width field has 8 on a CPU with Intel 64 (SDM 27.11.2).
constexpr unsigned size_of(FieldWidth w) {
    return w == FieldWidth::W16 ? 2u : w == FieldWidth::W32 ? 4u : 8u;
}
constexpr unsigned size_of(Field f) { return size_of(info(f).width); }

/// What an encoding names: a field, and whether it is the access to a 64-bit field's upper half (bit 0).
struct FieldAccess {
    Field field;
    bool high;
    constexpr bool operator==(const FieldAccess&) const = default;
};

namespace detail {
inline constexpr u16 kNoField = 0xffff;
/// Key of a full encoding: width(2) type(2) index(9) without reserved bits.
constexpr u32 key_of(u32 encoding) { return ((encoding >> 13) & 3) << 8 | ((encoding >> 10) & 3) << 6 | ((encoding >> 1) & 63); }
constexpr auto make_reverse() {
    std::array<u16, 1024> t{};
    for (auto& e : t) e = kNoField;
    for (std::size_t i = 0; i < kFieldCount; ++i) t[key_of(kFields[i].encoding)] = static_cast<u16>(i);
    return t;
}
inline constexpr auto kReverse = make_reverse();
}  // namespace detail

/// Decodes a VMREAD/VMWRITE operand (SDM 27.11.2). Empty: it names no field of the table.
constexpr std::optional<FieldAccess> decode_encoding(u64 encoding) {
    if (encoding & ~u64{0x6fff}) return std::nullopt;
    const auto e = static_cast<u32>(encoding);
    if (((e >> 1) & 0x1ff) > 63) return std::nullopt;
    const u16 row = detail::kReverse[detail::key_of(e)];
    if (row == detail::kNoField) return std::nullopt;
    const bool high = e & 1;
    if (high && kFields[row].width != FieldWidth::W64) return std::nullopt;
    return FieldAccess{static_cast<Field>(row), high};
}

}  // namespace vmxsim::arch
