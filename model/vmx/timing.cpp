// SPDX-License-Identifier: Apache-2.0
#include "model/vmx/vmx.hpp"

namespace vmxsim::vmx {
namespace {

using P = arch::Param<VmxTiming>;
constexpr u64 kMax = 1'000'000;
constexpr P kParams[] = {
    {"vmx.vmread", &VmxTiming::vmread, "cycles", 0, kMax, "VMREAD, beside the access of the VMCS cache"},
    {"vmx.vmwrite", &VmxTiming::vmwrite, "cycles", 0, kMax, "VMWRITE, beside the access of the VMCS cache"},
    {"vmx.vmptrld", &VmxTiming::vmptrld, "cycles", 0, kMax, "VMPTRLD, beside the VMCS cache's activation"},
    {"vmx.vmptrst", &VmxTiming::vmptrst, "cycles", 0, kMax, "VMPTRST"},
    {"vmx.vmclear", &VmxTiming::vmclear, "cycles", 0, kMax, "VMCLEAR, beside the write-backs of dirty lines"},
    {"vmx.vmxon", &VmxTiming::vmxon, "cycles", 0, kMax, "VMXON"},
    {"vmx.vmxoff", &VmxTiming::vmxoff, "cycles", 0, kMax, "VMXOFF, beside the write-backs of dirty lines"},
    {"vmx.vmcall", &VmxTiming::vmcall, "cycles", 0, kMax, "VMCALL in VMX root operation (it fails)"},
    {"vmx.vmfunc", &VmxTiming::vmfunc, "cycles", 0, kMax, "VMFUNC, EPTP switching"},
    {"vmx.invept", &VmxTiming::invept, "cycles", 0, kMax, "INVEPT"},
    {"vmx.invvpid", &VmxTiming::invvpid, "cycles", 0, kMax, "INVVPID"},
    {"vmx.entry_base", &VmxTiming::entry_base, "cycles", 0, kMax,
     "VMLAUNCH, VMRESUME: checks and loading, beside the bulk reads"},
    {"vmx.exit_base", &VmxTiming::exit_base, "cycles", 0, kMax,
     "VM exit: saving and loading, beside the bulk transfers"},
    {"vmx.msr_list_entry", &VmxTiming::msr_list_entry, "cycles", 0, kMax, "one entry of an MSR-load or MSR-store area"},
    {"vmx.event_delivery", &VmxTiming::event_delivery, "cycles", 0, kMax, "delivery of an event that a VM entry injects"},
};

}  // namespace

std::span<const P> vmx_timing_params() { return kParams; }

}  // namespace vmxsim::vmx
