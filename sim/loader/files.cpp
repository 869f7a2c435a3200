// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <fstream>

#include "sim/loader.hpp"
#include "sim/loader/linux.hpp"
#include "sim/loader/pvh.hpp"

namespace vmxsim::sim {

BootFile read_boot_file(const std::string& path, const std::string& arguments) {
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (status.type() == std::filesystem::file_type::not_found) throw LoadError(path, "no such file", "a file");
    if (error || !std::filesystem::is_regular_file(status)) throw LoadError(path, "not a regular file", "a file");
    const auto size = std::filesystem::file_size(path, error);
    constexpr u64 limit = u64{1} << 31;
    if (error || size > limit) throw LoadError(path, "too large", "at most 2 GiB");
    std::ifstream in(path, std::ios::binary);
    if (!in) throw LoadError(path, "cannot be opened", "a readable file");
    BootFile file{path, std::vector<u8>(size), arguments};
    in.read(reinterpret_cast<char*>(file.bytes.data()), static_cast<std::streamsize>(size));
    if (static_cast<u64>(in.gcount()) != size) throw LoadError(path, "cannot be read to its end", "a readable file");
    return file;
}

vmx::CpuState load_multiboot(const LoadRequest& request, memory::PhysicalMemory& memory, HostPhysical base, u64 bytes) {
    std::vector<BootFile> modules;
    for (const LoadModule& m : request.modules) modules.push_back(read_boot_file(m.path, m.command_line));
    return load_multiboot(memory, {base, bytes}, read_boot_file(request.image_path, request.append), modules);
}

vmx::CpuState load_image(const LoadRequest& request, memory::PhysicalMemory& memory, HostPhysical base, u64 bytes) {
    std::vector<BootFile> modules;
    for (const LoadModule& m : request.modules) modules.push_back(read_boot_file(m.path, m.command_line));
    const BootFile image = read_boot_file(request.image_path, request.append);
    switch (image_kind(image.bytes)) {
        case ImageKind::Multiboot: return load_multiboot(memory, {base, bytes}, image, modules);
        case ImageKind::Pvh: return load_pvh(memory, {base, bytes}, image, modules);
        case ImageKind::BzImage:
        case ImageKind::Vmlinux: break;
    }
    return load_linux(memory, {base, bytes}, image, modules);
}

}  // namespace vmxsim::sim
