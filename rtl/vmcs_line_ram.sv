// SPDX-License-Identifier: Apache-2.0
// The lines of all contexts: one read port that answers in the same cycle, one write port.
module vmcs_line_ram
  import vmcs_cache_pkg::*;
#(
    parameter int unsigned Contexts = 16
) (
    input  logic       clk_i,
    input  logic [3:0] read_context_i,
    input  logic [5:0] read_line_i,
    output line_t      read_o,
    input  logic       write_i,
    input  logic [3:0] write_context_i,
    input  logic [5:0] write_line_i,
    input  line_t      write_data_i
);
  line_t lines_q[Contexts*LineCount];

  assign read_o = lines_q[{read_context_i, read_line_i}];
  always_ff @(posedge clk_i) begin
    if (write_i) lines_q[{write_context_i, write_line_i}] <= write_data_i;
  end
endmodule
