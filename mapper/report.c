/* From counts per position and input bit to the numbers of a layer. */
#include <string.h>

#include "mapper/pack_impl.h"

static uint64_t ceil_div(uint64_t a, uint64_t b) { return a / b + (a % b != 0); }

/* Products and sums that note an overflow instead of wrapping. */
static uint64_t times(uint64_t a, uint64_t b, bool *over) {
  uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) *over = true;
  return product;
}

static uint64_t plus(uint64_t a, uint64_t b, bool *over) {
  uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) *over = true;
  return sum;
}

/* Bytes of one accumulated result: weight and input bits, and the carries of K additions. */
static uint64_t accumulator_bytes(const ap_packing *p) {
  unsigned carries = 0;
  while (((uint64_t)1 << carries) < p->partition.k) carries++;
  return ceil_div(p->spec->weight_bits + p->spec->activation_bits + carries, 8);
}

static void report_events(const ap_packing *p, const ap_pack_counts *c, uint64_t index_bits,
                          uint64_t positions, ap_events *e, bool *over) {
  uint64_t input_bits = p->spec->activation_bits;
  uint64_t reads = times(positions, input_bits, over), adds = c->conversions;
  uint64_t k = p->partition.k, n = p->partition.n, inputs = c->rows < k ? c->rows : k;
  uint64_t crossbar_ous = ap_array_ous(p->spec), out_bytes = 0, busiest = 0, decodes = 0;
  memset(e, 0, sizeof *e);
  e->ou_reads = times(c->ous, reads, over);
  e->row_drives = times(c->row_drives, reads, over);
  e->cell_reads = times(c->cells, reads, over);
  e->adc_conversions = times(c->conversions, reads, over);
  e->sample_holds = e->adc_conversions;
  if (p->spec->encoding == AP_ENCODING_OFFSET) adds = plus(adds, c->columns, over);
  if (p->spec->flip) adds = plus(adds, c->conversions, over);
  e->shift_adds = times(adds, reads, over);
  e->partial_sum_adds = times(c->partial_sums, positions, over);
  if (ap_array_needs_input_sum(p->spec)) e->input_sum_adds = times(c->rows, reads, over);
  e->index_fetch_bits = times(index_bits, positions, over);
  if (c->row_index.bits) decodes += c->row_lists.entries;
  if (c->column_index.bits) decodes += c->column_lists.entries;
  e->index_decodes = times(decodes, positions, over);
  e->input_register_bytes = ceil_div(e->row_drives, 8);
  e->output_register_bytes = times(e->partial_sum_adds, 2 * accumulator_bytes(p), over);
  out_bytes = ceil_div(times(times(n, input_bits, over), positions, over), 8);
  e->edram_bytes = plus(ceil_div(times(inputs, reads, over), 8), out_bytes, over);
  e->bus_bytes = plus(ceil_div(times(c->rows, reads, over), 8), out_bytes, over);
  e->router_bytes = out_bytes;
  e->activations = times(n, positions, over);
  busiest = p->stacked    ? c->stacks.busiest
            : p->in_place ? c->busiest
                          : (c->ous < crossbar_ous ? c->ous : crossbar_ous);
  e->cycles = times(busiest, reads, over);
}

ap_status ap_pack_report(const ap_packing *p, const ap_pack_counts *c, const ap_pack_counts *dense,
                         uint64_t vectors_kept, uint64_t weights_kept, uint64_t positions,
                         ap_map_summary *summary, ap_events *events, ap_needs *needs,
                         ap_error *err) {
  const ap_partition *part = &p->partition;
  ap_map_summary s = {0};
  ap_events e = {0};
  bool over = false;
  s.k = part->k;
  s.n = part->n;
  s.positions = positions;
  s.vectors = part->count;
  s.vectors_kept = vectors_kept;
  s.weights = (uint64_t)part->k * part->n;
  s.weights_kept = weights_kept;
  s.weights_stored = c->cells / p->slices;
  s.macs = times(s.weights, positions, &over);
  s.macs_kept = times(s.weights_kept, positions, &over);
  s.ous = c->ous;
  s.ous_dense = dense->ous;
  s.crossbars = ap_pack_crossbars(p, c);
  s.crossbars_dense =
      ceil_div(part->k, p->spec->rows) * ceil_div((uint64_t)part->n * p->slices, p->spec->cols);
  s.row_index = c->row_index.format;
  s.row_index_bits = c->row_index.bits;
  s.column_index = c->column_index.format;
  s.column_index_bits = c->column_index.bits;
  s.index_bits = c->row_index.bits + c->column_index.bits;
  report_events(p, c, s.index_bits, positions, &e, &over);
  if (over) {
    return ap_fail(err, AP_ERR_ARG,
                   "events of a %zu x %zu matrix at %llu positions do not fit in 64 bits", part->k,
                   part->n, (unsigned long long)positions);
  }
  if (summary) *summary = s;
  if (events) *events = e;
  if (needs) {
    memset(needs, 0, sizeof *needs);
    needs->crossbars = s.crossbars;
    needs->index_bits = s.index_bits;
    needs->cells_written = c->cells;
    needs->input_sums = ap_array_needs_input_sum(p->spec);
    needs->positions = positions;
    needs->replication = 1;
  }
  return AP_OK;
}

uint64_t ap_pack_weights_kept(const ap_packing *p, const ap_pack_counts *c, uint64_t vectors_kept) {
  switch (p->partition.granularity.kind) {
    case AP_GRANULARITY_UNSTRUCTURED:
    case AP_GRANULARITY_PATTERN:
      return vectors_kept;
    case AP_GRANULARITY_BIT_COLUMN:
      return c->touched;
    default:
      return c->cells / p->slices;
  }
}

static uint64_t count_kept(const ap_partition *part, const uint8_t *kept,
                           const ap_pack_counts *counts) {
  uint64_t sum = 0;
  if (!kept) return part->count;
  switch (
      part->granularity.kind) { /* where the index lists the vectors, they are counted already */
    case AP_GRANULARITY_COLUMN_VECTOR:
    case AP_GRANULARITY_BIT_COLUMN:
    case AP_GRANULARITY_FILTER:
      return counts->column_lists.entries;
    case AP_GRANULARITY_ROW_VECTOR:
    case AP_GRANULARITY_CHANNEL:
      return counts->row_lists.entries;
    default:
      break;
  }
  for (size_t i = 0; i < part->count; i++) sum += kept[i] != 0;
  return sum;
}

ap_status ap_map_count(const ap_array_spec *spec, ap_granularity granularity, const uint8_t *kept,
                       const uint8_t *live, size_t k, size_t n, uint64_t positions,
                       ap_map_summary *summary, ap_events *events, ap_needs *needs, ap_error *err) {
  ap_status st = AP_OK;
  ap_packing packing;
  ap_pack_counts counts, dense;
  const ap_partition *part = &packing.partition;
  uint64_t vectors_kept = 0, weights_kept = 0;
  if (positions == 0) return ap_fail(err, AP_ERR_ARG, "0 input positions, expected 1 or more");
  if ((st = ap_packing_init(spec, granularity, k, n, &packing, err))) return st;
  if (granularity.kind == AP_GRANULARITY_DENSE) kept = NULL;
  if ((st = ap_pack_layer(&packing, kept, live, &counts, err))) return st;
  if ((st = ap_pack_layer(&packing, NULL, NULL, &dense, err))) return st;
  vectors_kept = count_kept(part, kept, &counts);
  weights_kept = ap_pack_weights_kept(&packing, &counts, vectors_kept);
  return ap_pack_report(&packing, &counts, &dense, vectors_kept, weights_kept, positions, summary,
                        events, needs, err);
}

json_t *ap_map_summary_to_json(const ap_map_summary *s) {
  return json_pack(
      "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
      "s:s, s:s}",
      "K", (json_int_t)s->k, "N", (json_int_t)s->n, "positions", (json_int_t)s->positions,
      "vectors", (json_int_t)s->vectors, "vectors_kept", (json_int_t)s->vectors_kept, "weights",
      (json_int_t)s->weights, "weights_kept", (json_int_t)s->weights_kept, "weights_stored",
      (json_int_t)s->weights_stored, "macs", (json_int_t)s->macs, "macs_kept",
      (json_int_t)s->macs_kept, "ous", (json_int_t)s->ous, "ous_dense", (json_int_t)s->ous_dense,
      "crossbars", (json_int_t)s->crossbars, "crossbars_dense", (json_int_t)s->crossbars_dense,
      "index_bits", (json_int_t)s->index_bits, "row_index_bits", (json_int_t)s->row_index_bits,
      "column_index_bits", (json_int_t)s->column_index_bits, "row_index",
      ap_index_format_name(s->row_index), "column_index", ap_index_format_name(s->column_index));
}

void ap_map_summary_add(ap_map_summary *total, const ap_map_summary *layer) {
  total->positions += layer->positions;
  total->vectors += layer->vectors;
  total->vectors_kept += layer->vectors_kept;
  total->weights += layer->weights;
  total->weights_kept += layer->weights_kept;
  total->weights_stored += layer->weights_stored;
  total->macs += layer->macs;
  total->macs_kept += layer->macs_kept;
  total->ous += layer->ous;
  total->ous_dense += layer->ous_dense;
  total->crossbars += layer->crossbars;
  total->crossbars_dense += layer->crossbars_dense;
  total->index_bits += layer->index_bits;
  total->row_index_bits += layer->row_index_bits;
  total->column_index_bits += layer->column_index_bits;
}
