// SPDX-License-Identifier: Apache-2.0
// Hardware task switches (SDM 8.3), outside IA-32e mode.
#pragma once
#include "model/core/operand.hpp"

namespace vmxsim::core {

/// What begins a task switch; values as in the exit qualification (SDM table 28-2).
enum class TaskSource : u8 { Call = 0, Iret = 1, Jump = 2, Gate = 3 };

struct TaskSwitch {
    u16 selector = 0;  ///< of the new task's TSS
    TaskSource source = TaskSource::Jump;
    u64 return_rip = 0;    ///< saved in the old task: behind the instruction, or at the one that faulted
    u64 saved_flags = 0;   ///< RFLAGS of the old task, RF as an exception would push it
    bool committed = false;  ///< out: the new task is the current one, faults are its own
};

/// Switches. Fault before the commit: the old task is unchanged. Fault after it: RIP is the new task's, where the
/// exception is to be delivered. Presence and privilege of a gate, and VM exits, are the caller's business.
Outcome switch_task(Core& core, TaskSwitch& how);

/// Width of the new task's stack pushes: 4, or 2 for a 16-bit TSS. After switch_task().
unsigned task_width(const Core& core);

/// For instructions: switches, and delivers a fault of the new task. RIP is final where the result is Jump.
Outcome switch_task_by_instruction(Core& core, u16 selector, TaskSource source, u64 return_rip);

}  // namespace vmxsim::core
