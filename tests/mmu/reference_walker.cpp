// SPDX-License-Identifier: Apache-2.0
#include "reference_walker.hpp"

#include <stdexcept>

namespace vmxsim::test {
namespace {

using mmu::AccessType;
using mmu::WalkStatus;

u64 bits(u64 value, unsigned high, unsigned low) { return value >> low & ((u64{1} << (high - low + 1)) - 1); }
bool bit(u64 value, unsigned n) { return value >> n & 1; }

/// Leaves a walk from any depth. A test may use what the model must not.
struct Stop {};

struct GuestEntry {
    u64 gpa, host, value;
    bool host_r, host_w, host_x;
    unsigned size;
};

struct Reference {
    ReferenceMemory& memory;
    const ReferenceRequest& q;
    bool store;
    ReferenceResult out{};
    std::vector<GuestEntry> entries{};

    unsigned width() const { return static_cast<unsigned>(q.cpu.physical_address_bits); }
    bool cr0(unsigned n) const { return bit(q.context.cr0, n); }
    bool cr4(unsigned n) const { return bit(q.context.cr4, n); }
    bool nxe() const { return bit(q.context.efer, 11); }
    bool long_mode() const { return cr4(5) && bit(q.context.efer, 10); }
    bool ept_flags() const { return bit(q.context.eptp.raw, 6); }
    bool beyond_width(u64 entry) const { return width() < 52 && bits(entry, 51, width()) != 0; }
    u64 frame(u64 entry) const { return bits(entry, width() - 1, 12) << 12; }

    u64 load(u64 at, unsigned size) {
        ++out.reads;
        out.touched.push_back({at, false});
        return memory.load(at, size);
    }
    void set(u64 at, unsigned size, u64 flags) {
        const u64 old = memory.load(at, size);
        if ((old | flags) == old) return;
        out.touched.push_back({at, true});
        if (store) memory.store(at, size, old | flags);
    }

    [[noreturn]] void page_fault(bool present, bool reserved) {
        out.status = WalkStatus::PageFault;
        out.error_code = (present ? 1u : 0u) + (q.type == AccessType::Write ? 2u : 0u) + (q.user ? 4u : 0u) +
                         (reserved ? 8u : 0u);
        // SDM 4.7, bit 5: the linear address has a translation, and its protection key forbids the data access.
        if (present && !reserved && key_denies()) out.error_code += 32;
        if (q.type == AccessType::Execute && (cr4(20) || (cr4(5) && nxe()))) out.error_code += 16;
        throw Stop{};
    }
    [[noreturn]] void violation(u64 gpa, u64 kind, u64 rights, bool final_address) {
        out.status = WalkStatus::EptViolation;
        out.gpa = gpa;
        out.qualification = kind + 8 * rights + 128 + (final_address ? 256 : 0);
        throw Stop{};
    }
    [[noreturn]] void misconfiguration(u64 gpa) {
        out.status = WalkStatus::EptMisconfig;
        out.gpa = gpa;
        throw Stop{};
    }

    /// SDM 31.3.2. `kind`: bit 0 read, 1 write, 2 fetch. Returns the host address; the rights in r, w, x.
    u64 through_ept(u64 gpa, u64 kind, bool final_address, bool& r, bool& w, bool& x) {
        r = w = x = true;
        const auto entry_at = [&](u64 table, unsigned high, unsigned low) {
            ++out.ept_reads;
            return load(table + 8 * bits(gpa, high, low), 8);
        };
        const auto check = [&](u64 e) {  // what all levels have in common
            if (bits(e, 2, 0) == 0) violation(gpa, kind, 0, final_address);
            if (bit(e, 1) && !bit(e, 0)) misconfiguration(gpa);
            if (bits(e, 2, 0) == 4 && !q.cpu.ept_execute_only) misconfiguration(gpa);
            if (beyond_width(e)) misconfiguration(gpa);
            r = r && bit(e, 0);
            w = w && bit(e, 1);
            x = x && bit(e, 2);
        };
        const auto check_type = [&](u64 e) {
            switch (bits(e, 5, 3)) {
                case 0: case 1: case 4: case 5: case 6: return;
                default: misconfiguration(gpa);
            }
        };
        const auto finish = [&](const std::vector<u64>& path, u64 leaf, u64 host) {
            const u64 rights = (r ? 1u : 0u) + (w ? 2u : 0u) + (x ? 4u : 0u);
            if (bit(kind, 0) && !r) violation(gpa, kind, rights, final_address);
            if (bit(kind, 1) && !w) violation(gpa, kind, rights, final_address);
            if (bit(kind, 2) && !x) violation(gpa, kind, rights, final_address);
            if (ept_flags()) {
                for (const u64 at : path) set(at, 8, 0x100);
                set(leaf, 8, bit(kind, 1) ? 0x300 : 0x100);
            }
            return host;
        };

        if (bits(gpa, 51, 48)) violation(gpa, kind, 0, final_address);
        const u64 pml4 = frame(q.context.eptp.raw);
        const u64 pml4e = entry_at(pml4, 47, 39);
        check(pml4e);
        if (bits(pml4e, 7, 3)) misconfiguration(gpa);
        const u64 pdpt = frame(pml4e);
        const u64 pdpte = entry_at(pdpt, 38, 30);
        check(pdpte);
        const u64 at_pml4e = pml4 + 8 * bits(gpa, 47, 39), at_pdpte = pdpt + 8 * bits(gpa, 38, 30);
        if (bit(pdpte, 7)) {
            if (!q.cpu.ept_1g || bits(pdpte, 29, 12)) misconfiguration(gpa);
            check_type(pdpte);
            return finish({at_pml4e}, at_pdpte, frame(pdpte) + bits(gpa, 29, 0));
        }
        if (bits(pdpte, 6, 3)) misconfiguration(gpa);
        const u64 pd = frame(pdpte);
        const u64 pde = entry_at(pd, 29, 21);
        check(pde);
        const u64 at_pde = pd + 8 * bits(gpa, 29, 21);
        if (bit(pde, 7)) {
            if (!q.cpu.ept_2m || bits(pde, 20, 12)) misconfiguration(gpa);
            check_type(pde);
            return finish({at_pml4e, at_pdpte}, at_pde, frame(pde) + bits(gpa, 20, 0));
        }
        if (bits(pde, 6, 3)) misconfiguration(gpa);
        const u64 pt = frame(pde);
        const u64 pte = entry_at(pt, 20, 12);
        check(pte);
        check_type(pte);
        return finish({at_pml4e, at_pdpte, at_pde}, pt + 8 * bits(gpa, 20, 12), frame(pte) + bits(gpa, 11, 0));
    }

    u64 guest_entry(u64 table, u64 index, unsigned size) {
        GuestEntry e{table + index * size, table + index * size, 0, true, true, true, size};
        if (q.context.ept) e.host = through_ept(e.gpa, ept_flags() ? 3 : 1, false, e.host_r, e.host_w, e.host_x);
        e.value = load(e.host, size);
        entries.push_back(e);
        if (!bit(e.value, 0)) page_fault(false, false);
        return e.value;
    }
    void reserved(bool set_bit) {
        if (set_bit) page_fault(true, true);
    }

    // Each returns the guest-physical address. SDM 4.3, 4.4, 4.5.
    u64 walk_32() {
        const u64 pde = guest_entry(bits(q.context.cr3, 31, 12) << 12, bits(q.linear, 31, 22), 4);
        if (bit(pde, 7) && cr4(4)) {
            const unsigned m = width() < 40 ? width() : 40;
            reserved(bits(pde, 21, m - 19) != 0);
            u64 high = bits(pde, 20, 13);
            if (m < 40) high &= (u64{1} << (m - 32)) - 1;
            return (high << 32) + (bits(pde, 31, 22) << 22) + bits(q.linear, 21, 0);
        }
        const u64 pte = guest_entry(bits(pde, 31, 12) << 12, bits(q.linear, 21, 12), 4);
        return (bits(pte, 31, 12) << 12) + bits(q.linear, 11, 0);
    }
    u64 walk_pae() {
        const u64 pdpte = q.context.pdpte[bits(q.linear, 31, 30)];
        if (!bit(pdpte, 0)) page_fault(false, false);
        const auto common = [&](u64 e) { reserved(bits(e, 62, width()) != 0 || (bit(e, 63) && !nxe())); };
        const u64 pde = guest_entry(frame(pdpte), bits(q.linear, 29, 21), 8);
        common(pde);
        if (bit(pde, 7)) {
            reserved(bits(pde, 20, 13) != 0);
            return (bits(pde, width() - 1, 21) << 21) + bits(q.linear, 20, 0);
        }
        const u64 pte = guest_entry(frame(pde), bits(q.linear, 20, 12), 8);
        common(pte);
        return frame(pte) + bits(q.linear, 11, 0);
    }
    u64 walk_64() {
        const auto common = [&](u64 e) { reserved(beyond_width(e) || (bit(e, 63) && !nxe())); };
        u64 pml4 = frame(q.context.cr3);
        if (cr4(12)) {  // 5-level paging (SDM table 4-14)
            const u64 pml5e = guest_entry(pml4, bits(q.linear, 56, 48), 8);
            common(pml5e);
            reserved(bit(pml5e, 7));
            pml4 = frame(pml5e);
        }
        const u64 pml4e = guest_entry(pml4, bits(q.linear, 47, 39), 8);
        common(pml4e);
        reserved(bit(pml4e, 7));
        const u64 pdpte = guest_entry(frame(pml4e), bits(q.linear, 38, 30), 8);
        common(pdpte);
        if (bit(pdpte, 7)) {
            reserved(!q.cpu.page_1g || bits(pdpte, 29, 13) != 0);
            return (bits(pdpte, width() - 1, 30) << 30) + bits(q.linear, 29, 0);
        }
        const u64 pde = guest_entry(frame(pdpte), bits(q.linear, 29, 21), 8);
        common(pde);
        if (bit(pde, 7)) {
            reserved(bits(pde, 20, 13) != 0);
            return (bits(pde, width() - 1, 21) << 21) + bits(q.linear, 20, 0);
        }
        const u64 pte = guest_entry(frame(pde), bits(q.linear, 20, 12), 8);
        common(pte);
        return frame(pte) + bits(q.linear, 11, 0);
    }

    /// SDM 4.6.2: the key is in bits 62:59 of the entry that maps the page; a page is the user's if all entries say so.
    bool key_denies() const {
        if (!long_mode() || !cr4(22) || q.type == AccessType::Execute) return false;
        for (const GuestEntry& e : entries)
            if (!bit(e.value, 2)) return false;
        const unsigned key = static_cast<unsigned>(bits(entries.back().value, 62, 59));
        const bool access_disabled = bit(q.context.pkru, 2 * key), write_disabled = bit(q.context.pkru, 2 * key + 1);
        if (access_disabled) return true;
        return write_disabled && q.type == AccessType::Write && (q.user || cr0(16));
    }

    /// SDM 4.6.1, case by case.
    bool permitted() const {
        if (key_denies()) return false;
        bool write = true, user = true, no_execute = false;
        for (const GuestEntry& e : entries) {
            write = write && bit(e.value, 1);
            user = user && bit(e.value, 2);
            no_execute = no_execute || (e.size == 8 && nxe() && bit(e.value, 63));
        }
        if (!q.user) {
            if (q.type == AccessType::Read) return !user || !cr4(21) || q.ac;
            if (q.type == AccessType::Write) {
                if (user && cr4(21) && !q.ac) return false;
                return !cr0(16) || write;
            }
            if (user && cr4(20)) return false;
            return !no_execute;
        }
        if (!user) return false;
        if (q.type == AccessType::Read) return true;
        if (q.type == AccessType::Write) return write;
        return !no_execute;
    }

    void run() {
        u64 gpa = q.linear & 0xffffffff;
        if (cr0(31)) {
            const bool long_mode = bit(q.context.efer, 10);
            gpa = !cr4(5) ? walk_32() : long_mode ? walk_64() : walk_pae();
            if (!permitted()) page_fault(true, false);
            for (std::size_t i = 0; i < entries.size(); ++i) {
                const GuestEntry& e = entries[i];
                const bool last = i + 1 == entries.size();
                u64 flags = 0x20;
                if (last && q.type == AccessType::Write) flags += 0x40;
                if ((e.value & flags) == flags) continue;
                if (!e.host_r || !e.host_w)
                    violation(e.gpa, 3, (e.host_r ? 1u : 0u) + (e.host_w ? 2u : 0u) + (e.host_x ? 4u : 0u), false);
                set(e.host, e.size, flags);
            }
            out.global = cr4(7) && bit(entries.back().value, 8);
            out.user_page = true;
            for (const GuestEntry& e : entries) out.user_page = out.user_page && bit(e.value, 2);
        } else {
            out.user_page = true;
        }
        out.at = gpa;
        if (!q.context.ept) return;
        bool r, w, x;
        const u64 kind = q.type == AccessType::Read ? 1 : q.type == AccessType::Write ? 2 : 4;
        out.at = through_ept(gpa, kind, true, r, w, x);
    }
};

}  // namespace

ReferenceResult reference_translate(ReferenceMemory& memory, const ReferenceRequest& request, bool store) {
    Reference reference{memory, request, store};
    try {
        reference.run();
    } catch (const Stop&) {
    }
    return reference.out;
}

}  // namespace vmxsim::test
