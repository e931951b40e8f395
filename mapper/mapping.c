#include "mapper/mapping.h"

#include <string.h>

#include "base/alloc.h"
#include "mapper/bit_columns_impl.h"
#include "mapper/encode_impl.h"
#include "mapper/layout_impl.h"

struct ap_mapping {
  ap_array_spec spec;
  ap_packing packing; /* points at spec */
  ap_pack_counts counts, dense;
  uint64_t vectors_kept, weights_kept;
  ap_index_table row_table, column_table;
  size_t n_patterns; /* lists of row_table, a setting of the layer like the tables' formats */
  ap_layout layout;  /* points at packing */
  uint8_t *cells;    /* crossbars x R x C */
  uint8_t *flips;    /* OUs x OU columns, 1: stored inverted; NULL without spec.flip */
};

static ap_status check_weights(const ap_array_spec *spec, const int32_t *w, size_t k, size_t n,
                               ap_error *err) {
  int32_t lo = ap_array_weight_min(spec), hi = ap_array_weight_max(spec);
  for (size_t i = 0; i < k * n; i++) {
    if (w[i] >= lo && w[i] <= hi) continue;
    return ap_fail(err, AP_ERR_ARG,
                   "weight [%zu, %zu] is %d, %u-bit weights in %s encoding go from %d to %d", i / n,
                   i % n, (int)w[i], spec->weight_bits, ap_encoding_name(spec->encoding), (int)lo,
                   (int)hi);
  }
  return AP_OK;
}

static uint8_t *cell_at(const ap_mapping *m, const ap_ou_place *ou, size_t i, size_t j) {
  size_t rows = m->spec.rows, cols = m->spec.cols;
  return m->cells + ((size_t)ou->crossbar * rows + ou->row + i) * cols + ou->col + j;
}

/* Bitline b of a group -> output column and slice. */
static void find_bitline(const ap_mapping *m, const ap_layout *layout, const ap_group *g, size_t b,
                         size_t *column, size_t *slice) {
  const uint32_t *listed = layout->columns.items + g->first_column;
  if (m->packing.partition.granularity.kind == AP_GRANULARITY_BIT_COLUMN) {
    ap_bit_line(&m->packing.partition, listed[b], column, slice);
    return;
  }
  ap_pack_bitline(&m->packing, g->n_columns, b, column, slice);
  *column = listed[*column];
}

/* Writes the weights of one OU; inverts the bitlines that hold more than half of what they could. */
static void write_ou(ap_mapping *m, size_t index, const int32_t *w) {
  const ap_ou_place *ou = &m->layout.ous[index];
  const ap_group *g = &m->layout.groups[ou->group];
  size_t n = m->packing.partition.n;
  unsigned max = ap_cell_max(&m->spec);
  for (size_t j = 0; j < ou->n_cols; j++) {
    size_t column = 0, slice = 0;
    uint64_t sum = 0;
    find_bitline(m, &m->layout, g, ou->first_bitline + j, &column, &slice);
    for (size_t i = 0; i < ou->n_rows; i++) {
      size_t k = m->layout.rows.items[ou->first_row + i];
      unsigned cell = ap_encode_cell(&m->spec, m->packing.slices, w[k * n + column], slice);
      *cell_at(m, ou, i, j) = (uint8_t)cell;
      sum += cell;
    }
    if (!m->flips || 2 * sum <= (uint64_t)max * ou->n_rows) continue;
    m->flips[index * m->spec.ou_cols + j] = 1;
    for (size_t i = 0; i < ou->n_rows; i++) {
      uint8_t *cell = cell_at(m, ou, i, j);
      *cell = (uint8_t)(max - *cell);
    }
  }
}

/* Rows (filter) or columns (channel) with any weight; NULL in *out for the other granularities. */
static ap_status find_live(const ap_partition *p, const int32_t *w, uint8_t **out, ap_error *err) {
  bool rows = p->granularity.kind == AP_GRANULARITY_FILTER;
  *out = NULL;
  if (!rows && p->granularity.kind != AP_GRANULARITY_CHANNEL) return AP_OK;
  *out = ap_calloc(rows ? p->k : p->n, 1);
  if (!*out) return ap_fail(err, AP_ERR_MEMORY, "rows or columns of a mapping");
  for (size_t i = 0; i < p->k * p->n; i++) {
    if (w[i]) (*out)[rows ? i / p->n : i % p->n] = 1;
  }
  return AP_OK;
}

static ap_status make_table(ap_index_choice choice, const ap_index_sizes *sizes,
                            ap_index_table *table, ap_error *err) {
  table->choice = choice;
  table->full = sizes->missing == 0;
  table->bytes = ap_calloc((size_t)(choice.bits / 8 + 1), 1);
  return table->bytes ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "index table of a mapping");
}

static ap_status build(ap_mapping *m, const int32_t *w, const uint8_t *kept, const uint8_t *live,
                       ap_error *err) {
  ap_status st = AP_OK;
  const ap_partition *p = &m->packing.partition;
  ap_patterns patterns = {0};
  ap_layout_source source = {
      .kept = kept, .live = live, .row_table = &m->row_table, .column_table = &m->column_table};
  st = ap_pack_layer(&m->packing, kept, live, &m->counts, err);
  if (!st) st = ap_pack_layer(&m->packing, NULL, NULL, &m->dense, err);
  if (st) return st;
  for (size_t i = 0; i < p->count; i++) m->vectors_kept += kept[i];
  m->weights_kept = ap_pack_weights_kept(&m->packing, &m->counts, m->vectors_kept);
  st = make_table(m->counts.row_index, &m->counts.row_lists, &m->row_table, err);
  if (!st) {
    st = make_table(m->counts.column_index, &m->counts.column_lists, &m->column_table, err);
  }
  if (!st && m->packing.stacked) st = ap_patterns_find(p, kept, &patterns, err);
  source.patterns = &patterns;
  source.n_patterns = m->n_patterns = patterns.n;
  if (!st) st = ap_layout_build(&m->packing, &source, &m->layout, err);
  ap_patterns_release(&patterns);
  if (st) return st;
  if (m->layout.n_ous != m->counts.ous ||
      m->layout.crossbars != ap_pack_crossbars(&m->packing, &m->counts) ||
      m->row_table.at != m->row_table.choice.bits ||
      m->column_table.at != m->column_table.choice.bits) {
    return ap_fail(err, AP_ERR_INTERNAL, "the layout has %zu OUs, counted were %llu",
                   m->layout.n_ous, (unsigned long long)m->counts.ous);
  }
  if (m->layout.crossbars > SIZE_MAX / m->spec.rows / m->spec.cols) {
    return ap_fail(err, AP_ERR_MEMORY, "cells of a mapping");
  }
  m->cells = ap_calloc((size_t)m->layout.crossbars, m->spec.rows * m->spec.cols);
  if (m->spec.flip) m->flips = ap_calloc(m->layout.n_ous, m->spec.ou_cols);
  if (!m->cells || (m->spec.flip && !m->flips)) {
    return ap_fail(err, AP_ERR_MEMORY, "cells of a mapping");
  }
  for (size_t i = 0; i < m->layout.n_ous; i++) write_ou(m, i, w);
  return AP_OK;
}

/* Every weight that the kept vectors (and live rows or columns) do not hold must be 0. */
static ap_status check_kept(const ap_partition *p, const int32_t *w, const uint8_t *kept,
                            const uint8_t *live, ap_error *err) {
  ap_status st = AP_OK;
  size_t size = p->k * p->n;
  int32_t *masked = ap_calloc(size, sizeof *masked);
  if (!masked) return ap_fail(err, AP_ERR_MEMORY, "weights of a mapping");
  memcpy(masked, w, size * sizeof *masked);
  ap_partition_mask_i32(p, kept, masked);
  for (size_t i = 0; i < size && !st; i++) {
    bool dead = live && !live[p->granularity.kind == AP_GRANULARITY_FILTER ? i / p->n : i % p->n];
    if (masked[i] != w[i] || (w[i] && dead)) {
      st = ap_fail(err, AP_ERR_ARG, "weight [%zu, %zu] is %d, but no kept vector holds it",
                   i / p->n, i % p->n, (int)w[i]);
    }
  }
  ap_free(masked);
  return st;
}

static ap_status init(ap_mapping *m, ap_granularity granularity, const int32_t *w, size_t k,
                      size_t n, ap_error *err) {
  ap_status st = ap_packing_init(&m->spec, granularity, k, n, &m->packing, err);
  if (st) return st;
  if (k > UINT32_MAX || n > UINT32_MAX / m->packing.slices) {
    return ap_fail(err, AP_ERR_ARG, "weight matrix of %zu x %zu, rows and bitlines go up to 2^32-1",
                   k, n);
  }
  return check_weights(&m->spec, w, k, n, err);
}

ap_status ap_mapping_create_kept(const ap_array_spec *spec, ap_granularity granularity,
                                 const int32_t *w, const uint8_t *kept, const uint8_t *live,
                                 size_t k, size_t n, ap_mapping **out, ap_error *err) {
  ap_status st = AP_OK;
  ap_mapping *m = ap_calloc(1, sizeof *m);
  *out = NULL;
  if (!m) return ap_fail(err, AP_ERR_MEMORY, "mapping");
  m->spec = *spec;
  if (granularity.kind != AP_GRANULARITY_FILTER && granularity.kind != AP_GRANULARITY_CHANNEL) {
    live = NULL;
  }
  st = init(m, granularity, w, k, n, err);
  if (!st) st = check_kept(&m->packing.partition, w, kept, live, err);
  if (!st) st = build(m, w, kept, live, err);
  if (!st) {
    *out = m;
    m = NULL;
  }
  ap_mapping_destroy(m);
  return st;
}

ap_status ap_mapping_create(const ap_array_spec *spec, ap_granularity granularity, const int32_t *w,
                            size_t k, size_t n, ap_mapping **out, ap_error *err) {
  ap_status st = AP_OK;
  ap_mapping *m = ap_calloc(1, sizeof *m);
  uint8_t *kept = NULL, *live = NULL;
  *out = NULL;
  if (!m) return ap_fail(err, AP_ERR_MEMORY, "mapping");
  m->spec = *spec;
  if ((st = init(m, granularity, w, k, n, err))) goto done;
  kept = ap_calloc(m->packing.partition.count, 1);
  if (!kept) {
    st = ap_fail(err, AP_ERR_MEMORY, "vectors of a mapping");
    goto done;
  }
  ap_partition_kept(&m->packing.partition, w, kept);
  if ((st = find_live(&m->packing.partition, w, &live, err))) goto done;
  if ((st = build(m, w, kept, live, err))) goto done;
  *out = m;
  m = NULL;
done:
  ap_free(kept);
  ap_free(live);
  ap_mapping_destroy(m);
  return st;
}

void ap_mapping_destroy(ap_mapping *m) {
  if (!m) return;
  ap_layout_release(&m->layout);
  ap_free(m->row_table.bytes);
  ap_free(m->column_table.bytes);
  ap_free(m->cells);
  ap_free(m->flips);
  ap_free(m);
}

const ap_array_spec *ap_mapping_spec(const ap_mapping *m) { return &m->spec; }
size_t ap_mapping_k(const ap_mapping *m) { return m->packing.partition.k; }
size_t ap_mapping_n(const ap_mapping *m) { return m->packing.partition.n; }

static ap_status report(const ap_mapping *m, uint64_t positions, ap_map_summary *summary,
                        ap_events *events, ap_needs *needs, ap_error *err) {
  if (positions == 0) return ap_fail(err, AP_ERR_ARG, "0 input positions, expected 1 or more");
  return ap_pack_report(&m->packing, &m->counts, &m->dense, m->vectors_kept, m->weights_kept,
                        positions, summary, events, needs, err);
}

ap_status ap_mapping_summary(const ap_mapping *m, uint64_t positions, ap_map_summary *out,
                             ap_error *err) {
  return report(m, positions, out, NULL, NULL, err);
}

ap_status ap_mapping_events(const ap_mapping *m, uint64_t positions, ap_events *events,
                            ap_needs *needs, ap_error *err) {
  return report(m, positions, NULL, events, needs, err);
}

size_t ap_mapping_ou_count(const ap_mapping *m) { return m->layout.n_ous; }

void ap_mapping_ou(const ap_mapping *m, size_t index, ap_ou *out) {
  const ap_ou_place *ou = &m->layout.ous[index];
  const ap_group *g = &m->layout.groups[ou->group];
  out->crossbar = ou->crossbar;
  out->row = ou->row;
  out->col = ou->col;
  out->n_rows = ou->n_rows;
  out->n_cols = ou->n_cols;
  out->inputs = m->layout.rows.items + ou->first_row;
  out->outputs = m->layout.columns.items + g->first_column;
  out->first_bitline = ou->first_bitline;
  out->group = ou->group;
  out->index = index;
}

bool ap_mapping_bitline(const ap_mapping *m, const ap_ou *ou, size_t j, size_t *column,
                        size_t *slice) {
  find_bitline(m, &m->layout, &m->layout.groups[ou->group], ou->first_bitline + j, column, slice);
  return m->flips && m->flips[ou->index * m->spec.ou_cols + j];
}

unsigned ap_mapping_cell(const ap_mapping *m, const ap_ou *ou, size_t i, size_t j) {
  return *cell_at(m, &m->layout.ous[ou->index], i, j);
}

/* Adds the stored numbers of one OU, found through a decoded layout, to w. */
static void read_ou(const ap_mapping *m, const ap_layout *layout, size_t index, int32_t *w) {
  const ap_ou_place *ou = &layout->ous[index];
  const ap_group *g = &layout->groups[ou->group];
  size_t n = m->packing.partition.n;
  for (size_t j = 0; j < ou->n_cols; j++) {
    size_t column = 0, slice = 0;
    bool flip = m->flips && m->flips[index * m->spec.ou_cols + j];
    find_bitline(m, layout, g, ou->first_bitline + j, &column, &slice);
    for (size_t i = 0; i < ou->n_rows; i++) {
      size_t k = layout->rows.items[ou->first_row + i];
      unsigned cell = *cell_at(m, ou, i, j);
      int64_t value = flip ? (int64_t)(ap_cell_max(&m->spec) - cell) : (int64_t)cell;
      value *= ap_slice_weight(&m->spec, m->packing.slices, slice);
      if (slice == ap_offset_slice(&m->spec)) value -= ap_weight_offset(&m->spec);
      w[k * n + column] += (int32_t)value;
    }
  }
}

ap_status ap_mapping_reconstruct(const ap_mapping *m, int32_t *w_out, ap_error *err) {
  ap_status st = AP_OK;
  ap_index_table rows = m->row_table, columns = m->column_table; /* with read places of their own */
  ap_layout_source source = {
      .row_table = &rows, .column_table = &columns, .n_patterns = m->n_patterns};
  ap_layout layout = {0};
  rows.at = columns.at = 0;
  memset(w_out, 0, m->packing.partition.k * m->packing.partition.n * sizeof *w_out);
  if ((st = ap_layout_build(&m->packing, &source, &layout, err))) return st;
  if (layout.n_ous != m->layout.n_ous) {
    st = ap_fail(err, AP_ERR_INTERNAL, "the index tables name %zu OUs, the crossbars hold %zu",
                 layout.n_ous, m->layout.n_ous);
  }
  for (size_t i = 0; i < layout.n_ous && !st; i++) read_ou(m, &layout, i, w_out);
  ap_layout_release(&layout);
  return st;
}
