/* Weight matrices read once: which lists have which rows, and the values that are copied on the way, against
 * plain loops. Matrices larger and smaller than the beginning that stands for all, and ones whose
 * beginning is unlike the rest. */
#include "kernels/cpu/packed_gather.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "kernels/cpu/packed8_impl.h"
#include "tests/kernels/packed_cmocka.h"

/* What a matrix keeps: kernels of 9 rows, rows of 8 columns, single weights; `first` of its first half,
 * `rest` of the others, in percent. */
typedef struct {
  size_t in_c, n, side; /* side of kernels */
  size_t unit_h, unit_w;
  unsigned first, rest;
} layer;

static const layer layers[] = {
    {72, 64, 3, 9, 1, 10, 10},   {72, 61, 3, 9, 1, 10, 10},   {72, 64, 3, 1, 8, 10, 10},
    {72, 61, 3, 1, 8, 10, 10},   {72, 200, 3, 9, 1, 5, 20},   {72, 200, 3, 1, 8, 30, 3},
    {72, 64, 3, 1, 1, 4, 4},     {80, 64, 3, 9, 1, 90, 5},    {80, 64, 3, 9, 1, 5, 100},
    {80, 130, 3, 1, 8, 0, 40},   {80, 130, 3, 9, 1, 40, 0},   {640, 97, 1, 1, 8, 10, 10},
    {640, 96, 1, 1, 1, 10, 30},  {700, 129, 1, 1, 2, 7, 7},   {5, 7, 3, 9, 1, 50, 50},
    {1, 1, 1, 1, 1, 100, 100},   {40, 1000, 1, 1, 4, 12, 12}, {40, 1024, 1, 1, 4, 12, 12},
    {40, 1032, 1, 1, 8, 12, 12}, {30, 2104, 1, 1, 8, 30, 12},
};
enum { N_LAYERS = sizeof layers / sizeof layers[0] };

static void *matrix_of(const layer *l, ap_rng *rng, size_t size) {
  const size_t k = l->in_c * l->side * l->side;
  float *real = ap_calloc(k * l->n, sizeof *real);
  int8_t *integer = ap_calloc(k * l->n, 1);
  assert_true(real && integer);
  for (size_t r = 0; r < k; r += l->unit_h)
    for (size_t c = 0; c < l->n; c += l->unit_w) {
      if (ap_rng_below(rng, 100) >= (r < k / 2 ? l->first : l->rest)) continue;
      for (size_t i = r; i < r + l->unit_h && i < k; ++i)
        for (size_t j = c; j < c + l->unit_w && j < l->n; ++j) {
          integer[i * l->n + j] = (int8_t)((int)ap_rng_below(rng, 255) - 127); /* 0 at times */
          real[i * l->n + j] = (float)integer[i * l->n + j];
        }
    }
  ap_free(size == 1 ? (void *)real : (void *)integer);
  return size == 1 ? (void *)integer : (void *)real;
}

static bool is_kept(const void *matrix, size_t size, size_t i) {
  if (size == 1) return ((const int8_t *)matrix)[i] != 0;
  return ((const float *)matrix)[i] < 0 || ((const float *)matrix)[i] > 0;
}

/* Instruction sets' part, plainly. */
static bool nonzero_floats(const void *row, size_t n, uint64_t *bits) {
  bool finite = true;
  for (size_t i = 0; i < n; ++i) {
    bits[i / 64] |= (uint64_t)is_kept(row, sizeof(float), i) << i % 64;
    finite = finite && isfinite(((const float *)row)[i]);
  }
  return finite;
}
static bool nonzero_bytes(const void *row, size_t n, uint64_t *bits) {
  for (size_t i = 0; i < n; ++i) bits[i / 64] |= (uint64_t)is_kept(row, 1, i) << i % 64;
  return true;
}
static void count_units(const uint64_t *bits, size_t n, size_t counts[4]) {
  for (size_t log = 0; log < 4; ++log)
    for (size_t i = 0; i < n * 64; i += (size_t)1 << log)
      counts[log] += (bits[i / 64] >> i % 64 & ((1U << (1U << log)) - 1)) != 0;
}
static size_t count_kernels(const uint64_t *bits, size_t kernels, size_t words) {
  size_t n = 0;
  for (size_t k = 0; k < kernels; ++k)
    for (size_t c = 0; c < words * 64; ++c) {
      bool any = false;
      for (size_t i = 0; i < PACKED_TAPS; ++i)
        any = any || bits[(k * PACKED_TAPS + i) * words + c / 64] >> c % 64 & 1;
      n += any;
    }
  return n;
}

static packed_eights *own_eights(void) {
  const ap_packed8_isa *isa;
  assert_int_equal(ap_packed8_isa_find(NULL, &isa, NULL), AP_OK);
  return isa->eights;
}

static ap_packed_form fewest_weights(const void *context, const packed_scan *s) {
  ap_packed_form best = AP_PACKED_LIST1;
  double least = INFINITY;
  for (int f = AP_PACKED_LIST1; f < AP_PACKED_FORMS; ++f) {
    const ap_packed_form form = (ap_packed_form)f;
    const double each = packed_whole_kernels(form) ? 9 : (double)packed_form_width(form) + 0.3;
    if (!packed_form_possible(context, form)) continue;
    if ((double)s->entries[form] * each < least) {
      least = (double)s->entries[form] * each;
      best = form;
    }
  }
  return best;
}

typedef struct {
  const layer *l;
  const packed_scan *s;
  const packed_kept *kept;
  const uint8_t *matrix, *next;
  ap_packed_form form;
  size_t size, r, n, copied;
} walk;

static bool has_entry(const walk *w, size_t r, size_t list) {
  const size_t width = packed_form_width(w->form);
  const size_t rows = packed_whole_kernels(w->form) ? PACKED_TAPS : 1;
  for (size_t i = r * rows; i < (r + 1) * rows; ++i)
    for (size_t j = list * width; j < (list + 1) * width && j < w->l->n; ++j)
      if (is_kept(w->matrix, w->size, i * w->l->n + j)) return true;
  return false;
}

static void row(void *context, size_t r, size_t segment, size_t first) {
  walk *w = context;
  assert_int_equal(segment, packed_scan_segment(w->s, r));
  w->r = r;
  w->next = packed_kept_at(w->kept, w->s, w->size, r, first);
}

static void entry(void *context, size_t list) {
  walk *w = context;
  const bool whole = packed_whole_kernels(w->form);
  const size_t width = packed_form_width(w->form), each = whole ? (size_t)PACKED_TAPS : width;
  assert_true(has_entry(w, w->r, list));
  ++w->n;
  if (!w->next) return;
  for (size_t i = 0; i < each; ++i, w->next += w->size) {
    const size_t r = whole ? w->r * PACKED_TAPS + i : w->r, c = whole ? list : list * width + i;
    assert_memory_equal(w->next, w->matrix + (r * w->l->n + c) * w->size, w->size);
  }
  ++w->copied;
}

static size_t moved; /* calls of */
static size_t counted_eights(const uint8_t *row, size_t n, size_t first, size_t *sizes,
                             uint8_t *values, uint16_t *list) {
  moved++;
  return own_eights()(row, n, first, sizes, values, list);
}

/* Returns whether values were copied; eights: bytes as the processor's own instructions move them. */
static bool check_by(const layer *l, ap_rng *rng, size_t size, ap_packed_form wanted,
                     packed_eights *eights) {
  const ap_packed_conv g = {.in = {.c = l->in_c},
                            .out = {.c = l->n},
                            .kh = l->side,
                            .kw = l->side,
                            .stride_h = 1,
                            .stride_w = 1,
                            .groups = 1};
  if (wanted != AP_PACKED_AUTO && !packed_form_possible(&g, wanted)) return false;
  void *matrix = matrix_of(l, rng, size);
  packed_scan s;
  packed_kept kept;
  ap_packed_form form;
  const packed_matrix from = {matrix, size, size == 1 ? nonzero_bytes : nonzero_floats, eights};
  const packed_wish wish = {&g, wanted, fewest_weights, &g, false, count_units, count_kernels};
  assert_int_equal(packed_scan_open(&g, false, &s, NULL), AP_OK);
  assert_int_equal(packed_gather(&from, &wish, &s, &kept, &form, NULL), AP_OK);
  assert_true(wanted == AP_PACKED_AUTO || form == wanted);
  walk w = {.l = l, .s = &s, .kept = &kept, .matrix = matrix, .form = form, .size = size};
  packed_each_entry(&kept, &s, row, entry, &w);
  size_t expected = 0, sized = 0;
  for (size_t r = 0; r < s.rows; ++r)
    for (size_t list = 0; list < s.lists; ++list) expected += has_entry(&w, r, list);
  assert_int_equal(w.n, expected);
  size_t *sizes = ap_calloc(s.segments * s.lists, sizeof *sizes);
  assert_non_null(sizes);
  packed_kept_sizes(&kept, &s, sizes);
  for (size_t list = 0; list < s.segments * s.lists; ++list) {
    size_t has = 0;
    for (size_t r = 0; r < s.rows; ++r)
      if (packed_scan_segment(&s, r) == list / s.lists) has += has_entry(&w, r, list % s.lists);
    assert_int_equal(sizes[list], has);
    sized += has;
  }
  assert_int_equal(sized, expected);
  ap_free(sizes);
  assert_true(w.copied == 0 || w.copied == expected);
  packed_kept_close(&kept);
  packed_scan_close(&s);
  ap_free(matrix);
  return w.copied > 0;
}

static bool check(const layer *l, ap_rng *rng, size_t size, ap_packed_form wanted) {
  const bool copied = check_by(l, rng, size, wanted, NULL);
  if (size == 1 && own_eights()) check_by(l, rng, size, wanted, counted_eights);
  return copied;
}

static void test_every_layer(void **state) {
  (void)state;
  ap_rng rng;
  ap_rng_seed(&rng, 14, 0);
  size_t copied = 0, tried = 0;
  for (size_t i = 0; i < N_LAYERS; ++i)
    for (size_t size = 1; size <= sizeof(float); size += 3)
      for (int form = AP_PACKED_AUTO; form < AP_PACKED_FORMS; ++form, ++tried)
        copied += check(&layers[i], &rng, size, (ap_packed_form)form);
  print_message("values copied in %zu of %zu cases\n", copied, tried);
  assert_true(copied > 50 && copied < tried - 50);
  if (own_eights())
    assert_true(moved > 1000);
  else
    print_message("no instructions here that move units of eight\n");
}

/* What is kept decides: large sparse layers are copied; small ones, dense ones and ones with another beginning are not. */
static void test_when_copied(void **state) {
  static const layer few = {72, 64, 3, 9, 1, 10, 10}, rows = {72, 64, 3, 1, 8, 10, 10};
  static const layer small = {5, 7, 3, 9, 1, 10, 10}, dense = {72, 64, 3, 9, 1, 100, 100};
  static const layer unlike = {600, 96, 1, 1, 8, 10, 10};
  (void)state;
  ap_rng rng;
  ap_rng_seed(&rng, 15, 0);
  assert_true(check(&few, &rng, 4, AP_PACKED_AUTO) && check(&few, &rng, 1, AP_PACKED_AUTO));
  assert_true(check(&rows, &rng, 4, AP_PACKED_AUTO) && check(&rows, &rng, 1, AP_PACKED_AUTO));
  assert_true(check(&unlike, &rng, 4, AP_PACKED_AUTO));
  assert_false(check(&small, &rng, 4, AP_PACKED_AUTO) || check(&dense, &rng, 4, AP_PACKED_AUTO));
}

/* Single weights first, rows of eight behind them: copied for one form, listed in another. */
static void test_misleading_beginning(void **state) {
  enum { K = 4000, N = 64, FIRST = 520 };
  (void)state;
  const layer l = {K, N, 1, 1, 8, 0, 0};
  const ap_packed_conv g = {
      .in = {.c = K}, .out = {.c = N}, .kh = 1, .kw = 1, .stride_h = 1, .stride_w = 1, .groups = 1};
  float *m = ap_calloc((size_t)K * N, sizeof *m);
  assert_non_null(m);
  for (size_t r = 0; r < K; ++r)
    for (size_t c = 0; c < N; ++c)
      m[r * N + c] = r < FIRST ? (float)(c == r % N) : (float)(c / 8 % 2);
  packed_scan s;
  packed_kept kept;
  ap_packed_form form;
  const packed_matrix from = {m, sizeof *m, nonzero_floats, NULL};
  const packed_wish wish = {&g,    AP_PACKED_AUTO, fewest_weights, &g,
                            false, count_units,    count_kernels};
  assert_int_equal(packed_scan_open(&g, false, &s, NULL), AP_OK);
  assert_int_equal(packed_gather(&from, &wish, &s, &kept, &form, NULL), AP_OK);
  assert_int_equal(form, AP_PACKED_LIST8);
  assert_int_equal(kept.form, AP_PACKED_AUTO);
  walk w = {
      .l = &l, .s = &s, .kept = &kept, .matrix = (uint8_t *)m, .form = form, .size = sizeof *m};
  packed_each_entry(&kept, &s, row, entry, &w);
  assert_int_equal(w.n, FIRST + (K - FIRST) * 4);
  packed_kept_close(&kept);
  packed_scan_close(&s);
  ap_free(m);
}

static void test_refused(void **state) {
  enum { K = 900, N = 64 };
  (void)state;
  const ap_packed_conv g = {
      .in = {.c = K}, .out = {.c = N}, .kh = 1, .kw = 1, .stride_h = 1, .stride_w = 1, .groups = 1};
  float *m = ap_calloc((size_t)K * N, sizeof *m);
  assert_non_null(m);
  for (size_t i = 0; i < (size_t)K * N; i += 11) m[i] = 1;
  const packed_matrix from = {m, sizeof *m, nonzero_floats, NULL};
  const packed_wish wish = {&g, AP_PACKED_LIST1, NULL, NULL, false, count_units, count_kernels};
  const size_t bad[] = {0, 600, K - 1}; /* in the beginning, behind it, at the end */
  for (size_t i = 0; i < 3; ++i) {
    packed_scan s;
    packed_kept kept;
    ap_packed_form form;
    ap_error err = {0};
    char text[64];
    m[bad[i] * N + 5] = NAN;
    assert_int_equal(packed_scan_open(&g, false, &s, NULL), AP_OK);
    assert_int_equal(packed_gather(&from, &wish, &s, &kept, &form, &err), AP_ERR_ARG);
    (void)snprintf(text, sizeof text, "row %zu is not finite", bad[i]);
    assert_non_null(strstr(err.text, text));
    packed_kept_close(&kept);
    packed_scan_close(&s);
    m[bad[i] * N + 5] = 0;
  }
  /* each of its blocks in turn, and the growth of two that the beginning promised too small */
  for (size_t r = 700; r < K; ++r)
    for (size_t c = 0; c < N; c += 3) m[r * N + c] = 2;
  size_t failures = 0;
  for (;; ++failures) {
    packed_scan s;
    packed_kept kept;
    ap_packed_form form;
    assert_int_equal(packed_scan_open(&g, false, &s, NULL), AP_OK);
    ap_alloc_fail_after(failures);
    const ap_status st = packed_gather(&from, &wish, &s, &kept, &form, NULL);
    ap_alloc_fail_after(SIZE_MAX);
    packed_kept_close(&kept);
    packed_scan_close(&s);
    if (st == AP_OK) break;
    assert_int_equal(st, AP_ERR_MEMORY);
  }
  assert_int_equal(failures, 7);
  ap_free(m);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_layer),
      cmocka_unit_test(test_when_copied),
      cmocka_unit_test(test_misleading_beginning),
      cmocka_unit_test(test_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
