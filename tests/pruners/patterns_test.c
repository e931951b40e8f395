/* Pattern pruning's masks: what a few patterns may look like, and that each kernel has its best. */
#include <math.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "pruners/baselines/baselines_impl.h"
#include "pruners/pruner.h"
#include "tests/base/testing.h"

static ap_error failure;

static void must(ap_status st) {
  if (st) fail_msg("%s", failure.text);
}

enum { MAX_KERNELS = 512, WANTED = 7 };

typedef struct {
  ap_partition p;
  float *w;
} layer;

static size_t rows_of(const layer *l, size_t band) {
  size_t left = l->p.k - band * l->p.granularity.h;
  return left < l->p.granularity.h ? left : l->p.granularity.h;
}

static uint64_t pattern_of(const layer *l, const uint8_t *mask, size_t band, size_t column) {
  uint64_t pattern = 0;
  for (size_t r = 0; r < rows_of(l, band); r++) {
    if (mask[(band * l->p.granularity.h + r) * l->p.n + column]) pattern |= (uint64_t)1 << r;
  }
  return pattern;
}

static double energy(const layer *l, uint64_t pattern, size_t band, size_t column) {
  double sum = 0;
  for (size_t r = 0; r < rows_of(l, band); r++) {
    double w = (double)l->w[(band * l->p.granularity.h + r) * l->p.n + column];
    if (pattern >> r & 1U) sum += w * w;
  }
  return sum;
}

/* Of whole bands: patterns are few and of one size; each kept kernel has the best of those in use for
 * it; none that was dropped would keep more under any of them than the weakest kept one. */
static void check_mask(const layer *l, const uint8_t *mask, size_t count) {
  uint64_t used[MAX_KERNELS];
  size_t n_used = 0, kept = 0;
  double weakest = INFINITY, strongest_dropped = 0;
  for (size_t i = 0; i < l->p.count; i++) {
    assert_true(mask[i] <= 1);
    kept += mask[i];
  }
  assert_int_equal(kept, count);
  for (size_t band = 0; band < l->p.lines; band++) {
    for (size_t c = 0; c < l->p.n; c++) {
      uint64_t pattern = pattern_of(l, mask, band, c);
      size_t i = 0;
      if (!pattern || rows_of(l, band) < l->p.granularity.h) continue;
      while (i < n_used && used[i] != pattern) i++;
      if (i == n_used) used[n_used++] = pattern;
      assert_int_equal(__builtin_popcountll(pattern), __builtin_popcountll(used[0]));
    }
  }
  assert_true(n_used <= l->p.granularity.w);
  for (size_t band = 0; band < l->p.lines; band++) {
    for (size_t c = 0; c < l->p.n; c++) {
      uint64_t own = pattern_of(l, mask, band, c);
      double best = 0, mine = energy(l, own, band, c);
      for (size_t i = 0; i < n_used; i++) best = fmax(best, energy(l, used[i], band, c));
      if (own) {
        assert_true(mine >= best);
        weakest = fmin(weakest, mine);
      } else {
        strongest_dropped = fmax(strongest_dropped, best);
      }
    }
  }
  if (n_used > 0) assert_true(strongest_dropped <= weakest);
}

static void masks_are_patterns(void **state) {
  static const struct {
    size_t k, n;
    const char *pruner;
  } cases[] = {{9, 8, "pattern"},      {27, 13, "pattern"},  {50, 10, "pattern:25"},
               {31, 7, "pattern:9x3"}, {8, 20, "pattern:9"}, {54, 9, "pattern:9x1"},
               {128, 2, "pattern:64"}, {5, 1, "pattern:1"},  {2, 2, "pattern"}};
  ap_rng rng;
  (void)state;
  ap_rng_seed(&rng, 5, 0);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0] * 3; i++) {
    size_t c = i / 3, k = cases[c].k, n = cases[c].n, wanted[WANTED], n_wanted = 0;
    ap_array_spec spec = ap_array_spec_default();
    ap_plugin_answer answer = {0};
    ap_pruner pruner;
    layer l;
    must(ap_pruner_parse(cases[c].pruner, &pruner, &failure));
    assert_true(ap_pruner_gives_masks(&pruner));
    must(ap_partition_init(pruner.granularity, &spec, k, n, &l.p, &failure));
    l.w = ap_calloc(k * n, sizeof *l.w);
    for (size_t j = 0; j < k * n; j++) { /* real numbers; a few integers, so ties; zeros */
      l.w[j] = i % 3 == 0   ? (float)ap_rng_normal(&rng)
               : i % 3 == 1 ? (float)((int)ap_rng_below(&rng, 5) - 2)
                            : 0.0F;
    }
    for (size_t j = 1; j <= WANTED; j++) {
      size_t m = j * k * n / (WANTED + 1);
      if (m > 0 && (n_wanted == 0 || m > wanted[n_wanted - 1])) wanted[n_wanted++] = m;
    }
    must(ap_pattern_masks(&l.p, l.w, n_wanted, wanted, &answer, &failure));
    assert_true(answer.n_counts <= n_wanted);
    assert_null(answer.order);
    for (size_t j = 0; j < answer.n_counts; j++) {
      assert_true(answer.counts[j] < k * n && (j == 0 || answer.counts[j] > answer.counts[j - 1]));
      check_mask(&l, answer.masks + j * l.p.count, answer.counts[j]);
    }
    ap_plugin_answer_release(&answer);
    ap_free(l.w);
  }
}

/* 3 rows, 4 kernels, 2 patterns, 5 of 12 weights wanted: e = round(3 * sqrt(5/12)) = 2, 5/2 rounds to 3
 * kernels. Largest pairs: {0,2}, {0,2}, {0,1}, {1,2}: {0,2} twice, then {0,1} (the smaller number). Kept
 * squares: 25+9 = 34; 16+4 = 20; 9+4 = 13; the last under {0,2} 1+4 = 5, under {0,1} 1+9 = 10. */
static void by_hand(void **state) {
  const float w[12] = {5, 4, 3, 1, 0, 1, 2, 3, -3, 2, 0, 2};
  const uint8_t expected[12] = {1, 1, 1, 0, 0, 0, 1, 0, 1, 1, 0, 0};
  const size_t wanted = 5;
  ap_array_spec spec = ap_array_spec_default();
  ap_partition p;
  ap_plugin_answer answer = {0};
  (void)state;
  must(
      ap_partition_init((ap_granularity){AP_GRANULARITY_PATTERN, 3, 2}, &spec, 3, 4, &p, &failure));
  must(ap_pattern_masks(&p, w, 1, &wanted, &answer, &failure));
  assert_int_equal(answer.n_counts, 1);
  assert_int_equal(answer.counts[0], 6);
  assert_memory_equal(answer.masks, expected, 12);
  ap_plugin_answer_release(&answer);
}

static void bad_weights_and_no_memory(void **state) {
  float w[18] = {1, 2, 3};
  const size_t wanted[2] = {4, 9};
  ap_array_spec spec = ap_array_spec_default();
  ap_partition p;
  ap_plugin_answer answer = {0};
  bool done = false;
  (void)state;
  must(
      ap_partition_init((ap_granularity){AP_GRANULARITY_PATTERN, 0, 0}, &spec, 9, 2, &p, &failure));
  w[5] = NAN;
  assert_int_equal(ap_pattern_masks(&p, w, 2, wanted, &answer, &failure), AP_ERR_FORMAT);
  assert_non_null(strstr(failure.text, "row 2, column 1"));
  ap_plugin_answer_release(&answer);
  w[5] = 7;
  for (size_t n = 0; !done; n++) {
    ap_status st;
    answer = (ap_plugin_answer){0};
    ap_alloc_fail_after(n);
    st = ap_pattern_masks(&p, w, 2, wanted, &answer, &failure);
    ap_alloc_fail_after(SIZE_MAX);
    assert_true(st == AP_OK || st == AP_ERR_MEMORY);
    done = st == AP_OK;
    ap_plugin_answer_release(&answer);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(masks_are_patterns),
                                     cmocka_unit_test(by_hand),
                                     cmocka_unit_test(bad_weights_and_no_memory)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
