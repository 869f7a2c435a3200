// SPDX-License-Identifier: Apache-2.0
// What a run leaves behind. Plain data: reports are made from it without a machine.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/arch/vmcs_port.hpp"
#include "model/core/core.hpp"
#include "model/memory/cache_hierarchy.hpp"
#include "model/mmu/mmu.hpp"
#include "model/vmx/ledger.hpp"
#include "nested/unit.hpp"

namespace vmxsim::sim {

/// Of one processor.
struct CpuResult {
    u64 cycles = 0, instructions = 0;
};

struct RunResult {
    std::string console;  ///< all that the image sent to COM1
    u64 cycles = 0;        ///< of the processor that is furthest ahead
    u64 instructions = 0;  ///< of all
    u64 branches = 0, mispredicts = 0;  ///< predicted branches of all; 0 without timing
    std::vector<CpuResult> cpus;
    core::StopReason stop = core::StopReason::None;
    std::optional<u32> debug_exit;  ///< value written to the debug-exit port, where that ended the run
    std::string stop_detail;        ///< the nested unit's reason for stopping, where it has one
    std::string state;              ///< the machine's state in a few lines (Core::describe), for runs that went wrong

    std::vector<core::Missing> missing;  ///< instructions without implementation, by mnemonic; each raised #UD

    // Copied from the ledgers, settled at the end of the run; sums over all processors, as what follows.
    std::vector<std::string> bucket_names;
    std::vector<u64> bucket_totals;  ///< by bucket; the sum is that of all processors' cycles
    std::map<vmx::EpisodeKey, vmx::Episode> episodes;

    arch::VmcsCacheStats vmcs_cache;
    mmu::MmuStats mmu;
    memory::CacheStats caches;
    std::optional<nested::UnitStats> unit;  ///< only where the nested unit was L0
    u64 lockstep_operations = 0;            ///< operations compared, under --vmcs-cache lockstep
};

}  // namespace vmxsim::sim
