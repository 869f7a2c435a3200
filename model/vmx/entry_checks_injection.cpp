// SPDX-License-Identifier: Apache-2.0
// Checks on the event that a VM entry injects (SDM 29.2.1.3). Failure: VMfailValid(7).
#include "model/vmx/entry_checks.hpp"

namespace vmxsim::vmx {
namespace {

using arch::EventType;
using arch::Field;

constexpr u64 kFredBit = u64{1} << 32;  // CR4.FRED

u8 type_of(const EntryContext& c) { return static_cast<u8>(c.inject.type()); }
u8 vector_of(const EntryContext& c) { return c.inject.vector(); }
bool injecting(const EntryContext& c) { return c.inject.valid(); }
bool mtf_supported(const EntryContext& c) {
    return may_set(allowed_primary(c.caps), arch::PrimaryControl::MonitorTrapFlag);
}
bool fred_supported(const EntryContext& c) { return may_set(allowed_entry(c.caps), arch::EntryControl::LoadFRED); }
bool fred_guest(const EntryContext& c) { return c.get(Field::GUEST_CR4) & kFredBit; }

/// #DF, #TS, #NP, #SS, #GP, #PF, #AC (SDM table 7-1).
constexpr bool pushes_error_code(u8 vector) {
    constexpr u32 kVectors = 1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 17;
    return vector < 32 && (kVectors >> vector & 1);
}
/// IA32_VMX_BASIC[56]: an error code may be injected or not with any hardware exception (SDM A.1).
bool any_error_code(const EntryContext& c) { return c.caps.get(arch::msr::IA32_VMX_BASIC) >> 56 & 1; }
bool protected_guest(const EntryContext& c) { return !c.unrestricted() || (c.get(Field::GUEST_CR0) & cr0::PE); }
bool software_event(const EntryContext& c) { return type_of(c) >= 4 && type_of(c) <= 6; }
bool zero_length_allowed(const EntryContext& c) { return c.caps.get(arch::msr::IA32_VMX_MISC) >> 30 & 1; }
u64 length_of(const EntryContext& c) { return c.get(Field::VM_ENTRY_INSTRUCTION_LEN); }

constexpr EntryCheck kChecks[] = {
    VMXSIM_CHECK("INJ-TYPE-1", "29.2.1.3", !injecting(c) || type_of(c) != 1),
    VMXSIM_CHECK("INJ-TYPE-7", "29.2.1.3",
                 !c.injects(EventType::Other) || mtf_supported(c) || fred_supported(c)),
    VMXSIM_CHECK("INJ-NMI-VECTOR", "29.2.1.3", !c.injects(EventType::Nmi) || vector_of(c) == 2),
    VMXSIM_CHECK("INJ-HWEXC-VECTOR", "29.2.1.3", !c.injects(EventType::HardwareException) || vector_of(c) <= 31),
    VMXSIM_CHECK("INJ-OTHER-VECTOR", "29.2.1.3",
                 !c.injects(EventType::Other) || fred_guest(c) || (vector_of(c) == 0 && mtf_supported(c))),
    VMXSIM_CHECK("INJ-OTHER-VECTOR-FRED", "29.2.1.3",
                 !c.injects(EventType::Other) || !fred_guest(c) || (vector_of(c) == 0 && mtf_supported(c)) ||
                     vector_of(c) == 1 || vector_of(c) == 2),
    VMXSIM_CHECK("INJ-EC-REQUIRED", "29.2.1.3",
                 !c.injects(EventType::HardwareException) || !protected_guest(c) || any_error_code(c) ||
                     !pushes_error_code(vector_of(c)) || c.inject.has_error_code()),
    VMXSIM_CHECK("INJ-EC-NOTHWEXC", "29.2.1.3",
                 !injecting(c) || c.inject.type() == EventType::HardwareException || !c.inject.has_error_code()),
    VMXSIM_CHECK("INJ-EC-REALMODE", "29.2.1.3", !injecting(c) || protected_guest(c) || !c.inject.has_error_code()),
    VMXSIM_CHECK("INJ-EC-FORBIDDEN", "29.2.1.3",
                 !injecting(c) || any_error_code(c) || pushes_error_code(vector_of(c)) ||
                     !c.inject.has_error_code()),
    VMXSIM_CHECK("INJ-NESTED-TYPE", "29.2.1.3",
                 !injecting(c) || c.inject.type() == EventType::HardwareException || !(c.inject.raw >> 13 & 1)),
    VMXSIM_CHECK("INJ-NESTED-CAP", "29.2.1.3",
                 !injecting(c) || (c.caps.get(arch::msr::IA32_VMX_BASIC) >> 58 & 1) || !(c.inject.raw >> 13 & 1)),
    VMXSIM_CHECK("INJ-RSVD", "29.2.1.3", !injecting(c) || (c.inject.raw & 0x7fffd000) == 0),
    VMXSIM_CHECK("INJ-EC-HIGH", "29.2.1.3",
                 !injecting(c) || !c.inject.has_error_code() ||
                     (c.get(Field::VM_ENTRY_EXCEPTION_ERROR_CODE) >> 16) == 0),
    VMXSIM_CHECK("INJ-ILEN-MAX", "29.2.1.3", !injecting(c) || !software_event(c) || length_of(c) <= 15),
    VMXSIM_CHECK("INJ-ILEN-ZERO", "29.2.1.3",
                 !injecting(c) || !software_event(c) || zero_length_allowed(c) || length_of(c) != 0),
    VMXSIM_CHECK("INJ-ILEN-FRED", "29.2.1.3",
                 !c.injects(EventType::Other) || vector_of(c) == 0 || vector_of(c) > 2 ||
                     (length_of(c) <= 15 && (length_of(c) != 0 || zero_length_allowed(c)))),
};

}  // namespace

std::span<const EntryCheck> injection_checks() { return kChecks; }

}  // namespace vmxsim::vmx
