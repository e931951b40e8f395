/* The two invariants of the mapper, over granularities x encodings x slices x shapes: crossbars and
 * index tables multiply out to exactly the pruned matrix, and the data path with an exact converter
 * gives exactly its integer product. Counts without weights equal those of the full mapping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "mapper/datapath.h"
#include "mapper/mapping.h"

static const char *const granularities[] = {
    "dense",      "unstructured",    "column-vector",    "row-vector",   "filter",
    "block",      "column-vector:4", "column-vector:13", "row-vector:5", "block:7x3",
    "channel:4",  "channel",         "column-vector:R",  "pattern",      "pattern:5x2",
    "pattern:12", "bit-column",      "bit-column:5"};
#define N_GRANULARITIES (sizeof granularities / sizeof granularities[0])

static const struct {
  size_t k, n;
} shapes[] = {{1, 1}, {1, 7}, {7, 1}, {9, 8}, {10, 9}, {17, 31}, {33, 64}, {131, 5}, {150, 37}};
#define N_SHAPES (sizeof shapes / sizeof shapes[0])

typedef struct {
  ap_array_spec spec;
  ap_granularity granularity;
  ap_partition partition;
  size_t k, n;
  int32_t *w;
  uint8_t *kept;
} problem;

/* A matrix whose vectors are kept with probability keep; kept ones may hold zeros, too. */
static void make(problem *p, const ap_array_spec *spec, const char *name, size_t k, size_t n,
                 double keep, ap_rng *rng) {
  int32_t lo = ap_array_weight_min(spec), hi = ap_array_weight_max(spec);
  memset(p, 0, sizeof *p);
  p->spec = *spec;
  p->k = k;
  p->n = n;
  assert_int_equal(ap_granularity_parse(name, &p->granularity, NULL), AP_OK);
  assert_int_equal(ap_partition_init(p->granularity, spec, k, n, &p->partition, NULL), AP_OK);
  p->w = ap_calloc(k * n, sizeof *p->w);
  p->kept = ap_calloc(p->partition.count, 1);
  for (size_t i = 0; i < k * n; i++) {
    double u = ap_rng_uniform(rng);
    p->w[i] = lo + (int32_t)ap_rng_below(rng, (size_t)(hi - lo) + 1);
    if (u < 0.05) p->w[i] = lo; /* extremes */
    if (u > 0.95) p->w[i] = hi;
    if (u > 0.5 && u < 0.6) p->w[i] = 0;
  }
  for (size_t i = 0; i < p->partition.count; i++) p->kept[i] = ap_rng_uniform(rng) < keep;
  ap_partition_mask_i32(&p->partition, p->kept, p->w);
}

static void end(problem *p) {
  ap_free(p->w);
  ap_free(p->kept);
}

static void check_reconstruction(const problem *p, const ap_mapping *m) {
  int32_t *back = ap_calloc(p->k * p->n, sizeof *back);
  assert_int_equal(ap_mapping_reconstruct(m, back, NULL), AP_OK);
  assert_memory_equal(back, p->w, p->k * p->n * sizeof *back);
  ap_free(back);
}

/* Inputs of all kinds: zeros, extremes, random; signed on demand. */
static void check_product(const problem *p, const ap_mapping *m, bool is_signed, ap_rng *rng) {
  enum { COUNT = 4 };
  int32_t *x = ap_calloc(COUNT * p->k, sizeof *x);
  int64_t *y = ap_calloc(COUNT * p->n, sizeof *y);
  int64_t *expected = ap_calloc(COUNT * p->n, sizeof *expected);
  int32_t lo = is_signed ? -(1 << (p->spec.activation_bits - 1)) : 0;
  int32_t hi = is_signed ? -lo - 1 : (1 << p->spec.activation_bits) - 1;
  ap_datapath_stats stats;
  for (size_t i = 0; i < p->k; i++) {
    x[i] = hi;
    x[p->k + i] = i % 2 ? lo : hi;
    x[2 * p->k + i] = lo;
    x[3 * p->k + i] = lo + (int32_t)ap_rng_below(rng, (size_t)(hi - lo) + 1);
  }
  for (size_t i = 0; i < COUNT * p->n; i++) y[i] = INT64_MIN;
  ap_integer_product(x, p->w, COUNT, p->k, p->n, expected);
  assert_int_equal(ap_datapath_run(m, x, COUNT, y, &stats, NULL), AP_OK);
  assert_memory_equal(y, expected, COUNT * p->n * sizeof *y);
  assert_int_equal(stats.saturated, 0);
  ap_free(x);
  ap_free(y);
  ap_free(expected);
}

/* The counts-only path against the mapping, and conversions against the data path. */
static void check_counts(const problem *p, const ap_mapping *m) {
  ap_map_summary a, b;
  ap_events ea, eb;
  ap_needs na, nb;
  ap_datapath_stats stats;
  bool by_column = p->granularity.kind == AP_GRANULARITY_CHANNEL; /* else by row: only for filter */
  uint8_t *kept = ap_calloc(p->partition.count, 1), *live = ap_calloc(by_column ? p->n : p->k, 1);
  int32_t *x = ap_calloc(p->k, sizeof *x);
  int64_t *y = ap_calloc(p->n, sizeof *y);
  uint64_t conversions = 0, cells = 0, drives = 0;
  ap_partition_kept(&p->partition, p->w, kept);
  for (size_t i = 0; i < p->k * p->n; i++) {
    if (p->w[i]) live[by_column ? i % p->n : i / p->n] = 1;
  }
  /* structure-aware field-wise comparison: both were zeroed before filling */
  memset(&a, 0, sizeof a);
  memset(&b, 0, sizeof b);
  assert_int_equal(ap_mapping_summary(m, 11, &a, NULL), AP_OK);
  assert_int_equal(ap_mapping_events(m, 11, &ea, &na, NULL), AP_OK);
  assert_int_equal(
      ap_map_count(&p->spec, p->granularity, kept, live, p->k, p->n, 11, &b, &eb, &nb, NULL),
      AP_OK);
  assert_memory_equal(&a, &b, sizeof a);
  assert_memory_equal(&ea, &eb, sizeof ea);
  assert_memory_equal(&na, &nb, sizeof na);
  /* the OUs themselves */
  for (size_t i = 0; i < ap_mapping_ou_count(m); i++) {
    ap_ou ou;
    ap_mapping_ou(m, i, &ou);
    assert_in_range(ou.n_rows, 1, p->spec.ou_rows);
    assert_in_range(ou.n_cols, 1, p->spec.ou_cols);
    assert_true(ou.row + ou.n_rows <= p->spec.rows && ou.col + ou.n_cols <= p->spec.cols);
    assert_true(ou.crossbar < a.crossbars);
    conversions += ou.n_cols;
    cells += ou.n_cols * ou.n_rows;
    drives += ou.n_rows;
  }
  assert_int_equal(ap_mapping_ou_count(m), a.ous);
  assert_int_equal(ea.ou_reads, a.ous * 11 * p->spec.activation_bits);
  assert_int_equal(ea.adc_conversions, conversions * 11 * p->spec.activation_bits);
  assert_int_equal(ea.cell_reads, cells * 11 * p->spec.activation_bits);
  assert_int_equal(ea.row_drives, drives * 11 * p->spec.activation_bits);
  assert_int_equal(na.cells_written, cells);
  assert_int_equal(ap_datapath_run(m, x, 1, y, &stats, NULL), AP_OK);
  assert_int_equal(stats.conversions, conversions * p->spec.activation_bits);
  ap_free(kept);
  ap_free(live);
  ap_free(x);
  ap_free(y);
}

static void check_all(const ap_array_spec *spec, const char *name, size_t k, size_t n, double keep,
                      ap_rng *rng) {
  problem p;
  ap_mapping *m = NULL;
  make(&p, spec, name, k, n, keep, rng);
  assert_int_equal(ap_mapping_create(spec, p.granularity, p.w, k, n, &m, NULL), AP_OK);
  check_reconstruction(&p, m);
  check_product(&p, m, false, rng);
  check_product(&p, m, true, rng);
  check_counts(&p, m);
  ap_mapping_destroy(m);
  end(&p);
}

static ap_array_spec with(ap_encoding encoding, ap_slices slices, bool flip) {
  ap_array_spec spec = ap_array_spec_default();
  spec.encoding = encoding;
  spec.slices = slices;
  spec.flip = flip;
  return spec;
}

static void every_scheme(void **state) {
  static const double keeps[] = {0.0, 0.3, 1.0};
  ap_rng rng;
  (void)state;
  ap_rng_seed(&rng, 20210614, 0);
  for (size_t g = 0; g < N_GRANULARITIES; g++) {
    for (size_t e = 0; e < 12; e++) {
      ap_array_spec spec = with((ap_encoding)(e % 3), (ap_slices)(e / 3 % 2), e >= 6);
      for (size_t s = 0; s < N_SHAPES; s++) {
        size_t i = (g + e + s) % 3;
        check_all(&spec, granularities[g], shapes[s].k, shapes[s].n, keeps[i], &rng);
      }
    }
  }
}

/* Crossbars, OUs and bit widths that divide nothing; whole-array reads. */
static void odd_arrays(void **state) {
  static const struct {
    size_t rows, cols, ou_rows, ou_cols;
    unsigned cell_bits, weight_bits, activation_bits;
  } arrays[] = {{16, 16, 16, 16, 2, 8, 8},       {13, 11, 5, 3, 3, 7, 5},
                {128, 128, 128, 128, 2, 16, 16}, {1, 1, 1, 1, 1, 2, 1},
                {70, 40, 70, 7, 4, 5, 3},        {32, 24, 9, 8, 1, 8, 8},
                {9, 8, 9, 8, 4, 16, 2},          {20, 20, 4, 4, 4, 2, 4}};
  ap_rng rng;
  (void)state;
  ap_rng_seed(&rng, 20210615, 0);
  for (size_t a = 0; a < sizeof arrays / sizeof arrays[0]; a++) {
    for (size_t e = 0; e < 12; e++) {
      ap_array_spec spec = with((ap_encoding)(e % 3), (ap_slices)(e / 3 % 2), e >= 6);
      spec.rows = arrays[a].rows;
      spec.cols = arrays[a].cols;
      spec.ou_rows = arrays[a].ou_rows;
      spec.ou_cols = arrays[a].ou_cols;
      spec.cell_bits = arrays[a].cell_bits;
      spec.weight_bits = arrays[a].weight_bits;
      spec.activation_bits = arrays[a].activation_bits;
      for (size_t g = 0; g < N_GRANULARITIES; g++) {
        check_all(&spec, granularities[g], 41, 13, 0.4, &rng);
      }
    }
  }
}

/* Two rows, OU of two rows, 1-bit cells, weights +1: three conversions bits would be exact for a sum of
 * 2; with one bit the sum of two driven cells reads as 1. Two's complement, weight bits 2: slice 0
 * holds the value bit, slice 1 the sign. x = (1, 1): exact 2, saturated 1. */
static void narrow_converter_saturates(void **state) {
  ap_array_spec spec = with(AP_ENCODING_TWOS_COMPLEMENT, AP_SLICES_ADJACENT, false);
  const int32_t w[] = {1, 1}, x[] = {1, 1, 1, 0};
  int64_t y[2];
  ap_datapath_stats stats;
  ap_granularity g = {AP_GRANULARITY_COLUMN_VECTOR, 0, 0};
  ap_mapping *m = NULL;
  (void)state;
  spec.rows = spec.cols = spec.ou_rows = spec.ou_cols = 2;
  spec.cell_bits = 1;
  spec.weight_bits = 2;
  spec.activation_bits = 1;
  spec.adc_bits = 1;
  assert_int_equal(ap_array_exact_adc_bits(&spec), 2);
  assert_int_equal(ap_mapping_create(&spec, g, w, 2, 1, &m, NULL), AP_OK);
  assert_int_equal(ap_datapath_run(m, x, 2, y, &stats, NULL), AP_OK);
  assert_int_equal(y[0], 1);
  assert_int_equal(y[1], 1);
  assert_int_equal(stats.saturated, 1);
  assert_int_equal(stats.conversions, 4);
  ap_mapping_destroy(m);
}

/* The exact width is needed: one bit less gives a wrong result for full inputs on full cells. */
static void exact_width_is_tight(void **state) {
  (void)state;
  for (unsigned cell_bits = 1; cell_bits <= 4; cell_bits++) {
    ap_array_spec spec = with(AP_ENCODING_OFFSET, AP_SLICES_ADJACENT, false);
    ap_granularity g = {AP_GRANULARITY_COLUMN_VECTOR, 0, 0};
    int32_t w[9], x[9];
    int64_t y = 0, expected = 0;
    ap_mapping *m = NULL;
    spec.cell_bits = cell_bits;
    for (int i = 0; i < 9; i++) {
      w[i] = 127;
      x[i] = 255;
    }
    ap_integer_product(x, w, 1, 9, 1, &expected);
    spec.adc_bits = ap_array_exact_adc_bits(&spec);
    assert_int_equal(ap_mapping_create(&spec, g, w, 9, 1, &m, NULL), AP_OK);
    assert_int_equal(ap_datapath_run(m, x, 1, &y, NULL, NULL), AP_OK);
    assert_int_equal(y, expected);
    ap_mapping_destroy(m);
    spec.adc_bits--;
    assert_int_equal(ap_mapping_create(&spec, g, w, 9, 1, &m, NULL), AP_OK);
    assert_int_equal(ap_datapath_run(m, x, 1, &y, NULL, NULL), AP_OK);
    assert_true(y < expected);
    ap_mapping_destroy(m);
  }
}

static void errors(void **state) {
  ap_array_spec spec = ap_array_spec_default();
  ap_granularity g = {AP_GRANULARITY_COLUMN_VECTOR, 0, 0};
  int32_t w[4] = {1, 2, 128, 4}, x[2] = {0, 256};
  int64_t y[2];
  ap_mapping *m = NULL;
  ap_error err;
  (void)state;
  assert_int_equal(ap_mapping_create(&spec, g, w, 2, 2, &m, &err), AP_ERR_ARG);
  assert_non_null(strstr(err.text, "[1, 0] is 128"));
  assert_null(m);
  w[2] = -128;
  spec.encoding = AP_ENCODING_DIFFERENTIAL;
  assert_int_equal(ap_mapping_create(&spec, g, w, 2, 2, &m, &err), AP_ERR_ARG);
  spec.encoding = AP_ENCODING_OFFSET;
  assert_int_equal(ap_mapping_create(&spec, g, w, 0, 2, &m, &err), AP_ERR_ARG);
  spec.ou_rows = 129;
  assert_int_equal(ap_mapping_create(&spec, g, w, 2, 2, &m, &err), AP_ERR_ARG);
  assert_non_null(strstr(err.text, "129 x 8"));
  spec.ou_rows = 9;
  assert_int_equal(ap_mapping_create(&spec, g, w, 2, 2, &m, &err), AP_OK);
  assert_int_equal(ap_datapath_run(m, x, 1, y, NULL, &err), AP_ERR_ARG);
  assert_non_null(strstr(err.text, "[0, 1] is 256"));
  x[0] = -1;
  x[1] = 128;
  assert_int_equal(ap_datapath_run(m, x, 1, y, NULL, &err), AP_ERR_ARG);
  assert_int_equal(ap_mapping_events(m, 0, NULL, NULL, &err), AP_ERR_ARG);
  assert_int_equal(ap_mapping_events(m, UINT64_MAX, NULL, NULL, &err), AP_ERR_ARG);
  ap_mapping_destroy(m);
}

static void out_of_memory(void **state) {
  ap_array_spec spec = ap_array_spec_default();
  int32_t w[20 * 30], back[20 * 30], x[20] = {1};
  int64_t y[30];
  (void)state;
  spec.flip = true;
  for (int i = 0; i < 600; i++) w[i] = i % 3 ? 0 : i % 100;
  for (size_t g = 0; g < N_GRANULARITIES; g++) {
    ap_granularity granularity;
    bool done = false;
    assert_int_equal(ap_granularity_parse(granularities[g], &granularity, NULL), AP_OK);
    for (size_t n = 0; !done; n++) {
      ap_mapping *m = NULL;
      ap_status st = AP_OK;
      ap_alloc_fail_after(n);
      st = ap_mapping_create(&spec, granularity, w, 20, 30, &m, NULL);
      if (!st) st = ap_mapping_reconstruct(m, back, NULL);
      if (!st) st = ap_datapath_run(m, x, 1, y, NULL, NULL);
      ap_alloc_fail_after(SIZE_MAX);
      assert_true(st == AP_OK || st == AP_ERR_MEMORY);
      done = st == AP_OK;
      assert_true(n < 100);
      ap_mapping_destroy(m);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_scheme),
                                     cmocka_unit_test(odd_arrays),
                                     cmocka_unit_test(narrow_converter_saturates),
                                     cmocka_unit_test(exact_width_is_tight),
                                     cmocka_unit_test(errors),
                                     cmocka_unit_test(out_of_memory)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
