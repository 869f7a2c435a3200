// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "model/arch/types.hpp"

namespace vmxsim::core {

/// How an instruction that runs outside the fast path ended. Guest faults are results, never C++ exceptions.
enum class Outcome : u8 {
    Next,    ///< completed; RIP still names it, the caller advances RIP by its length
    Jump,    ///< completed; RIP names the next instruction; mode, CPL or address space may have changed
    Fault,   ///< Core::fault() holds the exception; RIP names the faulting instruction, nothing else changed
    VmExit,  ///< Core::exit_info() holds the VM exit to take; RIP names the instruction
    Repeat,  ///< a REP iteration is done, more follow: RIP names the same instruction
    Yield,   ///< another processor is to run first: RIP names the instruction, nothing has changed (Core::others_have_come)
    Stop,    ///< Core::stop_reason() says why the machine ends
};

}  // namespace vmxsim::core
