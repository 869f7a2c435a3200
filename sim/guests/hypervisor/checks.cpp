// SPDX-License-Identifier: Apache-2.0
// What VMX instructions answer to mistakes (SDM 33.4), and what the VMCS's fields hold.
#include "sim/guests/common/console.hpp"
#include "sim/guests/common/exceptions.hpp"
#include "sim/guests/hypervisor/hypervisor.hpp"

namespace guest {
namespace {

void line(const char* what) {
    print("  ");
    print_padded(what, 52);
}

void say(const char* what, const char* answer) {
    line(what);
    print(answer);
    print("\n");
}

void say(const char* what, VmxResult result) {
    line(what);
    if (result.carry) {
        print("VMfailInvalid\n");
    } else if (result.zero) {
        print("VMfailValid ");
        print_decimal(vmread(VM_INSTRUCTION_ERROR));
        print("\n");
    } else {
        print("VMsucceed\n");
    }
}

void say_exception(const char* what, u64 vector) {
    line(what);
    if (vector < 256) {
        print("exception ");
        print_decimal(vector);
        print("\n");
    } else {
        print("no exception\n");
    }
}

// An entry that is meant to fail: VMfail, or a VM exit that reports a failed entry.
void say_entry(const char* what, bool resume) {
    Registers r{};
    const u64 how = vmx_enter(&r, resume);
    if (how) return say(what, VmxResult{.carry = how == 1, .zero = how == 2});
    line(what);
    print("exit ");
    print_hex(vmread(VM_EXIT_REASON), 8);
    print(" qualification ");
    print_decimal(vmread(EXIT_QUALIFICATION));
    print("\n");
}

VmxResult read_field(u64 encoding) {
    u64 value = 0;
    return try_vmread(encoding, value);
}

// clang-format off: a table
constexpr struct {
    Field field;
    const char* name;
} kRoundTrip[] = {
#define F(name) \
    { name, #name }
    F(IO_BITMAP_A),
    F(IO_BITMAP_B),
    F(VM_EXIT_MSR_STORE_ADDR),
    F(VM_EXIT_MSR_LOAD_ADDR),
    F(VM_ENTRY_MSR_LOAD_ADDR),
    F(TSC_OFFSET),
    F(PIN_BASED_VM_EXEC_CONTROL),
    F(CPU_BASED_VM_EXEC_CONTROL),
    F(EXCEPTION_BITMAP),
    F(PAGE_FAULT_ERROR_CODE_MASK),
    F(PAGE_FAULT_ERROR_CODE_MATCH),
    F(CR3_TARGET_COUNT),
    F(VM_EXIT_CONTROLS),
    F(VM_EXIT_MSR_STORE_COUNT),
    F(VM_EXIT_MSR_LOAD_COUNT),
    F(VM_ENTRY_CONTROLS),
    F(VM_ENTRY_MSR_LOAD_COUNT),
    F(VM_ENTRY_INTR_INFO_FIELD),
    F(VM_ENTRY_EXCEPTION_ERROR_CODE),
    F(VM_ENTRY_INSTRUCTION_LEN),
    F(CR0_GUEST_HOST_MASK),
    F(CR4_GUEST_HOST_MASK),
    F(CR0_READ_SHADOW),
    F(CR4_READ_SHADOW),
    F(CR3_TARGET_VALUE0),
    F(CR3_TARGET_VALUE3),
    F(GUEST_ES_SELECTOR),
    F(GUEST_CS_SELECTOR),
    F(GUEST_SS_SELECTOR),
    F(GUEST_LDTR_SELECTOR),
    F(GUEST_TR_SELECTOR),
    F(VMCS_LINK_POINTER),
    F(GUEST_IA32_DEBUGCTL),
    F(GUEST_ES_LIMIT),
    F(GUEST_CS_LIMIT),
    F(GUEST_TR_LIMIT),
    F(GUEST_GDTR_LIMIT),
    F(GUEST_IDTR_LIMIT),
    F(GUEST_CS_AR_BYTES),
    F(GUEST_SS_AR_BYTES),
    F(GUEST_TR_AR_BYTES),
    F(GUEST_INTERRUPTIBILITY_INFO),
    F(GUEST_ACTIVITY_STATE),
    F(GUEST_SYSENTER_CS),
    F(GUEST_CR0),
    F(GUEST_CR3),
    F(GUEST_CR4),
    F(GUEST_ES_BASE),
    F(GUEST_FS_BASE),
    F(GUEST_TR_BASE),
    F(GUEST_GDTR_BASE),
    F(GUEST_IDTR_BASE),
    F(GUEST_DR7),
    F(GUEST_RSP),
    F(GUEST_RIP),
    F(GUEST_RFLAGS),
    F(GUEST_PENDING_DBG_EXCEPTIONS),
    F(GUEST_SYSENTER_ESP),
    F(GUEST_SYSENTER_EIP),
    F(HOST_ES_SELECTOR),
    F(HOST_CS_SELECTOR),
    F(HOST_TR_SELECTOR),
    F(HOST_IA32_SYSENTER_CS),
    F(HOST_CR0),
    F(HOST_CR3),
    F(HOST_CR4),
    F(HOST_FS_BASE),
    F(HOST_GS_BASE),
    F(HOST_TR_BASE),
    F(HOST_GDTR_BASE),
    F(HOST_IDTR_BASE),
    F(HOST_IA32_SYSENTER_ESP),
    F(HOST_IA32_SYSENTER_EIP),
    F(HOST_RSP),
    F(HOST_RIP),
#undef F
};
// clang-format on

// Access-rights fields keep only bits that mean something on some processors: they get a value of theirs.
u64 pattern(Field f, u64 seed) {
    const bool rights = f >= GUEST_ES_AR_BYTES && f <= GUEST_TR_AR_BYTES;
    return rights ? 0xa09b - (seed & 8) : 0x9e3779b97f4a7c15 * (u64{f} + seed);
}

u64 expected(Field f, u64 value) {
    const unsigned width = u64{f} >> 13 & 3;  // 16, 64, 32 bits, natural (SDM 27.11.2)
    return width == 0 ? value & 0xffff : width == 2 ? value & 0xffffffff : value;
}

u64 wrong_fields(u64 seed) {
    u64 wrong = 0;
    for (const auto& row : kRoundTrip) {
        u64 value = 0;
        if (try_vmread(row.field, value).ok() && value == expected(row.field, pattern(row.field, seed))) continue;
        ++wrong;
        print("  WRONG ");
        print(row.name);
        print(" ");
        print_hex(value);
        print("\n");
    }
    return wrong;
}

void write_fields(u64 seed) {
    for (const auto& row : kRoundTrip)
        if (!try_vmwrite(row.field, pattern(row.field, seed)).ok()) {
            print("  VMWRITE failed: ");
            print(row.name);
            print("\n");
        }
}

void say_round_trip(const char* what, u64 seed) {
    const u64 wrong = wrong_fields(seed);
    line(what);
    print_decimal(sizeof kRoundTrip / sizeof kRoundTrip[0] - wrong);
    print(" fields right, ");
    print_decimal(wrong);
    print(" wrong\n");
}

}  // namespace

void check_before_vmxon() {
    print("checks outside VMX operation\n");
    say_exception("VMREAD", GUEST_TRY("vmread %%rax, %%rcx", : : "a"(u64{GUEST_RIP}) : "rcx", "cc", "memory"));
    write_cr4(read_cr4() | rdmsr(0x488) | 1u << 13);  // IA32_VMX_CR4_FIXED0, CR4.VMXE
    say_exception("VMPTRST with CR4.VMXE", GUEST_TRY("vmptrst -128(%%rsp)", : : : "cc", "memory"));
    say("VMXON of a misaligned pointer", vmxon(vmxon_region() + 8));
    auto* const revision = reinterpret_cast<volatile u32*>(vmxon_region());
    *revision = vmcs_revision() ^ 1;
    say("VMXON of a region with another revision", vmxon(vmxon_region()));
    *revision = vmcs_revision();
    say("VMXON", vmxon(vmxon_region()));
}

void check_pointers() {
    print("checks of pointers\n");
    Registers scratch{};
    const auto no_current = [](const char* what) { say(what, vmptrst() == ~u64{0} ? "none" : "some"); };
    no_current("VMPTRST before the first VMPTRLD");
    say("VMREAD without a current VMCS", read_field(GUEST_RIP));
    say("VMWRITE without a current VMCS", try_vmwrite(GUEST_RIP, 0));
    say("VMLAUNCH without a current VMCS", VmxResult{.carry = vmx_enter(&scratch, 0) == 1});
    say("VMXON in VMX operation without a current VMCS", vmxon(vmxon_region()));
    say("VMCLEAR", vmclear(vmcs_region()));
    say("VMPTRLD", vmptrld(vmcs_region()));
    say("VMPTRST", vmptrst() == vmcs_region() ? "the pointer of VMPTRLD" : "WRONG");
    say("VMCLEAR of a misaligned pointer", vmclear(vmcs_region() + 16));
    say("VMCLEAR of the VMXON pointer", vmclear(vmxon_region()));
    say("VMPTRLD of a misaligned pointer", vmptrld(vmcs_region() + 1));
    say("VMPTRLD of the VMXON pointer", vmptrld(vmxon_region()));
    auto* const revision = reinterpret_cast<volatile u32*>(spare_vmcs_region());
    *revision = vmcs_revision() ^ 2;
    say("VMPTRLD of a region with another revision", vmptrld(spare_vmcs_region()));
    *revision = vmcs_revision();
    say("VMXON in VMX operation", vmxon(vmxon_region()));
    say("VMPTRST", vmptrst() == vmcs_region() ? "the pointer of VMPTRLD" : "WRONG");
    say_exception("MOV to CR4 that clears VMXE", GUEST_TRY("mov %0, %%cr4",
                                                           :
                                                           : "r"(read_cr4() & ~(u64{1} << 13))
                                                           : "memory"));
}

void check_fields() {
    print("checks of fields\n");
    say("VMREAD of an encoding that names nothing, 4030", read_field(0x4030));
    say("VMREAD of an encoding with a reserved bit, d81e", read_field(0xd81e));
    say("VMREAD of an encoding with bit 32", read_field(u64{1} << 32 | GUEST_RIP));
    say("VMREAD of the upper half of a field without one", read_field(GUEST_RIP | 1));
    say("VMWRITE of an encoding that names nothing, 4030", try_vmwrite(0x4030, 0));
    const bool writable = rdmsr(0x485) >> 29 & 1;  // IA32_VMX_MISC: VMWRITE to read-only fields
    const VmxResult read_only = try_vmwrite(VM_EXIT_REASON, 0);
    const bool right = writable ? read_only.ok() : read_only.zero && vmread(VM_INSTRUCTION_ERROR) == 13;
    say("VMWRITE of a read-only field", right ? "as IA32_VMX_MISC says" : "WRONG");

    vmclear(spare_vmcs_region());
    vmptrld(spare_vmcs_region());
    write_fields(1);
    say_round_trip("read back", 1);
    vmclear(spare_vmcs_region());
    vmptrld(vmcs_region());
    write_fields(9);
    say_round_trip("another VMCS", 9);
    vmptrld(spare_vmcs_region());
    say_round_trip("the first one again, after VMCLEAR", 1);
    vmwrite(TSC_OFFSET, 0x0123456789abcdef);
    vmwrite(TSC_OFFSET + 1, 0xfeedface);
    line("TSC_OFFSET after a write of its upper half");
    print_hex(vmread(TSC_OFFSET));
    print(" ");
    print_hex(vmread(TSC_OFFSET + 1));
    print("\n");
    vmclear(spare_vmcs_region());
    vmclear(vmcs_region());
    vmptrld(vmcs_region());
}

void check_entries() {
    print("checks of VM entries\n");
    // The checks of fields left patterns here; every other field is as the guest will have it.
    vmwrite(GUEST_RIP, reinterpret_cast<u64>(&check_entries));
    vmwrite(GUEST_RSP, 0);
    say_entry("VMRESUME of a clear VMCS", true);

    const u64 pin = vmread(PIN_BASED_VM_EXEC_CONTROL);
    vmwrite(PIN_BASED_VM_EXEC_CONTROL, 0);
    say_entry("VMLAUNCH with pin-based controls 0", false);
    vmwrite(PIN_BASED_VM_EXEC_CONTROL, pin);

    const u64 cr0 = vmread(HOST_CR0);
    vmwrite(HOST_CR0, cr0 & 0x7fffffff);
    say_entry("VMLAUNCH with host CR0.PG clear", false);
    vmwrite(HOST_CR0, cr0);

    vmwrite(VMCS_LINK_POINTER, 1);
    say_entry("VMLAUNCH with link pointer 1", false);
    vmwrite(VMCS_LINK_POINTER, ~u64{0});

    vmwrite(GUEST_RFLAGS, 0);
    say_entry("VMLAUNCH with guest RFLAGS 0", false);
    vmwrite(GUEST_RFLAGS, 2);

    say_entry("VMRESUME: after failed entries still clear", true);
}

void check_after_run() {
    print("checks after the run\n");
    say_entry("VMLAUNCH of a launched VMCS", false);
    say("VMCLEAR of the current VMCS", vmclear(vmcs_region()));
    say("VMPTRST", vmptrst() == ~u64{0} ? "none" : "WRONG");
    say("VMREAD", read_field(GUEST_RIP));
    say("VMXOFF", vmxoff());
    say_exception("VMREAD after VMXOFF", GUEST_TRY("vmread %%rax, %%rcx",
                                                   :
                                                   : "a"(u64{GUEST_RIP})
                                                   : "rcx", "cc", "memory"));
    write_cr4(read_cr4() & ~(u64{1} << 13));
}

}  // namespace guest
