// SPDX-License-Identifier: Apache-2.0
#include "sim/debug/watch.hpp"

namespace vmxsim::sim {

Watch::Watch(const DebugOptions& options, const std::vector<Inspector>& machine, const std::string& image) {
    if (!options.log.file.empty()) log_ = std::make_unique<Log>(options.log, machine);
    if (options.gdb) stub_ = std::make_unique<GdbStub>(wait_for_gdb(*options.gdb, image), machine);
    for (const Inspector& cpu : machine) cpu.core.attach(this);
}

}  // namespace vmxsim::sim
