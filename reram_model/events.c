#include "reram_model/events.h"

static void add(uint64_t *sum, uint64_t one) {
  if (__builtin_add_overflow(*sum, one, sum)) *sum = UINT64_MAX;
}

void ap_events_add(ap_events *sum, const ap_events *one) {
  add(&sum->ou_reads, one->ou_reads);
  add(&sum->row_drives, one->row_drives);
  add(&sum->cell_reads, one->cell_reads);
  add(&sum->adc_conversions, one->adc_conversions);
  add(&sum->sample_holds, one->sample_holds);
  add(&sum->shift_adds, one->shift_adds);
  add(&sum->partial_sum_adds, one->partial_sum_adds);
  add(&sum->input_sum_adds, one->input_sum_adds);
  add(&sum->index_fetch_bits, one->index_fetch_bits);
  add(&sum->index_decodes, one->index_decodes);
  add(&sum->input_register_bytes, one->input_register_bytes);
  add(&sum->output_register_bytes, one->output_register_bytes);
  add(&sum->edram_bytes, one->edram_bytes);
  add(&sum->bus_bytes, one->bus_bytes);
  add(&sum->router_bytes, one->router_bytes);
  add(&sum->activations, one->activations);
  add(&sum->pool_inputs, one->pool_inputs);
  add(&sum->cycles, one->cycles);
}

void ap_needs_add(ap_needs *sum, const ap_needs *one) {
  add(&sum->crossbars, one->crossbars);
  add(&sum->index_bits, one->index_bits);
  add(&sum->cells_written, one->cells_written);
  sum->input_sums |= one->input_sums;
}

json_t *ap_events_to_json(const ap_events *e) {
  return json_pack(
      "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
      "ou_reads", (json_int_t)e->ou_reads, "row_drives", (json_int_t)e->row_drives, "cell_reads",
      (json_int_t)e->cell_reads, "adc_conversions", (json_int_t)e->adc_conversions, "sample_holds",
      (json_int_t)e->sample_holds, "shift_adds", (json_int_t)e->shift_adds, "partial_sum_adds",
      (json_int_t)e->partial_sum_adds, "input_sum_adds", (json_int_t)e->input_sum_adds,
      "index_fetch_bits", (json_int_t)e->index_fetch_bits, "index_decodes",
      (json_int_t)e->index_decodes, "input_register_bytes", (json_int_t)e->input_register_bytes,
      "output_register_bytes", (json_int_t)e->output_register_bytes, "edram_bytes",
      (json_int_t)e->edram_bytes, "bus_bytes", (json_int_t)e->bus_bytes, "router_bytes",
      (json_int_t)e->router_bytes, "activations", (json_int_t)e->activations, "pool_inputs",
      (json_int_t)e->pool_inputs, "cycles", (json_int_t)e->cycles);
}
