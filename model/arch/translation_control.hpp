// SPDX-License-Identifier: Apache-2.0
// What VMX and system instructions ask of whoever caches translations (SDM 31.4.3).
#pragma once
#include "model/arch/types.hpp"

namespace vmxsim::arch {

class TranslationControl {
public:
    virtual ~TranslationControl() = default;
    /// INVLPG, INVVPID type 0: linear and combined mappings of one page, global ones included, all EPTRTAs.
    virtual void invalidate_address(Vpid vpid, GuestVirtual at) = 0;
    /// MOV to CR3 (keep_global), MOV to CR4, INVVPID types 1 and 3, VM entry and exit without VPID.
    virtual void flush_vpid(Vpid vpid, bool keep_global) = 0;
    /// INVVPID type 2.
    virtual void flush_all_vpids() = 0;
    /// INVEPT type 1: guest-physical and combined mappings of the EPT root (bits 51:12).
    virtual void flush_eptp(Eptp eptp) = 0;
    /// INVEPT type 2, reset.
    virtual void flush_everything() = 0;
};

}  // namespace vmxsim::arch
