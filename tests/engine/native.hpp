// SPDX-License-Identifier: Apache-2.0
// The host processor as an oracle: runs instruction bytes natively with given registers, flags and memory.
#pragma once
#include <sys/mman.h>

#include <array>
#include <cstring>
#include <span>
#include <stdexcept>
#include <vector>

#include "model/arch/types.hpp"

namespace vmxsim::core {

struct Registers {
    std::array<u64, 16> r{};
    u64 flags = 2;
};

class Native {
public:
    /// Maps [at, at + bytes) of the host at the guest's addresses, so that pointers mean the same to both.
    Native() {
        page_ = static_cast<u8*>(
            mmap(nullptr, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        if (page_ == MAP_FAILED) throw std::runtime_error("no executable memory");
    }
    ~Native() {
        munmap(page_, 8192);
        for (const auto& [at, bytes] : windows_) munmap(at, bytes);
    }
    Native(const Native&) = delete;
    Native& operator=(const Native&) = delete;

    u8* window(u64 at, u64 bytes) {
        void* const p = mmap(reinterpret_cast<void*>(at), bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        if (p == MAP_FAILED) return nullptr;
        windows_.push_back({p, bytes});
        return static_cast<u8*>(p);
    }

    void code(std::span<const u8> bytes) {
        at_ = 0;
        emit({0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57});  // push rbx rbp r12-r15
        emit({0x48, 0x89, 0x25}); relative(kSavedRsp);                       // mov [rsp'], rsp
        emit({0x48, 0x89, 0x3d}); relative(kState);                          // mov [state], rdi
        emit({0xff, 0xb7}); word(128);                                       // push [rdi + flags]
        emit({0x9d});                                                        // popfq
        for (unsigned i = 0; i < 16; ++i)
            if (i != 7) move(0x8b, i);
        move(0x8b, 7);
        emit(bytes);
        emit({0x48, 0x89, 0x3d}); relative(kSavedRdi);                       // mov [rdi'], rdi
        emit({0x48, 0x8b, 0x3d}); relative(kState);                          // mov rdi, [state]
        for (unsigned i = 0; i < 16; ++i)
            if (i != 7) move(0x89, i);
        emit({0x48, 0x8b, 0x25}); relative(kSavedRsp);                       // mov rsp, [rsp']
        emit({0x9c, 0x8f, 0x87}); word(128);                                 // pushfq; pop [rdi + flags]
        emit({0xfc});                                                        // cld
        emit({0x48, 0x8b, 0x05}); relative(kSavedRdi);                       // mov rax, [rdi']
        emit({0x48, 0x89, 0x47, 56});                                        // mov [rdi + 56], rax
        emit({0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3});
    }
    void run(Registers& state) const { reinterpret_cast<void (*)(Registers*)>(reinterpret_cast<void*>(page_))(&state); }

private:
    static constexpr unsigned kSavedRsp = 4096, kState = 4104, kSavedRdi = 4112;
    void emit(std::span<const u8> bytes) {
        std::memcpy(page_ + at_, bytes.data(), bytes.size());
        at_ += static_cast<unsigned>(bytes.size());
    }
    void emit(std::initializer_list<u8> bytes) { emit(std::span<const u8>(bytes.begin(), bytes.size())); }
    void word(u32 v) {
        std::memcpy(page_ + at_, &v, 4);
        at_ += 4;
    }
    void relative(unsigned slot) { word(slot - (at_ + 4)); }
    /// mov between register i and [rdi + 8 i].
    void move(u8 opcode, unsigned i) {
        emit({static_cast<u8>(0x48 | (i >> 3) << 2), opcode, static_cast<u8>(0x47 | (i & 7) << 3),
              static_cast<u8>(i * 8)});
    }
    u8* page_ = nullptr;
    unsigned at_ = 0;
    std::vector<std::pair<void*, u64>> windows_;
};

}  // namespace vmxsim::core
