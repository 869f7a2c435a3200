// SPDX-License-Identifier: Apache-2.0
// The RTL, or the lockstep pair, behind the same TLM-2.0 socket as the transaction-level cache: an initiator cannot tell.
#pragma once
#include "model/vmcs_cache/module.hpp"
#include "rtl/adapter.hpp"
#include "rtl/lockstep.hpp"

namespace vmxsim::rtl {

using RtlVmcsModule = vmcs_cache::VmcsModule<RtlVmcsCache>;
using LockstepVmcsModule = vmcs_cache::VmcsModule<LockstepVmcsCache>;

}  // namespace vmxsim::rtl
