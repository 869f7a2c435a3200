// SPDX-License-Identifier: Apache-2.0
// Kernel files of any content. Input: memory size and what comes with it, command line's length, then the file.
#include "sim/loader/linux.hpp"
#include "sim/loader/loader.hpp"
#include "tests/fuzz/target.hpp"
#include "tests/loader/elf_file.hpp"

using namespace vmxsim;
using namespace vmxsim::sim;
using namespace vmxsim::test;

namespace {

constexpr u64 kMiB = 1 << 20, kMark = 0x7777777777777777;

fuzz::Input with_head(u8 flags, const std::vector<u8>& file) {
    fuzz::Input in{flags, 5};
    in.insert(in.end(), file.begin(), file.end());
    return in;
}

std::vector<u8> bzimage() {
    std::vector<u8> f(4 * 512 + 256, 0x90);
    std::fill(f.begin(), f.begin() + 4 * 512, u8{0});
    f[0x1f1] = 3;
    put(f, 0x1fe, 0xaa55, 2);
    f[0x201] = 0x6a;
    put(f, 0x202, 0x53726448, 4);
    put(f, 0x206, 0x20f, 2);
    f[0x211] = 1;
    put(f, 0x22c, 0x7fffffff, 4);
    put(f, 0x236, 0x7f, 2);
    put(f, 0x238, 2047, 4);
    put(f, 0x258, 2 * kMiB, 8);
    put(f, 0x260, kMiB, 4);
    return f;
}

}  // namespace

std::vector<fuzz::Input> fuzz::seeds() {
    HeaderSpec fields;
    fields.flags = 0x10000;
    const u32 addresses[5] = {0x100000, 0x100000, 0x100100, 0x101000, 0x100020};
    std::copy(addresses, addresses + 5, fields.address_fields);
    std::vector<u8> raw = fields.bytes();
    raw.resize(256, 0x90);
    ElfSpec vmlinux = good_elf(true);
    vmlinux.segments[0].bytes.assign(256, 0x90);
    vmlinux.segments[0].virtual_address = 0xffffffff81000000;
    ElfSpec two = good_elf();
    two.segments.push_back({.physical = 0x104000, .bytes = {1, 2, 3}});
    return {with_head(0, good_elf(false).bytes()), with_head(9, good_elf(true).bytes()), with_head(2, raw),
            with_head(8, bzimage()), with_head(1, vmlinux.bytes()), with_head(3, two.bytes())};
}

int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
    fuzz::Reader in({data, size});
    const u8 flags = in.byte(), words = in.byte();
    const u64 bytes = (4 + (flags >> 4) * u64{2}) * kMiB;
    memory::PhysicalMemory memory(bytes + 2 * kMiB);
    const GuestMemory where{HostPhysical{kMiB}, bytes};
    for (const u64 at : {kMiB - 8, kMiB + bytes}) memory.write({at}, 8, kMark);
    std::vector<BootFile> modules;
    for (u8 i = 0; i < (flags & 7); ++i) modules.push_back({"m", std::vector<u8>(u64{i} << 12 | words), "x y"});
    const BootFile image{"f", {in.rest().begin(), in.rest().end()}, std::string(words * (flags & 8 ? 64u : 1u), 'a')};
    try {
        const vmx::CpuState cpu = image_kind(image.bytes) == ImageKind::Multiboot
                                      ? load_multiboot(memory, where, image, modules)
                                      : load_linux(memory, where, image, modules);
        VMXSIM_HOLDS(cpu.rip < bytes);
    } catch (const LoadError& e) {
        VMXSIM_HOLDS(!std::strchr(e.what(), '\n'));
        VMXSIM_HOLDS(std::strstr(e.what(), ", expected "));
    }
    VMXSIM_HOLDS(memory.read({kMiB - 8}, 8) == kMark);
    VMXSIM_HOLDS(memory.read({kMiB + bytes}, 8) == kMark);
    return 0;
}
