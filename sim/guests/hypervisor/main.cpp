// SPDX-License-Identifier: Apache-2.0
// hypervisor: a small hypervisor with one guest. It prints what VMX does, and what an exit costs.
// Lines that begin with "cycles" hold time; all others are the same on every machine and at every level.
#include "sim/guests/common/console.hpp"
#include "sim/guests/common/multiboot.hpp"
#include "sim/guests/hypervisor/hypervisor.hpp"

namespace guest {
namespace {

GuestResults guest_results;
HypervisorResults hypervisor_results;
Series own_series[kKinds];

void print_cycles(const char* level, const Series* series, unsigned kinds) {
    for (unsigned k = 0; k < kinds; ++k) {
        if (!series[k].count) continue;
        print("cycles ");
        print(level);
        print(" ");
        print(kKindNames[k]);
        for (const u64 value : {series[k].count, series[k].sum, series[k].min}) {
            print(" ");
            print_decimal(value);
        }
        print("\n");
    }
}

void print_own_values() {
    print("own level\n  vendor        ");
    const CpuidResult leaf0 = cpuid(0);
    for (const u32 word : {leaf0.ebx, leaf0.edx, leaf0.ecx})
        for (unsigned i = 0; i < 32; i += 8) put(static_cast<char>(word >> i));
    const u64 before = rdmsr(kMsr);
    wrmsr(kMsr, 0xfedcba98765);
    print("\n  msr           ");
    print_hex(rdmsr(kMsr));
    wrmsr(kMsr, before);
    print("\n");
}

void print_exits() {
    print("first exit of each kind\n  kind     reason    qualification length   event   error vectored blocked cr3\n");
    for (unsigned k = 0; k < kGuestKinds; ++k) {
        const ExitRecord& e = hypervisor_results.exits[k];
        print("  ");
        print_padded(kKindNames[k], 7);
        print_hex(e.reason, 8);
        print(" ");
        print_hex(e.qualification);
        print("      ");
        print_hex(e.length, 1);
        print(" ");
        print_hex(e.interruption, 8);
        print("    ");
        print_hex(e.error_code, 4);
        print(" ");
        print_hex(e.vectoring, 8);
        print("    ");
        print_hex(e.interruptibility, 4);
        print(e.own_cr3 ? " own\n" : " WRONG\n");
    }
}

void print_registers() {
    print("registers after the first operation\n");
    for (unsigned k = 0; k < kGuestKinds; ++k) {
        const Registers &a = guest_results.after[k], &b = guest_results.before[k];
        print("  ");
        print_padded(kKindNames[k], 7);
        for (const u64 value : {a.rax, a.rbx, a.rcx, a.rdx}) {
            print_hex(value);
            print(" ");
        }
        bool kept = true;
        for (unsigned i = 4; i < 15; ++i) kept = kept && (&a.rax)[i] == (&b.rax)[i];
        print(kept ? "others kept, flags " : "others CHANGED, flags ");
        print_hex(a.rflags & 0x3f7702, 6);
        print("\n");
    }
}

void print_table(u64 n) {
    print("exits\n");
    u64 total = 1;  // the guest's last hypercall
    for (unsigned k = 0; k < kGuestKinds; ++k) {
        total += hypervisor_results.exits[k].count;
        print("  ");
        print_padded(kKindNames[k], 7);
        print_decimal(hypervisor_results.exits[k].count);
        print(hypervisor_results.exits[k].count == n + kWarmUp + 1 ? " as expected, sum of values "
                                                                   : " WRONG, sum of values ");
        print_hex(guest_results.sums[k]);
        print("\n");
    }
    print("  entries and exits agree: ");
    print(total == hypervisor_results.entries ? "yes\n" : "NO\n");
    print("  pages as they should be: ");
    print_decimal(guest_results.touched_ok);
    print("\n");
}

}  // namespace

void guest_main(const MultibootInfo& info) {
    const u64 n = option(info, "n", 100);
    print("vmxsim guest image: hypervisor, version 1\n");
    print("iterations ");
    print_decimal(n);
    print(", after ");
    print_decimal(kWarmUp);
    print(" to warm up\n");
    if (n == 0 || n > 50000) fail("n must be 1 to 50000");

    prepare_vmx();
    check_before_vmxon();
    check_pointers();
    check_fields();
    build_guest_tables(n);
    fill_vmcs(guest_cr3());
    check_entries();

    run_guest(n, guest_results, hypervisor_results);
    print_exits();
    print_registers();
    print_table(n);
    print_own_values();
    measure_own(n, own_series);
    check_after_run();

    set_checksum(false);
    print_cycles("own", own_series, kKinds);
    print_cycles("guest", guest_results.series, kKinds);
    print("checksum ");
    print_hex(checksum());
    print("\nvmx: ok\n");
}

}  // namespace guest
