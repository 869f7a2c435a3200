// SPDX-License-Identifier: Apache-2.0
#include "model/vmx/entry_memo.hpp"

#include <emmintrin.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>

namespace vmxsim::vmx {
struct EntryChecker::AllChecks {
    AllChecks() {
        for (const auto stage : {control_checks(), injection_checks()}) append(stage);
        host = count();
        append(host_checks());
        guest = count();
        for (const auto stage : {guest_register_checks(), guest_segment_checks(), guest_other_checks()}) append(stage);
        if (checks.size() > CheckSet::kMax) throw std::logic_error("VM entry: more checks than CheckSet has bits");
        for (unsigned i = 0; i < count(); ++i) every.add(i);
    }
    void append(std::span<const EntryCheck> stage) {
        for (const EntryCheck& check : stage) checks.push_back(&check);
    }
    unsigned count() const { return static_cast<unsigned>(checks.size()); }
    std::vector<const EntryCheck*> checks;
    unsigned host = 0, guest = 0;  ///< where the host's and the guest's begin
    CheckSet every;
};
const EntryChecker::AllChecks& EntryChecker::all() {
    static const AllChecks checks;
    return checks;
}
EntryChecker::EntryChecker() : all_(all()), memos_(kMemos) {}

namespace {

/// Quadwords of the page that decode_controls() reads (of the guest area, the link pointer), and the lines that VM
/// entry reads.
constexpr auto kControlWords = [] {
    std::array<bool, 4096 / 8> words{};
    for (std::size_t i = 0; i < arch::kFieldCount; ++i)
        if (arch::kFields[i].type == arch::FieldType::Control) words[arch::kFields[i].generic_offset / 8u] = true;
    words[arch::info(arch::Field::VMCS_LINK_POINTER).generic_offset / 8u] = true;
    return words;
}();
/// In line: most lines are the same, and a call of memcmp costs more than the comparison. `bytes`: a multiple of 64.
bool same_bytes(const u8* a, const u8* b, std::size_t bytes) {
    const auto part = [](const u8* at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); };
    const auto difference = [&](std::size_t i) { return _mm_xor_si128(part(a + i), part(b + i)); };
    __m128i differ = _mm_setzero_si128();
    for (std::size_t i = 0; i < bytes; i += 64)
        differ = _mm_or_si128(differ, _mm_or_si128(_mm_or_si128(difference(i), difference(i + 16)),
                                                   _mm_or_si128(difference(i + 32), difference(i + 48))));
    return _mm_movemask_epi8(_mm_cmpeq_epi8(differ, _mm_setzero_si128())) == 0xffff;
}
constexpr arch::LineMask kLines = arch::kGenericLayout.lines_of(arch::FieldType::Control) |
                                  arch::kGenericLayout.lines_of(arch::FieldType::Guest) |
                                  arch::kGenericLayout.lines_of(arch::FieldType::Host);
constexpr unsigned kRunLines = 5;
constexpr arch::LineMask kRun = (arch::LineMask{1} << kRunLines) - 1;

}  // namespace

const DecodedControls& EntryChecker::begin(const arch::VmcsPage& page, u64 vmcs) {
    made_ = 0;
    memo_ = nullptr;
    for (EntryMemo& m : memos_)
        if (m.vmcs == vmcs) memo_ = &m;
    bool all_again = memo_ == nullptr;
    if (!memo_)
        memo_ = &*std::min_element(memos_.begin(), memos_.end(),
                                   [](const EntryMemo& a, const EntryMemo& b) { return a.used < b.used; });
    memo_->used = ++now_;
    due_ = memo_->always;
    for (arch::LineMask lines = kLines; lines; lines &= lines - 1) {
        const auto line = static_cast<unsigned>(std::countr_zero(lines));
        const std::size_t at = 64 * std::size_t{line};
        const u8* const now = page.bytes.data() + at;
        u8* const then = memo_->page.bytes.data() + at;
        // Runs of lines that are all the same at once.
        if ((lines >> line & kRun) == kRun && same_bytes(now, then, 64 * kRunLines)) {
            lines &= ~(kRun << line);
            lines |= arch::LineMask{1} << line;
            continue;
        }
        if (same_bytes(now, then, 64)) continue;
        for (std::size_t i = 0; i < 64; i += 8) {
            if (std::memcmp(now + i, then + i, 8) == 0) continue;
            due_.add(memo_->readers[(at + i) / 8]);
            all_again |= kControlWords[(at + i) / 8];
        }
        std::memcpy(then, now, 64);
    }
    if (all_again) {
        memo_->decoded = DecodedControls(page);
        memo_->readers = {};
        memo_->always = {};
        due_ = all_.every;
    }
    // Valid again once everything has passed.
    memo_->vmcs = EntryMemo::kNone;
    return memo_->decoded;
}

const EntryCheck* EntryChecker::run(EntryContext& context, unsigned first, unsigned last) {
    const AllChecks& a = all_;
    for (std::size_t word = first / 64; word <= (last - 1) / 64; ++word) {
        for (u64 bits = due_.bits[word]; bits; bits &= bits - 1) {
            const unsigned i = static_cast<unsigned>(word * 64) + static_cast<unsigned>(std::countr_zero(bits));
            if (i < first || i >= last) continue;
            ++made_;
            const EntryCheck& check = *a.checks[i];
            context.trace(memo_, i);
            if (!check.holds(context)) return &check;
        }
    }
    return nullptr;
}

const EntryCheck* EntryChecker::early_violated(EntryContext& context, bool& host) {
    host = false;
    if (const EntryCheck* v = run(context, 0, all_.host)) return v;
    host = true;
    return run(context, all_.host, all_.guest);
}

const EntryCheck* EntryChecker::guest_violated(EntryContext& context) {
    if (const EntryCheck* v = run(context, all_.guest, all_.count())) return v;
    memo_->vmcs = context.current_vmcs;
    return nullptr;
}

void EntryContext::note_page(arch::Field f) const {
    memo_->readers[arch::info(f).generic_offset / 8u].add(row_);
}
void EntryContext::note_other() const { memo_->always.add(row_); }

}  // namespace vmxsim::vmx
