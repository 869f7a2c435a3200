// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdexcept>
#include <string>

namespace vmxsim::sim {

/// Bad input of the user: an option, a file, a key, a value. what() is the one line that goes to standard error; the
/// program ends with status 2.
struct InputError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace vmxsim::sim
