// SPDX-License-Identifier: Apache-2.0
// Takes a field out of its line, and puts one in.
module vmcs_field_access
  import vmcs_cache_pkg::*;
(
    input  line_t       line_i,
    input  logic [ 5:0] offset_i,  // of the field's first byte
    input  logic [ 3:0] bytes_i,
    input  logic [63:0] data_i,
    output logic [63:0] data_o,    // the field, zero-extended
    output line_t       line_o     // the line with data_i as the field
);
  logic [8:0]  shift;
  logic [63:0] keep;
  assign shift = {offset_i, 3'b000};
  assign keep  = bytes_i[3] ? '1 : bytes_i[2] ? 64'hffff_ffff : 64'hffff;

  line_t aligned;
  assign aligned = line_i >> shift;
  assign data_o  = aligned[63:0] & keep;
  line_t hole, filling;
  assign hole    = {{(LineBits - 64) {1'b0}}, keep} << shift;
  assign filling = {{(LineBits - 64) {1'b0}}, data_i & keep} << shift;
  assign line_o  = (line_i & ~hole) | filling;

  logic unused;
  assign unused = ^{aligned[LineBits-1:64], bytes_i[1:0]};
endmodule
