// SPDX-License-Identifier: Apache-2.0
// Which region each context holds: two look-ups, and the choice of the next context to take.
module vmcs_context_table
  import vmcs_cache_pkg::*;
#(
    parameter int unsigned Contexts = 16
) (
    input  logic                clk_i,
    input  logic                rst_ni,
    input  logic [4:0]          contexts_i,   // how many of them may be used
    input  tag_t                vmcs_i,
    output logic                vmcs_hit_o,
    output logic [3:0]          vmcs_context_o,
    input  tag_t                source_i,
    output logic                source_hit_o,
    output logic [3:0]          source_context_o,
    input  logic                keep_i,       // neither vmcs_i's nor source_i's context may be evicted
    output logic                full_o,
    output logic [3:0]          next_o,       // lowest free context; where full: the least recently used
    input  logic                take_i,
    input  logic [3:0]          take_context_i,
    input  tag_t                take_tag_i,
    input  logic                free_i,
    input  logic [3:0]          free_context_i,
    input  logic                free_all_i,
    input  logic                touch_source_i,
    input  logic                touch_i,      // vmcs_i's context, or the one just taken for it, was used after source_i's
    input  logic [3:0]          read_i,
    output tag_t                read_tag_o,
    output logic [Contexts-1:0] used_o,
    input  logic [3:0]          probe_i,
    output tag_t                probe_tag_o,
    output logic [4:0]          probe_age_o   // number of contexts used since; 0: the most recent
);
  tag_t tag_q[Contexts];
  logic [Contexts-1:0] used_q, used_d, enabled, match, source_match, oldest, newer, evictable;

  for (genvar i = 0; i < Contexts; i++) begin : gen_context
    assign enabled[i]      = 5'(i) < contexts_i;
    assign match[i]        = used_q[i] & (tag_q[i] == vmcs_i);
    assign source_match[i] = used_q[i] & (tag_q[i] == source_i);
  end
  assign evictable   = enabled & ~(keep_i ? match | source_match : '0);
  assign full_o      = &(used_q | ~enabled);
  assign used_o      = used_q;
  assign read_tag_o  = tag_q[read_i];
  assign probe_tag_o = tag_q[probe_i];
  assign probe_age_o = 5'($countones(newer & used_q));

  logic [3:0] free_index, oldest_index;
  logic free_any, oldest_any;
  vmcs_first_one #(.Width(Contexts)) i_match (.bits_i(match), .index_o(vmcs_context_o), .any_o(vmcs_hit_o));
  vmcs_first_one #(.Width(Contexts)) i_source (.bits_i(source_match), .index_o(source_context_o), .any_o(source_hit_o));
  vmcs_first_one #(.Width(Contexts)) i_free (.bits_i(enabled & ~used_q), .index_o(free_index), .any_o(free_any));
  vmcs_first_one #(.Width(Contexts)) i_oldest (.bits_i(oldest), .index_o(oldest_index), .any_o(oldest_any));
  assign next_o = free_any ? free_index : oldest_index;

  vmcs_lru #(.Contexts(Contexts)) i_lru (
      .clk_i, .rst_ni,
      .touch_first_i(touch_source_i),
      .first_i(source_context_o),
      .touch_i,
      .context_i(take_i ? take_context_i : vmcs_context_o),
      .among_i(evictable),
      .oldest_o(oldest),
      .probe_i,
      .newer_than_probe_o(newer)
  );

  always_comb begin
    used_d = used_q;
    if (take_i) used_d[take_context_i] = 1'b1;
    if (free_i) used_d[free_context_i] = 1'b0;
    if (free_all_i) used_d = '0;
  end
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) used_q <= '0;
    else used_q <= used_d;
  end
  always_ff @(posedge clk_i) begin
    if (take_i) tag_q[take_context_i] <= take_tag_i;
  end

  one_context_per_region: assert property (@(posedge clk_i) disable iff (!rst_ni) $onehot0(match));
  an_eviction_finds_its_victim: assert property (@(posedge clk_i) disable iff (!rst_ni) (take_i & full_o) |-> oldest_any);
  none_beyond_the_configured: assert property (@(posedge clk_i) disable iff (!rst_ni) (used_q & ~enabled) == '0);
endmodule
