#include "mapper/vectors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mapper/bit_columns_impl.h"
#include "mapper/pattern_impl.h"

#define MAX_WEIGHTS ((size_t)1 << 40)
#define MAX_SIDE 16777216 /* of a vector, in text */

static const char *const kind_names[] = {"dense",      "unstructured", "column-vector",
                                         "row-vector", "filter",       "block",
                                         "channel",    "pattern",      "bit-column"};
#define N_KINDS (sizeof kind_names / sizeof kind_names[0])

const char *ap_granularity_kind_name(ap_granularity_kind kind) {
  return (size_t)kind < N_KINDS ? kind_names[kind] : "unknown";
}

/* Digits only, 1..MAX_SIDE; *end is left behind them. */
static bool side(const char *text, const char **end, size_t *out) {
  size_t value = 0;
  const char *p = text;
  for (; *p >= '0' && *p <= '9'; p++) {
    value = 10 * value + (size_t)(*p - '0');
    if (value > MAX_SIDE) return false;
  }
  *end = p;
  *out = value;
  return p != text && value > 0;
}

ap_status ap_granularity_parse(const char *text, ap_granularity *out, ap_error *err) {
  const char *colon = strchr(text, ':');
  size_t length = colon ? (size_t)(colon - text) : strlen(text);
  const char *rest = colon ? colon + 1 : NULL;
  memset(out, 0, sizeof *out);
  for (size_t i = 0; i < N_KINDS; i++) {
    bool ok = true;
    if (strlen(kind_names[i]) != length || strncmp(text, kind_names[i], length) != 0) continue;
    out->kind = (ap_granularity_kind)i;
    if (!rest) return AP_OK;
    if (out->kind == AP_GRANULARITY_COLUMN_VECTOR && *rest == 'R') {
      out->h = AP_SIDE_CROSSBAR;
      rest++;
    } else if (out->kind == AP_GRANULARITY_COLUMN_VECTOR || out->kind == AP_GRANULARITY_CHANNEL ||
               out->kind == AP_GRANULARITY_BIT_COLUMN) {
      ok = side(rest, &rest, &out->h);
    } else if (out->kind == AP_GRANULARITY_PATTERN) {
      ok = side(rest, &rest, &out->h);
      if (ok && *rest == 'x') ok = side(rest + 1, &rest, &out->w);
    } else if (out->kind == AP_GRANULARITY_ROW_VECTOR) {
      ok = side(rest, &rest, &out->w);
    } else if (out->kind == AP_GRANULARITY_BLOCK) {
      ok = side(rest, &rest, &out->h) && *rest == 'x' && side(rest + 1, &rest, &out->w);
    } else {
      ok = false;
    }
    if (ok && *rest == '\0') return AP_OK;
    break;
  }
  memset(out, 0, sizeof *out);
  return ap_fail(
      err, AP_ERR_ARG,
      "granularity '%.60s', expected dense, unstructured, filter, channel[:h], "
      "pattern[:h[xP]], bit-column[:h], column-vector[:h], row-vector[:w] or block[:HxW]",
      text);
}

void ap_granularity_print(ap_granularity granularity, char text[64]) {
  const char *name = ap_granularity_kind_name(granularity.kind);
  size_t h = granularity.h, w = granularity.w;
  if (granularity.kind == AP_GRANULARITY_COLUMN_VECTOR && h == AP_SIDE_CROSSBAR) {
    (void)snprintf(text, 64, "%s:R", name);
  } else if ((granularity.kind == AP_GRANULARITY_COLUMN_VECTOR ||
              granularity.kind == AP_GRANULARITY_CHANNEL ||
              granularity.kind == AP_GRANULARITY_BIT_COLUMN) &&
             h) {
    (void)snprintf(text, 64, "%s:%zu", name, h);
  } else if (granularity.kind == AP_GRANULARITY_ROW_VECTOR && w) {
    (void)snprintf(text, 64, "%s:%zu", name, w);
  } else if (granularity.kind == AP_GRANULARITY_PATTERN && h && !w) {
    (void)snprintf(text, 64, "%s:%zu", name, h);
  } else if ((granularity.kind == AP_GRANULARITY_BLOCK ||
              granularity.kind == AP_GRANULARITY_PATTERN) &&
             h && w) {
    (void)snprintf(text, 64, "%s:%zux%zu", name, h, w);
  } else {
    (void)snprintf(text, 64, "%s", name);
  }
}

static size_t ceil_div(size_t a, size_t b) { return (a + b - 1) / b; }
static size_t min_size(size_t a, size_t b) { return a < b ? a : b; }
static size_t at_least_1(size_t a) { return a ? a : 1; }

ap_status ap_partition_init(ap_granularity granularity, const ap_array_spec *spec, size_t k,
                            size_t n, ap_partition *out, ap_error *err) {
  ap_status st = AP_OK;
  ap_granularity g = granularity;
  size_t s = 0;
  memset(out, 0, sizeof *out);
  if ((st = ap_array_spec_check(spec, err))) return st;
  if (k == 0 || n == 0 || k > MAX_WEIGHTS || n > MAX_WEIGHTS / k) {
    return ap_fail(err, AP_ERR_ARG, "weight matrix of %zu x %zu, expected 1 x 1 to 2^40 weights", k,
                   n);
  }
  s = ap_array_slices(spec);
  out->k = k;
  out->n = n;
  out->slices = s;
  out->spec = *spec;
  switch (g.kind) {
    case AP_GRANULARITY_DENSE:
      g.h = k;
      g.w = n;
      out->count = out->lines = 1;
      break;
    case AP_GRANULARITY_UNSTRUCTURED:
      g.h = g.w = 1;
      out->count = k * n;
      out->lines = k;
      break;
    case AP_GRANULARITY_COLUMN_VECTOR:
      if (g.h == AP_SIDE_CROSSBAR) g.h = spec->rows / spec->ou_rows * spec->ou_rows;
      g.h = min_size(g.h ? g.h : spec->ou_rows, k);
      g.w = 1;
      out->lines = ceil_div(k, g.h);
      out->count = out->lines * n;
      break;
    case AP_GRANULARITY_ROW_VECTOR:
      g.h = 1;
      if (!g.w) {
        g.w = spec->slices == AP_SLICES_SEPARATE ? spec->ou_cols : at_least_1(spec->ou_cols / s);
      }
      g.w = min_size(g.w, n);
      out->lines = ceil_div(n, g.w);
      out->count = out->lines * k;
      break;
    case AP_GRANULARITY_FILTER:
      g.h = k;
      g.w = 1;
      out->lines = 1;
      out->count = n;
      break;
    case AP_GRANULARITY_BIT_COLUMN:
      g.h = min_size(g.h ? g.h : spec->ou_rows, k);
      g.w = 1;
      out->lines = ceil_div(k, g.h);
      out->count = out->lines * n * s;
      break;
    case AP_GRANULARITY_PATTERN:
      g.h = min_size(g.h ? g.h : spec->ou_rows, k);
      if (!g.w) g.w = AP_PATTERNS;
      if (g.h > AP_PATTERN_MAX_ROWS) {
        return ap_fail(err, AP_ERR_ARG, "patterns of %zu rows, at most %d are expected", g.h,
                       AP_PATTERN_MAX_ROWS);
      }
      out->lines = ceil_div(k, g.h);
      out->count = k * n;
      g.w = min_size(g.w, out->lines * n);
      break;
    case AP_GRANULARITY_CHANNEL:
      g.h = min_size(at_least_1(g.h), k);
      g.w = n;
      out->lines = out->count = ceil_div(k, g.h);
      break;
    case AP_GRANULARITY_BLOCK:
      g.h = min_size(g.h ? g.h : spec->rows, k);
      g.w = min_size(g.w ? g.w : at_least_1(spec->cols / s), n);
      out->lines = ceil_div(k, g.h);
      out->count = ceil_div(n, g.w) * k + out->lines * n;
      break;
    default:
      return ap_fail(err, AP_ERR_ARG, "granularity %d is not known", (int)g.kind);
  }
  out->granularity = g;
  return AP_OK;
}

static ap_extent block_vector(const ap_partition *p, size_t index) {
  size_t h = p->granularity.h, w = p->granularity.w;
  /* All units of one full block row: each of its rows once a block, each column once. */
  size_t block_columns = ceil_div(p->n, w), line_units = block_columns * h + p->n;
  size_t line = min_size(index / line_units, p->lines - 1);
  size_t k0 = line * h, k1 = min_size(k0 + h, p->k), rows = k1 - k0;
  size_t in_line = index - line * line_units, block_units = rows + w;
  size_t block = min_size(in_line / block_units, block_columns - 1);
  size_t in_block = in_line - block * block_units;
  ap_extent e = {k0, k1, block * w, min_size(block * w + w, p->n)};
  if (in_block < rows) {
    e.k0 += in_block;
    e.k1 = e.k0 + 1;
  } else {
    e.n0 += in_block - rows;
    e.n1 = e.n0 + 1;
  }
  return e;
}

ap_extent ap_partition_vector(const ap_partition *p, size_t index) {
  size_t h = p->granularity.h, w = p->granularity.w;
  ap_extent e = {0, p->k, 0, p->n};
  switch (p->granularity.kind) {
    case AP_GRANULARITY_DENSE:
      break;
    case AP_GRANULARITY_BIT_COLUMN: {
      size_t slice, column;
      ap_bit_line(p, index % (p->n * p->slices), &column, &slice);
      e.k0 = index / (p->n * p->slices) * h;
      e.k1 = min_size(e.k0 + h, p->k);
      e.n0 = column;
      e.n1 = column + 1;
      break;
    }
    case AP_GRANULARITY_PATTERN:
      e.k0 = index / p->n;
      e.k1 = e.k0 + 1;
      e.n0 = index % p->n;
      e.n1 = e.n0 + 1;
      break;
    case AP_GRANULARITY_UNSTRUCTURED:
    case AP_GRANULARITY_COLUMN_VECTOR:
      e.k0 = index / p->n * h;
      e.k1 = min_size(e.k0 + h, p->k);
      e.n0 = index % p->n;
      e.n1 = e.n0 + 1;
      break;
    case AP_GRANULARITY_ROW_VECTOR:
      e.k0 = index % p->k;
      e.k1 = e.k0 + 1;
      e.n0 = index / p->k * w;
      e.n1 = min_size(e.n0 + w, p->n);
      break;
    case AP_GRANULARITY_FILTER:
      e.n0 = index;
      e.n1 = index + 1;
      break;
    case AP_GRANULARITY_CHANNEL:
      e.k0 = index * h;
      e.k1 = min_size(e.k0 + h, p->k);
      break;
    case AP_GRANULARITY_BLOCK:
      return block_vector(p, index);
  }
  return e;
}

void ap_partition_kept(const ap_partition *p, const int32_t *w, uint8_t *kept) {
  if (p->granularity.kind == AP_GRANULARITY_BIT_COLUMN) {
    ap_bit_columns_kept(p, w, kept);
    return;
  }
  for (size_t i = 0; i < p->count; i++) {
    ap_extent e = ap_partition_vector(p, i);
    uint8_t any = p->granularity.kind == AP_GRANULARITY_DENSE;
    for (size_t k = e.k0; k < e.k1 && !any; k++) {
      for (size_t n = e.n0; n < e.n1 && !any; n++) any = w[k * p->n + n] != 0;
    }
    kept[i] = any;
  }
}

/* Column-vectors row by row, as the matrix lies. */
static void kept_columns_f32(const ap_partition *p, const float *w, uint8_t *kept) {
  memset(kept, 0, p->count);
  for (size_t k = 0; k < p->k; k++) {
    uint8_t *band = kept + k / p->granularity.h * p->n;
    for (size_t n = 0; n < p->n; n++) band[n] |= w[k * p->n + n] != 0.0F;
  }
}

void ap_partition_kept_f32(const ap_partition *p, const float *w, uint8_t *kept) {
  if (p->granularity.kind == AP_GRANULARITY_COLUMN_VECTOR) {
    kept_columns_f32(p, w, kept);
    return;
  }
  if (p->granularity.kind == AP_GRANULARITY_BIT_COLUMN) {
    ap_bit_columns_kept_f32(p, w, kept);
    return;
  }
  for (size_t i = 0; i < p->count; i++) {
    ap_extent e = ap_partition_vector(p, i);
    uint8_t any = p->granularity.kind == AP_GRANULARITY_DENSE;
    for (size_t k = e.k0; k < e.k1 && !any; k++) {
      for (size_t n = e.n0; n < e.n1 && !any; n++) any = w[k * p->n + n] != 0.0F;
    }
    kept[i] = any;
  }
}

/* Clears the vectors that are not kept. For blocks that is a row or a column each, so that what is
 * left is kept rows x kept columns. item: bytes a weight; all-zero bytes are the number 0. */
static void mask(const ap_partition *p, const uint8_t *kept, void *w, size_t item) {
  unsigned char *bytes = w;
  if (p->granularity.kind == AP_GRANULARITY_DENSE) return;
  for (size_t i = 0; i < p->count; i++) {
    ap_extent e;
    if (kept[i]) continue;
    e = ap_partition_vector(p, i);
    for (size_t k = e.k0; k < e.k1; k++) {
      memset(bytes + (k * p->n + e.n0) * item, 0, (e.n1 - e.n0) * item);
    }
  }
}

void ap_partition_mask_f32(const ap_partition *p, const uint8_t *kept, float *w) {
  if (p->granularity.kind == AP_GRANULARITY_BIT_COLUMN) {
    ap_bit_columns_mask_f32(p, kept, w);
  } else {
    mask(p, kept, w, sizeof *w);
  }
}

void ap_partition_mask_i32(const ap_partition *p, const uint8_t *kept, int32_t *w) {
  if (p->granularity.kind == AP_GRANULARITY_BIT_COLUMN) {
    ap_bit_columns_mask_i32(p, kept, w);
  } else {
    mask(p, kept, w, sizeof *w);
  }
}

/* squares: v*v, else |v|, summed over each vector. */
static void sums(const ap_partition *p, const float *w, bool squares, double *score) {
  for (size_t i = 0; i < p->count; i++) {
    ap_extent e = ap_partition_vector(p, i);
    double sum = 0.0;
    for (size_t k = e.k0; k < e.k1; k++) {
      for (size_t n = e.n0; n < e.n1; n++) {
        double v = (double)w[k * p->n + n];
        sum += squares ? v * v : fabs(v);
      }
    }
    score[i] = sum;
  }
}

void ap_partition_squares(const ap_partition *p, const float *w, double *score) {
  sums(p, w, true, score);
}

void ap_partition_magnitudes(const ap_partition *p, const float *w, double *score) {
  sums(p, w, false, score);
}

static uint64_t block_weights_kept(const ap_partition *p, const uint8_t *kept) {
  size_t h = p->granularity.h, w = p->granularity.w, at = 0;
  uint64_t sum = 0;
  for (size_t k0 = 0; k0 < p->k; k0 += h) {
    for (size_t n0 = 0; n0 < p->n; n0 += w) {
      size_t rows = min_size(h, p->k - k0), cols = min_size(w, p->n - n0);
      uint64_t row_sum = 0, col_sum = 0;
      for (size_t i = 0; i < rows; i++) row_sum += kept[at + i] != 0;
      for (size_t i = 0; i < cols; i++) col_sum += kept[at + rows + i] != 0;
      at += rows + cols;
      sum += row_sum * col_sum;
    }
  }
  return sum;
}

/* Kept flags of one line of equally long vectors. */
static uint64_t count_kept(const uint8_t *kept, size_t n) {
  uint64_t sum = 0;
  for (size_t i = 0; i < n; i++) sum += kept[i] != 0;
  return sum;
}

uint64_t ap_partition_weights_kept(const ap_partition *p, const uint8_t *kept) {
  size_t h = p->granularity.h, w = p->granularity.w;
  uint64_t sum = 0;
  switch (p->granularity.kind) {
    case AP_GRANULARITY_DENSE:
      return (uint64_t)p->k * p->n;
    case AP_GRANULARITY_UNSTRUCTURED:
    case AP_GRANULARITY_PATTERN:
      return count_kept(kept, p->count);
    case AP_GRANULARITY_FILTER:
      return p->k * count_kept(kept, p->n);
    case AP_GRANULARITY_COLUMN_VECTOR:
      for (size_t i = 0; i < p->lines; i++) {
        sum += min_size(h, p->k - i * h) * count_kept(kept + i * p->n, p->n);
      }
      return sum;
    case AP_GRANULARITY_ROW_VECTOR:
      for (size_t i = 0; i < p->lines; i++) {
        sum += min_size(w, p->n - i * w) * count_kept(kept + i * p->k, p->k);
      }
      return sum;
    case AP_GRANULARITY_BIT_COLUMN:
      return ap_bit_columns_weights_kept(p, kept);
    case AP_GRANULARITY_CHANNEL:
      for (size_t i = 0; i < p->count; i++) {
        if (kept[i]) sum += p->n * min_size(h, p->k - i * h);
      }
      return sum;
    case AP_GRANULARITY_BLOCK:
      break;
  }
  return block_weights_kept(p, kept);
}

size_t ap_partition_band_rows(const ap_partition *p, size_t band) {
  size_t left = p->k - band * p->granularity.h;
  return left < p->granularity.h ? left : p->granularity.h;
}
