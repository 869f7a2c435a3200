// SPDX-License-Identifier: Apache-2.0
// Which VMCS fields a processor has: those whose feature its capability MSRs offer (SDM Appendix B, footnotes).
#pragma once
#include <array>

#include "model/arch/msrs.hpp"
#include "model/arch/vmcs_field.hpp"

namespace vmxsim::vmx {

/// By field: whether VMREAD and VMWRITE support it. Throws std::logic_error where a row of the field table names a
/// feature that is not known here.
std::array<bool, arch::kFieldCount> supported_fields(const arch::Capabilities& capabilities);

}  // namespace vmxsim::vmx
