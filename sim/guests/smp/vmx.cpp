// SPDX-License-Identifier: Apache-2.0
#include "sim/guests/smp/smp.hpp"

namespace guest {
void test_vmx() {}
}  // namespace guest
