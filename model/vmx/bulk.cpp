// SPDX-License-Identifier: Apache-2.0
// Bulk transfers of VM entry and VM exit. The VMX code works on fields in the generic layout; where the port's layout
// is another one, fields are moved between the two. There lines may hold fields of several types.
#include "model/vmx/vmx.hpp"

namespace vmxsim::vmx {

void Vmx::bulk_read(std::initializer_list<arch::FieldType> types) {
    arch::LineMask lines = 0;
    for (const auto t : types) lines |= layout_.lines_of(t);
    const bool generic = &layout_ == &arch::kGenericLayout;
    transact({.op = arch::VmcsOp::BulkRead, .vmcs = {cpu_.vmx.current_vmcs}, .lines = lines,
              .page = generic ? &page_ : &raw_});
    if (generic) return;
    for (std::size_t i = 0; i < arch::kFieldCount; ++i) {
        const auto f = static_cast<arch::Field>(i);
        for (const auto t : types)
            if (arch::kFields[i].type == t) page_.set(f, raw_.get(f, layout_));
    }
}

void Vmx::bulk_write(std::initializer_list<arch::FieldType> types) {
    arch::LineMask lines = 0;
    for (const auto t : types) lines |= layout_.lines_of(t);
    const bool generic = &layout_ == &arch::kGenericLayout;
    if (!generic) {
        // The lines go whole, so what else lies in them goes as VM entry read it, or as it was changed since.
        for (std::size_t i = 0; i < arch::kFieldCount; ++i) {
            const auto f = static_cast<arch::Field>(i);
            raw_.set(f, page_.get(f), layout_);
        }
        raw_.bytes[arch::kLaunchStateOffset] |= 1;  // only a launched VMCS has VM exits
    }
    transact({.op = arch::VmcsOp::BulkWrite, .vmcs = {cpu_.vmx.current_vmcs}, .lines = lines,
              .page = generic ? &page_ : &raw_});
}

}  // namespace vmxsim::vmx
