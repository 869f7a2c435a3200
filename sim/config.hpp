// SPDX-License-Identifier: Apache-2.0
// What a run consists of: the machine, the image, and who plays L0. run_machine() (machine.hpp) takes it.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "model/core/core.hpp"
#include "sim/debug/options.hpp"
#include "sim/profile.hpp"
#include "sim/progress.hpp"

namespace vmxsim::sim {

/// Who is in VMX root mode beneath the image.
enum class L0Mode : u8 {
    None,  ///< no one: the image is on the bare machine
    Unit,  ///< the nested unit: the image is L1
};

/// Which implementation holds VMCS data.
enum class VmcsCacheKind : u8 {
    Tlm,       ///< the transaction-level model
    Rtl,       ///< the SystemVerilog design
    Lockstep,  ///< both, compared at every operation
};

constexpr std::string_view name_of(L0Mode m) { return m == L0Mode::None ? "none" : "unit"; }
constexpr std::string_view name_of(VmcsCacheKind k) {
    return k == VmcsCacheKind::Tlm ? "tlm" : k == VmcsCacheKind::Rtl ? "rtl" : "lockstep";
}
constexpr std::string_view name_of(core::TimingLevel t) { return t == core::TimingLevel::None ? "none" : "interval"; }

/// A file that the loader places beside the image (a multiboot module).
struct BootModule {
    std::string path;
    std::string command_line;
};

inline constexpr unsigned kMaxCpus = memory::PhysicalMemory::kWatchers;

struct MachineConfig {
    Profile profile;
    L0Mode l0 = L0Mode::None;
    std::string policy = "kvm-2011";  ///< one of nested::policies(); without a meaning where l0 is None
    VmcsCacheKind vmcs_cache = VmcsCacheKind::Tlm;
    core::TimingLevel timing = core::TimingLevel::Interval;
    unsigned cpus = 1;                 ///< processors, 1 to kMaxCpus; under the nested unit one
    u64 memory_bytes = u64{64} << 20;  ///< what the image sees
    std::string image_path;
    std::string append;  ///< the image's command line, without its name
    std::vector<BootModule> modules;
    u64 max_cycles = 0;                 ///< the run ends here at the latest; 0: no limit
    DebugOptions debug;
    bool quiet = false;                 ///< no progress on standard error
    std::function<void(char)> console;  ///< told each character of COM1 as it is sent; may be empty
    std::function<void(const Advance&)> progress;  ///< told each simulated millisecond how far it is; may be empty
};

}  // namespace vmxsim::sim
