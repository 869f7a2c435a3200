// SPDX-License-Identifier: Apache-2.0
// What VM entry need not check again: of the VMCSs entered last, their bytes as they passed, and which check has read
// which of them. A check whose bytes are the same passes again. It does not matter who wrote them (VMWRITE, a VM exit, a
// merge, another processor): contents are compared, not writes.
//
// A check that looks at memory or at the processor's own state is made at each entry. Where a control has changed, all
// are.
#pragma once
#include <vector>

#include "model/vmx/entry_checks.hpp"

namespace vmxsim::vmx {

/// The checks of all stages in the order of SDM 29.2 and 29.3, as one row of bits.
struct CheckSet {
    static constexpr unsigned kMax = 384;
    std::array<u64, kMax / 64> bits{};
    void add(unsigned check) { bits[check / 64] |= u64{1} << check % 64; }
    void add(const CheckSet& other) {
        for (std::size_t i = 0; i < bits.size(); ++i) bits[i] |= other.bits[i];
    }
};

/// One VMCS as it passed.
struct EntryMemo {
    static constexpr u64 kNone = ~u64{0};
    u64 vmcs = kNone;
    u64 used = 0;
    arch::VmcsPage page;
    DecodedControls decoded;
    std::array<CheckSet, 4096 / 8> readers{};  ///< by quadword of the page
    CheckSet always{};                         ///< checks that also read what is not in the page
};

/// The checks of VM entry, by memo.
class EntryChecker {
public:
    EntryChecker();

    /// The controls of `page`, decoded. To be called first; control_violated() and guest_violated() then concern `page`.
    const DecodedControls& begin(const arch::VmcsPage& page, u64 vmcs);
    /// First check of 29.2.1 that fails, else of 29.2.2 to 29.2.4 (`host`), else null.
    const EntryCheck* early_violated(EntryContext& context, bool& host);
    /// First check of 29.3.1 that fails.
    const EntryCheck* guest_violated(EntryContext& context);
    /// Checks made since begin(): for tests.
    unsigned made() const { return made_; }

private:
    static constexpr std::size_t kMemos = 4;
    struct AllChecks;
    static const AllChecks& all();
    const EntryCheck* run(EntryContext& context, unsigned first, unsigned last);

    const AllChecks& all_;
    std::vector<EntryMemo> memos_;
    EntryMemo* memo_ = nullptr;
    CheckSet due_{};
    u64 now_ = 0;
    unsigned made_ = 0;
};

}  // namespace vmxsim::vmx
