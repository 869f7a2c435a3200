// SPDX-License-Identifier: Apache-2.0
// The hypervisor: one VMCS, one guest, and a handler that accesses the VMCS as KVM of 2009 to 2011 did.
#pragma once
#include "sim/guests/hypervisor/kinds.hpp"
#include "sim/guests/vmx/setup.hpp"

namespace guest {

/// Page tables of the guest: the first 16 MiB as they are, and n + 6 pages at kTouchBase that are not present.
void build_guest_tables(u64 n);
u64 guest_cr3();
/// Maps the page of the touch region that holds `address`, with its number in its first quadword. False: not there.
bool map_guest_page(u64 address);

/// What the hypervisor saw at the first exit of each kind.
struct ExitRecord {
    u64 count, reason, qualification, length, interruption, error_code, vectoring, interruptibility;
    bool own_cr3;
};
struct HypervisorResults {
    ExitRecord exits[kGuestKinds];
    u64 entries;
};
/// Runs the guest to its end.
void run_guest(u64 n, GuestResults& guest, HypervisorResults& results);

/// Instruction errors, failing entries, round trips of fields; prints as it goes. The VMCS is filled and clear.
void check_before_vmxon();
void check_pointers();
void check_fields();
void check_entries();
void check_after_run();

/// Times of this level's own operations.
void measure_own(u64 n, Series (&series)[kKinds]);

}  // namespace guest
