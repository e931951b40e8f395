#include <string.h>

#include "base/alloc.h"
#include "mapper/layout_impl.h"

static size_t min_size(size_t a, size_t b) { return a < b ? a : b; }

/* Makes room for `more` items of a growing array. */
static bool reserve(void **items, size_t *capacity, size_t count, size_t more, size_t item) {
  size_t wanted = *capacity ? *capacity : 64;
  void *grown = NULL;
  if (*items && count + more <= *capacity) return true;
  while (wanted < count + more) wanted *= 2;
  grown = ap_realloc(*items, wanted, item);
  if (!grown) return false;
  *items = grown;
  *capacity = wanted;
  return true;
}

static bool list_reserve(ap_u32_list *list, size_t more) {
  void *items = list->items;
  bool ok = reserve(&items, &list->capacity, list->count, more, sizeof *list->items);
  list->items = items;
  return ok;
}

typedef struct {
  ap_layout *layout;
  const ap_packing *packing;
  const ap_layout_source *source;
  ap_status status;
  ap_error *err;
} builder;

static void no_memory(builder *b) {
  if (!b->status) b->status = ap_fail(b->err, AP_ERR_MEMORY, "layout of a mapping");
}

/* Appends base + each line of the next list of m lines to `list`; the number of lines is returned.
 * With flags: of those that are set (NULL: all), and the table gets the list; else from the table. */
static size_t append_list(builder *b, ap_u32_list *list, const uint8_t *flags, bool hide,
                          ap_index_table *table, size_t m, size_t base) {
  uint32_t *lines = NULL;
  size_t n = 0;
  if (b->status) return 0;
  if (!list_reserve(list, m)) {
    no_memory(b);
    return 0;
  }
  lines = list->items + list->count;
  if (b->source->kept) {
    for (size_t i = 0; i < m && !hide; i++) {
      if (!flags || flags[i]) lines[n++] = (uint32_t)i;
    }
    ap_index_write(table, m, lines, n);
  } else if (!ap_index_read(table, m, lines, &n)) {
    b->status = ap_fail(b->err, AP_ERR_INTERNAL, "an index table does not decode at bit %llu",
                        (unsigned long long)table->at);
    return 0;
  }
  for (size_t i = 0; i < n; i++) lines[i] += (uint32_t)base;
  list->count += n;
  return n;
}

/* Appends base..base+m-1: lines that need no table. */
static size_t append_range(builder *b, ap_u32_list *list, size_t base, size_t m) {
  if (b->status) return 0;
  if (!list_reserve(list, m)) {
    no_memory(b);
    return 0;
  }
  for (size_t i = 0; i < m; i++) list->items[list->count++] = (uint32_t)(base + i);
  return m;
}

static void add_group(builder *b, size_t first_row, size_t n_rows, size_t first_column,
                      size_t n_columns) {
  ap_layout *l = b->layout;
  void *items = l->groups;
  if (b->status || n_rows == 0 || n_columns == 0) return;
  if (!reserve(&items, &l->group_capacity, l->n_groups, 1, sizeof *l->groups)) {
    no_memory(b);
    return;
  }
  l->groups = items;
  l->groups[l->n_groups++] = (ap_group){first_row, n_rows, first_column, n_columns};
}

static void column_vectors(builder *b, const uint8_t *flags) {
  const ap_partition *p = &b->packing->partition;
  ap_layout *l = b->layout;
  bool single = p->granularity.kind == AP_GRANULARITY_UNSTRUCTURED;
  bool bits = p->granularity.kind == AP_GRANULARITY_BIT_COLUMN;
  size_t h = single ? b->packing->spec->ou_rows : p->granularity.h;
  size_t lines = bits ? p->n * p->slices : p->n;
  for (size_t k0 = 0, band = 0; k0 < p->k && !b->status; k0 += h, band++) {
    size_t row = l->rows.count, column = l->columns.count;
    size_t rows = append_range(b, &l->rows, k0, min_size(h, p->k - k0));
    size_t columns = append_list(b, &l->columns, flags ? flags + band * lines : NULL, false,
                                 b->source->column_table, lines, 0);
    add_group(b, row, rows, column, columns);
  }
}

/* Single weights: one flag for each OU column that holds any. */
static void unstructured(builder *b) {
  const ap_partition *p = &b->packing->partition;
  size_t h = b->packing->spec->ou_rows, bands = (p->k + h - 1) / h;
  uint8_t *flags = NULL;
  if (b->source->kept) {
    flags = ap_calloc(bands * p->n, 1);
    if (!flags) {
      no_memory(b);
      return;
    }
    for (size_t i = 0; i < p->count; i++) {
      if (b->source->kept[i]) flags[i / p->n / h * p->n + i % p->n] = 1;
    }
  }
  column_vectors(b, flags);
  ap_free(flags);
}

static void row_vectors(builder *b, const uint8_t *flags) {
  const ap_partition *p = &b->packing->partition;
  ap_layout *l = b->layout;
  size_t w = p->granularity.w;
  for (size_t n0 = 0, group = 0; n0 < p->n && !b->status; n0 += w, group++) {
    size_t row = l->rows.count, column = l->columns.count;
    size_t rows = append_list(b, &l->rows, flags ? flags + group * p->k : NULL, false,
                              b->source->row_table, p->k, 0);
    size_t columns = append_range(b, &l->columns, n0, min_size(w, p->n - n0));
    add_group(b, row, rows, column, columns);
  }
}

/* Rows of the kept input channels, which one list names. */
static size_t channel_rows(builder *b) {
  const ap_partition *p = &b->packing->partition;
  ap_u32_list channels = {0};
  size_t rows = 0, h = p->granularity.h;
  size_t n = append_list(b, &channels, b->source->kept, false, b->source->row_table, p->count, 0);
  for (size_t i = 0; i < n; i++) {
    size_t first = channels.items[i] * h;
    rows += append_range(b, &b->layout->rows, first, min_size(h, p->k - first));
  }
  ap_free(channels.items);
  return rows;
}

static void in_place(builder *b) {
  const ap_partition *p = &b->packing->partition;
  ap_layout *l = b->layout;
  size_t rows = 0, columns = 0, chunk = b->packing->spec->rows;
  if (p->granularity.kind == AP_GRANULARITY_DENSE) {
    columns = append_range(b, &l->columns, 0, p->n);
    rows = append_range(b, &l->rows, 0, p->k);
  } else if (p->granularity.kind == AP_GRANULARITY_CHANNEL) {
    rows = channel_rows(b);
    columns =
        append_list(b, &l->columns, b->source->live, rows == 0, b->source->column_table, p->n, 0);
  } else {
    columns = append_list(b, &l->columns, b->source->kept, false, b->source->column_table, p->n, 0);
    rows = append_list(b, &l->rows, b->source->live, columns == 0, b->source->row_table, p->k, 0);
  }
  for (size_t r = 0; r < rows; r += chunk) add_group(b, r, min_size(chunk, rows - r), 0, columns);
}

static bool any_set(const uint8_t *flags, size_t m) {
  for (size_t i = 0; i < m; i++) {
    if (flags[i]) return true;
  }
  return false;
}

static void blocks(builder *b) {
  const ap_partition *p = &b->packing->partition;
  ap_layout *l = b->layout;
  const uint8_t *flags = b->source->kept;
  for (size_t k0 = 0; k0 < p->k; k0 += p->granularity.h) {
    for (size_t n0 = 0; n0 < p->n && !b->status; n0 += p->granularity.w) {
      size_t h = min_size(p->granularity.h, p->k - k0), w = min_size(p->granularity.w, p->n - n0);
      size_t row = l->rows.count, column = l->columns.count, rows = 0, columns = 0;
      bool hide = flags && (!any_set(flags, h) || !any_set(flags + h, w));
      rows = append_list(b, &l->rows, flags, hide, b->source->row_table, h, k0);
      columns = append_list(b, &l->columns, flags ? flags + h : NULL, hide, b->source->column_table,
                            w, n0);
      add_group(b, row, rows, column, columns);
      if (flags) flags += h + w;
    }
  }
}

/* A pattern's kernels in one band. shape: its rows within a band. */
static void pattern_band(builder *b, size_t pattern, size_t band, const ap_u32_list *shape,
                         uint8_t *flags) {
  const ap_partition *p = &b->packing->partition;
  ap_layout *l = b->layout;
  size_t k0 = band * p->granularity.h, row = l->rows.count, column = l->columns.count;
  size_t rows = 0, columns;
  for (size_t j = 0; flags && j < p->n; j++) {
    flags[j] = b->source->patterns->of[band * p->n + j] == pattern;
  }
  columns = append_list(b, &l->columns, flags, false, b->source->column_table, p->n, 0);
  for (size_t i = 0; i < shape->count && columns > 0; i++) {
    if (k0 + shape->items[i] < p->k) rows += append_range(b, &l->rows, k0 + shape->items[i], 1);
  }
  add_group(b, row, rows, column, columns);
}

static void patterns(builder *b) {
  const ap_partition *p = &b->packing->partition;
  bool write = b->source->kept != NULL;
  uint8_t *flags = write ? ap_calloc(p->n, 1) : NULL;
  uint8_t *rows = write ? ap_calloc(p->granularity.h, 1) : NULL;
  if (write && (!flags || !rows)) no_memory(b);
  for (size_t i = 0; i < b->source->n_patterns && !b->status; i++) {
    ap_u32_list shape = {0};
    for (size_t r = 0; rows && r < p->granularity.h; r++) {
      rows[r] = b->source->patterns->masks[i] >> r & 1U;
    }
    (void)append_list(b, &shape, rows, false, b->source->row_table, p->granularity.h, 0);
    for (size_t band = 0; band < p->lines && !b->status; band++) {
      pattern_band(b, i, band, &shape, flags);
    }
    ap_free(shape.items);
  }
  ap_free(flags);
  ap_free(rows);
}

typedef struct {
  builder *b;
  ap_stacks *stacks;       /* so far */
  size_t group, chunk_row; /* first row of the OU row, within the group */
} ou_row;

static void add_ou(void *context, size_t first, size_t length) {
  ou_row *r = context;
  ap_layout *l = r->b->layout;
  const ap_array_spec *spec = r->b->packing->spec;
  const ap_group *g = &l->groups[r->group];
  size_t across = spec->cols / spec->ou_cols, per_crossbar = ap_array_ous(spec);
  void *items = l->ous;
  ap_ou_place *ou = NULL;
  if (r->b->status) return;
  if (!reserve(&items, &l->ou_capacity, l->n_ous, 1, sizeof *l->ous)) {
    no_memory(r->b);
    return;
  }
  l->ous = items;
  ou = &l->ous[l->n_ous];
  ou->group = r->group;
  ou->first_row = g->first_row + r->chunk_row;
  ou->n_rows = (uint32_t)min_size(spec->ou_rows, g->n_rows - r->chunk_row);
  ou->first_bitline = first;
  ou->n_cols = (uint32_t)length;
  if (r->b->packing->stacked) {
    size_t first_row = ap_stacks_place(spec, r->stacks, ou->n_rows);
    uint64_t stack = r->stacks->stacks - 1;
    ou->crossbar = stack / across;
    ou->row = (uint32_t)first_row;
    ou->col = (uint32_t)(stack % across * spec->ou_cols);
  } else if (r->b->packing->in_place) { /* group g starts a row of crossbars of its own */
    size_t wide = (g->n_columns * r->b->packing->slices + spec->cols - 1) / spec->cols;
    ou->crossbar = (uint64_t)r->group * wide + first / spec->cols;
    ou->row = (uint32_t)r->chunk_row;
    ou->col = (uint32_t)(first % spec->cols);
  } else {
    size_t place = l->n_ous % per_crossbar;
    ou->crossbar = l->n_ous / per_crossbar;
    ou->row = (uint32_t)(place / across * spec->ou_rows);
    ou->col = (uint32_t)(place % across * spec->ou_cols);
  }
  if (ou->crossbar >= l->crossbars) l->crossbars = ou->crossbar + 1;
  l->n_ous++;
}

ap_status ap_layout_build(const ap_packing *packing, const ap_layout_source *source, ap_layout *out,
                          ap_error *err) {
  builder b = {out, packing, source, AP_OK, err};
  ap_stacks stacks = {0};
  memset(out, 0, sizeof *out);
  out->packing = packing;
  switch (packing->partition.granularity.kind) {
    case AP_GRANULARITY_DENSE:
    case AP_GRANULARITY_FILTER:
    case AP_GRANULARITY_CHANNEL:
      in_place(&b);
      break;
    case AP_GRANULARITY_UNSTRUCTURED:
      unstructured(&b);
      break;
    case AP_GRANULARITY_PATTERN:
      patterns(&b);
      break;
    case AP_GRANULARITY_COLUMN_VECTOR:
    case AP_GRANULARITY_BIT_COLUMN:
      column_vectors(&b, source->kept);
      break;
    case AP_GRANULARITY_ROW_VECTOR:
      row_vectors(&b, source->kept);
      break;
    case AP_GRANULARITY_BLOCK:
      blocks(&b);
      break;
  }
  for (size_t g = 0; g < out->n_groups && !b.status; g++) {
    ou_row r = {&b, &stacks, g, 0};
    for (; r.chunk_row < out->groups[g].n_rows; r.chunk_row += packing->spec->ou_rows) {
      ap_pack_pieces(packing, out->groups[g].n_columns, add_ou, &r);
    }
  }
  if (b.status) ap_layout_release(out);
  return b.status;
}

void ap_layout_release(ap_layout *layout) {
  ap_free(layout->rows.items);
  ap_free(layout->columns.items);
  ap_free(layout->groups);
  ap_free(layout->ous);
  memset(layout, 0, sizeof *layout);
}
