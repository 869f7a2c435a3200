// SPDX-License-Identifier: Apache-2.0
// True least-recently-used order of the contexts, as a matrix: newer_q[i][j] says that i was used after j.
//
//          0 1 2 3
//      0   . 1 0 1      Using context i sets row i and clears column i. The oldest of a set is the one whose row has no
//      1   0 . 0 1      bit in that set: of {0, 1, 3} it is 3, of {0, 1} it is 1.
//      2   1 1 . 1
//      3   0 0 0 .
module vmcs_lru #(
    parameter int unsigned Contexts = 16
) (
    input  logic                clk_i,
    input  logic                rst_ni,
    input  logic                touch_first_i,   // two uses in one cycle, the first the older
    input  logic [3:0]          first_i,
    input  logic                touch_i,
    input  logic [3:0]          context_i,
    input  logic [Contexts-1:0] among_i,
    output logic [Contexts-1:0] oldest_o,        // one bit, if among_i has any
    input  logic [3:0]          probe_i,
    output logic [Contexts-1:0] newer_than_probe_o
);
  logic [Contexts-1:0] newer_q[Contexts], newer_d[Contexts];

  for (genvar i = 0; i < Contexts; i++) begin : gen_oldest
    assign oldest_o[i] = among_i[i] & ~|(newer_q[i] & among_i);
    assign newer_than_probe_o[i] = newer_q[i][probe_i];
  end

  always_comb begin
    newer_d = newer_q;
    if (touch_first_i) begin
      for (int i = 0; i < Contexts; i++) newer_d[i][first_i] = 1'b0;
      newer_d[first_i] = ~(Contexts'(1) << first_i);
    end
    if (touch_i) begin
      for (int i = 0; i < Contexts; i++) newer_d[i][context_i] = 1'b0;
      newer_d[context_i] = ~(Contexts'(1) << context_i);
    end
  end
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) newer_q <= '{default: '0};
    else if (touch_first_i | touch_i) newer_q <= newer_d;
  end
endmodule
