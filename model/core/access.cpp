// SPDX-License-Identifier: Apache-2.0
// Logical to linear addresses, and memory by linear address, outside the fast path.
#include "model/core/engine/engine.hpp"
#include "model/core/operand.hpp"

namespace vmxsim::core {

namespace {

/// Limit and rights of a segment (SDM 5.3, 5.5, 5.8.3), outside 64-bit mode.
bool allowed(const vmx::CpuState& s, const vmx::Segment& seg, u64 offset, unsigned bytes, MemoryKind kind) {
    const u64 last = offset + bytes - 1;
    if (s.protected_mode() && !s.v8086()) {
        if (seg.ar.unusable()) return false;
        const unsigned type = seg.ar.type();
        const bool code = type & 8, write = kind == MemoryKind::Write || kind == MemoryKind::ReadModifyWrite;
        if (write && (code || !(type & 2))) return false;
        if (!write && kind == MemoryKind::Read && code && !(type & 2)) return false;
        if (!code && (type & 4))  // expand-down: valid above the limit
            return offset > seg.limit && last <= (seg.ar.big() ? 0xffffffffu : 0xffffu) && last >= offset;
    }
    return last <= seg.limit && last >= offset;
}

}  // namespace

Outcome Core::linear(vmx::Seg which, u64 offset, unsigned bytes, MemoryKind kind, GuestVirtual& out) {
    const vmx::Segment& seg = state.seg[which];
    const u8 vector = which == vmx::SS ? vector::SS : vector::GP;
    if (state.code64()) {
        // Only FS and GS have bases in 64-bit mode (SDM 3.4.4).
        out = {which == vmx::FS || which == vmx::GS ? seg.base + offset : offset};
        const bool ok = canonical(*this, out.raw) && canonical(*this, out.raw + (bytes ? bytes - 1 : 0));
        return ok ? Outcome::Next : raise(vector, 0);
    }
    offset &= 0xffffffff;
    if (!allowed(state, seg, offset, bytes ? bytes : 1, kind)) return raise(vector, 0);
    out = {(seg.base + offset) & 0xffffffff};
    return Outcome::Next;
}

Outcome Core::access(GuestVirtual at, void* data, unsigned bytes, MemoryKind kind, bool user) {
    return engine_->access(at.raw, static_cast<u8*>(data), bytes, kind, user);
}

Outcome Core::access_system(GuestVirtual at, void* data, unsigned bytes, MemoryKind kind) {
    return engine_->access_system(at.raw, static_cast<u8*>(data), bytes, kind);
}

Outcome Core::probe_write(GuestVirtual at, unsigned bytes) { return engine_->probe_write(at.raw, bytes); }

}  // namespace vmxsim::core
