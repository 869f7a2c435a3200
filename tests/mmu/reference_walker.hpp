// SPDX-License-Identifier: Apache-2.0
// A second translation of linear addresses, written from the SDM's tables level by level, slow and plain. It shares no code
// with model/mmu, has its own memory, and keeps a list of what it touched.
#pragma once
#include <vector>

#include "model/mmu/mmu.hpp"

namespace vmxsim::test {

struct ReferenceMemory {
    std::vector<u8> bytes;
    u64 load(u64 at, unsigned size) const {
        u64 value = 0;
        for (unsigned i = 0; i < size; ++i) value |= u64{at + i < bytes.size() ? bytes[at + i] : u8{255}} << 8 * i;
        return value;
    }
    void store(u64 at, unsigned size, u64 value) {
        for (unsigned i = 0; i < size; ++i)
            if (at + i < bytes.size()) bytes[at + i] = static_cast<u8>(value >> 8 * i);
    }
};

struct Touch {
    u64 at;
    bool write;  ///< an accessed or dirty flag set
};

struct ReferenceResult {
    mmu::WalkStatus status = mmu::WalkStatus::Ok;
    u64 at = 0, gpa = 0, qualification = 0;
    u32 error_code = 0;
    bool global = false, user_page = false;
    unsigned reads = 0, ept_reads = 0;
    std::vector<Touch> touched;
    unsigned updates() const {
        unsigned n = 0;
        for (const Touch& t : touched) n += t.write;
        return n;
    }
};

struct ReferenceRequest {
    mmu::PagingContext context;
    mmu::MmuParams cpu;  ///< address width and capabilities
    u64 linear;
    mmu::AccessType type;
    bool user, ac;
};

/// Translates and sets flags in `memory`; without `store`, flags are listed but memory stays.
ReferenceResult reference_translate(ReferenceMemory& memory, const ReferenceRequest& request, bool store = true);

}  // namespace vmxsim::test
