// SPDX-License-Identifier: Apache-2.0
// The sequencer's brain, without state: which step comes next, from what is still to be done.
//
//   Clear, FlushAll   WriteBack* [Fetch] [Store header] Free
//   others            for the merge's source, then for vmcs: where absent ( WriteBack* Take )
//   Activate          Take (looks up where present)
//   one field         [Fetch] Access [Store]
//   bulk, merge       ( [Fetch] Line [Store] ) for each line, ascending
//
// Without contexts, and for a merge's source where there is but one, lines pass through the line buffer: always Fetch
// before they are read, always Store after they are written.
module vmcs_step
  import vmcs_cache_pkg::*;
(
    input  op_e        op_i,
    input  logic       none_i,          // no contexts are configured
    input  logic       through_i,       // merge whose source cannot have a context beside vmcs's
    input  logic       supported_i,     // the field exists
    input  logic [5:0] field_line_i,
    input  mask_t      todo_i,          // lines not yet transferred
    input  stage_e     stage_i,         // of the current line
    input  logic       hit_i,
    input  logic [3:0] context_i,
    input  mask_t      valid_i,         // of vmcs's context
    input  mask_t      dirty_i,
    input  logic       source_hit_i,
    input  logic [3:0] source_context_i,
    input  mask_t      source_valid_i,
    input  logic       full_i,
    input  logic [3:0] next_i,          // the context to take
    input  mask_t      next_dirty_i,
    input  logic       flush_any_i,     // a context in use has a dirty line
    input  logic [3:0] flush_context_i,
    input  mask_t      flush_dirty_i,
    output step_t      step_o
);
  // What has to be written back before anything else, if the operation takes or frees a context.
  mask_t      leaving;
  logic [5:0] leaving_line, todo_line;
  logic       leaving_any, todo_any, take_source, take;
  vmcs_first_one i_leaving (.bits_i(leaving), .index_o(leaving_line), .any_o(leaving_any));
  vmcs_first_one i_todo (.bits_i(todo_i), .index_o(todo_line), .any_o(todo_any));

  logic ends, field_op, writes_field, moves_source;
  assign ends         = (op_i == OpClear) | (op_i == OpFlushAll);
  assign field_op     = op_i inside {OpRead, OpWrite, OpGetLaunch, OpSetLaunch};
  assign writes_field = (op_i == OpWrite) | (op_i == OpSetLaunch);
  assign moves_source = (op_i == OpMerge) & ~none_i & ~through_i;  // the lines come from a context of the source's
  assign take_source  = supported_i & moves_source & ~source_hit_i;
  assign take         = supported_i & ~none_i & ~ends & ~hit_i;

  always_comb begin
    unique case (op_i)
      OpFlushAll: leaving = flush_any_i ? flush_dirty_i : '0;
      OpClear:    leaving = hit_i ? dirty_i & ~mask_t'(1) : '0;  // the header comes last
      default:    leaving = ((take_source | take) & full_i) ? next_dirty_i : '0;
    endcase
  end

  logic [5:0] line;
  logic       last_line, absent;
  assign line      = (op_i == OpClear) ? 6'd0 : field_op ? field_line_i : todo_line;
  assign last_line = (todo_i & (todo_i - 1'b1)) == '0;  // or no line at all
  assign absent    = moves_source ? ~source_valid_i[line] : ~(hit_i & valid_i[line]);

  always_comb begin
    step_o               = '0;
    step_o.line          = line;
    step_o.context_index = moves_source ? source_context_i : context_i;
    step_o.buffer        = none_i | through_i;

    if (leaving_any) begin
      step_o.kind          = StepWriteBack;
      step_o.buffer        = 1'b0;
      step_o.line          = leaving_line;
      step_o.context_index = (op_i == OpFlushAll) ? flush_context_i : (op_i == OpClear) ? context_i : next_i;
    end else if (op_i == OpFlushAll) begin
      step_o.kind = StepFree;
      step_o.last = 1'b1;
    end else if (op_i == OpClear) begin
      step_o.context_index = context_i;
      step_o.buffer        = absent;
      if (stage_i == StageMoved) begin
        step_o.kind = StepFree;
        step_o.last = 1'b1;
      end else if (absent & (stage_i == StageFresh)) step_o.kind = StepFetch;
      else step_o.kind = StepStore;
    end else if (take_source | take | (op_i == OpActivate)) begin
      step_o.kind          = StepTake;
      step_o.moves         = take_source | take;
      step_o.source        = take_source;
      step_o.context_index = next_i;
      step_o.last          = op_i == OpActivate;
    end else if (field_op) begin
      if (!supported_i) begin
        step_o.kind = StepAccess;
        step_o.last = 1'b1;
      end else if ((absent | none_i) & (stage_i == StageFresh)) step_o.kind = StepFetch;
      else if (stage_i != StageMoved) begin
        step_o.kind = StepAccess;
        step_o.last = ~(none_i & writes_field);
      end else begin
        step_o.kind = StepStore;
        step_o.last = 1'b1;
      end
    end else begin
      if (todo_any & (op_i != OpBulkWrite) & (absent | step_o.buffer) & (stage_i == StageFresh)) begin
        step_o.kind   = StepFetch;
        step_o.source = op_i == OpMerge;
      end else if (stage_i != StageMoved) begin
        step_o.kind  = StepLine;
        step_o.moves = todo_any;
        step_o.last  = last_line & ~(none_i & todo_any & (op_i != OpBulkRead));
      end else begin
        step_o.kind = StepStore;
        step_o.last = last_line;
      end
    end
  end
endmodule
