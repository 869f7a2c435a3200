// SPDX-License-Identifier: Apache-2.0
// The machine of tests/core, for this program.
#include "tests/core/machine.cpp"  // NOLINT: one definition, two test programs
