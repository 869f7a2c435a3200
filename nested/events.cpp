// SPDX-License-Identifier: Apache-2.0
// Events that L0 gives to the guest that runs, and the step past an emulated instruction.
#include "nested/l0.hpp"

namespace vmxsim::nested {

using arch::EventInfo;
using arch::EventType;
using arch::Field;

namespace {
constexpr u8 kDoubleFault = 8, kPageFault = 14;
bool contributory(u8 vector) { return vector == 0 || (vector >= 10 && vector <= 13); }
}  // namespace

void L0::queue_exception(u8 vector, std::optional<u32> error_code, u64 cr2) {
    if (nested.guest_mode) {
        // What L1 asked to see of L2 it sees, whoever found the fault (SDM 28.2; of page faults mask and match as
        // well).
        bool wanted = read12(Field::EXCEPTION_BITMAP) >> vector & 1;
        if (vector == kPageFault) {
            const u64 mask = read12(Field::PAGE_FAULT_ERROR_CODE_MASK),
                      match = read12(Field::PAGE_FAULT_ERROR_CODE_MATCH);
            if ((error_code.value_or(0) & mask) != match) wanted = !wanted;
        }
        if (wanted) return exit_to_l1_with_exception(vector, error_code, cr2);
    }
    if (vector == kPageFault) cpu.cr2 = cr2;
    if (pending && pending->info.type() == EventType::HardwareException) {  // SDM table 7-5
        const u8 first = pending->info.vector();
        if (first == kDoubleFault) return stop("triple fault");
        if ((contributory(first) && contributory(vector)) ||
            (first == kPageFault && (contributory(vector) || vector == kPageFault))) {
            vector = kDoubleFault;
            error_code = 0;
        }
    }
    // In real mode no exception has an error code (SDM 29.2.1.3).
    if (!(vcpu.cr0 & vmx::cr0::PE)) error_code.reset();
    pending = PendingEvent{EventInfo::make(vector, EventType::HardwareException, error_code.has_value()),
                           error_code.value_or(0), 0};
}

void L0::skip_instruction() {
    u64 next = rip() + read(Field::VM_EXIT_INSTRUCTION_LEN);
    if (!(vcpu.efer & vmx::efer::LMA)) next &= 0xffffffff;
    set_rip(next);
    interruptibility = read(Field::GUEST_INTERRUPTIBILITY_INFO);
    constexpr u64 kShadow = vmx::blocking::STI | vmx::blocking::MOV_SS;
    if (interruptibility & kShadow) write(Field::GUEST_INTERRUPTIBILITY_INFO, interruptibility & ~kShadow);
}

}  // namespace vmxsim::nested
