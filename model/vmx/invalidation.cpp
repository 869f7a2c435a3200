// SPDX-License-Identifier: Apache-2.0
// INVEPT, INVVPID (SDM 33.3, 31.4.3.1) and VMFUNC (28.5.7). gate() has been passed.
#include "model/vmx/allowed.hpp"
#include "model/vmx/vmx.hpp"

namespace vmxsim::vmx {

bool eptp_acceptable(const arch::Capabilities& c, u64 eptp) {
    const u64 memory_type = eptp & 7, walk_length = eptp >> 3 & 7;
    if (!((memory_type == 0 && has_ept_cap(c, 8)) || (memory_type == 6 && has_ept_cap(c, 14)))) return false;
    if (!((walk_length == 3 && has_ept_cap(c, 6)) || (walk_length == 4 && has_ept_cap(c, 7)))) return false;
    if ((eptp >> 6 & 1) && !has_ept_cap(c, 21)) return false;
    if ((eptp >> 7 & 1) && !has_ept_cap(c, 23)) return false;
    return (eptp & 0xf00) == 0 && (eptp & beyond_physical_width(c)) == 0;
}

VmxResult Vmx::invept(u64 type, u64 eptp) {
    cpu_.cycles += timing_.invept;
    const bool supported =
        (type == 1 && has_ept_cap(capabilities_, 25)) || (type == 2 && has_ept_cap(capabilities_, 26));
    if (!supported) return fail(28);
    if (type == 2) {
        translations_.flush_everything();
        return {};
    }
    if (!eptp_acceptable(capabilities_, eptp)) return fail(28);
    translations_.flush_eptp({eptp});
    return {};
}

VmxResult Vmx::invvpid(u64 type, u64 vpid_word, u64 linear_address) {
    cpu_.cycles += timing_.invvpid;
    constexpr unsigned kFirstTypeBit = 40;  // IA32_VMX_EPT_VPID_CAP[43:40]: types 0 to 3
    if (type > 3 || !has_ept_cap(capabilities_, kFirstTypeBit + static_cast<unsigned>(type))) return fail(28);
    if (vpid_word >> 16) return fail(28);
    const Vpid vpid{static_cast<u16>(vpid_word)};
    if (type == 2) {
        translations_.flush_all_vpids();
        return {};
    }
    if (vpid.raw == 0) return fail(28);
    if (type == 0) {
        if (!canonical(capabilities_, linear_address)) return fail(28);
        translations_.invalidate_address(vpid, {linear_address});
    } else {
        translations_.flush_vpid(vpid, type == 3);
    }
    return {};
}

VmxResult Vmx::vmfunc(ExitInfo& exit, bool& exits) {
    exits = false;
    const auto function = static_cast<u32>(cpu_.r[RAX]);
    if (function > 63) return {VmxResult::UndefinedOpcode, 0};
    exit.reason = arch::ExitReason::VMFUNC;
    if (!(controls_.vm_functions >> function & 1)) {
        exits = true;
        return {};
    }
    // Function 0, EPTP switching; the entry checks let no other bit be set.
    constexpr u32 kListEntries = 512;
    constexpr u64 kWalkLength = 0x38;
    const auto index = static_cast<u32>(cpu_.r[RCX]);
    exits = true;
    if (index >= kListEntries) return {};
    const u64 eptp = ram_.read(controls_.eptp_list + u64{index} * 8, 8);
    if ((eptp & kWalkLength) != (controls_.eptp.raw & kWalkLength) || !eptp_acceptable(capabilities_, eptp)) return {};
    exits = false;
    cpu_.cycles += timing_.vmfunc;
    controls_.eptp = {eptp};
    page_.set(arch::Field::EPT_POINTER, eptp);
    transact({.op = arch::VmcsOp::Write, .vmcs = {cpu_.vmx.current_vmcs},
              .encoding = arch::encoding_of(arch::Field::EPT_POINTER), .data = eptp});
    if (field_exists(arch::Field::EPTP_INDEX)) {
        page_.set(arch::Field::EPTP_INDEX, index);
        transact({.op = arch::VmcsOp::Write, .vmcs = {cpu_.vmx.current_vmcs},
                  .encoding = arch::encoding_of(arch::Field::EPTP_INDEX), .data = index});
    }
    if (!controls_.has(arch::SecondaryControl::EnableVPID)) translations_.flush_vpid({}, false);
    return {};
}

}  // namespace vmxsim::vmx
