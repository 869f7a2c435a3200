// SPDX-License-Identifier: Apache-2.0
// VMX instructions and the fields' encodings (from the project's one table of fields).
#pragma once
#include "sim/guests/common/types.hpp"

namespace guest {

enum Field : u32 {
#define VMXSIM_FIELD(name, encoding, ...) name = encoding,
#include "model/arch/vmcs_fields.def"
#undef VMXSIM_FIELD
};

/// How a VMX instruction ended (SDM 31.2): flags, and the error number of a VMfailValid.
struct VmxResult {
    bool carry = false, zero = false;
    bool ok() const { return !carry && !zero; }
};

inline VmxResult vmxon(u64 pointer) {
    VmxResult r;
    asm volatile("vmxon %2" : "=@ccc"(r.carry), "=@ccz"(r.zero) : "m"(pointer) : "memory");
    return r;
}
inline VmxResult vmclear(u64 pointer) {
    VmxResult r;
    asm volatile("vmclear %2" : "=@ccc"(r.carry), "=@ccz"(r.zero) : "m"(pointer) : "memory");
    return r;
}
inline VmxResult vmptrld(u64 pointer) {
    VmxResult r;
    asm volatile("vmptrld %2" : "=@ccc"(r.carry), "=@ccz"(r.zero) : "m"(pointer) : "memory");
    return r;
}
inline u64 vmptrst() {
    u64 pointer = 0;
    asm volatile("vmptrst %0" : "=m"(pointer)::"memory", "cc");
    return pointer;
}
inline VmxResult vmxoff() {
    VmxResult r;
    asm volatile("vmxoff" : "=@ccc"(r.carry), "=@ccz"(r.zero)::"memory");
    return r;
}
inline VmxResult try_vmread(u64 encoding, u64& value) {
    VmxResult r;
    asm volatile("vmread %3, %0" : "+r"(value), "=@ccc"(r.carry), "=@ccz"(r.zero) : "r"(encoding) : "memory");
    return r;
}
inline VmxResult try_vmwrite(u64 encoding, u64 value) {
    VmxResult r;
    asm volatile("vmwrite %3, %2" : "=@ccc"(r.carry), "=@ccz"(r.zero) : "r"(encoding), "r"(value) : "memory");
    return r;
}
/// Of fields that exist: the flags are not looked at.
inline u64 vmread(u64 encoding) {
    u64 value;
    asm volatile("vmread %1, %0" : "=r"(value) : "r"(encoding) : "cc", "memory");
    return value;
}
inline void vmwrite(u64 encoding, u64 value) {
    asm volatile("vmwrite %1, %0" ::"r"(encoding), "r"(value) : "cc", "memory");
}

/// Registers that VM exits leave to the hypervisor, in the order that entry.S knows.
struct Registers {
    u64 rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15, rflags;
};

extern "C" {
/// Enters the guest with `registers` (VMLAUNCH, or VMRESUME where `launched`), after writing HOST_RSP.
/// 0: there was a VM exit, `registers` holds the guest's; 1: VMfailInvalid, 2: VMfailValid.
u64 vmx_enter(Registers* registers, u64 launched);
/// HOST_RIP.
void vmx_exit();
}

}  // namespace guest
