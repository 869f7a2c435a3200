// SPDX-License-Identifier: Apache-2.0
// The VMCS cache: contexts of 64 lines each, an operation at a time. The cost of an operation is the number of clock edges
// from the one that takes the request to the one that takes the response; docs/vmcs-cache.md gives it for each.
module vmcs_cache
  import vmcs_cache_pkg::*;
#(
    parameter int unsigned MaxContexts = 16
) (
    input  logic         clk_i,
    input  logic         rst_ni,
    // Configuration, constant while an operation is outstanding. Latencies are at least 1.
    input  logic [  4:0] cfg_contexts_i,          // 0 to MaxContexts
    input  logic [ 15:0] cfg_access_latency_i,
    input  logic [ 15:0] cfg_line_latency_i,
    input  logic [ 15:0] cfg_activate_latency_i,
    // Request
    input  logic         req_valid_i,
    output logic         req_ready_o,
    input  logic [  3:0] req_op_i,                // op_e
    input  logic [51:12] req_vmcs_i,
    input  logic [51:12] req_source_i,            // Merge
    input  logic [ 31:0] req_encoding_i,          // Read, Write
    input  logic [ 63:0] req_data_i,              // Write, SetLaunch
    input  logic [ 63:0] req_lines_i,             // BulkRead, BulkWrite, Merge
    // Response
    output logic         rsp_valid_o,
    input  logic         rsp_ready_i,
    output logic         rsp_unsupported_o,       // the encoding names no field; data is 0
    output logic [ 63:0] rsp_data_o,
    // Lines of BulkRead (out) and BulkWrite (in), in ascending order
    output logic         line_valid_o,
    input  logic         line_ready_i,
    output logic         line_write_o,            // BulkWrite: line_data_i is taken
    output logic [  5:0] line_index_o,
    output logic [511:0] line_data_o,
    input  logic [511:0] line_data_i,
    // Memory: one line at a time, any latency; mem_data_i is taken with ready
    output logic         mem_valid_o,
    input  logic         mem_ready_i,
    output logic         mem_write_o,
    output logic [ 51:6] mem_line_o,
    output logic [511:0] mem_data_o,
    input  logic [511:0] mem_data_i,
    // Events, one cycle each
    output logic         event_hit_o,
    output logic         event_miss_o,
    output logic         event_eviction_o,
    // Probe of a context, without effect on anything
    input  logic [  3:0] probe_i,
    output logic         probe_used_o,
    output logic [51:12] probe_vmcs_o,
    output logic [ 63:0] probe_valid_o,
    output logic [ 63:0] probe_dirty_o,
    output logic [  4:0] probe_age_o
);
  localparam logic [5:0] LaunchBit = 6'd0;
  typedef enum logic [1:0] {Idle, Busy, Respond} state_e;

  // ---- Registers
  state_e      state_q, state_d;
  op_e         op_q;
  tag_t        vmcs_q, source_q;
  logic [31:0] encoding_q;
  logic [63:0] data_q, rsp_data_q;
  logic        rsp_unsupported_q;
  mask_t       todo_q, todo_d;
  stage_e      stage_q, stage_d;
  latency_t    elapsed_q;
  line_t       buffer_q, buffer_d;
  logic        buffer_write;

  logic accept, busy;
  assign req_ready_o = state_q == Idle;
  assign accept      = req_valid_i & req_ready_o;
  assign busy        = state_q == Busy;

  // ---- What is where
  step_t step;
  logic hit, source_hit, full, none, through, supported, flush_any, take, free, done;
  logic [3:0] context_index, source_context, next, flush_context, bytes;
  logic [11:0] offset;
  logic [MaxContexts-1:0] used, needs_flush;
  mask_t valid[MaxContexts], dirty[MaxContexts];
  tag_t context_tag;
  line_t ram_line, line, line_with_field, ram_write_data;
  logic [63:0] field;
  logic [63:0] field_data;
  logic ram_write, set_dirty;
  logic [3:0] ram_write_context;

  mask_t here_valid, here_dirty;
  assign here_valid = valid[context_index];
  assign here_dirty = dirty[context_index];
  assign none    = cfg_contexts_i == '0;
  assign through = (op_q == OpMerge) & ((cfg_contexts_i == 5'd1) & (vmcs_q != source_q));
  for (genvar i = 0; i < MaxContexts; i++) begin : gen_flush
    assign needs_flush[i] = used[i] & (|dirty[i]);
  end
  vmcs_first_one #(.Width(MaxContexts)) i_flush (.bits_i(needs_flush), .index_o(flush_context), .any_o(flush_any));

  vmcs_context_table #(.Contexts(MaxContexts)) i_table (
      .clk_i, .rst_ni,
      .contexts_i(cfg_contexts_i),
      .vmcs_i(vmcs_q), .vmcs_hit_o(hit), .vmcs_context_o(context_index),
      .source_i(source_q), .source_hit_o(source_hit), .source_context_o(source_context),
      .keep_i((op_q == OpMerge) & ~through),
      .full_o(full), .next_o(next),
      .take_i(take), .take_context_i(next), .take_tag_i(step.source ? source_q : vmcs_q),
      .free_i(free & (op_q == OpClear) & hit), .free_context_i(context_index),
      .free_all_i(free & (op_q == OpFlushAll)),
      .touch_source_i(done & step.last & (op_q == OpMerge) & source_hit),
      .touch_i(done & step.last & (hit | take) & supported & (op_q != OpFlushAll) & (op_q != OpClear)),
      .read_i(step.context_index), .read_tag_o(context_tag),
      .used_o(used),
      .probe_i, .probe_tag_o(probe_vmcs_o), .probe_age_o
  );
  vmcs_field_decode i_decode (
      .op_i(op_q), .encoding_i(encoding_q), .exists_o(supported), .offset_o(offset), .bytes_o(bytes)
  );
  vmcs_step i_step (
      .op_i(op_q), .none_i(none), .through_i(through), .supported_i(supported),
      .field_line_i(offset[11:6]), .todo_i(todo_q), .stage_i(stage_q),
      .hit_i(hit), .context_i(context_index), .valid_i(here_valid), .dirty_i(here_dirty),
      .source_hit_i(source_hit), .source_context_i(source_context), .source_valid_i(valid[source_context]),
      .full_i(full), .next_i(next), .next_dirty_i(dirty[next]),
      .flush_any_i(flush_any), .flush_context_i(flush_context), .flush_dirty_i(dirty[flush_context]),
      .step_o(step)
  );

  // ---- Time: a step is done when its latency has passed and the other side, where there is one, is ready
  latency_t latency;
  logic     elapsed, to_memory;
  always_comb begin
    unique case (step.kind)
      StepAccess: latency = cfg_access_latency_i;
      StepLine:   latency = cfg_line_latency_i;
      default:    latency = cfg_activate_latency_i;
    endcase
  end
  assign elapsed   = {1'b0, elapsed_q} + 17'd1 >= {1'b0, latency};
  assign to_memory = step.kind inside {StepFetch, StepWriteBack, StepStore};
  assign done      = busy & (to_memory ? mem_ready_i : elapsed & (line_ready_i | ~line_valid_o));

  // ---- Data
  logic stores_header;
  assign line          = step.buffer ? buffer_q : ram_line;
  assign stores_header = (step.kind == StepStore) & (op_q == OpClear);
  assign field_data    = (op_q == OpSetLaunch) ? {63'd0, data_q[LaunchBit]} : data_q;
  vmcs_field_access i_access (
      .line_i(line), .offset_i(offset[5:0]), .bytes_i(bytes), .data_i(field_data),
      .data_o(field), .line_o(line_with_field)
  );
  vmcs_line_ram #(.Contexts(MaxContexts)) i_ram (
      .clk_i,
      .read_context_i(step.context_index), .read_line_i(step.line), .read_o(ram_line),
      .write_i(ram_write), .write_context_i(ram_write_context), .write_line_i(step.line), .write_data_i(ram_write_data)
  );
  vmcs_line_flags #(.Contexts(MaxContexts)) i_flags (
      .clk_i, .rst_ni,
      .reset_i(take), .set_valid_i(ram_write), .set_dirty_i(set_dirty),
      .clear_dirty_i(done & (step.kind == StepWriteBack)),
      .context_i(take ? next : ram_write ? ram_write_context : step.context_index), .line_i(step.line),
      .valid_o(valid), .dirty_o(dirty)
  );

  logic writes_field, line_moves, line_in;
  assign writes_field = done & (step.kind == StepAccess) & supported & ((op_q == OpWrite) | (op_q == OpSetLaunch));
  assign line_moves   = done & (step.kind == StepLine) & step.moves;
  assign line_in      = op_q == OpBulkWrite;
  always_comb begin
    ram_write         = 1'b0;
    set_dirty         = 1'b0;
    ram_write_context = step.context_index;
    ram_write_data    = mem_data_i;
    buffer_write      = 1'b0;
    buffer_d          = mem_data_i;
    if (done & (step.kind == StepFetch)) begin
      ram_write    = ~step.buffer;
      buffer_write = step.buffer;
    end else if (writes_field) begin
      ram_write      = ~none;
      set_dirty      = ~none;
      ram_write_data = line_with_field;
      buffer_write   = none;
      buffer_d       = line_with_field;
    end else if (line_moves & (line_in | (op_q == OpMerge))) begin
      ram_write         = ~none;
      set_dirty         = ~none;
      ram_write_context = context_index;
      ram_write_data    = line_in ? line_data_i : line;
      buffer_write      = none & line_in;
      buffer_d          = line_data_i;
    end
  end

  // ---- Sequence
  always_comb begin
    state_d = state_q;
    todo_d  = todo_q;
    stage_d = stage_q;
    unique case (state_q)
      Idle:    if (req_valid_i) state_d = Busy;
      Busy:    if (done & step.last) state_d = rsp_ready_i ? Idle : Respond;
      default: if (rsp_ready_i) state_d = Idle;
    endcase
    if (accept) begin
      todo_d  = req_lines_i;
      stage_d = StageFresh;
    end else if (done) begin
      unique case (step.kind)
        StepFetch:  stage_d = StageFetched;
        StepAccess: stage_d = StageMoved;
        StepLine:   stage_d = (none & (op_q != OpBulkRead)) ? StageMoved : StageFresh;
        StepStore:  stage_d = (op_q == OpClear) ? StageMoved : StageFresh;
        default:    stage_d = stage_q;
      endcase
      if ((step.kind inside {StepLine, StepStore}) & (stage_d == StageFresh)) todo_d = todo_q & (todo_q - 1'b1);
    end
  end
  assign take = done & (step.kind == StepTake) & step.moves;
  assign free = done & (step.kind == StepFree);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q   <= Idle;
      op_q      <= OpActivate;
      todo_q    <= '0;
      stage_q   <= StageFresh;
      elapsed_q <= '0;
    end else begin
      state_q   <= state_d;
      todo_q    <= todo_d;
      stage_q   <= stage_d;
      elapsed_q <= (busy & ~done) ? elapsed_q + 1'b1 : '0;
      if (accept) op_q <= op_e'(req_op_i);
    end
  end
  always_ff @(posedge clk_i) begin
    if (accept) begin
      vmcs_q     <= req_vmcs_i;
      source_q   <= req_source_i;
      encoding_q <= req_encoding_i;
      data_q     <= req_data_i;
    end
    if (buffer_write) buffer_q <= buffer_d;
    if (done & step.last) begin
      rsp_data_q        <= rsp_data_o;
      rsp_unsupported_q <= rsp_unsupported_o;
    end
  end

  // ---- Outputs
  always_comb begin
    rsp_data_o        = '0;
    rsp_unsupported_o = 1'b0;
    if (state_q == Respond) begin
      rsp_data_o        = rsp_data_q;
      rsp_unsupported_o = rsp_unsupported_q;
    end else begin
      rsp_unsupported_o = ~supported;
      if (supported & (op_q == OpRead)) rsp_data_o = field;
      if (op_q == OpGetLaunch) rsp_data_o = {63'd0, field[LaunchBit]};
    end
  end
  assign rsp_valid_o  = (done & step.last) | (state_q == Respond);

  assign line_valid_o = busy & (step.kind == StepLine) & step.moves & elapsed &
                        ((op_q == OpBulkRead) | (op_q == OpBulkWrite));
  assign line_write_o = line_in;
  assign line_index_o = step.line;
  assign line_data_o  = line;

  tag_t mem_tag;
  assign mem_tag     = (step.kind == StepWriteBack) ? context_tag : step.source ? source_q : vmcs_q;
  assign mem_valid_o = busy & to_memory;
  assign mem_write_o = step.kind != StepFetch;
  assign mem_line_o  = {mem_tag, step.line};
  always_comb begin
    mem_data_o = line;
    if (stores_header) mem_data_o[8*8] = 1'b0;  // launch state: clear
  end

  // A line that is read counts once: as a miss when it is fetched, else as a hit. Whole-line writes look nothing up.
  logic looks_up;
  assign looks_up = ((step.kind == StepAccess) & supported) | ((step.kind == StepLine) & step.moves & ~line_in) |
                    stores_header;
  assign event_hit_o      = done & looks_up & (stage_q == StageFresh);
  assign event_miss_o     = done & (step.kind == StepFetch);
  assign event_eviction_o = take & full;

  assign probe_used_o  = used[probe_i];
  assign probe_valid_o = valid[probe_i];
  assign probe_dirty_o = dirty[probe_i];

  // ---- What must hold
  memory_request_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
      (mem_valid_o & ~mem_ready_i) |=> (mem_valid_o & $stable(mem_line_o) & $stable(mem_write_o)));
  response_stays: assert property (@(posedge clk_i) disable iff (!rst_ni)
      (rsp_valid_o & ~rsp_ready_i) |=> (rsp_valid_o & $stable(rsp_data_o) & $stable(rsp_unsupported_o)));
  contexts_within_the_parameter: assert property (@(posedge clk_i) disable iff (!rst_ni)
      cfg_contexts_i <= 5'(MaxContexts));
  latencies_are_positive: assert property (@(posedge clk_i) disable iff (!rst_ni)
      busy |-> (latency != '0));
  operation_is_known: assert property (@(posedge clk_i) disable iff (!rst_ni)
      req_valid_i |-> (req_op_i <= OpFlushAll));
  a_dirty_line_is_valid: assert property (@(posedge clk_i) disable iff (!rst_ni)
      (busy & hit) |-> ((here_dirty & ~here_valid) == '0));
endmodule
