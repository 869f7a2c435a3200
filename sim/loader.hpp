// SPDX-License-Identifier: Apache-2.0
// The loaders by paths: what the program uses. What they do: sim/loader/loader.hpp, sim/loader/linux.hpp.
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
/// The same for an image of any kind that is known: multiboot, PVH, or a Linux kernel, whose initramfs the modules are.
vmx::CpuState load_image(const LoadRequest& request, memory::PhysicalMemory& memory, HostPhysical base, u64 bytes);

}  // namespace vmxsim::sim
