// SPDX-License-Identifier: Apache-2.0
// Index of the lowest bit that is set.
module vmcs_first_one #(
    parameter int unsigned Width = 64,
    localparam int unsigned IndexBits = $clog2(Width)
) (
    input  logic [Width-1:0]     bits_i,
    output logic [IndexBits-1:0] index_o,  // 0 where none is set
    output logic                 any_o
);
  logic [Width-1:0] lowest;
  assign lowest = bits_i & (~bits_i + 1'b1);
  assign any_o  = |bits_i;

  // Bit b of the index: whether the one bit stands at a place whose number has bit b.
  for (genvar b = 0; b < IndexBits; b++) begin : gen_index
    logic [Width-1:0] places;
    for (genvar i = 0; i < Width; i++) begin : gen_place
      assign places[i] = 1'((i >> b) & 1);
    end
    assign index_o[b] = |(lowest & places);
  end
endmodule
