// SPDX-License-Identifier: Apache-2.0
// The checks of VM entry (SDM 29.2, 29.3.1) as rows of data: identifier, section, predicate. They need no Vmx, so that
// software in root mode (the nested unit) can put a VMCS of its own guest's hypervisor through the same rows.
#pragma once
#include <optional>
#include <span>

#include "model/memory/physical_memory.hpp"
#include "model/vmx/allowed.hpp"
#include "model/vmx/vmx.hpp"

namespace vmxsim::vmx {

struct EntryMemo;  // entry_memo.hpp

/// Control fields of a VMCS, in the form that the checks use.
struct DecodedControls {
    DecodedControls() = default;
    explicit DecodedControls(const arch::VmcsPage& page);
    ActiveControls controls{};
    arch::TertiaryControls tertiary{};
    arch::Exit2Controls exit2{};
    arch::EventInfo inject{};
};

/// What the checks look at. The page is in the generic layout. All of it but capabilities, controls and the VMCS's
/// address is reached through functions, which note what a check depends on.
struct EntryContext {
    EntryContext(const arch::VmcsPage& page, const arch::Capabilities& capabilities, const CpuState& cpu,
                 const memory::PhysicalMemory& ram, u64 current_vmcs, u64 memory_offset = 0);
    /// The same with controls that are decoded already, and outlive it.
    EntryContext(const arch::VmcsPage& page, const DecodedControls& decoded, const arch::Capabilities& capabilities,
                 const CpuState& cpu, const memory::PhysicalMemory& ram, u64 current_vmcs);
    EntryContext(const EntryContext&) = delete;
    EntryContext& operator=(const EntryContext&) = delete;

private:
    const arch::VmcsPage& page_;
    const CpuState& cpu_;
    const memory::PhysicalMemory& ram_;
    std::optional<DecodedControls> own_;  ///< where no one else keeps them
    EntryMemo* memo_ = nullptr;
    unsigned row_ = 0;
    void note_page(arch::Field f) const;
    void note_other() const;

public:
    const arch::Capabilities& caps;
    u64 current_vmcs;                  ///< as the entering software knows it
    u64 memory_offset;                 ///< where that software's physical address 0 lies in memory
    const ActiveControls& controls;
    const arch::TertiaryControls& tertiary;
    const arch::Exit2Controls& exit2;
    const arch::EventInfo& inject;

    /// What check number `row` reads from now on is noted in `memo`.
    void trace(EntryMemo* memo, unsigned row) {
        memo_ = memo;
        row_ = row;
    }
    /// As the entering software has it (host CR0, EFER.LMA, ...).
    const CpuState& cpu() const {
        if (memo_) note_other();
        return cpu_;
    }
    u64 get(arch::Field f) const {
        if (memo_) note_page(f);
        return page_.get(f);
    }
    u64 read(u64 address, unsigned bytes) const {
        if (memo_) note_other();
        return ram_.read({address + memory_offset}, bytes);
    }
    bool has(arch::PinControl b) const { return controls.pin.has(b); }
    bool has(arch::PrimaryControl b) const { return controls.primary.has(b); }
    bool has(arch::SecondaryControl b) const { return controls.secondary.has(b); }
    bool has(arch::TertiaryControl b) const { return tertiary.has(b); }
    bool has(arch::ExitControl b) const { return controls.exit.has(b); }
    bool has(arch::Exit2Control b) const { return exit2.has(b); }
    bool has(arch::EntryControl b) const { return controls.entry.has(b); }

    bool host64() const { return has(arch::ExitControl::HostAddressSpaceSize); }
    bool guest64() const { return has(arch::EntryControl::IA32eModeGuest); }
    bool unrestricted() const { return has(arch::SecondaryControl::UnrestrictedGuest); }
    bool is_canonical(arch::Field f) const { return canonical(caps, get(f)); }
    /// Address of a VMX structure: the low bits of `mask` clear; within the width.
    bool aligned(arch::Field f, u64 mask) const { return (get(f) & mask) == 0; }
    bool in_width(u64 address) const { return (address & beyond_structure_width(caps)) == 0; }
    bool injects(arch::EventType t) const { return inject.valid() && inject.type() == t; }
};

/// One check. It holds, or VM entry fails; `qualification` is that of exit 33 (guest-state checks only).
struct EntryCheck {
    const char* id;
    const char* sdm;
    bool (*holds)(const EntryContext& c);
    u8 qualification = 0;
};

std::span<const EntryCheck> control_checks();  ///< 29.2.1: VM-execution, VM-exit, VM-entry control fields: error 7
std::span<const EntryCheck> injection_checks();      ///< 29.2.1.3: event injection: error 7
std::span<const EntryCheck> host_checks();           ///< 29.2.2 to 29.2.4: error 8
std::span<const EntryCheck> guest_register_checks(); ///< 29.3.1.1, .3, .4: exit 33, as the following
std::span<const EntryCheck> guest_segment_checks();  ///< 29.3.1.2
std::span<const EntryCheck> guest_other_checks();    ///< 29.3.1.5, .6

/// The first row that does not hold; null where all do.
const EntryCheck* first_violated(std::span<const EntryCheck> checks, const EntryContext& context);
/// All rows of a stage, in the order of the functions above.
const EntryCheck* violated_control(const EntryContext& context);
const EntryCheck* violated_host(const EntryContext& context);
const EntryCheck* violated_guest(const EntryContext& context);

// ---- Shared by the rows
constexpr bool pat_ok(u64 pat) {  // each byte 0, 1, 4, 5, 6 or 7
    for (unsigned i = 0; i < 64; i += 8) {
        const u64 type = pat >> i & 0xff;
        if (type == 2 || type == 3 || type > 7) return false;
    }
    return true;
}
constexpr u64 kEferDefined = efer::SCE | efer::LME | efer::LMA | efer::NXE;
/// PAE page-directory-pointer-table entries (SDM 4.4.1): reserved bits of present ones clear.
bool pdpte_ok(const arch::Capabilities& caps, u64 pdpte);

}  // namespace vmxsim::vmx

/// A row: identifier, section, condition on the EntryContext `c`.
#define VMXSIM_CHECK(id, section, ...) \
    { id, section, [](const EntryContext& c) -> bool { return __VA_ARGS__; }, 0 }
#define VMXSIM_CHECK_Q(id, section, qualification, ...) \
    { id, section, [](const EntryContext& c) -> bool { return __VA_ARGS__; }, qualification }
