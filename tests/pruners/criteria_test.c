/* Scores of vectors against their plain definitions, and the list of baselines. */
#include <math.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "pruners/baseline.h"
#include "pruners/pruner.h"
#include "tests/base/testing.h"

static ap_error failure;

static void must(ap_status st) {
  if (st) fail_msg("%s", failure.text);
}

static const struct {
  size_t k, n;
} shapes[] = {{1, 1}, {1, 7}, {13, 1}, {9, 8}, {10, 9}, {17, 31}, {40, 6}};
#define N_SHAPES (sizeof shapes / sizeof shapes[0])

/* Few different values, so that there are ties; a third of them zero; sometimes all. */
static void draw(float *w, size_t n, int kind, ap_rng *rng) {
  for (size_t i = 0; i < n; i++) {
    double u = ap_rng_uniform(rng);
    w[i] = kind == 0   ? (float)ap_rng_normal(rng)
           : kind == 1 ? (float)((int)ap_rng_below(rng, 5) - 2)
                       : 0.0f;
    if (u < 0.33) w[i] = 0;
  }
}

/* Mean of |w| or w^2 over a vector's weights, weight by weight. */
static double mean(const ap_partition *p, size_t vector, bool squares, const float *w) {
  ap_extent e = ap_partition_vector(p, vector);
  double sum = 0, n = 0;
  for (size_t k = e.k0; k < e.k1; k++) {
    for (size_t c = e.n0; c < e.n1; c++) {
      double v = (double)w[k * p->n + c];
      sum += squares ? v * v : fabs(v);
      n++;
    }
  }
  return sum / n;
}

/* The definition: its own over the sum of all that are larger, and of equal ones that stand no later. */
static double lamp(const ap_partition *p, size_t vector, const float *w) {
  double own = mean(p, vector, true, w), sum = 0;
  for (size_t i = 0; i < p->count; i++) {
    double other = mean(p, i, true, w);
    if (other > own || (other == own && i <= vector)) sum += other;
  }
  return sum > 0 ? own / sum : 0;
}

static void check(const char *granularity, size_t k, size_t n, int kind, ap_rng *rng) {
  static const char *const criteria[] = {"l2", "l1", "lamp"};
  ap_array_spec spec = ap_array_spec_default();
  float *w = ap_calloc(k * n, sizeof *w);
  draw(w, k * n, kind, rng);
  for (size_t c = 0; c < 3; c++) {
    char text[96], back[96];
    ap_pruner p;
    ap_partition partition;
    double *score;
    uint32_t *order;
    (void)snprintf(text, sizeof text, "%s+%s", granularity, criteria[c]);
    must(ap_pruner_parse(text, &p, &failure));
    assert_string_equal(ap_criterion_name(p.criterion), criteria[c]);
    ap_pruner_print(&p, back);
    if (c > 0) assert_string_equal(back, text);
    if (c == 0) assert_string_equal(back, granularity);
    must(ap_partition_init(p.granularity, &spec, k, n, &partition, &failure));
    score = ap_calloc(partition.count, sizeof *score);
    order = ap_calloc(partition.count, sizeof *order);
    for (size_t i = 0; i < partition.count; i++) score[i] = (double)NAN;
    must(ap_pruner_scores(&partition, p.criterion, w, score, &failure));
    must(ap_pruner_order(&partition, p.criterion, w, order, &failure));
    for (size_t i = 0; i < partition.count; i++) {
      double expected = c == 2 ? lamp(&partition, i, w) : mean(&partition, i, c == 0, w);
      assert_true(fabs(score[i] - expected) <= 1e-12 * fabs(expected));
      if (c == 2) assert_true(score[i] >= 0 && score[i] <= 1 + 1e-12);
    }
    for (size_t i = 1; i < partition.count; i++) { /* the order is the score's */
      double before = score[order[i - 1]], after = score[order[i]];
      assert_true(before >= after * (1 - 1e-12));
      if (mean(&partition, order[i - 1], c != 1, w) == mean(&partition, order[i], c != 1, w)) {
        assert_true(order[i - 1] < order[i]);
      }
    }
    ap_free(score);
    ap_free(order);
  }
  ap_free(w);
}

static void scores_are_their_definitions(void **state) {
  static const char *const granularities[] = {"unstructured", "column-vector", "row-vector:3",
                                              "filter",       "block:5x4",     "column-vector:4"};
  ap_rng rng;
  (void)state;
  ap_rng_seed(&rng, 61, 0);
  for (size_t g = 0; g < sizeof granularities / sizeof granularities[0]; g++) {
    for (size_t s = 0; s < N_SHAPES; s++) {
      for (int kind = 0; kind < 3; kind++) {
        check(granularities[g], shapes[s].k, shapes[s].n, kind, &rng);
      }
    }
  }
}

/* Weights 1, 2, 3: squares 1, 4, 9; LAMP 1/14, 4/13, 9/9. */
static void lamp_by_hand(void **state) {
  const float w[3] = {2, 1, -3};
  double score[3];
  ap_array_spec spec = ap_array_spec_default();
  ap_partition partition;
  ap_pruner p;
  (void)state;
  must(ap_pruner_parse("unstructured+lamp", &p, &failure));
  must(ap_partition_init(p.granularity, &spec, 3, 1, &partition, &failure));
  must(ap_pruner_scores(&partition, p.criterion, w, score, &failure));
  assert_true(fabs(score[0] - 4.0 / 13) < 1e-15 && fabs(score[1] - 1.0 / 14) < 1e-15);
  assert_true(score[2] == 1);
}

static void bad_criteria_are_refused(void **state) {
  static const char *const bad[] = {"filter+", "filter+l3", "filter+l1+l2", "+l1", "filter +l1"};
  float w[2] = {1, INFINITY};
  double score[2];
  ap_array_spec spec = ap_array_spec_default();
  ap_partition partition;
  ap_pruner p;
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    assert_int_equal(ap_pruner_parse(bad[i], &p, &failure), AP_ERR_ARG);
    assert_non_null(strstr(failure.text, bad[i]));
  }
  must(ap_partition_init((ap_granularity){.kind = AP_GRANULARITY_UNSTRUCTURED}, &spec, 2, 1,
                         &partition, &failure));
  for (int c = 0; c < 3; c++) {
    assert_int_equal(ap_pruner_scores(&partition, (ap_criterion)c, w, score, &failure),
                     AP_ERR_FORMAT);
  }
}

/* Names are unique, pruners are known, everything that a reader asks for is said. */
static void baselines_are_complete(void **state) {
  const ap_baseline *b, *other;
  (void)state;
  for (size_t i = 0; (b = ap_baseline_at(i)); i++) {
    ap_pruner p;
    must(ap_pruner_parse(b->pruner, &p, &failure));
    assert_ptr_equal(ap_baseline_find(b->name), b);
    assert_true(strlen(b->publication) > 0 && strlen(b->known) > 0 && strlen(b->assumed) > 0);
    assert_null(strpbrk(b->name, " \t\"',/")); /* a word of figures, lists and file names */
    for (size_t j = 0; j < i; j++) {
      other = ap_baseline_at(j);
      assert_true(strcmp(other->name, b->name) != 0);
    }
  }
  assert_null(ap_baseline_find("no such"));
  assert_null(ap_baseline_find(""));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(scores_are_their_definitions), cmocka_unit_test(lamp_by_hand),
      cmocka_unit_test(bad_criteria_are_refused), cmocka_unit_test(baselines_are_complete)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
