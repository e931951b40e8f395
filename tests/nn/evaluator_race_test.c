/* Races of the evaluator: who stays has the exact score, who is stopped is what the rule says, and
 * what was not computed is not counted. The reference network is right on all images: labels are its own
 * answers. */
#include "nn/evaluator.h"
#include "tests/nn/answers.h"
#include "tests/nn/evaluator_testing.h"

enum { IMAGES = 1300, CANDIDATES = 40, LEVELS = 12 };
static ap_dataset *answers; /* images with the reference's answers as labels */

static ap_network *folded_small(void) {
  ap_network *net = small_network(3), *folded = NULL;
  must(ap_network_fold(net, &folded, &failure));
  ap_network_destroy(net);
  return folded;
}

static int open_answers(void **state) {
  ap_network *net;
  if (scratch_make(state)) return -1;
  net = folded_small();
  answers = answers_of(net, IMAGES);
  ap_network_destroy(net);
  return 0;
}

static int close_answers(void **state) {
  ap_dataset_destroy(answers);
  return scratch_remove(state);
}

static ap_evaluator *make(const subject *s, size_t n_images, size_t threads) {
  ap_evaluator *ev = evaluator(s, n_images, threads, NULL);
  add_levels(s, ev, LEVELS);
  return ev;
}

static subject the_subject(void) { return make_subject(folded_small(), answers); }

static void draw(uint32_t *levels, size_t n_layers) {
  for (size_t i = 0; i < CANDIDATES; ++i) { /* all different: digits to the base of the levels */
    size_t digits = i * 4;
    for (size_t j = 0; j < n_layers; ++j) {
      levels[i * n_layers + j] = (uint32_t)(digits % (LEVELS + 1));
      digits /= LEVELS + 1;
    }
  }
}

/* Every survivor equals the exact mode's bit for bit, for any number of threads; stopped ones have lost. */
static void test_race(void **state) {
  (void)state;
  const subject s = the_subject();
  uint32_t levels[CANDIDATES * 8], none[8] = {0};
  ap_score exact[CANDIDATES], first[CANDIDATES] = {0}, raced[CANDIDATES];
  double limits[CANDIDATES];
  draw(levels, s.n_layers);
  ap_evaluator *plain = make(&s, 0, 2);
  must(ap_evaluator_run(plain, CANDIDATES, levels, exact, &failure));
  for (size_t i = 0; i < CANDIDATES; ++i) limits[i] = 0.05 + 0.08 * (double)(i % 9);
  const ap_race rule = {none, limits, 1e-4};
  for (size_t threads = 1; threads <= 3; ++threads) {
    ap_evaluator *ev = make(&s, 0, threads);
    size_t stopped = 0, within = 0;
    double forwards = IMAGES; /* the reference's */
    must(ap_evaluator_race(ev, &rule, CANDIDATES, levels, raced, &failure));
    for (size_t i = 0; i < CANDIDATES; ++i) {
      const bool passes = 1 - exact[i].accuracy <= limits[i] + 1e-9;
      within += passes;
      forwards += (double)raced[i].images;
      if (raced[i].images == IMAGES) {
        assert_true(raced[i].loss == exact[i].loss);
        assert_int_equal(raced[i].correct, exact[i].correct);
      } else {
        ++stopped;
        assert_false(passes); /* at an error of 1e-4 */
        assert_true(raced[i].images == 256 || raced[i].images == 512 || raced[i].images == 1024);
        assert_true(raced[i].accuracy < 1 - limits[i]);
      }
      if (threads == 1) first[i] = raced[i];
      assert_memory_equal(&raced[i], &first[i], sizeof first[i]);
    }
    const ap_evaluator_stats stats = ap_evaluator_statistics(ev);
    assert_in_range(stopped, CANDIDATES / 4, CANDIDATES - 2); /* both kinds were there */
    assert_in_range(within, 1, CANDIDATES - stopped);
    assert_int_equal(stats.stopped, stopped);
    assert_int_equal(stats.candidates, CANDIDATES);
    assert_true(stats.image_forwards == forwards);
    ap_evaluator_destroy(ev);
  }
  ap_evaluator_destroy(plain);
  ap_network_destroy(s.net);
}

/* Against a reference that errs: estimates are its score on all images and the difference on those seen,
 * which a second evaluator of only so many images confirms, and they are beyond the limit. */
static void test_estimates(void **state) {
  (void)state;
  const subject s = the_subject();
  uint32_t levels[CANDIDATES * 8], reference[8];
  ap_score raced[CANDIDATES], whole, part, own;
  double limits[CANDIDATES];
  size_t stopped = 0;
  draw(levels, s.n_layers);
  for (size_t i = 0; i < 8; ++i) reference[i] = 3;
  for (size_t i = 0; i < CANDIDATES; ++i) limits[i] = -0.2 + 0.05 * (double)(i % 9);
  const ap_race rule = {reference, limits, 0.01};
  ap_evaluator *ev = make(&s, 0, 1);
  must(ap_evaluator_race(ev, &rule, CANDIDATES, levels, raced, &failure));
  must(ap_evaluator_run(ev, 1, reference, &whole, &failure));
  assert_true(whole.correct < IMAGES);
  for (size_t i = 0; i < CANDIDATES; ++i) {
    if (raced[i].images == IMAGES) continue;
    ap_evaluator *few = make(&s, raced[i].images, 1);
    must(ap_evaluator_run(few, 1, reference, &part, &failure));
    must(ap_evaluator_run(few, 1, levels + i * s.n_layers, &own, &failure));
    assert_int_equal(raced[i].correct, own.correct);
    assert_true(fabs(raced[i].accuracy - fmax(0, whole.accuracy + own.accuracy - part.accuracy)) <
                1e-12);
    assert_true(fabs(raced[i].loss - (whole.loss + own.loss - part.loss)) < 1e-9);
    assert_true(whole.accuracy - raced[i].accuracy > limits[i]);
    ap_evaluator_destroy(few);
    ++stopped;
  }
  assert_in_range(stopped, CANDIDATES / 4, CANDIDATES - 1);
  ap_evaluator_destroy(ev);
  ap_network_destroy(s.net);
}

/* Equals run once, at the most generous of their limits; a second race takes survivors from the cache. */
static void test_equals_and_cache(void **state) {
  (void)state;
  const subject s = the_subject();
  const size_t n = s.n_layers;
  uint32_t levels[4 * 8] = {0}, none[8] = {0};
  const double limits[4] = {-INFINITY, INFINITY, 0.01, -INFINITY};
  ap_score scores[4], again[4];
  levels[0 * n] = levels[1 * n] = LEVELS; /* 0 and 1 are equal, 2 is the reference, 3 another */
  levels[3 * n] = LEVELS - 1;
  ap_evaluator *ev = make(&s, 0, 1);
  const ap_race rule = {none, limits, 0.01};
  must(ap_evaluator_race(ev, &rule, 4, levels, scores, &failure));
  assert_int_equal(scores[0].images, IMAGES);
  assert_memory_equal(&scores[0], &scores[1], sizeof scores[0]);
  assert_int_equal(scores[2].correct, IMAGES);
  assert_int_equal(scores[3].images, 256);
  ap_evaluator_stats stats = ap_evaluator_statistics(ev);
  assert_int_equal(stats.cache_hits, 1);
  assert_true(stats.image_forwards == 3.0 * IMAGES + 256); /* with the reference's own */
  must(ap_evaluator_race(ev, &rule, 4, levels, again, &failure));
  for (size_t i = 0; i < 4; ++i) assert_memory_equal(&again[i], &scores[i], sizeof scores[i]);
  stats = ap_evaluator_statistics(ev);
  assert_int_equal(stats.cache_hits, 4);
  assert_true(stats.image_forwards == 3.0 * IMAGES + 512);
  ap_evaluator_destroy(ev);
  ap_network_destroy(s.net);
}

/* Any number of images: below the first look, one more, and no candidates at all. */
static void test_odd_sizes(void **state) {
  (void)state;
  const subject s = the_subject();
  static const size_t sizes[] = {1, 16, 255, 256, 257, 513};
  uint32_t levels[CANDIDATES * 8], none[8] = {0};
  ap_score exact[CANDIDATES], raced[CANDIDATES];
  double limits[CANDIDATES];
  draw(levels, s.n_layers);
  for (size_t i = 0; i < CANDIDATES; ++i) limits[i] = 0.05;
  const ap_race rule = {none, limits, 0.01};
  for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; ++k) {
    ap_evaluator *ev = make(&s, sizes[k], 2), *plain = make(&s, sizes[k], 2);
    must(ap_evaluator_run(plain, CANDIDATES, levels, exact, &failure));
    must(ap_evaluator_race(ev, &rule, 0, NULL, NULL, &failure));
    must(ap_evaluator_race(ev, &rule, CANDIDATES, levels, raced, &failure));
    for (size_t i = 0; i < CANDIDATES; ++i) {
      if (sizes[k] <= 256) assert_int_equal(raced[i].images, sizes[k]);
      if (raced[i].images == sizes[k]) {
        assert_true(raced[i].loss == exact[i].loss);
      } else {
        assert_true(raced[i].images == 256 || raced[i].images == 512);
        assert_true(raced[i].accuracy < 1 - limits[i]);
      }
    }
    ap_evaluator_destroy(ev);
    ap_evaluator_destroy(plain);
  }
  ap_network_destroy(s.net);
}

static void test_misuse(void **state) {
  (void)state;
  const subject s = the_subject();
  ap_evaluator *ev = make(&s, 0, 1);
  uint32_t levels[8] = {0}, beyond[8] = {LEVELS + 1};
  double limit = 0.01;
  ap_score score;
  ap_race rule = {levels, &limit, 0};
  assert_int_equal(ap_evaluator_race(ev, &rule, 1, levels, &score, &failure), AP_ERR_ARG);
  rule.error = 1;
  assert_int_equal(ap_evaluator_race(ev, &rule, 1, levels, &score, &failure), AP_ERR_ARG);
  rule.error = 0.05;
  assert_int_equal(ap_evaluator_race(ev, &rule, 1, beyond, &score, &failure), AP_ERR_ARG);
  rule.reference = beyond;
  assert_int_equal(ap_evaluator_race(ev, &rule, 1, levels, &score, &failure), AP_ERR_ARG);
  rule.reference = levels;
  limit = NAN;
  assert_int_equal(ap_evaluator_race(ev, &rule, 1, levels, &score, &failure), AP_ERR_ARG);
  ap_evaluator_destroy(ev);
  ap_network_destroy(s.net);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_race), cmocka_unit_test(test_estimates),
                                     cmocka_unit_test(test_equals_and_cache),
                                     cmocka_unit_test(test_odd_sizes),
                                     cmocka_unit_test(test_misuse)};
  return cmocka_run_group_tests(tests, open_answers, close_answers);
}
