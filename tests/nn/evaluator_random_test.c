/* Usage: evaluator_random_test [BACKEND [PRECISION [FIRST [NETWORKS]]]]. Exit 77 when the backend is not available here.
 *
 * The evaluator against plain inference in double, of networks put together at random (random_network.h):
 * given weights and pruned ones, every instruction set, any number of images; and candidates together against
 * each alone. More of them: another FIRST, more NETWORKS. */
#include <inttypes.h>
#include <stdlib.h>

#include "kernels/engine.h"
#include "nn/evaluator.h"
#include "nn/infer.h"
#include "tests/nn/evaluator_testing.h"
#include "tests/nn/random_network.h"

/* Of the largest output, or of 0.1 where all are small. More than the promises (docs/EVALUATOR.md,
 * docs/CUDA.md): products and normalisations behind each other make errors grow. */
static double tolerance = 1e-4;
static uint64_t first_seed = 1, n_seeds = 150;

static void compare(const subject *s, ap_evaluator *ev, const uint32_t *levels, size_t n,
                    const char *how) {
  ap_network *net = candidate_network(s, levels, 2);
  ap_backend *be = NULL;
  float *want = ap_calloc(n * RANDOM_CLASSES, sizeof *want),
        *got = ap_calloc(n * RANDOM_CLASSES, sizeof *got);
  ap_score expected, score;
  double largest = 0.1;
  assert_true(want && got);
  must(ap_backend_open("cpu-ref", 1, &be, &failure));
  must(ap_infer(be, net, s->data, AP_SPLIT_TEST, n, &expected, want, &failure));
  for (size_t i = 0; i < n * RANDOM_CLASSES; i++) {
    got[i] = NAN;
    largest = fmax(largest, fabs((double)want[i]));
  }
  must(ap_evaluator_logits(ev, levels, got, &failure));
  for (size_t i = 0; i < n * RANDOM_CLASSES; i++)
    if (!(fabs((double)(got[i] - want[i])) <= tolerance * largest))
      fail_msg("%s, %s, %zu images: image %zu, class %zu is %.9g, expected %.9g", net->name, how, n,
               i / RANDOM_CLASSES, i % RANDOM_CLASSES, (double)got[i], (double)want[i]);
  must(ap_evaluator_run(ev, 1, levels, &score, &failure));
  if (!(fabs(score.loss - expected.loss) <= 2.5 * tolerance * largest))
    fail_msg("%s, %s: loss %.9g, expected %.9g", net->name, how, score.loss, expected.loss);
  ap_backend_close(be);
  ap_network_destroy(net);
  ap_free(want);
  ap_free(got);
}

/* Candidates together, and in another order by another evaluator, one at a time: the same bits. What candidates share, and
 * what is written over what, must not show. */
static void compare_candidates(const subject *s, ap_evaluator *ev, ap_evaluator *alone,
                               ap_rng *rng) {
  enum { CANDIDATES = 14 };
  uint32_t levels[CANDIDATES * 32];
  ap_score together[CANDIDATES], score;
  for (size_t i = 0; i < CANDIDATES; i++) {
    uint32_t *own = levels + i * s->n_layers;
    const size_t same = i > 0 ? (size_t)ap_rng_below(rng, s->n_layers + 1) : 0;
    for (size_t j = 0; j < s->n_layers; j++)
      own[j] = j < same ? own[j - s->n_layers] : (uint32_t)ap_rng_below(rng, 3);
  }
  must(ap_evaluator_run(ev, CANDIDATES, levels, together, &failure));
  for (size_t i = CANDIDATES; i-- > 0;) {
    must(ap_evaluator_run(alone, 1, levels + i * s->n_layers, &score, &failure));
    if (!(score.loss <= together[i].loss && score.loss >= together[i].loss) ||
        score.correct != together[i].correct)
      fail_msg("%s, candidate %zu: loss %.17g together, %.17g alone", s->net->name, i,
               together[i].loss, score.loss);
  }
}

static void compare_network(uint64_t seed, const char *vectors) {
  const subject s = make_subject(random_network(seed), images);
  const ap_evaluator_options options = {
      .n_threads = 1 + seed % 2, .vectors = vectors, .backend = backend, .precision = precision};
  const size_t n = seed % 4 == 0 ? 40 : 1 + seed % 33;
  ap_evaluator *ev = NULL;
  uint32_t levels[32] = {0};
  ap_rng rng;
  const ap_status st =
      ap_evaluator_create(s.net, images, AP_SPLIT_TEST, n, &options, &ev, &failure);
  if (st == AP_ERR_UNSUPPORTED && vectors && strcmp(vectors, "plain") != 0) {
    ap_network_destroy(s.net);
    return; /* this machine lacks it */
  }
  if (st) fail_msg("network %" PRIu64 ": %s", seed, failure.text);
  add_levels(&s, ev, 2);
  const char *how = vectors ? vectors : backend;
  compare(&s, ev, levels, n, how);
  ap_rng_seed(&rng, seed, 3);
  for (size_t j = 0; j < s.n_layers; j++) levels[j] = (uint32_t)ap_rng_below(&rng, 3);
  compare(&s, ev, levels, n, how);
  ap_evaluator *alone = evaluator(&s, n, 2 - seed % 2, vectors);
  add_levels(&s, alone, 2);
  compare_candidates(&s, ev, alone, &rng);
  ap_evaluator_destroy(alone);
  ap_evaluator_destroy(ev);
  ap_network_destroy(s.net);
}

static void test_random_networks(void **state) {
  static const char *const names[] = {"plain", "avx2", "avx512"};
  (void)state;
  for (uint64_t seed = first_seed; seed < first_seed + n_seeds; seed++)
    for (size_t i = 0; i < (backend ? 1 : sizeof names / sizeof names[0]); i++)
      compare_network(seed, backend ? NULL : names[i]);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_networks)};
  if (argc > 5) {
    (void)fprintf(stderr, "usage: %s [BACKEND [PRECISION [FIRST [NETWORKS]]]]\n", argv[0]);
    return 2;
  }
  if (argc > 1 && strcmp(argv[1], "cpu") != 0) backend = argv[1];
  if (argc > 2) precision = argv[2];
  if (argc > 3) first_seed = strtoull(argv[3], NULL, 10);
  if (argc > 4) n_seeds = strtoull(argv[4], NULL, 10);
  if (backend) {
    const ap_status st = ap_engine_available(backend, &failure);
    if (st) (void)printf("%s: %s\n", st == AP_ERR_UNSUPPORTED ? "skipped" : "failed", failure.text);
    if (st) return st == AP_ERR_UNSUPPORTED ? 77 : 1;
  }
  if (backend && argc <= 4) n_seeds = 60;
  if (precision && strcmp(precision, "bf16") == 0)
    tolerance = 0.05; /* one in thousands needs more */
  return cmocka_run_group_tests(tests, open_images, close_images);
}
