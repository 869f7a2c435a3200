// SPDX-License-Identifier: Apache-2.0
#include "nested/unit.hpp"

#include "nested/l0.hpp"

namespace vmxsim::nested {

struct Unit::Impl : L0 {
    using L0::L0;
};

Unit::Unit(const UnitDependencies& dependencies) : impl_(std::make_unique<Impl>(dependencies)) {}
Unit::~Unit() = default;

std::optional<vmx::Event> Unit::start(const vmx::CpuState& l1) { return impl_->start(l1); }
std::optional<vmx::Event> Unit::vm_exit_taken() { return impl_->vm_exit_taken(); }
bool Unit::stopped() const { return impl_->stopped; }
const std::string& Unit::stop_reason() const { return impl_->reason; }
const UnitStats& Unit::stats() const { return impl_->stats; }
bool Unit::in_l2() const { return impl_->nested.guest_mode; }

}  // namespace vmxsim::nested
