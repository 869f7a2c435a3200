// SPDX-License-Identifier: Apache-2.0
// Operands of instructions that L0 emulates: effective addresses from exit information, guest memory by linear address.
#include "nested/l0.hpp"

namespace vmxsim::nested {

using arch::Field;
using namespace vmx;

namespace {
constexpr u8 kStackFault = 12, kGeneralProtection = 13, kPageFault = 14;
bool canonical(u64 a) { return static_cast<u64>(static_cast<s64>(a << 16) >> 16) == a; }
}  // namespace

bool L0::code64() {
    return (vcpu.efer & efer::LMA) && AccessRights{static_cast<u32>(segment(Field::GUEST_CS_AR_BYTES))}.long_mode();
}

unsigned L0::cpl() {
    if (!(vcpu.cr0 & cr0::PE)) return 0;
    return static_cast<unsigned>(segment(Field::GUEST_CS_SELECTOR) & 3);
}

/// Memory operand of a VMX instruction: exit qualification and instruction information (SDM tables 30-13, 30-14).
bool L0::operand_address(u64 displacement, u32 info, unsigned bytes, GuestVirtual& out) {
    constexpr u64 kMasks[] = {0xffff, 0xffffffff, ~u64{0}, ~u64{0}};
    const u64 mask = kMasks[info >> 7 & 3];
    const auto seg = static_cast<Seg>(info >> 15 & 7);
    u64 offset = displacement;
    if (!(info >> 27 & 1)) offset += gpr(info >> 23 & 15);
    if (!(info >> 22 & 1)) offset += gpr(info >> 18 & 15) << (info & 3);
    offset &= mask;
    const u64 base = segment(static_cast<Field>(arch::index_of(Field::GUEST_ES_BASE) + seg));
    const u8 fault = seg == SS ? kStackFault : kGeneralProtection;
    if (code64()) {
        out = {(seg == FS || seg == GS ? base : 0) + offset};
        if (!canonical(out.raw) || !canonical(out.raw + bytes - 1)) return queue_exception(fault, 0), false;
        return true;
    }
    out = {(base + offset) & 0xffffffff};
    const AccessRights ar{
        static_cast<u32>(segment(static_cast<Field>(arch::index_of(Field::GUEST_ES_AR_BYTES) + seg)))};
    const u64 limit = segment(static_cast<Field>(arch::index_of(Field::GUEST_ES_LIMIT) + seg));
    const bool expand_down = !(ar.type() & 8) && (ar.type() & 4);
    const u64 last = offset + bytes - 1, top = ar.big() ? 0xffffffff : 0xffff;
    if (ar.unusable() || (expand_down ? offset <= limit || last > top : last > limit))
        return queue_exception(fault, 0), false;
    return true;
}

bool L0::access_guest(GuestVirtual at, void* data, unsigned bytes, bool write) {
    const GuestPaging p = paging();
    const PageAccess access{write, cpl() == 3, false};
    auto* const out = static_cast<u8*>(data);
    // Both pages of a crossing access are translated before either is written.
    GuestPhysical parts[2];
    const auto first = static_cast<unsigned>(at.page_offset() + bytes > 4096 ? 4096 - at.page_offset() : bytes);
    for (unsigned part = 0, done = 0; done < bytes; ++part, done += first) {
        const GuestVirtual where = at + done;
        const PageWalk walk = walk_guest_pages(memory, p, where, access);
        if (!walk.ok) return queue_exception(kPageFault, walk.error_code, where.raw), false;
        parts[part] = walk.at;
        if (first == bytes) break;
    }
    for (unsigned i = 0; i < bytes; ++i) {
        const GuestPhysical byte = i < first ? parts[0] + i : parts[1] + (i - first);
        if (write)
            memory.write(byte, 1, out[i]);
        else
            out[i] = static_cast<u8>(memory.read(byte, 1));
    }
    return true;
}

}  // namespace vmxsim::nested
