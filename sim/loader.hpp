// SPDX-License-Identifier: Apache-2.0
// The multiboot loader by paths: what the program uses. What it does: sim/loader/loader.hpp.
#pragma once
#include "sim/loader/loader.hpp"

namespace vmxsim::sim {

struct LoadModule {
    std::string path;
    std::string command_line;  ///< the words behind the path; may be empty
};

struct LoadRequest {
    std::string image_path;
    std::string append;  ///< the image's command line, without its name
    std::vector<LoadModule> modules;
};

/// Reads the files and loads them into the `bytes` of RAM at `base`. Throws LoadError (an InputError).
vmx::CpuState load_multiboot(const LoadRequest& request, memory::PhysicalMemory& memory, HostPhysical base, u64 bytes);

}  // namespace vmxsim::sim
