// SPDX-License-Identifier: Apache-2.0
// Types of the VMCS cache. docs/vmcs-cache.md states what the operations do and what they cost.
package vmcs_cache_pkg;

  parameter int unsigned LineBits = 512;  // 64 bytes
  parameter int unsigned LineCount = 64;  // of a 4-KiB region
  parameter int unsigned LatencyBits = 16;

  typedef logic [51:12] tag_t;  // a region is known by its physical address
  typedef logic [LineBits-1:0] line_t;
  typedef logic [LineCount-1:0] mask_t;
  typedef logic [LatencyBits-1:0] latency_t;

  // Values as in arch::VmcsOp of the C++ contract.
  typedef enum logic [3:0] {
    OpActivate  = 4'd0,
    OpClear     = 4'd1,
    OpRead      = 4'd2,
    OpWrite     = 4'd3,
    OpGetLaunch = 4'd4,
    OpSetLaunch = 4'd5,
    OpBulkRead  = 4'd6,
    OpBulkWrite = 4'd7,
    OpMerge     = 4'd8,
    OpFlushAll  = 4'd9
  } op_e;

  // An operation is a sequence of steps. Each takes its latency, the last one answers.
  typedef enum logic [2:0] {
    StepTake,       // look a region up, or give it a context              activate latency
    StepFree,       // end of Clear and FlushAll                           activate latency
    StepAccess,     // one field                                           access latency
    StepLine,       // one line of a bulk transfer or merge                line latency
    StepFetch,      // a line from memory                                  memory
    StepWriteBack,  // a dirty line of a context to memory                 memory
    StepStore       // the header on Clear, or the line buffer, to memory  memory
  } step_e;

  // How far the current line has come.
  typedef enum logic [1:0] {
    StageFresh,    // nothing done
    StageFetched,  // it came from memory
    StageMoved     // it is in the line buffer as memory shall see it; on Clear: the header is written
  } stage_e;

  typedef struct packed {
    step_e       kind;
    logic        last;    // the operation ends with this step
    logic        buffer;  // the line is in the line buffer (it passes through), not in a context
    logic        moves;   // StepLine: a line moves; StepTake: a context is taken
    logic        source;  // StepTake, StepFetch: for the merge's source region
    logic [3:0]  context_index;  // that is read, filled or taken
    logic [5:0]  line;
  } step_t;

endpackage
