/* The pattern rule against a plain reading of docs/MAPPING.md: lists searched from end to end, nothing
 * shared with the mapper. */
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
#include "mapper/mapping.h"

enum { MAX_K = 60, MAX_N = 40, MAX_ROWS = 16, MAX_PATTERNS = MAX_K * MAX_N };

typedef struct {
  int rows[MAX_ROWS]; /* 0 or 1 */
  size_t n_rows, kernels;
  unsigned long value;
} pattern;

typedef struct {
  size_t k, n, h, limit;
  uint8_t kept[MAX_K * MAX_N];
} layer;

typedef struct {
  uint64_t ous, crossbars, conversions, drives, cells, stored, busiest, patterns;
} numbers;

static pattern kernel_of(const layer *l, size_t band, size_t column) {
  pattern p = {{0}, 0, 1, 0};
  for (size_t r = 0; r < l->h && band * l->h + r < l->k; r++) {
    if (!l->kept[(band * l->h + r) * l->n + column]) continue;
    p.rows[r] = 1;
    p.n_rows++;
    p.value += 1UL << r;
  }
  return p;
}

static int covers(const pattern *a, const pattern *b) {
  for (size_t r = 0; r < MAX_ROWS; r++) {
    if (b->rows[r] && !a->rows[r]) return 0;
  }
  return 1;
}

/* More kernels, more rows, larger value. */
static int goes_first(const pattern *a, const pattern *b) {
  if (a->kernels != b->kernels) return a->kernels > b->kernels;
  if (a->n_rows != b->n_rows) return a->n_rows > b->n_rows;
  return a->value > b->value;
}

static size_t dictionary_of(const layer *l, pattern *list) {
  static pattern all[MAX_PATTERNS];
  size_t bands = (l->k + l->h - 1) / l->h, n = 0, taken = 0;
  int open = 0;
  for (size_t b = 0; b < bands; b++) {
    for (size_t c = 0; c < l->n; c++) {
      pattern p = kernel_of(l, b, c);
      size_t i = 0;
      if (p.n_rows == 0) continue;
      while (i < n && all[i].value != p.value) i++;
      if (i == n) {
        all[n++] = p;
      } else {
        all[i].kernels++;
      }
    }
  }
  for (size_t rest = n; rest > 0; rest--) { /* selection, the next best each time */
    size_t best = 0;
    int covered = 0;
    for (size_t i = 1; i < rest; i++) {
      if (goes_first(&all[i], &all[best])) best = i;
    }
    for (size_t d = 0; d < taken; d++) covered = covered || covers(&list[d], &all[best]);
    if (!covered && taken < l->limit) {
      list[taken++] = all[best];
    } else {
      open = open || !covered;
    }
    all[best] = all[rest - 1];
  }
  if (open) {
    memset(&list[taken], 0, sizeof list[taken]);
    for (size_t r = 0; r < l->h; r++) list[taken].rows[r] = 1;
    list[taken].n_rows = l->h;
    list[taken++].value = (1UL << l->h) - 1;
  }
  return taken;
}

static numbers count_plainly(const layer *l, const ap_array_spec *spec) {
  static pattern list[MAX_PATTERNS + 1];
  static size_t of[MAX_K][MAX_N];
  size_t n = dictionary_of(l, list), bands = (l->k + l->h - 1) / l->h;
  size_t s = ap_array_slices(spec), across = spec->cols / spec->ou_cols;
  size_t stack = 0, filled = 0, here = 0, begun = 0;
  numbers out = {0};
  if (s == 0 || across == 0) return out; /* no such array */
  /* the covering pattern of the fewest rows; ties: the smaller value */
  for (size_t b = 0; b < bands; b++) {
    for (size_t c = 0; c < l->n; c++) {
      pattern p = kernel_of(l, b, c);
      size_t best = n;
      for (size_t d = 0; d < n && p.n_rows; d++) {
        if (!covers(&list[d], &p)) continue;
        if (best == n || list[d].n_rows < list[best].n_rows ||
            (list[d].n_rows == list[best].n_rows && list[d].value < list[best].value)) {
          best = d;
        }
      }
      of[b][c] = best;
    }
  }
  for (;;) { /* patterns by falling rows, then value */
    size_t next = n;
    uint64_t used = 0;
    for (size_t d = 0; d < n; d++) {
      if (list[d].kernels == SIZE_MAX) continue;
      if (next == n || list[d].n_rows > list[next].n_rows ||
          (list[d].n_rows == list[next].n_rows && list[d].value > list[next].value)) {
        next = d;
      }
    }
    if (next == n) break;
    for (size_t b = 0; b < bands; b++) {
      size_t rows = 0, columns = 0;
      for (size_t r = 0; r < l->h; r++) rows += list[next].rows[r] && b * l->h + r < l->k;
      for (size_t c = 0; c < l->n; c++) columns += of[b][c] == next;
      used += columns;
      for (size_t r = 0; r < rows && columns; r += spec->ou_rows) {
        size_t height = rows - r < spec->ou_rows ? rows - r : spec->ou_rows;
        size_t runs = spec->slices == AP_SLICES_SEPARATE ? s : 1;
        size_t run = columns * s / runs;
        for (size_t i = 0; i < runs; i++) {
          for (size_t w = 0; w < run; w += spec->ou_cols) {
            size_t width = run - w < spec->ou_cols ? run - w : spec->ou_cols;
            out.ous++;
            out.conversions += width;
            out.drives += height;
            out.cells += width * height;
            if (begun == 0 || filled + height > spec->rows) {
              stack = begun++;
              filled = 0;
              if (stack % across == 0) here = 0;
            }
            filled += height;
            here++;
            if (here > out.busiest) out.busiest = here;
          }
        }
      }
    }
    out.patterns += used > 0;
    list[next].kernels = SIZE_MAX;
  }
  out.crossbars = (begun + across - 1) / across;
  out.stored = out.cells / s;
  return out;
}

/* kind 0: single weights at random; 1: whole kernels of a few patterns; 2: the same with weights missing */
static void draw(layer *l, int kind, double keep, ap_rng *rng) {
  unsigned long shapes[4];
  for (int i = 0; i < 4; i++) shapes[i] = 1 + ap_rng_below(rng, ((size_t)1 << l->h) - 1);
  memset(l->kept, 0, sizeof l->kept);
  for (size_t b = 0; b * l->h < l->k; b++) {
    for (size_t c = 0; c < l->n; c++) {
      unsigned long shape = shapes[ap_rng_below(rng, 4)];
      if (kind > 0 && ap_rng_uniform(rng) > keep) continue;
      for (size_t r = 0; r < l->h && b * l->h + r < l->k; r++) {
        double u = ap_rng_uniform(rng);
        int in = kind == 0 ? u < keep : (int)(shape >> r & 1U) && (kind == 1 || u < 0.97);
        l->kept[(b * l->h + r) * l->n + c] = (uint8_t)in;
      }
    }
  }
}

static void counts_are_the_plain_ones(void **state) {
  static const struct {
    size_t k, n, h, limit;
  } shapes[] = {{1, 1, 9, 8},   {9, 8, 9, 8},    {10, 9, 9, 3},  {27, 31, 9, 8}, {54, 40, 9, 1},
                {50, 17, 9, 4}, {60, 13, 12, 8}, {49, 7, 16, 2}, {8, 40, 1, 8},  {33, 20, 5, 6}};
  static const double keeps[] = {0, 0.1, 0.5, 1};
  static layer l;
  ap_rng rng;
  (void)state;
  ap_rng_seed(&rng, 77, 0);
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0] * 24; i++) {
    ap_array_spec spec = ap_array_spec_default();
    ap_granularity g = {AP_GRANULARITY_PATTERN, shapes[i / 24].h, shapes[i / 24].limit};
    ap_map_summary s;
    ap_events e;
    ap_needs needs;
    numbers plain;
    l.k = shapes[i / 24].k;
    l.n = shapes[i / 24].n;
    l.h = g.h < l.k ? g.h : l.k;
    l.limit = g.w;
    if (i % 2) { /* small crossbars, so that there are several */
      spec.rows = 20;
      spec.cols = 24;
    }
    spec.slices = (ap_slices)(i / 2 % 2);
    draw(&l, (int)(i / 2 % 3), keeps[i % 4], &rng);
    plain = count_plainly(&l, &spec);
    assert_int_equal(ap_map_count(&spec, g, l.kept, NULL, l.k, l.n, 1, &s, &e, &needs, NULL),
                     AP_OK);
    assert_int_equal(s.ous, plain.ous);
    assert_int_equal(s.crossbars, plain.crossbars);
    assert_int_equal(s.weights_stored, plain.stored);
    assert_int_equal(needs.cells_written, plain.cells);
    assert_int_equal(e.adc_conversions, plain.conversions * spec.activation_bits);
    assert_int_equal(e.row_drives, plain.drives * spec.activation_bits);
    assert_int_equal(e.cycles, plain.busiest * spec.activation_bits);
    assert_true(s.weights_kept <= s.weights_stored);
  }
}

/* 2 bands of 3 rows, 4 columns; OU 3 x 8, 2-bit cells of 8-bit weights: 4 bitlines a weight. Patterns: A =
 * rows 0, 2 (5 kernels), B = row 1 (2 kernels), one kernel empty. A: band 0 columns 0, 1, 3: 12 bitlines, 2
 * OUs of 2 rows; band 1 columns 0, 1: 1 OU. B: band 0 column 2, band 1 column 3: an OU of 1 row each.
 * 8 x 8 crossbars have one stack: 2+2+2+1+1 = 8 rows, one crossbar. Index: rows, m = 3: bitmap 2*3;
 * columns, m = 4: 2 patterns x 2 bands x 4. */
static void by_hand(void **state) {
  static const uint8_t kept[6 * 4] = {1, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1,
                                      1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0};
  ap_array_spec spec = ap_array_spec_default();
  ap_granularity g = {AP_GRANULARITY_PATTERN, 3, 0};
  ap_map_summary s;
  ap_events e;
  (void)state;
  spec.rows = spec.cols = 8;
  spec.ou_rows = 3;
  assert_int_equal(ap_map_count(&spec, g, kept, NULL, 6, 4, 1, &s, &e, NULL, NULL), AP_OK);
  assert_int_equal(s.vectors_kept, 12);
  assert_int_equal(s.weights_stored, 12);
  assert_int_equal(s.ous, 5);
  assert_int_equal(s.crossbars, 1);
  assert_int_equal(s.row_index_bits, 6);
  assert_int_equal(s.column_index_bits, 16);
  assert_int_equal(e.row_drives, (2 + 2 + 2 + 1 + 1) * 8);
  assert_int_equal(e.cycles, 5 * 8);
  spec.rows = 7; /* the last OU begins another stack */
  assert_int_equal(ap_map_count(&spec, g, kept, NULL, 6, 4, 1, &s, &e, NULL, NULL), AP_OK);
  assert_int_equal(s.crossbars, 2);
  assert_int_equal(e.cycles, 4 * 8);
}

static void tall_kernels_are_refused(void **state) {
  ap_array_spec spec = ap_array_spec_default();
  ap_granularity g = {AP_GRANULARITY_PATTERN, 65, 0};
  ap_error err;
  (void)state;
  assert_int_equal(ap_map_count(&spec, g, NULL, NULL, 100, 4, 1, NULL, NULL, NULL, &err),
                   AP_ERR_ARG);
  assert_non_null(strstr(err.text, "65"));
  assert_int_equal(ap_map_count(&spec, g, NULL, NULL, 64, 4, 1, NULL, NULL, NULL, &err), AP_OK);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(counts_are_the_plain_ones),
                                     cmocka_unit_test(by_hand),
                                     cmocka_unit_test(tall_kernels_are_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
