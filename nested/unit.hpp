// SPDX-License-Identifier: Apache-2.0
// The nested unit: plays L0 for the L1 hypervisor that runs as the image. Owns vmcs01, builds vmcs02 from vmcs01 and
// vmcs12, routes each exit of L2, keeps L1's view exact. Plain C++; its SC_MODULE is unit_module.hpp.
#pragma once
#include <memory>
#include <string>

#include "model/devices/io_bus.hpp"
#include "model/vmx/vmx.hpp"
#include "nested/params.hpp"

namespace vmxsim::nested {

/// Answers CPUID as the bare processor does (the unit hides nothing from L1 but what it cannot give).
class CpuidSource {
public:
    virtual ~CpuidSource() = default;
    virtual void cpuid(u32 leaf, u32 subleaf, u32 (&regs)[4]) const = 0;
};

struct UnitDependencies {
    vmx::CpuState& cpu;
    vmx::Vmx& vmx;                      ///< the unit's own VMX instructions, entries and cycles
    memory::PhysicalMemory& ram;        ///< host-physical: [0, l1_base) is L0's, [l1_base, l1_base + l1_bytes) is L1's
    arch::TranslationControl& translations;
    const arch::Capabilities& capabilities;  ///< of the hardware
    devices::IoBus& io;
    const CpuidSource& cpuid;
    vmx::Ledger& ledger;
    const NestedParams& params;
    std::string policy;
    HostPhysical l1_base{};
    u64 l1_bytes = 0;
};

/// What the unit did, for statistics and tests.
struct UnitStats {
    u64 vmread = 0, vmwrite = 0;           ///< executed by L0
    u64 vmptrld = 0, vmclear = 0, invvpid = 0, invept = 0, rdmsr = 0, wrmsr = 0;
    u64 exits_l1 = 0, exits_l2 = 0;        ///< VM exits taken from each level
    u64 reflected = 0;                     ///< exits of L2 forwarded to L1
    u64 nested_entries = 0;                ///< emulated VMLAUNCH and VMRESUME that reached L2
    u64 l1_vmread = 0, l1_vmwrite = 0;     ///< L1's trapped accesses
    u64 pages_pinned = 0, pages_released = 0;
};

class Unit : public vmx::RootAgent {
public:
    explicit Unit(const UnitDependencies& dependencies);
    ~Unit() override;

    /// Enters VMX operation, builds vmcs01 for a guest whose state is `l1` (as a loader leaves a bare machine) and enters
    /// it. Throws std::runtime_error with the violated check where the entry fails.
    std::optional<vmx::Event> start(const vmx::CpuState& l1);

    std::optional<vmx::Event> vm_exit_taken() override;
    bool stopped() const override;
    const std::string& stop_reason() const;

    const UnitStats& stats() const;
    bool in_l2() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace vmxsim::nested
