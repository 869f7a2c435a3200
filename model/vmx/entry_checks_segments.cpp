// SPDX-License-Identifier: Apache-2.0
// Checks on guest segment registers (SDM 29.3.1.2). Failure: VM exit 33, qualification 0.
#include "model/vmx/entry_checks.hpp"

namespace vmxsim::vmx {
namespace {

using arch::Field;

constexpr u64 kFred = u64{1} << 32;  // CR4 bit
constexpr bool implies(bool condition, bool rule) { return !condition || rule; }
constexpr u64 high(u64 v) { return v >> 32; }
constexpr u32 kReservedRights = 0xfffe0f00;  // bits 11:8 and 31:17

u64 rflags_of(const EntryContext& c) { return c.get(Field::GUEST_RFLAGS); }
bool v86(const EntryContext& c) { return rflags_of(c) & rflags::VM; }
constexpr unsigned rpl(u64 selector) { return selector & 3; }
constexpr bool ti(u64 selector) { return selector >> 2 & 1; }

/// If any of limit bits 11:0 is 0, G must be 0; if any of bits 31:20 is 1, G must be 1.
constexpr bool granularity_clear_ok(u64 limit, AccessRights ar) { return (limit & 0xfff) == 0xfff || !ar.granular(); }
constexpr bool granularity_set_ok(u64 limit, AccessRights ar) { return (limit & 0xfff00000) == 0 || ar.granular(); }

#define SELECTOR(seg) c.get(Field::GUEST_##seg##_SELECTOR)
#define BASE(seg) c.get(Field::GUEST_##seg##_BASE)
#define LIMIT(seg) c.get(Field::GUEST_##seg##_LIMIT)
#define RIGHTS(seg) (AccessRights{static_cast<u32>(c.get(Field::GUEST_##seg##_AR_BYTES))})
#define USABLE(seg) (!RIGHTS(seg).unusable())
#define ROW(id, ...) VMXSIM_CHECK("GUEST-" id, "29.3.1.2", __VA_ARGS__)

#define V86_ROWS(seg)                                                                           \
    ROW("SEG-" #seg "-V86-BASE", implies(v86(c), BASE(seg) == SELECTOR(seg) << 4)),             \
        ROW("SEG-" #seg "-V86-LIMIT", implies(v86(c), LIMIT(seg) == 0xffff)),                   \
        ROW("SEG-" #seg "-V86-AR", implies(v86(c), RIGHTS(seg).raw == 0xf3))
/// What CS (always) and the data segments (if usable) have in common outside virtual-8086 mode.
#define COMMON_ROWS(seg, condition)                                                             \
    ROW("SEG-" #seg "-S", implies(!v86(c) && (condition), RIGHTS(seg).code_or_data())),         \
        ROW("SEG-" #seg "-P", implies(!v86(c) && (condition), RIGHTS(seg).present())),          \
        ROW("SEG-" #seg "-RSVD", implies(!v86(c) && (condition), (RIGHTS(seg).raw & kReservedRights) == 0)), \
        ROW("SEG-" #seg "-G0", implies(!v86(c) && (condition), granularity_clear_ok(LIMIT(seg), RIGHTS(seg)))), \
        ROW("SEG-" #seg "-G1", implies(!v86(c) && (condition), granularity_set_ok(LIMIT(seg), RIGHTS(seg))))
#define DATA_ROWS(seg)                                                                          \
    ROW("SEG-" #seg "-TYPE-ACC", implies(!v86(c) && USABLE(seg), RIGHTS(seg).type() & 1)),      \
        ROW("SEG-" #seg "-TYPE-READ",                                                           \
            implies(!v86(c) && USABLE(seg) && (RIGHTS(seg).type() & 8), RIGHTS(seg).type() & 2)), \
        ROW("SEG-" #seg "-DPL",                                                                 \
            implies(!v86(c) && !c.unrestricted() && USABLE(seg) && RIGHTS(seg).type() <= 11,    \
                    RIGHTS(seg).dpl() >= rpl(SELECTOR(seg))))
#define SYSTEM_ROWS(seg, condition)                                                             \
    ROW(#seg "-S", implies(condition, !RIGHTS(seg).code_or_data())),                            \
        ROW(#seg "-P", implies(condition, RIGHTS(seg).present())),                              \
        ROW(#seg "-RSVD", implies(condition, (RIGHTS(seg).raw & kReservedRights) == 0)),        \
        ROW(#seg "-G0", implies(condition, granularity_clear_ok(LIMIT(seg), RIGHTS(seg)))),     \
        ROW(#seg "-G1", implies(condition, granularity_set_ok(LIMIT(seg), RIGHTS(seg))))

bool cs_type_ok(const EntryContext& c) {
    const u8 type = RIGHTS(CS).type();
    return type == 9 || type == 11 || type == 13 || type == 15;
}

constexpr EntryCheck kChecks[] = {
    ROW("SEG-TR-TI", !ti(SELECTOR(TR))),
    ROW("SEG-LDTR-TI", implies(USABLE(LDTR), !ti(SELECTOR(LDTR)))),
    ROW("SEG-SS-RPL", implies(!v86(c) && !c.unrestricted(), rpl(SELECTOR(SS)) == rpl(SELECTOR(CS)))),
    V86_ROWS(CS), V86_ROWS(SS), V86_ROWS(DS), V86_ROWS(ES), V86_ROWS(FS), V86_ROWS(GS),
    ROW("SEG-TR-BASE-CANON", c.is_canonical(Field::GUEST_TR_BASE)),
    ROW("SEG-FS-BASE-CANON", c.is_canonical(Field::GUEST_FS_BASE)),
    ROW("SEG-GS-BASE-CANON", c.is_canonical(Field::GUEST_GS_BASE)),
    ROW("SEG-LDTR-BASE-CANON", implies(USABLE(LDTR), c.is_canonical(Field::GUEST_LDTR_BASE))),
    ROW("SEG-CS-BASE-HIGH", high(BASE(CS)) == 0),
    ROW("SEG-SS-BASE-HIGH", implies(USABLE(SS), high(BASE(SS)) == 0)),
    ROW("SEG-DS-BASE-HIGH", implies(USABLE(DS), high(BASE(DS)) == 0)),
    ROW("SEG-ES-BASE-HIGH", implies(USABLE(ES), high(BASE(ES)) == 0)),
    ROW("SEG-CS-TYPE", implies(!v86(c) && !c.unrestricted(), cs_type_ok(c))),
    ROW("SEG-CS-TYPE-URG", implies(!v86(c) && c.unrestricted(), cs_type_ok(c) || RIGHTS(CS).type() == 3)),
    ROW("SEG-SS-TYPE", implies(!v86(c) && USABLE(SS), RIGHTS(SS).type() == 3 || RIGHTS(SS).type() == 7)),
    DATA_ROWS(DS), DATA_ROWS(ES), DATA_ROWS(FS), DATA_ROWS(GS),
    COMMON_ROWS(CS, true),
    COMMON_ROWS(SS, USABLE(SS)), COMMON_ROWS(DS, USABLE(DS)), COMMON_ROWS(ES, USABLE(ES)),
    COMMON_ROWS(FS, USABLE(FS)), COMMON_ROWS(GS, USABLE(GS)),
    ROW("SEG-CS-DPL-T3", implies(!v86(c) && RIGHTS(CS).type() == 3, RIGHTS(CS).dpl() == 0)),
    ROW("SEG-CS-DPL-NC", implies(!v86(c) && (RIGHTS(CS).type() == 9 || RIGHTS(CS).type() == 11),
                                 RIGHTS(CS).dpl() == RIGHTS(SS).dpl())),
    ROW("SEG-CS-DPL-C", implies(!v86(c) && (RIGHTS(CS).type() == 13 || RIGHTS(CS).type() == 15),
                                RIGHTS(CS).dpl() <= RIGHTS(SS).dpl())),
    ROW("SEG-SS-DPL-RPL", implies(!v86(c) && !c.unrestricted(), RIGHTS(SS).dpl() == rpl(SELECTOR(SS)))),
    ROW("SEG-SS-DPL-ZERO", implies(!v86(c) && (RIGHTS(CS).type() == 3 || !(c.get(Field::GUEST_CR0) & cr0::PE)),
                                   RIGHTS(SS).dpl() == 0)),
    ROW("SEG-SS-FRED-DPL", implies(!v86(c) && (c.get(Field::GUEST_CR4) & kFred),
                                   RIGHTS(SS).dpl() == 0 || RIGHTS(SS).dpl() == 3)),
    ROW("SEG-SS-FRED-L", implies(!v86(c) && (c.get(Field::GUEST_CR4) & kFred) && RIGHTS(SS).dpl() == 0,
                                 RIGHTS(CS).long_mode())),
    ROW("SEG-SS-FRED-IOPL", implies(!v86(c) && (c.get(Field::GUEST_CR4) & kFred) && RIGHTS(SS).dpl() == 3,
                                    (rflags_of(c) & rflags::IOPL) == 0)),
    ROW("SEG-SS-FRED-STI", implies(!v86(c) && (c.get(Field::GUEST_CR4) & kFred) && RIGHTS(SS).dpl() == 3,
                                   !(c.get(Field::GUEST_INTERRUPTIBILITY_INFO) & blocking::STI))),
    ROW("SEG-CS-DB", implies(!v86(c) && c.guest64() && RIGHTS(CS).long_mode(), !RIGHTS(CS).big())),
    ROW("TR-TYPE-32", implies(!c.guest64(), RIGHTS(TR).type() == 3 || RIGHTS(TR).type() == 11)),
    ROW("TR-TYPE-64", implies(c.guest64(), RIGHTS(TR).type() == 11)),
    SYSTEM_ROWS(TR, true),
    ROW("TR-UNUSABLE", USABLE(TR)),
    ROW("LDTR-TYPE", implies(USABLE(LDTR), RIGHTS(LDTR).type() == 2)),
    SYSTEM_ROWS(LDTR, USABLE(LDTR)),
};

#undef SELECTOR
#undef BASE
#undef LIMIT
#undef RIGHTS
#undef USABLE
#undef ROW
#undef V86_ROWS
#undef COMMON_ROWS
#undef DATA_ROWS
#undef SYSTEM_ROWS

}  // namespace

std::span<const EntryCheck> guest_segment_checks() { return kChecks; }

}  // namespace vmxsim::vmx
