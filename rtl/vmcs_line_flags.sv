// SPDX-License-Identifier: Apache-2.0
// Valid and dirty bit of each line of each context. Meaningless for a context that is not in use.
module vmcs_line_flags
  import vmcs_cache_pkg::*;
#(
    parameter int unsigned Contexts = 16
) (
    input  logic       clk_i,
    input  logic       rst_ni,
    input  logic       reset_i,      // a context taken: all its bits off
    input  logic       set_valid_i,
    input  logic       set_dirty_i,
    input  logic       clear_dirty_i,
    input  logic [3:0] context_i,    // that the four above concern
    input  logic [5:0] line_i,
    output mask_t      valid_o[Contexts],
    output mask_t      dirty_o[Contexts]
);
  mask_t valid_q[Contexts], dirty_q[Contexts];
  mask_t here;
  assign here    = mask_t'(1) << line_i;
  assign valid_o = valid_q;
  assign dirty_o = dirty_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q <= '{default: '0};
      dirty_q <= '{default: '0};
    end else begin
      if (reset_i) begin
        valid_q[context_i] <= '0;
        dirty_q[context_i] <= '0;
      end
      if (set_valid_i) valid_q[context_i] <= valid_q[context_i] | here;
      if (set_dirty_i) dirty_q[context_i] <= dirty_q[context_i] | here;
      if (clear_dirty_i) dirty_q[context_i] <= dirty_q[context_i] & ~here;
    end
  end
endmodule
