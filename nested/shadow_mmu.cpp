// SPDX-License-Identifier: Apache-2.0
#include "nested/shadow_mmu.hpp"

#include "model/vmx/cpu_state.hpp"

namespace vmxsim::nested {

namespace {
constexpr u64 kPresent = 1, kWritable = 2, kUser = 4, kAccessed = 32, kDirty = 64;
constexpr u64 kNoExecute = u64{1} << 63;
constexpr u64 kAddress = 0x000ffffffffff000;
constexpr u64 kTablesOfOneFill = 4;  ///< page tables that one page can need, root included
}  // namespace

HostPhysical ShadowMmu::take() {
    used_.push_back(pages_.take());
    return used_.back();
}

void ShadowMmu::flush() {
    for (const HostPhysical p : used_) pages_.give_back(p);
    used_.clear();
    root_ = {};
}

HostPhysical ShadowMmu::root(bool long_mode) {
    if (root_.raw != 0 && long_mode != long_mode_) flush();
    if (root_.raw == 0) {
        root_ = take();
        long_mode_ = long_mode;
        if (!long_mode)  // PAE paging loads all four entries with CR3 (SDM 4.4.1): they are there from the start
            for (u64 i = 0; i < 4; ++i) ram_.write(root_ + 8 * i, 8, take().raw | kPresent);
    }
    return root_;
}

HostPhysical ShadowMmu::entry(GuestVirtual at, bool make) {
    HostPhysical table = root_;
    for (unsigned level = long_mode_ ? 4 : 3;; --level) {
        const u64 mask = !long_mode_ && level == 3 ? 3 : 511;
        const HostPhysical e = table + (at.raw >> (12 + 9 * (level - 1)) & mask) * 8;
        if (level == 1) return e;
        u64 value = ram_.read(e, 8);
        if (!(value & kPresent)) {
            if (!make) return {};
            value = take().raw | kPresent | kWritable | kUser | kAccessed;
            ram_.write(e, 8, value);
        }
        table = {value & kAddress};
    }
}

void ShadowMmu::flush_page(GuestVirtual at) {
    if (root_.raw == 0) return;
    const HostPhysical e = entry(at, false);
    if (e.raw != 0) ram_.write(e, 8, 0);
}

ShadowMmu::Fault ShadowMmu::resolve(const GuestPaging& paging, GuestVirtual at, u32 error_code) {
    const PageAccess access{(error_code & 2) != 0, (error_code & 4) != 0, (error_code & 16) != 0};
    const PageWalk walk = walk_guest_pages(l1_, paging, at, access);
    if (!walk.ok) return {true, walk.error_code};
    if (pages_.available() < kTablesOfOneFill) flush();
    root(paging.long_mode());
    bool writable = walk.writable && walk.dirty;  // the first write must come here, to set the dirty flag
    bool user = walk.user, executable = walk.executable;
    if (access.write && !walk.writable) {
        // A supervisor write under CR0.WP = 0, which the CPU runs with 1: writable, but for the supervisor alone. Under
        // SMEP the guest must still not execute its user page.
        writable = true;
        if (user && (paging.cr4 & vmx::cr4::SMEP)) executable = false;
        user = false;
    }
    const HostPhysical page = l1_.host(walk.at.page());
    ram_.write(entry(at, true), 8,
               page.raw | kPresent | (writable ? kWritable : 0) | (user ? kUser : 0) | kAccessed | kDirty |
                   (executable ? 0 : kNoExecute));
    return {};
}

}  // namespace vmxsim::nested
