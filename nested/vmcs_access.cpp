// SPDX-License-Identifier: Apache-2.0
// L0's own VMX instructions. Each is executed by the CPU's VMX unit, at its cost, and counted.
#include <stdexcept>

#include "nested/l0.hpp"

namespace vmxsim::nested {

using arch::Field;

namespace {
[[noreturn]] void refused(const char* what, std::string_view field, const vmx::VmxResult& r) {
    throw std::logic_error("nested unit: " + std::string(what) + " " + std::string(field) +
                           " failed, VM-instruction error " + std::to_string(r.error));
}
constexpr u64 kSingleContext = 1, kAllContexts = 2;
}  // namespace

u64 L0::read(Field f) {
    ++stats.vmread;
    u64 value = 0;
    const auto r = d.vmx.vmread(arch::encoding_of(f), value);
    if (r.kind != vmx::VmxResult::Succeed) refused("VMREAD of", arch::info(f).name, r);
    return value;
}

void L0::write(Field f, u64 value) {
    ++stats.vmwrite;
    const auto r = d.vmx.vmwrite(arch::encoding_of(f), value);
    if (r.kind != vmx::VmxResult::Succeed) refused("VMWRITE of", arch::info(f).name, r);
}

void L0::load_vmcs(HostPhysical region) {
    ++stats.vmptrld;
    const auto r = d.vmx.vmptrld(region.raw);
    if (r.kind != vmx::VmxResult::Succeed) refused("VMPTRLD", "", r);
    cache = {};
}

void L0::clear_vmcs(HostPhysical region) {
    ++stats.vmclear;
    const auto r = d.vmx.vmclear(region.raw);
    if (r.kind != vmx::VmxResult::Succeed) refused("VMCLEAR", "", r);
}

void L0::invvpid() {
    if (!config.vpid) return;
    ++stats.invvpid;
    const bool single = d.capabilities.get(arch::msr::IA32_VMX_EPT_VPID_CAP) >> 41 & 1;  // SDM A.10
    const auto r = d.vmx.invvpid(single ? kSingleContext : kAllContexts, kVpid, 0);
    if (r.kind != vmx::VmxResult::Succeed) refused("INVVPID", "", r);
}

void L0::invept() {
    if (!config.ept) return;
    ++stats.invept;
    const bool single = d.capabilities.get(arch::msr::IA32_VMX_EPT_VPID_CAP) >> 25 & 1;
    const auto r = d.vmx.invept(single ? kSingleContext : kAllContexts, ept->pointer().raw);
    if (r.kind != vmx::VmxResult::Succeed) refused("INVEPT", "", r);
}

void L0::flush_tlb() {
    invvpid();
    if (mmu_root_valid) invept();
}

u64 L0::rip() {
    if (!cache.rip) cache.rip = read(Field::GUEST_RIP);
    return *cache.rip;
}
u64 L0::rsp() {
    if (!cache.rsp) cache.rsp = read(Field::GUEST_RSP);
    return *cache.rsp;
}
u64 L0::rflags() {
    if (!cache.rflags) cache.rflags = read(Field::GUEST_RFLAGS);
    return *cache.rflags;
}
u64 L0::segment(Field f) {
    if (const auto it = cache.segment.find(f); it != cache.segment.end()) return it->second;
    return cache.segment[f] = read(f);
}

void L0::set_gpr(unsigned n, u64 value) {
    if (n == vmx::RSP)
        set_rsp(value);
    else
        cpu.r[n] = value;
}

bool L0::has12(arch::PrimaryControl c) {
    return read12(Field::CPU_BASED_VM_EXEC_CONTROL) & arch::PrimaryControls::mask(c);
}
bool L0::has12(arch::SecondaryControl c) {
    return has12(arch::PrimaryControl::ActivateSecondaryControls) &&
           (read12(Field::SECONDARY_VM_EXEC_CONTROL) & arch::SecondaryControls::mask(c));
}

}  // namespace vmxsim::nested
