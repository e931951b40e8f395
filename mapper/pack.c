/* The packing rules of docs/MAPPING.md, as counts. */
#include <string.h>

#include "base/alloc.h"
#include "mapper/bit_columns_impl.h"
#include "mapper/pack_impl.h"

static uint64_t ceil_div(uint64_t a, uint64_t b) { return (a + b - 1) / b; }
static size_t min_size(size_t a, size_t b) { return a < b ? a : b; }

ap_status ap_packing_init(const ap_array_spec *spec, ap_granularity granularity, size_t k, size_t n,
                          ap_packing *out, ap_error *err) {
  ap_status st = ap_partition_init(granularity, spec, k, n, &out->partition, err);
  if (st) return st;
  out->spec = spec;
  out->slices = ap_array_slices(spec);
  out->bitlines = granularity.kind == AP_GRANULARITY_BIT_COLUMN ? 1 : out->slices;
  out->in_place = granularity.kind == AP_GRANULARITY_DENSE ||
                  granularity.kind == AP_GRANULARITY_FILTER ||
                  granularity.kind == AP_GRANULARITY_CHANNEL;
  out->stacked = granularity.kind == AP_GRANULARITY_PATTERN;
  return AP_OK;
}

/* Runs of neighbouring bitlines that one OU may span: all of a group, or those of one slice. */
static size_t run_length(const ap_packing *p, size_t columns) {
  return p->spec->slices == AP_SLICES_SEPARATE ? columns : columns * p->bitlines;
}

void ap_pack_pieces(const ap_packing *p, size_t columns, ap_piece_visit *visit, void *context) {
  size_t bitlines = columns * p->bitlines, run = run_length(p, columns);
  for (size_t b = 0; b < bitlines;) {
    size_t end = min_size(b + p->spec->ou_cols, (b / run + 1) * run);
    if (p->in_place) end = min_size(end, (b / p->spec->cols + 1) * p->spec->cols);
    visit(context, b, end - b);
    b = end;
  }
}

/* OUs side by side over bitlines [from, to) of one crossbar, which run borders cut. */
static uint64_t pieces_between(size_t from, size_t to, size_t run, size_t ou_cols) {
  uint64_t pieces = 0;
  while (from < to) {
    size_t end = min_size(to, (from / run + 1) * run);
    pieces += ceil_div(end - from, ou_cols);
    from = end;
  }
  return pieces;
}

/* *widest: the most OUs side by side in one crossbar (in place). */
static uint64_t count_pieces(const ap_packing *p, size_t columns, uint64_t *widest) {
  size_t bitlines = columns * p->bitlines, run = run_length(p, columns);
  uint64_t pieces = 0;
  *widest = 0;
  if (!p->in_place) return (uint64_t)(bitlines / run) * ceil_div(run, p->spec->ou_cols);
  for (size_t c = 0; c < bitlines; c += p->spec->cols) {
    uint64_t here = pieces_between(c, min_size(c + p->spec->cols, bitlines), run, p->spec->ou_cols);
    pieces += here;
    if (here > *widest) *widest = here;
  }
  return pieces;
}

void ap_pack_group(const ap_packing *p, size_t rows, size_t columns, ap_pack_counts *c) {
  uint64_t pieces = 0, chunks = 0, widest = 0, bitlines = (uint64_t)columns * p->bitlines;
  if (rows == 0 || columns == 0) return;
  pieces = count_pieces(p, columns, &widest);
  chunks = ceil_div(rows, p->spec->ou_rows);
  c->ous += pieces * chunks;
  c->row_drives += pieces * rows;
  c->cells += bitlines * rows;
  c->conversions += bitlines * chunks;
  c->partial_sums += (uint64_t)columns * chunks;
  c->columns += columns;
  c->rows += rows;
  if (p->in_place) {
    c->crossbars_in_place += ceil_div(bitlines, p->spec->cols);
    if (widest * chunks > c->busiest) c->busiest = widest * chunks;
  }
}

/* Lines of a list that flags[0..m-1] keep (NULL: all). */
static size_t count_list(ap_index_sizes *sizes, const uint8_t *flags, size_t m) {
  if (flags) return ap_index_flags(sizes, flags, m);
  ap_index_full_list(sizes, m);
  return m;
}

static void count_column_vectors(const ap_packing *p, const uint8_t *kept, ap_pack_counts *c) {
  size_t h = p->partition.granularity.h, k = p->partition.k, n = p->partition.n;
  for (size_t band = 0; band * h < k; band++) {
    size_t rows = min_size(h, k - band * h);
    ap_pack_group(p, rows, count_list(&c->column_lists, kept ? kept + band * n : NULL, n), c);
  }
}

/* Lists of bitlines; results and corrections are those of the columns that any of them belongs to. */
static void count_bit_columns(const ap_packing *p, const uint8_t *kept, ap_pack_counts *c) {
  const ap_partition *part = &p->partition;
  size_t lines = part->n * part->slices;
  for (size_t band = 0; band < part->lines; band++) {
    const uint8_t *flags = kept ? kept + band * lines : NULL;
    size_t rows = min_size(part->granularity.h, part->k - band * part->granularity.h);
    size_t found = count_list(&c->column_lists, flags, lines);
    size_t columns = ap_bit_columns_columns(part, flags);
    ap_pack_group(p, rows, found, c);
    c->partial_sums -= (found - columns) * ceil_div(rows, p->spec->ou_rows);
    c->columns -= found - columns;
    c->touched += (uint64_t)rows * columns;
  }
}

/* What the hardware can use of single weights: OU columns with anything in them. */
static void count_unstructured(const ap_packing *p, const uint8_t *kept, ap_pack_counts *c) {
  size_t h = p->spec->ou_rows, k = p->partition.k, n = p->partition.n;
  for (size_t k0 = 0; k0 < k; k0 += h) {
    size_t rows = min_size(h, k - k0), columns = 0;
    if (!kept) {
      ap_pack_group(p, rows, count_list(&c->column_lists, NULL, n), c);
      continue;
    }
    ap_index_list(&c->column_lists, n);
    for (size_t j = 0; j < n; j++) {
      bool any = false;
      for (size_t i = k0; i < k0 + rows && !any; i++) any = kept[i * n + j] != 0;
      if (!any) continue;
      ap_index_line(&c->column_lists, j);
      columns++;
    }
    ap_index_list_end(&c->column_lists);
    ap_pack_group(p, rows, columns, c);
  }
}

static void count_row_vectors(const ap_packing *p, const uint8_t *kept, ap_pack_counts *c) {
  size_t w = p->partition.granularity.w, k = p->partition.k, n = p->partition.n;
  for (size_t group = 0; group * w < n; group++) {
    size_t rows = count_list(&c->row_lists, kept ? kept + group * k : NULL, k);
    ap_pack_group(p, rows, min_size(w, n - group * w), c);
  }
}

/* Rows of kept input channels; all the same height but perhaps the last. */
static size_t channel_rows(const ap_partition *part, const uint8_t *kept, size_t channels) {
  size_t h = part->granularity.h, short_by = part->count * h - part->k;
  return channels * h - (!kept || kept[part->count - 1] ? short_by : 0);
}

static void count_in_place(const ap_packing *p, const uint8_t *kept, const uint8_t *live,
                           ap_pack_counts *c) {
  size_t rows = p->partition.k, columns = p->partition.n;
  if (p->partition.granularity.kind == AP_GRANULARITY_FILTER) {
    columns = count_list(&c->column_lists, kept, columns);
    if (columns == 0) {
      ap_index_empty_list(&c->row_lists, rows);
      return;
    }
    rows = count_list(&c->row_lists, live, rows);
  } else if (p->partition.granularity.kind == AP_GRANULARITY_CHANNEL) {
    size_t channels = count_list(&c->row_lists, kept, p->partition.count);
    if (channels == 0) {
      ap_index_empty_list(&c->column_lists, columns);
      return;
    }
    rows = channel_rows(&p->partition, kept, channels);
    columns = count_list(&c->column_lists, live, columns);
  }
  for (size_t r = 0; r < rows; r += p->spec->rows) {
    ap_pack_group(p, min_size(p->spec->rows, rows - r), columns, c);
  }
}

static bool any_kept(const uint8_t *flags, size_t m) {
  for (size_t i = 0; i < m; i++) {
    if (flags[i]) return true;
  }
  return false;
}

static void count_blocks(const ap_packing *p, const uint8_t *kept, ap_pack_counts *c) {
  const ap_partition *part = &p->partition;
  size_t at = 0;
  for (size_t k0 = 0; k0 < part->k; k0 += part->granularity.h) {
    for (size_t n0 = 0; n0 < part->n; n0 += part->granularity.w) {
      size_t rows = min_size(part->granularity.h, part->k - k0);
      size_t columns = min_size(part->granularity.w, part->n - n0);
      const uint8_t *row_flags = kept ? kept + at : NULL;
      const uint8_t *column_flags = kept ? kept + at + rows : NULL;
      at += rows + columns;
      if (kept && (!any_kept(row_flags, rows) || !any_kept(column_flags, columns))) {
        ap_index_empty_list(&c->row_lists, rows);
        ap_index_empty_list(&c->column_lists, columns);
        continue;
      }
      rows = count_list(&c->row_lists, row_flags, rows);
      columns = count_list(&c->column_lists, column_flags, columns);
      ap_pack_group(p, rows, columns, c);
    }
  }
}

/* A group's OUs in the order in which the layout has them. */
static void stack_group(const ap_packing *p, size_t rows, size_t columns, ap_stacks *stacks) {
  uint64_t widest, pieces = count_pieces(p, columns, &widest);
  for (size_t r = 0; r < rows; r += p->spec->ou_rows) {
    size_t height = min_size(p->spec->ou_rows, rows - r);
    for (uint64_t i = 0; i < pieces; i++) (void)ap_stacks_place(p->spec, stacks, height);
  }
}

static ap_status count_patterns(const ap_packing *p, const uint8_t *kept, ap_pack_counts *c,
                                ap_error *err) {
  const ap_partition *part = &p->partition;
  ap_patterns patterns;
  uint8_t *flags = ap_calloc(part->n, 1);
  ap_status st = flags ? ap_patterns_find(part, kept, &patterns, err)
                       : ap_fail(err, AP_ERR_MEMORY, "patterns");
  for (size_t i = 0; !st && i < patterns.n; i++) {
    ap_index_list(&c->row_lists, part->granularity.h);
    for (size_t r = 0; r < part->granularity.h; r++) {
      if (patterns.masks[i] >> r & 1U) ap_index_line(&c->row_lists, r);
    }
    ap_index_list_end(&c->row_lists);
    for (size_t band = 0; band < part->lines; band++) {
      size_t rows = ap_pattern_rows(part, patterns.masks[i], band), columns;
      for (size_t j = 0; j < part->n; j++) flags[j] = patterns.of[band * part->n + j] == i;
      columns = ap_index_flags(&c->column_lists, flags, part->n);
      if (columns == 0) continue;
      ap_pack_group(p, rows, columns, c);
      stack_group(p, rows, columns, &c->stacks);
    }
  }
  if (!st) ap_patterns_release(&patterns);
  ap_free(flags);
  return st;
}

ap_status ap_pack_layer(const ap_packing *p, const uint8_t *kept, const uint8_t *live,
                        ap_pack_counts *c, ap_error *err) {
  ap_status st = AP_OK;
  memset(c, 0, sizeof *c);
  switch (p->partition.granularity.kind) {
    case AP_GRANULARITY_DENSE:
    case AP_GRANULARITY_FILTER:
    case AP_GRANULARITY_CHANNEL:
      count_in_place(p, kept, live, c);
      break;
    case AP_GRANULARITY_UNSTRUCTURED:
      count_unstructured(p, kept, c);
      break;
    case AP_GRANULARITY_BIT_COLUMN:
      count_bit_columns(p, kept, c);
      break;
    case AP_GRANULARITY_PATTERN:
      st = count_patterns(p, kept, c, err);
      break;
    case AP_GRANULARITY_COLUMN_VECTOR:
      count_column_vectors(p, kept, c);
      break;
    case AP_GRANULARITY_ROW_VECTOR:
      count_row_vectors(p, kept, c);
      break;
    case AP_GRANULARITY_BLOCK:
      count_blocks(p, kept, c);
      break;
  }
  c->row_index = ap_index_choose(&c->row_lists);
  c->column_index = ap_index_choose(&c->column_lists);
  return st;
}

uint64_t ap_pack_crossbars(const ap_packing *p, const ap_pack_counts *c) {
  if (p->stacked) return ceil_div(c->stacks.stacks, p->spec->cols / p->spec->ou_cols);
  return p->in_place ? c->crossbars_in_place : ceil_div(c->ous, ap_array_ous(p->spec));
}
