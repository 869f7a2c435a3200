// SPDX-License-Identifier: Apache-2.0
// Where in the region the field of an access lies (SDM 27.11.2): VMREAD and VMWRITE by encoding, launch state by its place.
module vmcs_field_decode
  import vmcs_cache_pkg::*;
  import vmcs_fields_pkg::*;
(
    input  op_e         op_i,
    input  logic [31:0] encoding_i,
    output logic        exists_o,  // 1 for all operations but Read and Write
    output logic [11:0] offset_o,
    output logic [ 3:0] bytes_o    // 2, 4 or 8
);
  localparam logic [1:0] Width16 = 2'd0, Width64 = 2'd1, Width32 = 2'd2;
  localparam logic [11:0] LaunchStateOffset = 12'd8;

  logic   high, reserved, launch;
  field_t field;
  assign field    = field_of({encoding_i[14:13], encoding_i[11:10], encoding_i[6:1]});
  assign high     = encoding_i[0];
  assign reserved = (|encoding_i[31:15]) | encoding_i[12] | (|encoding_i[9:7]);  // no field has an index above 63
  assign launch   = (op_i == OpGetLaunch) | (op_i == OpSetLaunch);

  always_comb begin
    exists_o = field.exists & ~reserved & (~high | (encoding_i[14:13] == Width64));
    offset_o = field.offset + (high ? 12'd4 : 12'd0);
    unique case (encoding_i[14:13])
      Width16: bytes_o = 4'd2;
      Width32: bytes_o = 4'd4;
      Width64: bytes_o = high ? 4'd4 : 4'd8;
      default: bytes_o = 4'd8;  // natural width
    endcase
    if (launch) begin
      offset_o = LaunchStateOffset;
      bytes_o  = 4'd4;
    end
    if ((op_i != OpRead) && (op_i != OpWrite)) exists_o = 1'b1;
  end
endmodule
